// Random numbers that are the same for the same seed.

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1: mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below the count. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** The distance between two random events, with the given mean. */
  gap(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  /** The standard normal distribution: Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** A delay with a median and a long tail, given by its 99th percentile. */
  delay({ median, p99 }: Delay): number {
    return median * Math.exp((Math.log(p99 / median) / 2.326) * this.normal());
  }
}

/** In microseconds. */
export interface Delay {
  readonly median: number;
  readonly p99: number;
}
