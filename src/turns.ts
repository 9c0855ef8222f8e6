// Which session objects a callback read through `session.sessionObject`, and so may have changed.
import type { SessionObject } from "./session-object.ts";

/** A callback under way. */
export interface Turn {
  readonly own: SessionObject;
  /** The objects that were read since it began, by it or by another: after an await nothing tells by which. */
  read?: Set<SessionObject>;
}

export class Turns {
  readonly #running = new Set<Turn>();

  begin(own: SessionObject): Turn {
    const turn = { own };
    this.#running.add(turn);
    return turn;
  }

  read(object: SessionObject): void {
    for (const turn of this.#running) (turn.read ??= new Set()).add(object);
  }

  /**
   * Keeps what the callback may have changed, in its own session object and in those read.
   *
   * @throws the first error, when every object has had its turn
   */
  end(turn: Turn): void {
    this.#running.delete(turn);
    if (!turn.read) return turn.own.keep();
    const errors: unknown[] = [];
    for (const object of turn.read.add(turn.own)) {
      try {
        // In the middle of another callback an object may be what it can't stay: that one's end judges it.
        if (object !== turn.own && this.#mayChange(object)) object.keepIfPossible();
        else object.keep();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #mayChange(object: SessionObject): boolean {
    for (const { own, read } of this.#running) if (own === object || read?.has(object)) return true;
    return false;
  }
}
