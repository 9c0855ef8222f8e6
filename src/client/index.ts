// `socle/client`: for browsers, Node, Deno, Bun and Workers, with nothing of Cloudflare's.
export {
  type ClientCloseEvent,
  type ClientData,
  type ClientEvents,
  type ClientMessageEvent,
  type ClientRecoveryEvent,
} from "./client-events.ts";
export { SocleWebSocket, type ClientOptions, type PlatformWebSocket } from "./web-socket.ts";
