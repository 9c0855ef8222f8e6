declare namespace Cloudflare {
  interface Env {
    Endpoints: DurableObjectNamespace<import("./worker.ts").Endpoints>;
  }
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
    durableNamespaces: "Endpoints";
  }
}
