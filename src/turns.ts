// Which session objects a callback read through `session.sessionObject`, and so may have changed.
import { toError } from "./errors.ts";
import type { SessionObject } from "./session-object.ts";

/** A callback under way. */
export interface Turn {
  readonly own: SessionObject;
  /** When it began. */
  readonly since: number;
}

export class Turns {
  /** The oldest first. */
  #running: Turn[] = [];
  /** The objects that were read while one ran, and when, the latest last: after an await nothing tells by which. */
  readonly #read = new Map<SessionObject, number>();
  #clock = 0;

  begin(own: SessionObject): Turn {
    const turn = { own, since: this.#clock };
    this.#running.push(turn);
    return turn;
  }

  read(object: SessionObject): void {
    if (this.#running.length === 0) return;
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
    // Mostly the last. A callback that was not waited for ends a second time when it settles.
    if (this.#running.at(-1) === turn) this.#running.pop();
    else this.#running = this.#running.filter((one) => one !== turn);
    if (this.#clock === since) return own.keep();
    let failed: Error | undefined;
    const objects = new Set([own]);
    for (const [object, time] of this.#read) if (time > since) objects.add(object);
    const oldest = this.#running[0]?.since ?? Infinity;
    // Undefined for one that nobody has read.
    const mayChange = (object: SessionObject) =>
      this.#running.some((one) => one.own === object) || this.#read.get(object)! > oldest;
    for (const object of objects) {
      try {
        // In the middle of another callback an object may be what it can't stay: that one's end judges it.
        object.keep(object === own || !mayChange(object));
      } catch (error) {
        failed ??= toError(error);
      }
    }
    for (const [object, time] of this.#read) if (time <= oldest) this.#read.delete(object);
    if (failed) throw failed;
  }
}
