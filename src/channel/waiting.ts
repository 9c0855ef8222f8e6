// The entries that wait at one end of a channel, in order. A cancelled entry leaves the line.
import { SignalError } from "./errors.ts";

/** How to cancel a take or a put that waits. */
export interface WaitOptions {
  /** Cancels it when it aborts: nothing is taken or put, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | null | undefined;
}

const isSignal = (value: unknown): value is AbortSignal =>
  typeof (value as AbortSignal | undefined)?.aborted === "boolean";

/** The signal of a take or a put; undefined if there is none. @throws {@link SignalError} */
export function signalOf(options: WaitOptions): AbortSignal | undefined {
  const signal = options.signal ?? undefined;
  // A signal or a number passed directly instead of `{ signal }` would be ignored, and the call would wait forever.
  if (typeof options === "object" && !isSignal(options) && (!signal || isSignal(signal))) return signal;
  throw new SignalError("The signal of take and put must be an AbortSignal, such as AbortSignal.timeout(1000).");
}

/** Keeps a rejection from being reported as unhandled: nobody has to await the promise. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

export class Line<E extends object> {
  #entries: E[] = [];
  /** Cancelled entries that are still among the entries: never more than half of them. */
  #left: Set<E> | undefined;

  get length(): number {
    return this.#entries.length - (this.#left?.size ?? 0);
  }

  push(entry: E): void {
    this.#entries.push(entry);
  }

  shift(): E | undefined {
    let entry = this.#entries.shift();
    if (this.#left) while (entry && this.#left.delete(entry)) entry = this.#entries.shift();
    return entry;
  }

  drain(): E[] {
    const [entries, left] = [this.#entries, this.#left];
    this.#entries = [];
    this.#left = undefined;
    return left ? entries.filter((entry) => !left.has(entry)) : entries;
  }

  /** Waits in the line until the entry is settled, or until the signal aborts. */
  wait<V>(signal: AbortSignal, entryOf: (settle: (value: V) => void) => E): Promise<V> {
    const waiting = new Promise<V>((resolve, reject) => {
      const entry = entryOf((value) => {
        signal.removeEventListener("abort", giveUp);
        resolve(value);
      });
      const giveUp = () => {
        (this.#left ??= new Set()).add(entry);
        // Removing cancelled entries one by one would cost as much as the whole line each time.
        if (this.#left.size * 2 > this.#entries.length) this.#entries = this.drain();
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.push(entry);
    });
    return quiet(waiting);
  }
}
