import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const source = (file: string) => new URL(`./src/${file}`, import.meta.url).pathname;
const alias = [
  { find: /^socle$/, replacement: source("index.ts") },
  { find: /^socle\/channel$/, replacement: source("channel/index.ts") },
];

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: { name: "workerd", include: ["test/*.test.ts"] },
        plugins: [
          cloudflareTest({
            main: "./test/support/worker.ts",
            miniflare: {
              compatibilityDate: "2026-08-01",
              durableObjects: Object.fromEntries(
                ["Endpoints", "Room"].map((className) => [className, { className, useSQLite: true }]),
              ),
            },
          }),
        ],
      },
      { test: { name: "e2e", include: ["test/e2e/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
    ],
  },
});
