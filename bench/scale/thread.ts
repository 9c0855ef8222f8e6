// The thread of an object: it does one thing after the other, in the order of arrival.

export class Thread {
  /** In microseconds, as all times here. */
  #free = 0;
  #busy = 0;

  /** How long it has computed. */
  get busy(): number {
    return this.#busy;
  }

  /** When it has finished all its work. */
  get free(): number {
    return this.#free;
  }

  /** @returns when the work is done */
  run(now: number, cost: number): number {
    this.#free = Math.max(now, this.#free) + cost;
    this.#busy += cost;
    return this.#free;
  }

  /** Its object is gone until then, and work that arrives meanwhile waits. */
  stop(until: number): void {
    this.#free = Math.max(this.#free, until);
  }
}
