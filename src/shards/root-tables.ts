// The root's tables in storage: its shards, and which of them want which topic.
import { DeploymentError } from "../api/errors.ts";
import { FORM, unknownForm } from "../hibernation/form.ts";
import { wrote, type Written } from "../hibernation/rollback.ts";
import { isWithoutSqlite } from "../hibernation/row.ts";

const CREATE = `
CREATE TABLE IF NOT EXISTS socle_shards (
  shard INTEGER PRIMARY KEY, life TEXT NOT NULL, number INTEGER NOT NULL, form INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS socle_wants (
  topic TEXT NOT NULL, shard INTEGER NOT NULL, life TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (topic, shard)
) WITHOUT ROWID;
`;

/** The question in which a shard reported something: an earlier report doesn't undo it. */
interface Said {
  readonly life: string;
  readonly number: number;
}

// oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is no row of a query
type Row = { shard: number; life: string; number: number };

export class RootTables implements Written {
  readonly #storage: DurableObjectStorage;
  #shards: Map<number, Said> | undefined;
  /** The wants of the topics that were looked up. */
  readonly #wants = new Map<string, Map<number, Said>>();

  constructor({ storage }: DurableObjectState) {
    this.#storage = storage;
  }

  /** The shards that have sessions, or had. */
  get shards(): ReadonlyMap<number, unknown> {
    return this.#all();
  }

  /** The shards that want a topic. */
  wanting(topic: string): ReadonlyMap<number, unknown> {
    return this.#of(topic);
  }

  /** A shard has sessions. */
  add(shard: number, said: Said): void {
    const all = this.#all();
    this.#create();
    all.set(shard, said);
    this.#put(shard, said);
  }

  /** A shard wants a topic. */
  want(topic: string, shard: number, said: Said): void {
    const those = this.#of(topic);
    this.#create();
    those.set(shard, said);
    this.#wants.set(topic, those);
    this.#putWant(topic, shard, said);
  }

  /** A shard had no subscribers of a topic at the time `then`. */
  unwant(topic: string, shard: number, then: Said): void {
    const those = this.#of(topic);
    if (!isBefore(those.get(shard), then)) return;
    those.delete(shard);
    if (those.size === 0) this.#wants.delete(topic);
    this.#exec("DELETE FROM socle_wants WHERE topic = ? AND shard = ?", topic, shard);
  }

  /** A shard had no sessions at the time `then`. */
  remove(shard: number, then: Said): void {
    const all = this.#all();
    if (!isBefore(all.get(shard), then)) return;
    all.delete(shard);
    this.#exec("DELETE FROM socle_shards WHERE shard = ?", shard);
    this.#exec("DELETE FROM socle_wants WHERE shard = ?", shard);
    for (const those of this.#wants.values()) those.delete(shard);
    if (all.size === 0) {
      for (const table of ["shards", "wants"]) this.#exec(`DROP TABLE IF EXISTS socle_${table}`);
      this.#wants.clear();
    }
  }

  /** Storage was emptied, or a transaction has undone writes. */
  rewrite(): void {
    const shards = this.#shards ?? new Map<number, Said>();
    if (shards.size + this.#wants.size === 0) return;
    this.#create();
    for (const [shard, said] of shards) this.#put(shard, said);
    for (const [topic, those] of this.#wants) for (const [shard, said] of those) this.#putWant(topic, shard, said);
  }

  /** @throws {@link SessionVersionError} for an unknown form */
  #all(): Map<number, Said> {
    if (this.#shards) return this.#shards;
    const rows = this.#read<Row & { form: number }>("SELECT shard, life, number, form FROM socle_shards");
    const other = rows.find(({ form }) => form !== FORM);
    if (other) throw unknownForm({ socle: other.form });
    return (this.#shards = new Map(rows.map(({ shard, life, number }) => [shard, { life, number }])));
  }

  #of(topic: string): Map<number, Said> {
    let those = this.#wants.get(topic);
    if (!those) {
      const rows =
        this.#all().size > 0 ? this.#read("SELECT shard, life, number FROM socle_wants WHERE topic = ?", topic) : [];
      those = new Map(rows.map(({ shard, ...said }) => [shard, said]));
      // Nothing is cached for a topic that no shard wants: publishers may choose any name.
      if (those.size > 0) this.#wants.set(topic, those);
    }
    return those;
  }

  #put(shard: number, { life, number }: Said): void {
    this.#exec("INSERT OR REPLACE INTO socle_shards VALUES (?, ?, ?, ?)", shard, life, number, FORM);
  }

  #putWant(topic: string, shard: number, { life, number }: Said): void {
    this.#exec("INSERT OR REPLACE INTO socle_wants VALUES (?, ?, ?, ?)", topic, shard, life, number);
  }

  /** @throws {@link DeploymentError} for an object without SQLite */
  #create(): void {
    try {
      this.#exec(CREATE);
    } catch (cause) {
      if (!isWithoutSqlite(cause)) throw cause;
      throw new DeploymentError(
        "The option shards needs a class with SQLite storage: list it under new_sqlite_classes.",
        { cause },
      );
    }
  }

  #exec(query: string, ...bindings: (string | number)[]): void {
    this.#storage.sql.exec(query, ...bindings);
    wrote(this.#storage, this);
  }

  #read<Found extends Row>(query: string, ...bindings: string[]): Found[] {
    try {
      return this.#storage.sql.exec<Found>(query, ...bindings).toArray();
    } catch (error) {
      // There are no shards yet.
      if (/no such table/.test(String(error)) || isWithoutSqlite(error)) return [];
      throw error;
    }
  }
}

const isBefore = (said: Said | undefined, then: Said): boolean =>
  said !== undefined && !(said.life === then.life && said.number > then.number);
