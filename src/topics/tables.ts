// The tables with the histories of an object's topics. SQL, because appending to a block takes 3 µs and doesn't need
// the block in memory.
import { DeploymentError, TopicLimitError } from "../api/errors.ts";
import type { TopicSettings } from "../api/topics.ts";
import { unknownForm } from "../hibernation/form.ts";
import { isWithoutSqlite } from "../hibernation/row.ts";
import { placeOf, report, type Place } from "../reporting/log.ts";
import { BLOCKS, CREATE, EMPTY, FORM, GAP, keyOf, MOST_TOPICS, rangeOf, WITH_TOPICS } from "./schema.ts";

/** How often a silent topic with subscribers is checked, in milliseconds. */
const DAY = 86_400_000;

/** The minimum time until old publications are checked again, in milliseconds. */
const SOON = 1000;
/** The same for those that a session in `onOpen` still needs. */
const HELD = 60_000;

export const newEpoch = (): string => crypto.randomUUID().slice(0, 13).replace("-", "");

// oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is no row of a query
export type Block = { first: number; last: number; size: number };

/** The state of a history in memory. */
export interface Known {
  readonly topic: number;
  readonly epoch: string;
  /** The newest publication, 0 before there is one. */
  newest: number;
  /** The oldest publication in storage. */
  first: number;
  bytes: number;
  tail: Block | undefined;
  oldest: Block | undefined;
  hasIds: boolean;
}

type Value = ArrayBuffer | string | number | null;

export class Tables {
  readonly storage: DurableObjectStorage;
  /** For the log. */
  readonly place: Place;
  readonly #settings: () => TopicSettings;
  /** Undefined if that was not checked. */
  #areThere: boolean | undefined;
  /** The size of the database when it was measured, and the bytes added since. */
  #measured = 0;
  #added = Infinity;

  constructor(ctx: DurableObjectState, settings: () => TopicSettings) {
    this.storage = ctx.storage;
    this.place = placeOf(ctx);
    this.#settings = settings;
  }

  get areThere(): boolean {
    if (this.#areThere === undefined) {
      try {
        this.#areThere =
          this.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'socle_topics'").toArray().length > 0;
      } catch (error) {
        if (!isWithoutSqlite(error)) throw error;
        this.#areThere = false;
      }
    }
    return this.#areThere;
  }

  /** @throws {@link DeploymentError} for an object without SQLite */
  create(): void {
    if (this.areThere) return;
    try {
      this.storage.sql.exec(CREATE);
    } catch (cause) {
      if (!isWithoutSqlite(cause)) throw cause;
      throw new DeploymentError(
        "A history of topics needs a class with SQLite storage: list it under new_sqlite_classes, or leave out topics.history.",
        { cause },
      );
    }
    this.#areThere = true;
  }

  /** Something else may have changed the tables. */
  reset(): void {
    this.#areThere = undefined;
    this.#added = Infinity;
  }

  exec<Row extends Record<string, Value>>(query: string, ...bindings: readonly (Value | ArrayBufferView)[]): Row[] {
    return this.storage.sql.exec<Row>(query, ...bindings).toArray();
  }

  /** The state of a topic's history. A deploy may have changed how long it is kept. */
  find(name: string, age?: number): Known | undefined {
    if (!this.areThere) return undefined;
    const [row] = this.exec<{ id: number; epoch: string; base: number; age: number; form: number }>(
      "SELECT id, epoch, base, age, form FROM socle_topics WHERE name = ?",
      name,
    );
    if (!row) return undefined;
    const { id, epoch, base } = row;
    if (row.form !== FORM) {
      report(`the history of "${name}" is reset`, unknownForm({ socle: row.form }), this.place);
      this.forget(id);
      return undefined;
    }
    const range = rangeOf(id);
    if (age !== undefined) this.renew({ id, age: row.age }, age);
    const [sum] = this.exec<{ first: number | null; bytes: number }>(
      `SELECT min(first) AS first, ifnull(sum(size), 0) AS bytes ${BLOCKS}`,
      ...range,
    );
    const [tail] = this.blocks(id, "ORDER BY key DESC LIMIT 1");
    const [withId] = this.exec("SELECT 1 FROM socle_ids WHERE topic = ? LIMIT 1", id);
    const newest = tail?.last ?? base;
    const { first, bytes } = sum!;
    return {
      topic: id,
      epoch,
      newest,
      first: first ?? newest + 1,
      bytes,
      tail,
      oldest: undefined,
      hasIds: withId !== undefined,
    };
  }

  /**
   * Creates the history of a topic.
   *
   * @throws {@link DeploymentError}, {@link TopicLimitError}
   */
  begin(name: string, epoch: string, age: number): Known {
    this.create();
    this.checkCount();
    const [last] = this.exec<{ id: number }>("SELECT ifnull(max(id), 0) AS id FROM socle_topics");
    const [gap] = last!.id < MOST_TOPICS ? [] : this.exec<{ id: number }>(GAP);
    this.exec(
      "INSERT INTO socle_topics (id, name, epoch, base, age, expires, form) VALUES (?, ?, ?, 0, ?, ?, ?)",
      (gap ?? last!).id + 1,
      name,
      epoch,
      age,
      Date.now() + age,
      FORM,
    );
    return this.find(name)!;
  }

  /** @param which selects and orders the blocks of a topic */
  blocks(topic: number, which: string, ...bindings: number[]): Block[] {
    return this.exec<Block>(`SELECT first, last, size ${BLOCKS} ${which}`, ...rangeOf(topic), ...bindings);
  }

