// How many sessions an object has, for a shard that may be full.
import { full, type Place } from "../endpoint/handshake.ts";
import type { Subject } from "../session/subject.ts";

/** How long it keeps how many shards a Worker took to be in use, in milliseconds. */
const LIFETIME = 60_000;

export class Occupancy {
  /** Of the sessions that are open, or in `onOpen`; undefined until a Worker asks. To count them is to look at each socket once. */
  #sockets: Set<WebSocket> | undefined;
  /** The most shards that a Worker took to be in use lately. */
  #hint = 0;
  #hintedAt = 0;

  /**
   * Whether a session may open in a shard.
   *
   * @param known the sessions that had an event since the object woke
   * @returns the answer of a shard that is full
   */
  refusal({ guess, sessions }: Place, ctx: DurableObjectState, known: Iterable<Subject>): Response | undefined {
    const now = Date.now();
    if (guess >= this.#hint || now - this.#hintedAt >= LIFETIME) [this.#hint, this.#hintedAt] = [guess, now];
    this.#sockets ??= openOf(ctx.getWebSockets(), known);
    return sessions !== undefined && this.#sockets.size >= sessions ? full(this.#hint) : undefined;
  }

  add(socket: WebSocket): void {
    this.#sockets?.add(socket);
  }

  /** Its session is closing. */
  delete(socket: WebSocket): void {
    this.#sockets?.delete(socket);
  }
}

/** The platform lists neither those in `onOpen` nor those that don't hibernate, and it lists closing ones. */
function openOf(sockets: WebSocket[], known: Iterable<Subject>): Set<WebSocket> {
  const open = new Set(sockets.filter(({ readyState }) => readyState === WebSocket.OPEN));
  for (const { webSocket, isOpen } of known) {
    if (isOpen) open.add(webSocket);
    else open.delete(webSocket);
  }
  return open;
}
