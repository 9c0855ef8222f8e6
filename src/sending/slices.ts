// Sends a message to many sockets of an object: in slices, between which other events run.
import { attempt } from "../reporting/log.ts";

/** How many sends make a slice. */
const SLICE = 250;

/** How many messages may wait: past that, the oldest is sent immediately. */
const MOST = 64;

/** A message for many sockets. */
interface Waiting {
  /** The sockets that have not received it yet. */
  readonly receivers: Set<WebSocket>;
  readonly send: (socket: WebSocket) => void;
}

export class Slices {
  readonly #keepAwake: (sending: Promise<void>) => void;
  /** In the order of the calls, in which each socket receives them. */
  readonly #waiting = new Set<Waiting>();
  /** The sockets to which something is being sent. A payload may send more by its own method; that is part of it. */
  readonly #underWay = new Set<WebSocket>();
  #settled: Promise<void> | undefined;

  constructor(keepAwake: (sending: Promise<void>) => void) {
    this.#keepAwake = keepAwake;
  }

  /** The only cost for a message to one session. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Settles once no message waits; undefined if none does. */
  get settled(): Promise<void> | undefined {
    return this.#settled;
  }

  /** Whether a message to this many sockets has to wait. During a send it always does. */
  divides(count: number): boolean {
    return count > SLICE || this.#underWay.size > 0;
  }

  /**
   * Sends a message to many sockets. If no message waits, the first slice is sent now.
   *
   * @param receivers owned by the slices from here on
   */
  add(receivers: Set<WebSocket>, send: (socket: WebSocket) => void): void {
    this.#waiting.add({ receivers, send });
    if (this.#waiting.size === 1 && this.#underWay.size === 0) this.#slice();
    if (this.#waiting.size > MOST) this.#hurry();
    if (this.#settled || !this.isWaiting) return;
    this.#settled = this.#run();
    this.#keepAwake(this.#settled);
  }

  /**
   * Called before something is sent to the socket: sends its waiting messages first, unless one of them is being sent.
   */
  catchUp(socket: WebSocket): void {
    if (!this.#underWay.has(socket)) this.finish(socket);
  }

  /** Sends the socket's waiting messages. @returns how many */
  finish(socket: WebSocket): number {
    let sent = 0;
    // A payload that sends itself may add messages without end; those wait for their turn.
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

  /** Drops the socket's waiting messages. */
  drop(socket: WebSocket): void {
    for (const one of this.#waiting) {
      if (one.receivers.delete(socket) && one.receivers.size === 0) this.#waiting.delete(one);
    }
  }

  /** One task for each slice, so that the platform's events run in between. */
  async #run(): Promise<void> {
    do {
      await scheduler.wait(0);
      this.#slice();
    } while (this.isWaiting);
    this.#settled = undefined;
  }

  /** Socket by socket, so that the messages of one socket can share a frame. */
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
