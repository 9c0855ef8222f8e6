// A hall whose listeners are divided over shards: the objects `/crowd/{hall}#0`, `#1` and so on. The object `/crowd/{hall}` is their
// root. The shards are small, so that you see more of them come into use.
import { Endpoint, type EndpointOptions, type Session } from "socle";

import type { Env } from "./env.ts";
import { sameOrigin } from "./origin.ts";

/** What a hall sends, as JSON. */
export type CrowdMessage =
  /** The first message: the shard of the listener. */
  | { type: "welcome"; shard: number }
  /** A publication. `number` counts the cheers of the hall. `shard` is the shard of the listener who cheers. */
  | { type: "cheer"; number: number; shard: number; round: string }
  /** A broadcast from the root. */
  | { type: "announcement"; id: string; text: string };

/** The topic of the cheers. */
const CHEERS = "cheers";

/** The least time between two announcements, in milliseconds. */
const PAUSE = 1000;

/** How long an announcement may be, in bytes. */
const LONGEST = 400;

const isHall = (name: string | undefined): boolean => /^[a-z0-9-]{1,40}$/.test(name ?? "");
const json = (message: CrowdMessage): string => JSON.stringify(message);
const refuse = (status: number, text: string): Response => new Response(text, { status });

// #region crowd
export class Crowd extends Endpoint<Env, undefined, "/crowd/{hall}"> {
  static override options: EndpointOptions = {
    shards: { max: 8, sessions: 25 },
    // #endregion
    topics: { history: { messages: 1000 } },
    allowedOrigins: sameOrigin,
    onHandshake: (_request, { pathParameters: { hall } }) =>
      isHall(hall) ? undefined : refuse(400, "A hall has a name of at most 40 small letters, digits and hyphens"),
    maxTextMessageBufferSize: 64,
    rateLimit: { messages: 60, perMs: 10_000 },
    // A page that is suspended would keep its places.
    clientTimeoutMs: 120_000,
  };

  /** Kept in memory only. An object that has lost it was idle for longer than the pause. */
  #announcedAt = 0;

  /** Runs in a shard, which knows only its own sessions. */
  override async onOpen(session: Session): Promise<undefined> {
    // A client that reconnects gets what it missed, perhaps from another shard.
    await session.subscribe(CHEERS, { since: "client" });
    void session.asyncRemote.sendText(json({ type: "welcome", shard: this.shard! }));
  }

  // #region crowd
  override async onText(_: undefined, round: string) {
    await this.root.cheer(this.shard!, round); // in a shard
  }

  async cheer(shard: number, round: string) {
    // In the root, by RPC: one count for all shards.
    const { kv } = this.ctx.storage;
    const number = (kv.get<number>("cheers") ?? 0) + 1;
    kv.put("cheers", number);
    const cheer: CrowdMessage = { type: "cheer", number, shard, round };
    await this.publish(CHEERS, json(cheer));
  }
  // #endregion

  /** Runs in the root, for requests that are not WebSocket handshakes. Socle has checked nothing before. */
  override async onRequest(request: Request): Promise<Response> {
    const { headers, method, url } = request;
    if (method !== "POST") return new Response("POST an announcement", { status: 405, headers: { Allow: "POST" } });
    if (!isHall(new URL(url).pathname.split("/")[2])) return refuse(404, "There is no such hall");
    const origin = headers.get("Origin");
    if (origin !== null && !sameOrigin(origin, request)) return refuse(403, "This origin may not announce");
    if (!(Number(headers.get("Content-Length") ?? NaN) <= LONGEST)) return refuse(413, "An announcement is short");
    const text = (await request.text()).trim();
    if (!text) return refuse(400, "Announce something");
    if (Date.now() - this.#announcedAt < PAUSE) return refuse(429, "One announcement a second");
    this.#announcedAt = Date.now();
    this.broadcast(json({ type: "announcement", id: crypto.randomUUID(), text }));
    return new Response(null, { status: 204 });
  }

  /** Socle closes a client that exceeds a limit. That need not be logged. */
  override onError(_: undefined, session: Session, error: Error): void {
    if (error.name !== "LimitExceededError") console.error(`${session.requestURI.pathname}:`, error);
  }
}
