// A guess of how many shards of a path are in use. No object is asked: the answers of full shards correct it.

/** How many paths are remembered: the most recently used ones. */
const MOST_PATHS = 1000;
/**
 * The maximum length of a remembered key, since clients may choose what is in a path. A longer one is guessed again
 * each time.
 */
const LONGEST = 1000;
/** How long a guess lasts without a full shard, in milliseconds. */
const LIFETIME = 60_000;

export class ShardGuess {
  /** How many shards are assumed to be in use: the first ones of the path. */
  count = 1;
  /** The shards that were full lately. */
  readonly #full = new Set<number>();
  #since = Date.now();

  /** Halves the guess for each minute without a full shard, and forgets which shards were full. */
  age(now: number): void {
    const minutes = Math.floor((now - this.#since) / LIFETIME);
    if (minutes < 1) return;
    this.#since = now;
    this.count = Math.max(1, Math.floor(this.count / 2 ** minutes));
    this.#full.clear();
  }

  /**
   * Chooses at random one of the shards that are not known to be full.
   *
   * @param from shards before this one are only chosen if there is no other
   * @returns undefined if all are full
   */
  choose(max: number, from: number): number | undefined {
    const all = Array.from({ length: Math.min(this.count, max) }, (_, shard) => shard);
    const free = all.filter((shard) => !this.#full.has(shard));
    const newest = free.filter((shard) => shard >= from);
    const chosen = newest.length > 0 ? newest : free;
    return chosen[random(chosen.length)];
  }

  /**
   * A shard was full that was chosen under a guess of `count`. The new guess is twice that, or the shard's hint if it
   * is higher; if other requests have already doubled the guess, it stays.
   */
  full(shard: number, count: number, hint: number, max: number): void {
    this.#full.add(shard);
    this.#since = Date.now();
    this.count = Math.min(max, Math.max(this.count, 2 * count, hint));
  }
}

/** By path, the most recently used one last. */
const guesses = new Map<string, ShardGuess>();

/** The guess of this Worker's isolate for a path. */
export function guessAt(key: string): ShardGuess {
  const guess = guesses.get(key) ?? new ShardGuess();
  if (key.length > LONGEST) return guess;
  guesses.delete(key);
  guesses.set(key, guess);
  if (guesses.size > MOST_PATHS) guesses.delete(guesses.keys().next().value!);
  guess.age(Date.now());
  return guess;
}

export const random = (count: number): number => Math.floor(Math.random() * count);
