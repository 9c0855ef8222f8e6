// The putting side of a channel: the values that it holds, and the puts that wait for room.
import { toBuffer, type ChannelBuffer } from "./buffer.ts";
import { NullPutError, PendingLimitError } from "./errors.ts";
import { Line, quiet, signalOf, type WaitOptions } from "./waiting.ts";

/** The result of every put that did not have to wait. Dispatch compares with it. */
export const TAKEN = /* @__PURE__ */ Promise.resolve(true);
const REFUSED = /* @__PURE__ */ Promise.resolve(false);

export class Queue<T extends {}> {
  declare readonly buffer: ChannelBuffer;
  readonly #dropped: ((value: T) => void) | undefined;
  readonly #held: T[] = [];
  readonly #puts = new Line<{ value: T; settle: (taken: boolean) => void }>();
  closed = false;

  /** @param dropped receives each value that a dropping or sliding buffer drops */
  constructor(bufferOrN: ChannelBuffer | number, dropped?: (value: T) => void) {
    this.buffer = toBuffer(bufferOrN);
    this.#dropped = dropped;
  }

  put(value: T, options?: WaitOptions): Promise<boolean> {
    const signal = options && signalOf(options);
    if (signal?.aborted) return this.givenUp(value, quiet(Promise.reject(signal.reason)));
    if (this.offer(value)) return TAKEN;
    if (this.closed) return REFUSED;
    // The same limit as in core.async.
    if (this.#puts.length > 1023) {
      throw new PendingLimitError(
        "1,024 puts are pending on this channel: await each put, or use a dropping or sliding buffer.",
      );
    }
    if (!signal) return new Promise((settle) => this.#puts.push({ value, settle }));
    const putting = this.#puts.wait<boolean>(signal, (settle) => ({ value, settle }));
    return this.givenUp(value, putting);
  }

  offer(value: T): boolean {
    if (value === undefined || value === null) {
      throw new NullPutError(`Can't put ${String(value)} on a channel: put a value.`);
    }
    const { kind, size } = this.buffer;
    const held = this.#held;
    if (this.closed || (held.length >= size && kind === "fixed")) return false;
    held.push(value);
    if (held.length > size) {
      const [dropped] = held.splice(kind === "sliding" ? 0 : size, 1);
      this.#dropped?.(dropped!);
    }
    return true;
  }

  poll(): T | undefined {
    const put = this.#puts.shift();
    if (put) {
      this.#held.push(put.value);
      put.settle(true);
    }
    return this.#held.shift();
  }

  /** Called for a put that a signal may cancel, so that a subclass can report the rejection to others. */
  protected givenUp(_value: T, putting: Promise<boolean>): Promise<boolean> {
    return putting;
  }

  /** Closes and empties the queue, and refuses the waiting puts. @returns the values that were left */
  abandon(): T[] {
    this.closed = true;
    const unsettled = this.#puts.drain();
    for (const { settle } of unsettled) settle(false);
    return [...this.#held.splice(0), ...unsettled.map(({ value }) => value)];
  }
}
