// How many shards of a path are taken to be in use. Nobody is asked: the shards that are full tell.

/** How many paths are remembered: those that were asked for last. */
const MOST_PATHS = 1000;
/** Of how many characters they are at most: clients may choose what stands in a path. A longer one is guessed anew each time. */
const LONGEST = 1000;
/** How long a guess holds without a full shard, in milliseconds. */
const LIFETIME = 60_000;

export class ShardGuess {
  /** How many are taken to be in use: the first of the path's. */
  count = 1;
  /** Those that were full lately. */
  readonly #full = new Set<number>();
  #since = Date.now();

  /** After each minute without a full shard it is half of what it was, and those that were full are asked again. */
  age(now: number): void {
    const minutes = Math.floor((now - this.#since) / LIFETIME);
    if (minutes < 1) return;
    this.#since = now;
    this.count = Math.max(1, Math.floor(this.count / 2 ** minutes));
    this.#full.clear();
  }

  /**
   * One at random of those that are not known to be full.
   *
   * @param from those before it are no choice where there is another
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
   * One was full, which was chosen when a number of them were taken to be in use: there are twice as many, unless others that met
   * it have doubled the guess already, or as many as it says.
   */
  full(shard: number, count: number, hint: number, max: number): void {
    this.#full.add(shard);
    this.#since = Date.now();
    this.count = Math.min(max, Math.max(this.count, 2 * count, hint));
  }
}

/** By paths, the one that was asked for last behind the others. */
const guesses = new Map<string, ShardGuess>();

/** What a Worker's isolate takes to be in use of a path. */
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
