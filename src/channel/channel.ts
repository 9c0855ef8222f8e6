// core.async's channel, in promises. It knows nothing of sockets.
import type { ChannelBuffer } from "./buffer.ts";
import { Queue } from "./queue.ts";
import { Line, quiet, signalOf, type WaitOptions } from "./waiting.ts";

/**
 * A queue of values between those who put and those who take, in the order of the puts. A closed channel takes
 * nothing more, still gives what it holds, and then gives `undefined`. It is made by {@link chan} or
 * {@link promiseChan}.
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
  /** Whether {@link close} was called. What the channel holds can still be taken. */
  readonly closed: boolean;
  /**
   * Puts a value, waiting while the buffer is full.
   *
   * @param options `signal` gives the put up: the promise rejects with its reason, and nothing is put. One that has aborted
   * already does so at once
   * @returns true once the channel took the value, false if it is closed
   * @throws {@link NullPutError} for `undefined` and `null`; {@link PendingLimitError} if 1,024 puts wait already;
   * {@link SignalError}
   * @see core.async: `>!`, `put!`
   */
  put(value: T, options?: WaitOptions): Promise<boolean>;
  /**
   * Puts a value if the channel can take it now.
   *
   * @returns whether it took it
   * @throws {@link NullPutError} for `undefined` and `null`
   * @see core.async: `offer!`
   */
  offer(value: T): boolean;
  /**
   * Takes the next value, waiting until there is one.
   *
   * ```ts
   * const answer = await answers.take({ signal: AbortSignal.timeout(5000) });
   * ```
   *
   * Don't race it against a timeout: `Promise.race([channel.take(), timeout])` leaves a take behind that still waits, and
   * the next value goes to it, where nobody sees it.
   *
   * @param options `signal` gives the take up: the promise rejects with its reason, and nothing is taken. One that has
   * aborted already does so at once
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
   * Closes the channel: later puts are refused, waiting takes get `undefined`, and what it holds or what waits to be
   * put can still be taken. A second close does nothing.
   *
   * @see core.async: `close!`
   */
  close(): void;
}

class BufferedChannel<T extends {}> extends Queue<T> implements Channel<T> {
  /** Takes wait only while nothing is held. */
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

/** Gives its first value to every take, and drops the others. */
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
 * Makes a channel.
 *
 * @param bufferOrN a number of values to hold, or a buffer; without it each put waits for its take
 * @throws {@link BufferSizeError}
 * @see core.async: `chan`
 */
export const chan = <T extends {}>(bufferOrN: ChannelBuffer | number = 0): Channel<T> =>
  new BufferedChannel<T>(bufferOrN);

/**
 * Makes a channel for one value: the first put fills it, later ones are taken and dropped, and every take, also a
 * later one, gets that first value.
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
