// Which session objects a callback has read through `session.sessionObject`, and so may have changed.
import { toError } from "../reporting/thrown.ts";

/** How long a waiting callback may delay what others send and keep, in milliseconds. */
const PATIENCE = 10_000;

/** The value of `readAt` for the object of a session that has ended. */
const GONE = -1;

/** A value that callbacks read and may change: a session object, or user properties. */
export interface Changeable {
  /** Changes are kept in storage too. */
  readonly isStored: boolean;
  /** The running callback of its session. */
  turn: Turn | undefined;
  /** When it was last read during a callback, and its neighbours in the order of reads. */
  readAt: number;
  earlier: Changeable | undefined;
  later: Changeable | undefined;
  /** Keeps what a callback changed; `isFinal` is false while another may still change it. */
  keep(isFinal?: boolean): void;
  /** Keeps what was changed so far, before something is sent. */
  keepAhead(): void;
}

/** A running callback. */
export interface Turn {
  own: Changeable;
  /** When it began, by the clock of the reads. */
  since: number;
  /** The callback during which it began. */
  outer: Turn | undefined;
  /** Its session object is in storage, and it has not ended. */
  isStored: boolean;
  /** When it began to wait, in milliseconds. */
  waits: number;
}

export class Turns {
  /** The callback whose code runs now, up to its first await. */
  #current: Turn | undefined;
  /**
   * The last callback that ended without waiting, for reuse: a new object costs the runtime 0.1 µs, because an old one
   * then holds it.
   */
  #spare: Turn | undefined;
  /** The callbacks that wait, the oldest first; and those that have waited so long that others ignore them. */
  readonly #waiting = new Set<Turn>();
  readonly #silent = new Set<Turn>();
  /** The object that was read last during a callback. After an await it is unknown which callback reads. */
  #latest: Changeable | undefined;
  #earliest: Changeable | undefined;
  #clock = 0;
  /**
   * How many callbacks that are not silent have a session object in storage, and whether another such object was read.
   */
  #stored = 0;
  #hasReadStored = false;
  /** Sends that wait until earlier changes are kept. */
  #held: (() => void)[] = [];
  /** The callbacks that may have changed something before; undefined stands for any waiting one. */
  readonly #senders = new Set<Turn | undefined>();

  begin(own: Changeable): Turn {
    const outer = this.#current;
    const turn = this.#spare ?? { own, since: 0, outer, isStored: false, waits: 0 };
    this.#spare = undefined;
    turn.own = own;
    turn.since = outer?.since ?? this.#clock;
    turn.outer = outer;
    turn.isStored = own.isStored;
    this.#current = own.turn = turn;
    if (turn.isStored) this.#stored++;
    return turn;
  }

  /** The callback waits: from here on it is unknown whose code runs. */
  wait(turn: Turn): void {
    this.#current = turn.outer;
    turn.waits = Date.now();
    this.#waiting.add(turn);
  }

