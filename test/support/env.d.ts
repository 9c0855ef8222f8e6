declare namespace Cloudflare {
  interface Env {
    MODEL: string;
    Answers: DurableObjectNamespace<import("./worker.ts").Answers>;
    Assistant: DurableObjectNamespace<import("./worker.ts").Assistant>;
    Endpoints: DurableObjectNamespace<import("./worker.ts").Endpoints>;
    Board: DurableObjectNamespace<import("./worker.ts").Board>;
    Lounge: DurableObjectNamespace<import("./worker.ts").Lounge>;
    Crowd: DurableObjectNamespace<import("./worker.ts").Crowd>;
    Room: DurableObjectNamespace<import("./worker.ts").Room>;
    CHAT_ROOM: DurableObjectNamespace<import("./worker.ts").ChatRoom>;
    OTHER: DurableObjectNamespace<import("./worker.ts").Bound>;
  }
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
    durableNamespaces:
      | "Answers"
      | "Assistant"
      | "Endpoints"
      | "Board"
      | "Lounge"
      | "Crowd"
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
