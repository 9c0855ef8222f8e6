// A connection from one object of a path to another. Its things, requests or deliveries, arrive in order and once. Those
// that are put during a call go together in the next one.
import { OverloadedError, UnreachableError } from "../api/errors.ts";
import { quiet } from "../channel/waiting.ts";

/** How often a call is tried, and the maximum delay before the second attempt, in milliseconds. */
const TRIES = 4;
const DELAY = 50;
/**
 * A call without an answer after this time is tried again, in milliseconds. Other code in the objects may block them
 * for ten seconds.
 */
const TIMEOUT = 30_000;

/** The limits of one call. */
const MOST_BYTES = 1_048_576;
const MOST = 1000;

/** How many bytes may be queued. */
const MAX_WAITING = 16_777_216;
/** Added to the bytes of each thing: about what it takes in memory. */
const OVERHEAD = 256;

interface Waiting<Thing, Result> {
  readonly thing: Thing;
  readonly bytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Consecutive things, and the number of the first one. */
export interface Batch<Thing> {
  readonly first: number;
  readonly things: readonly Thing[];
  /** It was sent before, with an unknown result. */
  readonly isAgain: boolean;
}

export const overloaded = (who: string): OverloadedError =>
  new OverloadedError(`Overloaded: too much is queued for ${who}. Publish less, or later.`);

export class Link<Thing, Result> {
  /** Returns a new stub each time: after a failure a stub keeps failing. */
  readonly #connect: () => (batch: Batch<Thing>) => Promise<readonly Result[]>;
  readonly #keepAwake: (pending: Promise<unknown>) => void;
  readonly #failed: ((error: unknown) => void) | undefined;
  #waiting: Waiting<Thing, Result>[] = [];
  /** The things of the current call. */
  #sending: readonly Waiting<Thing, Result>[] = [];
  #bytes = 0;
  #isBusy = false;
  /** The number of the last thing. */
  last = 0;
  #newest: Promise<unknown> | undefined;

  /**
   * @param connect returns a function that calls the other object
   * @param failed is called when a batch was given up
   */
  constructor(
    connect: () => (batch: Batch<Thing>) => Promise<readonly Result[]>,
    keepAwake: (pending: Promise<unknown>) => void,
    failed?: (error: unknown) => void,
  ) {
    this.#connect = connect;
    this.#keepAwake = keepAwake;
    this.#failed = failed;
  }

  get isIdle(): boolean {
    return this.arrived === this.last;
  }

  /** The things that have not arrived, or may not have. */
  get pending(): Thing[] {
    return [...this.#sending, ...this.#waiting].map(({ thing }) => thing);
  }

  /** Up to which number nothing is pending. */
  get arrived(): number {
    return this.last - this.#sending.length - this.#waiting.length;
  }

  /** Whether this many more bytes may be queued. */
  admits(bytes: number): boolean {
    return this.#bytes + bytes + OVERHEAD <= MAX_WAITING;
  }

  /** @throws {@link OverloadedError} if too much is queued */
  admit(bytes: number, who: string): void {
    if (!this.admits(bytes)) throw overloaded(who);
  }

  /** Sends a thing in its turn. Resolves to the other object's result; rejects if it can't be reached. */
  put(thing: Thing, bytes: number): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.last++;
    this.#bytes += bytes + OVERHEAD;
    this.#waiting.push({ thing, bytes: bytes + OVERHEAD, resolve, reject });
    if (!this.#isBusy) this.#keepAwake(this.#run());
    this.#newest = quiet(promise);
    return promise;
  }

  /** Settles when all things so far have arrived or failed. */
  settled(): Promise<unknown> | undefined {
    return this.#newest?.catch(() => {});
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    // The things of one turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#send(this.#next());
    this.#isBusy = false;
  }

  #next(): Waiting<Thing, Result>[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < MOST) {
      bytes += this.#waiting[count]!.bytes;
      if (count > 0 && bytes > MOST_BYTES) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(batch: Waiting<Thing, Result>[]): Promise<void> {
    this.#sending = batch;
    const first = this.arrived + 1;
    const things = batch.map(({ thing }) => thing);
    for (const { bytes } of batch) this.#bytes -= bytes;
    try {
      const results = await this.#call(first, things);
      this.#sending = [];
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      this.#sending = [];
      this.#failed?.(error);
      for (const { reject } of batch) reject(error);
    }
  }

  async #call(first: number, things: readonly Thing[]): Promise<readonly Result[]> {
    for (let tries = 1; ; tries++) {
      let timer: ReturnType<typeof setTimeout> = 0 as never;
      try {
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error("no answer")), TIMEOUT);
        });
        return await Promise.race([this.#connect()({ first, things, isAgain: tries > 1 }), late]);
      } catch (error) {
        if (tries === TRIES)
          throw new UnreachableError("The other object can't be reached: it may have done what was asked.", {
            cause: error,
          });
        await scheduler.wait((0.5 + Math.random() / 2) * DELAY * 2 ** (tries - 1));
      } finally {
        clearTimeout(timer);
      }
    }
  }
}
