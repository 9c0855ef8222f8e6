import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const source = (file: string) => new URL(`./src/${file}`, import.meta.url).pathname;

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./test/support/wrangler.toml" } })],
        resolve: {
          alias: [
            { find: /^socle$/, replacement: source("index.ts") },
            { find: /^socle\/channel$/, replacement: source("channel/index.ts") },
          ],
        },
        test: { name: "workerd", include: ["test/*.test.ts"] },
      },
      { test: { name: "e2e", include: ["test/e2e/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
    ],
  },
});
