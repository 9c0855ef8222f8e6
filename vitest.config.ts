import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

declare module "vitest" {
  interface ProvidedContext {
    /** The seed of the random sequences, and for how many seconds they run; 0 for a fixed number of them. */
    model: { seed: number; seconds: number };
  }
}

const { SEED = Date.now() % 2 ** 31, SECONDS = 0 } = process.env;

const expect = { poll: { timeout: 30_000 } };

const source = (file: string) => new URL(`./src/${file}`, import.meta.url).pathname;

const resolve = {
  alias: [
    { find: /^socle$/, replacement: source("index.ts") },
    { find: /^socle\/channel$/, replacement: source("channel/index.ts") },
    { find: /^socle\/client$/, replacement: source("client/index.ts") },
    { find: /^socle\/testing$/, replacement: source("testing/index.ts") },
  ],
};

// Limits for waiting on a busy machine. No test depends on them.
const patience = (timeout: number, ...setupFiles: string[]) => ({
  testTimeout: timeout,
  hookTimeout: timeout,
  expect,
  setupFiles: ["./test/support/equality.ts", ...setupFiles],
});

export default defineConfig({
  test: {
    // Most tests wait rather than compute.
    maxWorkers: 4,
    coverage: { provider: "istanbul", include: ["src/**/*.ts"], reporter: ["text"] },
    globalSetup: "./test/support/runtime-log.ts",
    // That test passes any thrown value to the console itself, and checks the output.
    onConsoleLog: (_text, _type, entity) =>
      !(entity && "name" in entity && entity.name === "P24: the log takes everything"),
    projects: [
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./test/support/wrangler.jsonc" } })],
        resolve,
        test: {
          name: "workerd",
          include: ["test/*.test.ts"],
          ...patience(60_000),
          provide: { model: { seed: Number(SEED), seconds: Number(SECONDS) } },
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.jsonc" } })],
        resolve,
        test: { name: "example", include: ["example-worker/*.test.ts"], ...patience(60_000) },
      },
      { test: { name: "e2e", include: ["test/e2e/*.test.ts"], ...patience(120_000, "./test/e2e/setup.ts") } },
      // Builds with frameworks take a minute on a busy machine.
      {
        test: {
          name: "frameworks",
          include: ["test/frameworks/*.test.ts"],
          ...patience(300_000, "./test/e2e/setup.ts"),
        },
      },
      { test: { name: "browser", include: ["test/browser/*.test.ts"], ...patience(120_000, "./test/e2e/setup.ts") } },
    ],
  },
});
