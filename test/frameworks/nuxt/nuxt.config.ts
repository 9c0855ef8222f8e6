export default defineNuxtConfig({
  compatibilityDate: "2026-10-01",
  nitro: { preset: "cloudflare_module", cloudflare: { deployConfig: false, nodeCompat: true } },
});
