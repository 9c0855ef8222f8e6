// What was published on one topic: appended, read from an offset on, and trimmed, by offset for whoever asks and by block in storage.
import { wrote, type Written } from "../hibernation/rollback.ts";
import type { History as Settings } from "../options/topics.ts";
import { attempt } from "../reporting/log.ts";
import type { Bytes } from "../wire/frame.ts";
import { positionOf } from "../wire/publication.ts";
import { blockOf, recordsIn, type Recorded } from "./block.ts";
import type { Range } from "./outlet.ts";
import { startIn, type Reach, type Start } from "./position.ts";
import { keyOf, SPAN } from "./schema.ts";
import { newEpoch, type Block, type Known, type Tables } from "./tables.ts";

/** How large a block may be, in bytes, where the publications of one turn are more; one publication may be larger. */
const BLOCK = 16_384;

/** How large it grows, turn by turn: with what else is in its row it fits a page of the database. To write more than one page costs as much again. */
const GROWN = 3900;

/** A publication that is to be kept. */
export interface Entry {
  readonly id: string;
  /** What stands in the place of its id if it was kept before, of which nobody is sure. */
  readonly former?: string | undefined;
  readonly record: Bytes;
}

/** How long ago something can have been published that is tried again, in milliseconds. */
const RECENT = 600_000;

/** How many bytes beyond what it keeps and replays are kept for sessions in `onOpen`. */
const MAX_HELD = 1_048_576;

export class History implements Written, Reach {
  readonly settings: Settings;
  readonly #tables: Tables;
  readonly #name: string;
  /** The oldest publication that has to stay: that of a session in `onOpen`. */
  readonly #pinned: () => number;
  #known: Known | undefined;
  /** What was appended while a transaction of the application's is open. */
  #meanwhile: { readonly offset: number; readonly entry: Entry }[] = [];
  #transaction: object | undefined;

  constructor(tables: Tables, name: string, settings: Settings, pinned: () => number) {
    this.#tables = tables;
    this.#name = name;
    this.settings = settings;
    this.#pinned = pinned;
  }

  get epoch(): string {
    return this.#open().epoch;
  }

  get newest(): number {
    return this.#open().newest;
  }

  /** Of the newest publication; undefined if nothing was published or subscribed yet. */
  get position(): string | undefined {
    const known = this.#load();
    return known && positionOf(known.epoch, known.newest);
  }

