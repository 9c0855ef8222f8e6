// A round of cheers: how many of them each listener has heard, and in which order.

/** A checksum (FNV-1a) of the cheers in their order: the number and the shard of each. */
const START = 0x811c9dc5;
const add = (sum, { number, shard }) =>
  [number, shard].reduce((one, part) => Math.imul(one ^ part, 0x01000193) >>> 0, sum);

export class Round {
  /** Each cheer carries it. */
  id = Math.random().toString(36).slice(2, 12);
  cheers;
  /** How many listeners have heard all cheers. */
  complete = 0;
  /** The time from the first cheer sent to the last one received, in milliseconds. */
  time = 0;
  #began = performance.now();
  #listeners;

  constructor(listeners, cheers) {
    this.cheers = cheers;
    this.#listeners = new Map(listeners.map((listener) => [listener, { heard: 0, sum: START }]));
  }

  take(listener, cheer) {
    const one = this.#listeners.get(listener);
    // A listener that joined later.
    if (!one) return;
    one.heard++;
    one.sum = add(one.sum, cheer);
    if (one.heard === this.cheers) this.complete++;
    this.time = performance.now() - this.#began;
  }

  /** The round no longer counts this listener. */
  leave(listener) {
    if (this.#listeners.get(listener)?.heard >= this.cheers) this.complete--;
    this.#listeners.delete(listener);
  }

  get size() {
    return this.#listeners.size;
  }

  /** How many cheers all listeners together have heard. */
  get heard() {
    return [...this.#listeners.values()].reduce((sum, { heard }) => sum + heard, 0);
  }

  /** The checksums. There is one if all listeners have heard the same cheers in the same order. */
  get orders() {
    return [...new Set([...this.#listeners.values()].map(({ sum }) => sum.toString(16).padStart(8, "0")))];
  }
}