  read(object: Changeable): void {
    if (object.readAt === GONE || (!this.#current && this.#waiting.size + this.#silent.size === 0)) return;
    this.#unlink(object);
    object.earlier = this.#latest;
    if (this.#latest) this.#latest.later = object;
    else this.#earliest = object;
    this.#latest = object;
    object.readAt = ++this.#clock;
    this.#hasReadStored ||= object.isStored;
  }

  /** Its session has ended. A later read changes nothing that is kept. */
  forget(object: Changeable): void {
    this.#unlink(object);
    object.readAt = GONE;
    this.#hasReadStored &&= this.#latest !== undefined;
  }

  /**
   * Whether a callback may have changed what is in storage. It has to be kept before anybody learns of it, because a
   * crash would lose it.
   *
   * @param own the session object of the session to which something is sent
   */
  isHolding(own?: Changeable): boolean {
    // Later sends must not overtake held ones.
    if (this.#held.length > 0) return true;
    if (this.#stored === 0 && this.#silent.size === 0 && !this.#hasReadStored) return false;
    this.#silence();
    if (this.#stored > 0 || own?.turn?.isStored) return true;
    if (!this.#hasReadStored) return false;
    const since = (this.#current ?? first(this.#waiting))?.since ?? Infinity;
    return this.#clock > Math.min(since, own?.turn?.since ?? Infinity);
  }

  /**
   * Sends once earlier changes are kept: the platform holds back what is sent after a write until that is durable. All
   * sends in one turn of the microtasks share one comparison.
   */
  hold(send: () => void, own: Changeable): void {
    if (this.#held.push(send) === 1) void Promise.resolve().then(() => this.#release());
    this.#senders.add(this.#current);
    if (!this.#current && own.turn) this.#senders.add(own.turn);
  }

  /** The changes of a callback are kept, so its sends need not wait. */
  #goOn(turn: Turn): void {
    this.#senders.delete(turn);
    this.#release();
  }

  #release(): void {
    if (this.#held.length === 0) return;
    const objects = new Set<Changeable>();
    // After an await any waiting callback may have changed something.
    if (this.#senders.delete(undefined)) {
      this.#silence();
      for (const turn of this.#waiting) this.#senders.add(turn);
    }
    for (const turn of this.#senders) {
      if (turn!.isStored || this.#hasReadStored) for (const object of this.#objectsOf(turn!)) objects.add(object);
    }
    for (const object of objects) if (object.isStored) object.keepAhead();
    this.#senders.clear();
    for (const send of this.#held.splice(0)) send();
  }

  /**
   * Keeps what the callback may have changed: its own session object, and those that were read.
   *
   * @throws the first error, after all objects
   */
  end(turn: Turn): void {
    const { own, since } = turn;
    // A callback that was given up on ends a second time when it settles.
    const wasSilent = turn.waits > 0 && !this.#waiting.delete(turn) && this.#silent.delete(turn);
    if (this.#current === turn) this.#current = turn.outer;
    if (own.turn === turn) own.turn = undefined;
    if (turn.isStored && !wasSilent) this.#stored--;
    turn.isStored = false;
    try {
      if (this.#clock === since) own.keep();
      else this.#keepAll(turn);
    } finally {
      if (this.#held.length > 0) this.#goOn(turn);
      if (turn.waits === 0) this.#spare = turn;
    }
  }

  #keepAll(turn: Turn): void {
    const { own } = turn;
    let failed: Error | undefined;
    this.#silence();
    const since = Math.min(this.#current?.since ?? Infinity, first(this.#waiting)?.since ?? Infinity);
    for (const object of this.#objectsOf(turn)) {
      try {
        // During another callback an object may be temporarily invalid: the end of that callback judges it.
        object.keep(object === own || !(object.turn || object.readAt > since));
      } catch (error) {
        failed ??= toError(error);
      }
    }
    const oldest = (first(this.#silent) ?? first(this.#waiting) ?? this.#current)?.since ?? Infinity;
    while (this.#earliest && this.#earliest.readAt <= oldest) this.#unlink(this.#earliest);
    this.#hasReadStored &&= this.#latest !== undefined;
    if (failed) throw failed;
  }

  /** Its own session object, and those that were read since it began. */
  #objectsOf({ own, since }: Turn): Set<Changeable> {
    const objects = new Set([own]);
    for (let object = this.#latest; object && object.readAt > since; object = object.earlier) objects.add(object);
    return objects;
  }

  /** A callback that never settles would otherwise make every later message look at its objects. */
  #silence(): void {
    if (this.#waiting.size === 0) return;
    const before = Date.now() - PATIENCE;
    for (const turn of this.#waiting) {
      if (turn.waits > before) return;
      this.#waiting.delete(turn);
      this.#silent.add(turn);
      if (turn.isStored) this.#stored--;
    }
  }

  #unlink(object: Changeable): void {
    if (object.readAt <= 0) return;
    const { earlier, later } = object;
    if (earlier) earlier.later = later;
    else this.#earliest = later;
    if (later) later.earlier = earlier;
    else this.#latest = earlier;
    object.readAt = 0;
    object.earlier = object.later = undefined;
  }
}

function first(turns: Set<Turn>): Turn | undefined {
  for (const turn of turns) return turn;
  return undefined;
}