  /** The oldest publication that is in storage. */
  get first(): number {
    return this.#open().first;
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  /** What is in storage may be something else now. */
  reset(): void {
    this.#known = undefined;
  }

  /**
   * Keeps publications behind the others, with one write for each block that they touch.
   *
   * @returns the offset of each, and whether it is new: of one with an id that is there it is that one's
   * @throws what storage throws; then none is kept
   */
  append(entries: readonly Entry[], now: number): (readonly [offset: number, isNew: boolean])[] {
    // An epoch has 17 billion offsets.
    if (this.newest + entries.length >= SPAN) this.clear();
    const known = this.#open();
    try {
      const placed = this.#append(known, entries, now);
      attempt("old publications can't be deleted", () => this.#trim(known), this.#tables.place);
      return placed;
    } catch (error) {
      this.#known = undefined;
      this.#tables.cut(known.topic, known.newest);
      throw error;
    }
  }

  startOf(since: string | undefined, last: number, now: number, most = this.settings.replayBytes): Start {
    return startIn(this, since, last, now, most);
  }

  /** From where on a shard gets what may be replayed, and whether nothing before may be. */
  startOfRange([epoch, from, last]: Range, now: number): readonly [next: number, isWhole: boolean] {
    const first = this.firstAt(now);
    const wanted = Math.min(this.newest + 1 - last, epoch === this.epoch ? from : Infinity);
    const next = this.fitting(Math.max(first, wanted), this.settings.replayBytes);
    return [next, next > wanted || next <= first];
  }

  /** The publications from an offset on, up to the newest of then. It ends before one that is gone. */
  *read(from: number): Generator<Recorded, void, undefined> {
    let next = from;
    for (;;) {
      // Storage may have been emptied since, by who got the last.
      const known = this.#load();
      const block = known && this.#tables.blockAt(known.topic, next);
      if (!block || block.last < next) return;
      for (const record of recordsIn(block.data, block.first)) {
        if (record.offset < next) continue;
        yield record;
        next++;
      }
    }
  }

  /** Forgets what was published: what comes has another epoch. */
  clear(): void {
    const known = this.#load();
    if (known) this.#begin(known, newEpoch(), 0);
  }

  /** A transaction was rolled back, and has taken along what was appended meanwhile. */
  rewrite(): void {
    const known = this.#known;
    // The tables may have been made in it.
    this.#tables.reset();
    this.reset();
    if (!known) return;
    const now = this.#load() ?? this.#tables.begin(this.#name, known.epoch, this.settings.ageMs);
    const lost = this.#meanwhile;
    if (now.epoch !== known.epoch) this.#begin(now, known.epoch, lost[0] ? lost[0].offset - 1 : known.newest);
    const { newest } = this.#open();
    const entries = lost.filter(({ offset }) => offset > newest).map(({ entry }) => entry);
    // A transaction around it may take along these too.
    this.#meanwhile = lost.filter(({ offset }) => offset <= newest);
    if (entries.length > 0) this.append(entries, Date.now());
  }

  #append(known: Known, entries: readonly Entry[], now: number): (readonly [offset: number, isNew: boolean])[] {
    const { topic } = known;
    const expires = now + this.settings.ageMs;
    const blocks: (Block & { records: Bytes[] })[] = [];
    let newest = known.newest;
    const placed = entries.map(({ id, record, former }): readonly [number, boolean] => {
      const there = former ? this.#offsetOfFormer(former, known, now) : id === "" ? 0 : this.#offsetOf(id, known, now);
      if (there > 0) return [there, false];
      const offset = ++newest;
      if (id) this.#exec("INSERT OR REPLACE INTO socle_ids VALUES (?, ?, ?)", id, offset);
      known.hasIds ||= id !== "";
      let block = blocks.at(-1) ?? (known.tail && { ...known.tail, records: [] });
      const most = block && block.first <= known.newest ? GROWN : BLOCK;
      // A new one has a byte more.
      if (!block || block.size + record.length > most) block = { first: offset, last: offset, size: 1, records: [] };
      if (block !== blocks.at(-1)) blocks.push(block);
      block.last = offset;
      block.size += record.length;
      block.records.push(record);
      return [offset, true];
    });
    // The one that grows comes last: if one of the others fails, what is left of them is cut off.
    for (const { first, last, size, records } of blocks.toReversed()) {
      const isNew = first > known.newest;
      const data = blockOf(records, isNew);
      this.#tables.put(keyOf(topic, first), { first, last, size }, data, expires, isNew);
      known.bytes += data.length;
    }
    const grown = blocks.find(({ first }) => first === known.oldest?.first);
    if (grown) known.oldest = { first: grown.first, last: grown.last, size: grown.size };
    const tail = blocks.at(-1);
    if (tail) known.tail = { first: tail.first, last: tail.last, size: tail.size };
    known.newest = newest;
    this.#note(entries.flatMap((entry, index) => (placed[index]![1] ? { offset: placed[index]![0], entry } : [])));
    return placed;
  }

  /** Of a publication with an id that the history still has; 0 if there is none. */
  #offsetOf(id: string, { newest }: Known, now: number): number {
    const [there] = this.#exec<{ offset: number }>("SELECT offset FROM socle_ids WHERE topic = ? AND id = ?", id);
    return there && (there.offset > newest || there.offset >= this.firstAt(now)) ? there.offset : 0;
  }

