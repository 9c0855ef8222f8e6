// core.async's channel, with promises. It knows nothing of sockets.
import type { ChannelBuffer } from "./buffer.ts";
import { Queue } from "./queue.ts";
import { Line, quiet, signalOf, type WaitOptions } from "./waiting.ts";

/**
 * A queue of values between producers and consumers, in the order of the puts. A closed channel accepts nothing more.
 * It still gives the values that it holds, and then `undefined`. Made by {@link chan} or {@link promiseChan}.
 *
 * ```ts
 * const answers = chan<string>(10);
 * await answers.put("yes");
 * answers.close();
 * for await (const answer of answers) console.log(answer);
 * ```
 *
 * @see core.async: `chan` and the functions on it
 */
export interface Channel<T extends {}> extends AsyncIterable<T> {
  /** Whether {@link close} was called. The values that the channel holds can still be taken. */
  readonly closed: boolean;
  /**
   * Puts a value; waits while the buffer is full.
   *
   * @param options `signal` cancels the put: the promise rejects with the signal's reason, and nothing is put. A signal
   * that has already aborted does so immediately
   * @returns true once the channel accepted the value, false if it is closed
   * @throws {@link NullPutError} for `undefined` and `null`; {@link PendingLimitError} if 1,024 puts are already
   * waiting; {@link SignalError}
   * @see core.async: `>!`, `put!`
   */
  put(value: T, options?: WaitOptions): Promise<boolean>;
  /**
   * Puts a value if the channel can accept it now.
   *
   * @returns whether the channel accepted it
   * @throws {@link NullPutError} for `undefined` and `null`
   * @see core.async: `offer!`
   */
  offer(value: T): boolean;
  /**
   * Takes the next value; waits until there is one.
   *
   * ```ts
   * const answer = await answers.take({ signal: AbortSignal.timeout(5000) });
   * ```
   *
   * Don't race it against a timeout: `Promise.race([channel.take(), timeout])` leaves a take behind that is still
   * waiting. The next value goes to it, and nobody sees that value.
   *
   * @param options `signal` cancels the take: the promise rejects with the signal's reason, and nothing is taken. A
   * signal that has already aborted does so immediately
   * @returns the value, or `undefined` once the channel is closed and empty
   * @throws {@link SignalError}
   * @see core.async: `<!`, `take!`
   */
  take(options?: WaitOptions): Promise<T | undefined>;
  /**
   * Takes the next value if there is one now.
   *
   * @returns the value, or `undefined`
   * @see core.async: `poll!`
   */
  poll(): T | undefined;
  /**
   * Closes the channel. Later puts are refused, and waiting takes get `undefined`. The values that the channel holds,
   * and those of waiting puts, can still be taken. A second call does nothing.
   *
   * @see core.async: `close!`
   */
  close(): void;
}

class BufferedChannel<T extends {}> extends Queue<T> implements Channel<T> {
  /** Takes wait only while the channel holds nothing. */
  readonly #takes = new Line<(value: T | undefined) => void>();

  override offer(value: T): boolean {
    const take = (value ?? undefined) === undefined ? undefined : this.#takes.shift();
    take?.(value);
    return take !== undefined || super.offer(value);
  }

  take(options?: WaitOptions): Promise<T | undefined> {
    const signal = options && signalOf(options);
    if (signal?.aborted) return quiet(Promise.reject(signal.reason));
    const value = this.poll();
    if (value !== undefined || this.closed) return Promise.resolve(value);
    if (signal) return this.#takes.wait(signal, (settle) => settle);
    return new Promise((resolve) => this.#takes.push(resolve));
  }

  close(): void {
    this.closed = true;
    this.giveAll(undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let value = await this.take(); value !== undefined; value = await this.take()) yield value;
  }

  protected giveAll(value: T | undefined): void {
    for (const take of this.#takes.drain()) take(value);
  }
}

/** Gives its first value to every take, and drops later values. */
class PromiseChannel<T extends {}> extends BufferedChannel<T> {
  #value: T | undefined;

  override offer(value: T): boolean {
    if (this.closed || (value ?? undefined) === undefined) return super.offer(value);
    if (this.#value === undefined) this.giveAll((this.#value = value));
    return true;
  }

  override poll(): T | undefined {
    return this.#value;
  }
}

/**
 * Creates a channel.
 *
 * @param bufferOrN the number of values that it holds, or a buffer; without it each put waits for a take
 * @throws {@link BufferSizeError} for an invalid size
 * @see core.async: `chan`
 */
export const chan = <T extends {}>(bufferOrN: ChannelBuffer | number = 0): Channel<T> =>
  new BufferedChannel<T>(bufferOrN);

/**
 * Creates a channel for one value. The first put fills it; the channel accepts later values and drops them. Every take,
 * also a later one, gets the first value.
 *
 * ```ts
 * const result = promiseChan<SendResult>();
 * await send.put(["hello", result]);
 * await result.take(); // "success"
 * ```
 *
 * @see core.async: `promise-chan`
 */
export const promiseChan = <T extends {}>(): Channel<T> => new PromiseChannel<T>(0);
