// A round of cheers: who has heard how many of them, and in which order.

/** A checksum of cheers in their order: of each its number, and the shard it came from (FNV-1a). */
const START = 0x811c9dc5;
const add = (sum, { number, shard }) =>
  [number, shard].reduce((one, part) => Math.imul(one ^ part, 0x01000193) >>> 0, sum);

export class Round {
  /** By which the cheers are known. */
  id = Math.random().toString(36).slice(2, 12);
  cheers;
  /** How many listeners have heard all. */
  complete = 0;
  /** From the first cheer to the last one's arrival, in milliseconds. */
  time = 0;
  #began = performance.now();
  #listeners;

  constructor(listeners, cheers) {
    this.cheers = cheers;
    this.#listeners = new Map(listeners.map((listener) => [listener, { heard: 0, sum: START }]));
  }

  take(listener, cheer) {
    const one = this.#listeners.get(listener);
    // Who has come later.
    if (!one) return;
    one.heard++;
    one.sum = add(one.sum, cheer);
    if (one.heard === this.cheers) this.complete++;
    this.time = performance.now() - this.#began;
  }

  /** Nothing more is expected of it. */
  leave(listener) {
    if (this.#listeners.get(listener)?.heard >= this.cheers) this.complete--;
    this.#listeners.delete(listener);
  }

  get size() {
    return this.#listeners.size;
  }

  /** By all listeners together. */
  get heard() {
    return [...this.#listeners.values()].reduce((sum, { heard }) => sum + heard, 0);
  }

  /** The checksums: one, if all have heard the same in the same order. */
  get orders() {
    return [...new Set([...this.#listeners.values()].map(({ sum }) => sum.toString(16).padStart(8, "0")))];
  }
}