  /** Of one that was published a moment ago, if it was; else 0. Such have no row. */
  #offsetOfFormer(former: string, { topic }: Known, now: number): number {
    const blocks = this.#tables.blocks(topic, "AND expires >= ? ORDER BY key DESC", now + this.settings.ageMs - RECENT);
    for (const { first, last } of blocks) {
      for (const { offset, id } of this.read(first)) {
        if (id === former) return offset;
        if (offset >= last) break;
      }
    }
    return 0;
  }

  #note(appended: readonly { offset: number; entry: Entry }[]): void {
    const transaction = wrote(this.#tables.storage, this);
    if (transaction !== this.#transaction) this.#meanwhile = [];
    this.#transaction = transaction;
    if (transaction) this.#meanwhile.push(...appended);
  }

  /** Deletes the blocks of which nobody may get anything any more, but those that age. */
  #trim(known: Known): void {
    const { messages, bytes, replayBytes } = this.settings;
    while (known.newest - known.first >= messages || known.bytes > bytes) {
      known.oldest ??= this.#tables.blocks(known.topic, "ORDER BY key LIMIT 1")[0]!;
      const { first, last, size } = known.oldest;
      if (last > known.newest - messages && known.bytes - size < bytes) return;
      // An onOpen that never settles holds no more than its replay and a megabyte.
      if (last >= this.#pinned() && known.bytes <= bytes + replayBytes + MAX_HELD) return;
      if (known.hasIds) this.#forgetIds(first, last);
      this.#tables.exec("DELETE FROM socle_blocks WHERE key = ?", keyOf(known.topic, first));
      known.first = last + 1;
      known.bytes -= size;
      known.oldest = undefined;
    }
  }

  /** One by one: they have no order in which those of a block stand together. */
  #forgetIds(first: number, last: number): void {
    for (const { offset, id } of this.read(first)) {
      if (offset > last) return;
      if (id) this.#exec("DELETE FROM socle_ids WHERE topic = ? AND id = ? AND offset = ?", id, offset);
    }
  }

  firstAt(now: number): number {
    const { newest, first, bytes } = this.#open();
    const settings = this.settings;
    let rest = bytes;
    for (const { offset, time, size } of this.read(first)) {
      if (offset > newest - settings.messages && time + settings.ageMs > now && rest <= settings.bytes) return offset;
      rest -= size;
    }
    return newest + 1;
  }

  fitting(from: number, most: number): number {
    const { topic, newest } = this.#open();
    let start = newest + 1;
    let rest = most;
    for (const { first, size } of this.#tables.blocks(topic, "AND last >= ? ORDER BY key DESC", from)) {
      if (first >= from && size <= rest) {
        rest -= size;
        start = first;
        continue;
      }
      const sizes: number[] = [];
      for (const { offset, size: bytes } of this.read(Math.max(first, from))) {
        if (offset >= start) break;
        sizes.push(bytes);
      }
      for (let bytes; (bytes = sizes.pop()) !== undefined && bytes <= rest; rest -= bytes) start--;
      return start;
    }
    return start;
  }

  #begin({ topic }: Known, epoch: string, base: number): void {
    this.#tables.cut(topic, 0);
    this.#tables.exec("UPDATE socle_topics SET epoch = ?, base = ? WHERE id = ?", epoch, base, topic);
    this.#known = undefined;
    this.#meanwhile = [];
    this.#note([]);
    // If a transaction is rolled back it is to be cleared all the same.
    this.#load();
  }

  /** As it is in storage, where there may be nothing of it. */
  #load(): Known | undefined {
    return (this.#known ??= this.#tables.find(this.#name, this.settings.ageMs));
  }

  #open(): Known {
    const known = this.#load();
    if (known) return known;
    this.#note([]);
    return (this.#known = this.#tables.begin(this.#name, newEpoch(), this.settings.ageMs));
  }

  /** About the topic's ids. */
  #exec<Row extends Record<string, string | number | ArrayBuffer>>(
    query: string,
    ...bindings: (string | number | Bytes)[]
  ): Row[] {
    return this.#tables.exec<Row>(query, this.#known!.topic, ...bindings);
  }
}
