// What `wrangler types` would write of the Worker's exports.
declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import("../src/index.ts");
    durableNamespaces: "Endpoints" | "Chat";
  }
}
