// What an object sends to many sockets: in slices, between which other events run.
import { attempt } from "../reporting/log.ts";

/** How many sends make a slice. */
const SLICE = 250;

/** How many may wait: past that the oldest goes at once. */
const MOST = 64;

/** A message for many. */
interface Waiting {
  /** Those that have not got it yet. */
  readonly receivers: Set<WebSocket>;
  readonly send: (socket: WebSocket) => void;
}

export class Slices {
  readonly #keepAwake: (sending: Promise<void>) => void;
  /** In the order of the calls, which each socket gets them in. */
  readonly #waiting = new Set<Waiting>();
  /** Those to which something is being sent: what it sends itself, by a method of the application, is part of it. */
  readonly #underWay = new Set<WebSocket>();
  #settled: Promise<void> | undefined;

  constructor(keepAwake: (sending: Promise<void>) => void) {
    this.#keepAwake = keepAwake;
  }

  /** All that a message costs which goes to one session. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Settles once nothing waits; undefined if nothing does. */
  get settled(): Promise<void> | undefined {
    return this.#settled;
  }

  /** Whether what goes to so many sockets is to wait: behind what is being sent, it always does. */
  divides(count: number): boolean {
    return count > SLICE || this.#underWay.size > 0;
  }

  /**
   * Sends a message to many. The first slice goes now, if nothing waits.
   *
   * @param receivers are the slices' from here on
   */
  add(receivers: Set<WebSocket>, send: (socket: WebSocket) => void): void {
    this.#waiting.add({ receivers, send });
    if (this.#waiting.size === 1 && this.#underWay.size === 0) this.#slice();
    if (this.#waiting.size > MOST) this.#hurry();
    if (this.#settled || !this.isWaiting) return;
    this.#settled = this.#run();
    this.#keepAwake(this.#settled);
  }

  /** Something is about to go to the socket: what waits for it comes before, unless this is being sent. */
  catchUp(socket: WebSocket): void {
    if (!this.#underWay.has(socket)) this.finish(socket);
  }

  /** Sends what waits for the socket. @returns how much that was */
  finish(socket: WebSocket): number {
    let sent = 0;
    // What comes meanwhile, out of a payload that sends itself, comes behind: it may be without an end.
    let rest = this.#waiting.size;
    for (const one of this.#waiting) {
      if (rest-- === 0) break;
      if (!one.receivers.delete(socket)) continue;
      if (one.receivers.size === 0) this.#waiting.delete(one);
      this.#send(one, socket);
      sent++;
    }
    return sent;
  }

  /** The socket gets nothing of what waits for it. */
  drop(socket: WebSocket): void {
    for (const one of this.#waiting) {
      if (one.receivers.delete(socket) && one.receivers.size === 0) this.#waiting.delete(one);
    }
  }

  /** A task each: the platform's events come between. */
  async #run(): Promise<void> {
    do {
      await scheduler.wait(0);
      this.#slice();
    } while (this.isWaiting);
    this.#settled = undefined;
  }

  /** Socket by socket, so that what waits for one can go as one frame. */
  #slice(): void {
    let left = SLICE;
    for (const { receivers } of this.#waiting) {
      for (const socket of receivers) {
        if (left <= 0) return;
        left -= this.finish(socket);
      }
    }
  }

  #hurry(): void {
    const oldest = this.#waiting.values().next().value!;
    for (const socket of oldest.receivers) {
      oldest.receivers.delete(socket);
      this.#send(oldest, socket);
    }
    this.#waiting.delete(oldest);
  }

  #send({ send }: Waiting, socket: WebSocket): void {
    const isFirst = !this.#underWay.has(socket);
    this.#underWay.add(socket);
    attempt("a message was not sent", () => send(socket));
    if (isFirst) this.#underWay.delete(socket);
  }
}
