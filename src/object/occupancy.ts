// Counts the sessions of an object, for a shard that may be full.
import { full, type Place } from "../endpoint/handshake.ts";
import type { Subject } from "../session/subject.ts";

/** How long a Worker's guess of the shards in use is remembered, in milliseconds. */
const LIFETIME = 60_000;

export class Occupancy {
  /**
   * The sockets of sessions that are open or in `onOpen`; undefined until a Worker asks. Counting looks at each socket
   * once.
   */
  #sockets: Set<WebSocket> | undefined;
  /** The highest number of shards that a Worker recently assumed to be in use. */
  #hint = 0;
  #hintedAt = 0;

  /**
   * Checks whether a session may open in a shard.
   *
   * @param known the sessions that had an event since the object woke
   * @returns the answer of a full shard; undefined if it isn't full
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

/** The platform's list lacks sockets in `onOpen` and those that don't hibernate, and it has closing ones. */
function openOf(sockets: WebSocket[], known: Iterable<Subject>): Set<WebSocket> {
  const open = new Set(sockets.filter(({ readyState }) => readyState === WebSocket.OPEN));
  for (const { webSocket, isOpen } of known) {
    if (isOpen) open.add(webSocket);
    else open.delete(webSocket);
  }
  return open;
}
