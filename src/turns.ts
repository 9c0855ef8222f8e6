// Which session objects were read through `session.sessionObject` by callbacks that may go on to change them.
import type { SessionObject } from "./session-object.ts";

/**
 * Every callback is a turn. An object that was read is looked at after each turn, until none is left that began before
 * the reading.
 */
export class Turns {
  #begun = 0;
  /** The turns that have not ended, oldest first, each with the object of its own session. */
  readonly #running = new Map<number, SessionObject>();
  /** The objects read, and how many turns had begun by then. */
  readonly #read = new Map<SessionObject, number>();

  begin(own: SessionObject): number {
    this.#running.set(++this.#begun, own);
    return this.#begun;
  }

  read(object: SessionObject): void {
    this.#read.set(object, this.#begun);
  }

  /**
   * Keeps what the callback of this turn may have changed, in its own session object and in those read.
   *
   * @throws the first error, when every object has had its turn
   */
  end(turn: number): void {
    const own = this.#running.get(turn)!;
    this.#running.delete(turn);
    if (this.#read.size === 0) return own.keep();
    const [oldest = Infinity] = this.#running.keys();
    const busy = new Set(this.#running.values());
    const errors: unknown[] = [];
    for (const object of [own, ...this.#read.keys()]) {
      const last = oldest > this.#read.get(object)!;
      try {
        // In the middle of a callback an object may be what it can't stay.
        if (object === own || (last && !busy.has(object))) object.keep();
        else object.keepIfPossible();
      } catch (error) {
        errors.push(error);
      }
      if (last) this.#read.delete(object);
    }
    if (errors.length > 0) throw errors[0];
  }
}
