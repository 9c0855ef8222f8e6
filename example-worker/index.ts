// The Worker: an echo as a map, the other endpoints as classes, facts about a room by RPC, and the pages.
import { addEndpoints, onOpenStartWsConnection, ServerContainer } from "socle";

import { BareOrder } from "./bare-order.ts";
import { Chat } from "./chat.ts";
import { Crowd } from "./crowd.ts";
import type { Env } from "./env.ts";
import { Order } from "./order.ts";
import { sameOrigin } from "./origin.ts";
import { Relay } from "./relay.ts";
import { Sleeper } from "./sleeper.ts";
import { Ticker } from "./ticker.ts";
import { isVisitor } from "./visitor.ts";

export { BareOrder, Chat, Crowd, Order, Relay, Sleeper, Ticker };

export const container = new ServerContainer<Env>();

addEndpoints(container, {
  "/echo": {
    onOpen: onOpenStartWsConnection(),
    onText: (send, text) => send.put(`echo: ${text}`),
    onBinary: (send, data) => send.put(data),
    allowedOrigins: sameOrigin,
    // This is for clients that speak socle.v1, such as that of socle/client. Other clients notice nothing.
    flowControl: true,
    maxTextMessageBufferSize: 65_536,
    maxBinaryMessageBufferSize: 65_536,
    rateLimit: { messages: 1000, perMs: 10_000 },
  },
  "/chat/{room}": Chat,
  "/ticker/{symbol}": Ticker,
  "/crowd/{hall}": Crowd,
  "/order/{visitor}": Order,
  "/sleeper/{visitor}": Sleeper,
  "/relay/{visitor}": Relay,
});

/** The class of the objects that serve the container's maps. */
export class Endpoints extends container.Endpoint {}

/** Answers with what the object behind a room knows, as JSON. */
async function facts(env: Env, room: string): Promise<Response> {
  try {
    return Response.json(await container.stub<Chat>(env, `/chat/${room}`).facts());
  } catch (error) {
    console.error(`the facts of ${room}:`, error);
    return new Response("The room does not answer", { status: 503 });
  }
}

/** Does by hand what Socle does for an endpoint: it checks the handshake and finds the object behind the path. */
function bareOrder(env: Env, visitor: string, request: Request): Response | Promise<Response> {
  const { headers } = request;
  const origin = headers.get("Origin");
  if (!isVisitor(visitor)) return new Response("Not found", { status: 404 });
  if (headers.get("Upgrade")?.toLowerCase() !== "websocket") return new Response("Upgrade", { status: 426 });
  if (origin !== null && !sameOrigin(origin, request)) return new Response("Forbidden", { status: 403 });
  return env.BareOrder.getByName(visitor).fetch(request);
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const [, room] = /^\/facts\/([^/]+)$/.exec(url.pathname) ?? [];
    if (room && request.method === "GET") return facts(env, room);
    const [, visitor] = /^\/bare-order\/([^/]+)$/.exec(url.pathname) ?? [];
    if (visitor) return bareOrder(env, visitor, request);
    // Each room has an address of its own, with the same page.
    if (/^\/rooms\/[^/]+$/.test(url.pathname)) return env.ASSETS.fetch(new Request(new URL("/", url), request));
    return (await container.handle(request, env, ctx)) ?? env.ASSETS.fetch(request);
  },
} satisfies ExportedHandler<Env>;
