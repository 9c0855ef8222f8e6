import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: "./wrangler.toml" },
      // For the test runner: the Worker itself does without.
      miniflare: { compatibilityFlags: ["nodejs_compat"] },
    }),
  ],
});
