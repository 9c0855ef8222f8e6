// Which session objects a callback read through `session.sessionObject`, and so may have changed.
import { toError } from "./errors.ts";
import type { SessionObject } from "./session-object.ts";

/** A callback under way. */
export interface Turn {
  readonly own: SessionObject;
  /** When it began. */
  readonly since: number;
  /** Its session object is in storage, and it has not ended. */
  isStored: boolean;
}

export class Turns {
  /** The oldest first. */
  #running: Turn[] = [];
  /** The objects that were read while one ran, and when, the latest last: after an await nothing tells by which. */
  readonly #read = new Map<SessionObject, number>();
  #clock = 0;
  /** How many of those that run have a session object in storage, and whether another such was read. */
  #stored = 0;
  #hasReadStored = false;
  /** The one whose code runs now, up to its first await. */
  #current: Turn | undefined;
  /** What is to be sent once the changes before it are kept. */
  #held: (() => void)[] = [];
  /** Who may have changed something before: undefined stands for any. */
  readonly #senders = new Set<Turn | undefined>();

  begin(own: SessionObject): Turn {
    const turn = { own, since: this.#clock, isStored: own.isStored };
    this.#running.push(turn);
    this.#current = turn;
    if (turn.isStored) this.#stored++;
    return turn;
  }

  /** The callback waits: from here on nothing tells whose code runs. */
  wait(): void {
    this.#current = undefined;
  }

  read(object: SessionObject): void {
    if (this.#running.length === 0) return;
    this.#read.delete(object);
    this.#read.set(object, ++this.#clock);
    this.#hasReadStored ||= object.isStored;
  }

  /** A callback may have changed what is in storage: nobody is to be told of it before it is kept, or a crash would forget it. */
  get isHolding(): boolean {
    return this.#stored > 0 || this.#hasReadStored;
  }

  /**
   * Sends once what was changed before is kept: the platform holds what is sent behind a write until that is durable. All that is
   * sent in a turn of the microtasks waits for one comparison.
   */
  hold(send: () => void): void {
    if (this.#held.push(send) === 1) void Promise.resolve().then(() => this.#release());
    this.#senders.add(this.#current);
  }

  /** What a callback changed is kept: what it sends need not wait. */
  #goOn(turn: Turn): void {
    this.#senders.delete(turn);
    this.#release();
  }

  #release(): void {
    if (this.#held.length === 0) return;
    const objects = new Set<SessionObject>();
    // After an await any of those under way may have changed something.
    for (const turn of this.#senders.has(undefined) ? this.#running : this.#senders) {
      if (turn!.isStored || this.#hasReadStored) for (const object of this.#objectsOf(turn!)) objects.add(object);
    }
    for (const object of objects) if (object.isStored) object.keepAhead();
    this.#senders.clear();
    for (const send of this.#held.splice(0)) send();
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
    this.#current = undefined;
    if (turn.isStored) this.#stored--;
    turn.isStored = false;
    try {
      if (this.#clock === since) own.keep();
      else this.#keepAll(turn);
    } finally {
      if (this.#held.length > 0) this.#goOn(turn);
    }
  }

  #keepAll(turn: Turn): void {
    const { own } = turn;
    let failed: Error | undefined;
    const oldest = this.#running[0]?.since ?? Infinity;
    // Undefined for one that nobody has read.
    const mayChange = (object: SessionObject) =>
      this.#running.some((one) => one.own === object) || this.#read.get(object)! > oldest;
    for (const object of this.#objectsOf(turn)) {
      try {
        // In the middle of another callback an object may be what it can't stay: that one's end judges it.
        object.keep(object === own || !mayChange(object));
      } catch (error) {
        failed ??= toError(error);
      }
    }
    for (const [object, time] of this.#read) if (time <= oldest) this.#read.delete(object);
    this.#hasReadStored &&= this.#read.size > 0;
    if (failed) throw failed;
  }

  /** Its own session object, and those that were read since it began. */
  #objectsOf({ own, since }: Turn): Set<SessionObject> {
    const objects = new Set([own]);
    for (const [object, time] of this.#read) if (time > since) objects.add(object);
    return objects;
  }
}
