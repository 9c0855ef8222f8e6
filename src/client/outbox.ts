// What waits for a connection, or for the server to take more.
import { dataFrame } from "../wire/frame.ts";

/** What may be sent. */
export type Sendable = string | ArrayBuffer | ArrayBufferView;

/** A message was not taken: as much waits as may. */
export class OutboxFullError extends Error {
  override readonly name = "OutboxFullError";
}

export class Outbox {
  #messages: (readonly [data: Sendable, size: number])[] = [];
  #size = 0;

  get length(): number {
    return this.#messages.length;
  }

  /** What is added in it goes before what waits. */
  before(add: () => void): void {
    const waiting = this.#messages;
    this.#messages = [];
    add();
    this.#messages = [...this.#messages, ...waiting];
  }

  /** @throws {@link OutboxFullError} if more would wait than may */
  add(data: Sendable, maxMessages: number, maxBytes: number): void {
    // Bytes are sent as they are now.
    const copy = typeof data === "string" ? data : dataFrame(data).subarray(1);
    const size = copy.length;
    if (this.length >= maxMessages || this.#size + size > maxBytes)
      throw new OutboxFullError("As much waits as may: see maxOutboxMessages and maxOutboxBytes.");
    this.#messages.push([copy, size]);
    this.#size += size;
  }

  /** Gives what waits to who takes it, in order. */
  empty(give: (data: Sendable) => boolean): void {
    for (let first; (first = this.#messages[0]) && give(first[0]); this.#size -= first[1]) this.#messages.shift();
  }
}
