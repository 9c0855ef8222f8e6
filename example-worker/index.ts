// The Worker: an echo as a map, chat rooms, tickers and crowds as classes, what a room knows by RPC, and the pages.
import { addEndpoints, onOpenStartWsConnection, ServerContainer } from "socle";

import { Chat } from "./chat.ts";
import { Crowd } from "./crowd.ts";
import type { Env } from "./env.ts";
import { sameOrigin } from "./origin.ts";
import { Ticker } from "./ticker.ts";

export { Chat, Crowd, Ticker };

export const container = new ServerContainer<Env>();

addEndpoints(container, {
  "/echo": {
    onOpen: onOpenStartWsConnection(),
    onText: (send, text) => send.put(`echo: ${text}`),
    onBinary: (send, data) => send.put(data),
    allowedOrigins: sameOrigin,
    // So it speaks socle.v1, as the page's client does.
    flowControl: true,
    maxTextMessageBufferSize: 65_536,
    maxBinaryMessageBufferSize: 65_536,
    rateLimit: { messages: 1000, perMs: 10_000 },
  },
  "/chat/{room}": Chat,
  "/ticker/{symbol}": Ticker,
  "/crowd/{hall}": Crowd,
});

/** The objects behind the container's maps. */
export class Endpoints extends container.Endpoint {}

/** What the object behind a room knows, as JSON. */
async function facts(env: Env, room: string): Promise<Response> {
  try {
    return Response.json(await container.stub<Chat>(env, `/chat/${room}`).facts());
  } catch (error) {
    console.error(`the facts of ${room}:`, error);
    return new Response("The room does not answer", { status: 503 });
  }
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const [, room] = /^\/facts\/([^/]+)$/.exec(url.pathname) ?? [];
    if (room && request.method === "GET") return facts(env, room);
    // A room has a page of its own address, which is the same page.
    if (/^\/rooms\/[^/]+$/.test(url.pathname)) return env.ASSETS.fetch(new Request(new URL("/", url), request));
    return (await container.handle(request, env, ctx)) ?? env.ASSETS.fetch(request);
  },
} satisfies ExportedHandler<Env>;
