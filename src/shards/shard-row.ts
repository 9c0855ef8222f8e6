// The row of a shard: whether the root knows of it, and its position in each topic. It survives hibernation.
import { formed, isKnown, type Formed } from "../hibernation/form.ts";
import { wrote, type Written } from "../hibernation/rollback.ts";
import { attempt, placeOf, type Place } from "../reporting/log.ts";

const KEY = "socle:shard";

/**
 * How long to wait for further changes, in milliseconds. While more come nothing need be written: the object doesn't
 * hibernate, and a crash ends its sockets too.
 */
const PAUSE = 1000;

interface Row extends Formed {
  isKnown: boolean;
  /** A text, because it is copied faster. */
  places: string;
}

/** The position of a topic. */
export type Followed = readonly [epoch: string, newest: number];

export class ShardRow implements Written {
  readonly #ctx: DurableObjectState;
  readonly #place: Place;
  #isKnown = false;
  readonly #places = new Map<string, Followed>();
  #isRead = false;
  #hasChanged = false;
  #isPausing = false;
  #touchedAt = 0;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
    this.#place = placeOf(ctx);
  }

  /** The root knows that the shard has sessions. */
  get isKnown(): boolean {
    this.#read();
    return this.#isKnown;
  }

  /** The shard's positions, by the topics' names. */
  get places(): ReadonlyMap<string, Followed> {
    this.#read();
    return this.#places;
  }

  know(known: boolean): void {
    this.#read();
    if (known === this.#isKnown) return;
    this.#isKnown = known;
    this.#save();
  }

  reach(topic: string, epoch: string, newest: number): void {
    this.#read();
    this.#places.set(topic, [epoch, newest]);
    this.#touch();
  }

  leave(topic: string): void {
    this.#read();
    if (this.#places.delete(topic)) this.#touch();
  }

  /** Storage was emptied, or a transaction has undone writes. */
  rewrite(): void {
    if (this.#isRead) this.#save();
  }

  /**
   * A single change is written at once, after what its turn sends. Of several changes only the last is written, and the
   * object stays awake until then.
   */
  #touch(): void {
    const now = Date.now();
    const isAlone = now - this.#touchedAt >= PAUSE;
    this.#touchedAt = now;
    this.#hasChanged = true;
    if (!this.#isPausing) this.#ctx.waitUntil(this.#pause(isAlone ? 0 : PAUSE));
  }

  async #pause(milliseconds: number): Promise<void> {
    this.#isPausing = true;
    do {
      this.#hasChanged = false;
      await scheduler.wait(milliseconds);
    } while (this.#hasChanged);
    this.#isPausing = false;
    this.#save();
  }

  #save(): void {
    const { storage } = this.#ctx;
    const save = () => {
      if (this.#isKnown || this.#places.size > 0) {
        const places = JSON.stringify(Array.from(this.#places, ([topic, [epoch, newest]]) => [topic, epoch, newest]));
        storage.kv.put(KEY, formed<Row>({ isKnown: this.#isKnown, places }));
      } else storage.kv.delete(KEY);
      wrote(storage, this);
    };
    attempt("a shard's progress can't be saved", save, this.#place);
  }

  #read(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    const row = this.#ctx.storage.kv.get<Row>(KEY);
    // A row of another form is ignored: the shard asks the root.
    if (!row || !isKnown(row)) return;
    this.#isKnown = row.isKnown;
    for (const [topic, epoch, newest] of JSON.parse(row.places) as [string, string, number][]) {
      this.#places.set(topic, [epoch, newest]);
    }
  }
}
