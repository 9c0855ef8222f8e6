// `socle/client`: for browsers, Node, Deno, Bun and Workers, with nothing of Cloudflare's.
export {
  SocleWebSocket,
  type ClientCloseEvent,
  type ClientData,
  type ClientEvents,
  type ClientMessageEvent,
  type ClientOptions,
  type PlatformWebSocket,
} from "./web-socket.ts";
