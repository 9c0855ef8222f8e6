declare namespace Cloudflare {
  interface Env {
    Endpoints: DurableObjectNamespace<import("./worker.ts").Endpoints>;
    Board: DurableObjectNamespace<import("./worker.ts").Board>;
    Room: DurableObjectNamespace<import("./worker.ts").Room>;
    CHAT_ROOM: DurableObjectNamespace<import("./worker.ts").ChatRoom>;
    OTHER: DurableObjectNamespace<import("./worker.ts").Bound>;
  }
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
    durableNamespaces:
      | "Endpoints"
      | "Board"
      | "Room"
      | "ChatRoom"
      | "Bound"
      | "Exported"
      | "Clock"
      | "Legacy"
      | "Watched"
      | "Older"
      | "Sheltered";
  }
}
