// What an object computes on: one thing after the other, in the order in which it comes.

export class Thread {
  /** In microseconds, as all times here. */
  #free = 0;
  #busy = 0;

  /** How long it has computed. */
  get busy(): number {
    return this.#busy;
  }

  /** When it has done all that was given to it. */
  get free(): number {
    return this.#free;
  }

  /** @returns when it is done */
  run(now: number, cost: number): number {
    this.#free = Math.max(now, this.#free) + cost;
    this.#busy += cost;
    return this.#free;
  }

  /** Its object is gone until then: what comes meanwhile waits. */
  stop(until: number): void {
    this.#free = Math.max(this.#free, until);
  }
}