  /** The block that contains an offset, or the last one before it. */
  blockAt(topic: number, offset: number): (Block & { data: ArrayBuffer }) | undefined {
    const query = `SELECT first, last, size, data ${BLOCKS} ORDER BY key DESC LIMIT 1`;
    return this.exec<Block & { data: ArrayBuffer }>(query, keyOf(topic, 0), keyOf(topic, offset))[0];
  }

  /** @param data a new block, or the addition to one; without the cast SQLite would make a text of it */
  put(key: number, { first, last, size }: Block, data: Uint8Array, expires: number, isNew: boolean): void {
    if (isNew) this.exec("INSERT INTO socle_blocks VALUES (?, ?, ?, ?, ?, ?)", key, first, last, size, expires, data);
    else {
      const added =
        "UPDATE socle_blocks SET last = ?, size = ?, expires = ?, data = CAST(data || ? AS BLOB) WHERE key = ?";
      this.exec(added, last, size, expires, data, key);
    }
  }

  /** Deletes what is after an offset. */
  cut(topic: number, newest: number): void {
    this.exec(`DELETE ${BLOCKS}`, ...rangeOf(topic, newest + 1));
    this.exec("DELETE FROM socle_ids WHERE topic = ? AND offset > ?", topic, newest);
  }

  /** All topics that have a history, and for how long it was kept. */
  get all(): { id: number; name: string; age: number }[] {
    return this.areThere ? this.exec("SELECT id, name, age FROM socle_topics") : [];
  }

  /** A deploy has changed for how long a history is kept. */
  renew({ id, age: former }: { id: number; age: number }, age: number): void {
    if (age === former) return;
    const blocks = rangeOf(id);
    this.exec("UPDATE socle_topics SET expires = expires + ? - age, age = ? WHERE id = ?", age, age, id);
    this.exec("UPDATE socle_blocks SET expires = expires + ? WHERE key BETWEEN ? AND ?", age - former, ...blocks);
  }

  /** Deletes a topic and its history. */
  forget(topic: number): void {
    this.cut(topic, 0);
    this.exec("DELETE FROM socle_topics WHERE id = ?", topic);
  }

  /**
   * Deletes old publications, and topics without publications and subscribers.
   *
   * @param isHeld whether a topic has to stay unchanged for now
   * @param isAlive whether a topic has subscribers
   * @returns when to look again; undefined if nothing is left
   */
  sweep(now: number, isHeld: (name: string) => boolean, isAlive: (name: string) => boolean): number | undefined {
    if (!this.areThere) return undefined;
    const old = this.exec<{ topic: number; name: string; last: number }>(
      `SELECT id AS topic, name, max(last) AS last ${WITH_TOPICS} WHERE socle_blocks.expires <= ? GROUP BY id`,
      now,
    );
    let soon = SOON;
    for (const { topic, name, last } of old) {
      if (isHeld(name)) {
        soon = HELD;
        continue;
      }
      this.exec("UPDATE socle_topics SET base = max(base, ?) WHERE id = ?", last, topic);
      this.exec(`DELETE ${BLOCKS} AND last <= ?`, ...rangeOf(topic), last);
      this.exec("DELETE FROM socle_ids WHERE topic = ? AND offset <= ?", topic, last);
    }
    const quiet = this.exec<{ id: number; name: string }>(
      `SELECT id, name FROM socle_topics WHERE expires <= ? AND ${EMPTY}`,
      now,
    );
    for (const { id, name } of quiet) {
      if (isAlive(name)) this.exec("UPDATE socle_topics SET expires = ? + max(age, ?) WHERE id = ?", now, DAY, id);
      else this.forget(id);
    }
    const [next] = this.exec<{ blocks: number | null; topics: number | null }>(
      `SELECT (SELECT min(socle_blocks.expires + age / 5) ${WITH_TOPICS}) AS blocks, (SELECT min(expires + age / 5) FROM socle_topics WHERE ${EMPTY}) AS topics`,
    );
    const { blocks, topics } = next!;
    if (blocks === null && topics === null) {
      this.#drop();
      return undefined;
    }
    return Math.max(Math.min(blocks ?? Infinity, topics ?? Infinity), now + soon);
  }

  /** @throws {@link TopicLimitError} if there may be no more topics */
  checkCount(): void {
    const { maxTopics } = this.#settings();
    const [row] = this.exec<{ count: number }>("SELECT count(*) AS count FROM socle_topics");
    const { count } = row!;
    if (count < maxTopics!) return;
    throw new TopicLimitError(`The object already has histories of ${count} topics: see maxTopics.`);
  }

  #drop(): void {
    for (const table of ["topics", "blocks", "ids"]) this.exec(`DROP TABLE IF EXISTS socle_${table}`);
    this.reset();
  }

  /** @throws {@link TopicLimitError} if this many bytes more are too many */
  checkSize(bytes: number): void {
    const { maxBytes } = this.#settings();
    const isLess = () => this.#measured + this.#added + bytes <= maxBytes!;
    if (!isLess()) {
      // The histories are never larger than the database, so mostly they need not be summed up.
      [this.#measured, this.#added] = [this.storage.sql.databaseSize, 0];
      if (!isLess()) {
        const [sum] = this.exec<{ size: number }>("SELECT ifnull(sum(size), 0) AS size FROM socle_blocks");
        this.#measured = sum!.size;
      }
    }
    if (!isLess()) {
      throw new TopicLimitError(
        `The object's histories have ${this.#measured + this.#added} bytes, and ${bytes} more would exceed maxBytes.`,
      );
    }
    this.#added += bytes;
  }
}
