// `socle/client`: for browsers, Node, Deno, Bun and Workers, with nothing from Cloudflare.
export type {
  ClientCloseEvent,
  ClientData,
  ClientEndEvent,
  ClientEvents,
  ClientMessageEvent,
  ClientRecoveryEvent,
  ClientStatus,
  ClientStatusEvent,
  SocleClientEvents,
} from "./client-events.ts";
export type { ClientOptions, PlatformWebSocket, SocleClientOptions } from "./client-options.ts";
export type { ClientTopic, ClientTopicEvents, ClientTopicMessage } from "./client-topic.ts";

export { OutboxFullError, SocleClient } from "./socle-client.ts";
export { SocleWebSocket } from "./web-socket.ts";
