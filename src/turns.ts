// Which session objects a callback read through `session.sessionObject`, and so may have changed.
import type { SessionObject } from "./session-object.ts";

/** A callback under way. */
export interface Turn {
  readonly own: SessionObject;
  /** When it began. */
  readonly since: number;
}

export class Turns {
  /** By their own objects, the oldest first. */
  readonly #running = new Map<SessionObject, Turn>();
  /** The objects that were read while one ran, and when, the latest last: after an await nothing tells by which. */
  readonly #read = new Map<SessionObject, number>();
  #clock = 0;

  begin(own: SessionObject): Turn {
    const turn = { own, since: this.#clock };
    // In its place: the one before, if there still is one, is not waited for any more.
    this.#running.delete(own);
    this.#running.set(own, turn);
    return turn;
  }

  read(object: SessionObject): void {
    if (this.#running.size === 0) return;
    this.#read.delete(object);
    this.#read.set(object, ++this.#clock);
  }

  /**
   * Keeps what the callback may have changed, in its own session object and in those read.
   *
   * @throws the first error, when every object has had its turn
   */
  end(turn: Turn): void {
    const { own, since } = turn;
    if (this.#running.get(own) === turn) this.#running.delete(own);
    if (this.#clock === since) return own.keep();
    const errors: unknown[] = [];
    const objects = new Set([own]);
    for (const [object, time] of this.#read) if (time > since) objects.add(object);
    for (const object of objects) {
      try {
        // In the middle of another callback an object may be what it can't stay: that one's end judges it.
        if (object !== own && this.#mayChange(object)) object.keepIfPossible();
        else object.keep();
      } catch (error) {
        errors.push(error);
      }
    }
    const [oldest] = this.#running.values();
    for (const [object, time] of this.#read) {
      if (oldest && time > oldest.since) break;
      this.#read.delete(object);
    }
    if (errors.length > 0) throw errors[0];
  }

  #mayChange(object: SessionObject): boolean {
    const [oldest] = this.#running.values();
    // Undefined for one that nobody has read.
    return this.#running.has(object) || (oldest !== undefined && this.#read.get(object)! > oldest.since);
  }
}
