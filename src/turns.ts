// Which session objects were read through `session.sessionObject` by callbacks that may go on to change them.
import type { SessionObject } from "./session-object.ts";

/**
 * Every callback is a turn. An object that was read is looked at after each turn, until none is left that began before
 * the reading.
 */
export class Turns {
  #begun = 0;
  /** The turns that have not ended, oldest first. */
  readonly #running = new Set<number>();
  /** The objects read, and how many turns had begun by then. */
  readonly #read = new Map<SessionObject, number>();

  begin(): number {
    this.#running.add(++this.#begun);
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
  end(turn: number, own: SessionObject): void {
    this.#running.delete(turn);
    if (this.#read.size === 0) return own.keep();
    const [oldest = Infinity] = this.#running;
    const errors: unknown[] = [];
    for (const object of [own, ...this.#read.keys()]) {
      try {
        object.keep();
      } catch (error) {
        errors.push(error);
      }
      if (oldest > this.#read.get(object)!) this.#read.delete(object);
    }
    if (errors.length > 0) throw errors[0];
  }
}
