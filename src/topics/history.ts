// The publications of one topic: appended, read from an offset on, and trimmed. Callers use offsets, storage has blocks.
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

/** The maximum size of a block, in bytes, for the publications of one turn. One publication may be larger. */
const BLOCK = 16_384;

/** The size up to which a block grows over several turns, in bytes: with its row it fits a page. A second page costs as much again. */
const GROWN = 3900;

/** A publication to keep. */
export interface Entry {
  readonly id: string;
  /** The id under which an uncertain earlier attempt may have stored it. */
  readonly former?: string | undefined;
  readonly record: Bytes;
}

/** How long ago a retried publication can have been stored, in milliseconds. */
const RECENT = 600_000;

/** How many bytes beyond its limits and a replay are kept for sessions in `onOpen`. */
const MAX_HELD = 1_048_576;

export class History implements Written, Reach {
  readonly settings: Settings;
  readonly #tables: Tables;
  readonly #name: string;
  /** The oldest publication that has to stay, for a session in `onOpen`. */
  readonly #pinned: () => number;
  #known: Known | undefined;
  /** What was appended during an open transaction of the application. */
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

  /** The position of the newest publication; undefined if nothing was published or subscribed yet. */
  get position(): string | undefined {
    const known = this.#load();
    return known && positionOf(known.epoch, known.newest);
  }

  /** The oldest publication in storage. */
  get first(): number {
    return this.#open().first;
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  /** Storage may have changed. */
  reset(): void {
    this.#known = undefined;
  }

  /**
   * Stores publications after the existing ones, with one write for each block that they touch.
   *
   * @returns the offset of each, and whether it is new: for an id that exists, the existing offset
   * @throws what storage throws; then none is stored
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

  /** From which offset on a shard gets what may be replayed, and whether nothing earlier may be replayed. */
  startOfRange([epoch, from, last]: Range, now: number): readonly [next: number, isWhole: boolean] {
    const first = this.firstAt(now);
    const wanted = Math.min(this.newest + 1 - last, epoch === this.epoch ? from : Infinity);
    const next = this.fitting(Math.max(first, wanted), this.settings.replayBytes);
    return [next, next > wanted || next <= first];
  }

  /** The publications from an offset on, up to the newest at that time. Ends at a gap. */
  *read(from: number): Generator<Recorded, void, undefined> {
    let next = from;
    for (;;) {
      // The receiver of the last publication may have emptied storage.
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

  /** Deletes the publications. Later ones have another epoch. */
  clear(): void {
    const known = this.#load();
    if (known) this.#begin(known, newEpoch(), 0);
  }

  /** A transaction was rolled back, and has undone what was appended meanwhile. */
  rewrite(): void {
    const known = this.#known;
    // It may have undone the creation of the tables.
    this.#tables.reset();
    this.reset();
    if (!known) return;
    const now = this.#load() ?? this.#tables.begin(this.#name, known.epoch, this.settings.ageMs);
    const lost = this.#meanwhile;
    if (now.epoch !== known.epoch) this.#begin(now, known.epoch, lost[0] ? lost[0].offset - 1 : known.newest);
    const { newest } = this.#open();
    const entries = lost.filter(({ offset }) => offset > newest).map(({ entry }) => entry);
    // An outer transaction may undo these too.
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
      // A new block has one byte more.
      if (!block || block.size + record.length > most) block = { first: offset, last: offset, size: 1, records: [] };
      if (block !== blocks.at(-1)) blocks.push(block);
      block.last = offset;
      block.size += record.length;
      block.records.push(record);
      return [offset, true];
    });
    // The growing block is written last: if another write fails, the others are cut off.
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

  /** The offset of a publication with an id that the history still has; 0 if there is none. */
  #offsetOf(id: string, { newest }: Known, now: number): number {
    const [there] = this.#exec<{ offset: number }>("SELECT offset FROM socle_ids WHERE topic = ? AND id = ?", id);
    return there && (there.offset > newest || there.offset >= this.firstAt(now)) ? there.offset : 0;
  }

  /** The offset of a recent publication that was stored under this id, otherwise 0. Such ids have no row. */
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

  /** Deletes the blocks past the limits of number and size. Old blocks are deleted by the sweep. */
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

  /** One by one: the ids of a block are not stored together. */
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
    // Loaded so that a rolled back transaction doesn't bring the publications back.
    this.#load();
  }

  /** The state in storage; undefined if there is none. */
  #load(): Known | undefined {
    return (this.#known ??= this.#tables.find(this.#name, this.settings.ageMs));
  }

  #open(): Known {
    const known = this.#load();
    if (known) return known;
    this.#note([]);
    return (this.#known = this.#tables.begin(this.#name, newEpoch(), this.settings.ageMs));
  }

  /** Runs a query about the topic's ids. */
  #exec<Row extends Record<string, string | number | ArrayBuffer>>(
    query: string,
    ...bindings: (string | number | Bytes)[]
  ): Row[] {
    return this.#tables.exec<Row>(query, this.#known!.topic, ...bindings);
  }
}
