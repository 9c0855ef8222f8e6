// The part of a topic's history in a shard: the newest publications, as the root delivered them. Subscribing and
// reading on mostly need no more.
import type { History as Settings } from "../options/topics.ts";
import type { Kept, Range } from "../topics/outlet.ts";
import { parsePosition, startIn, type Reach, type Start } from "../topics/position.ts";
import type { Past } from "../topics/topic.ts";
import { positionOf } from "../wire/publication.ts";

interface Recent {
  readonly offset: number;
  readonly time: number;
  /** How many bytes of the history it takes. */
  readonly size: number;
  readonly payload: Kept[3];
}

export const recentOf = ([offset, time, size, payload]: Kept): Recent => ({ offset, time, size, payload });

export class Window implements Past, Reach {
  readonly settings: Settings;
  readonly #read: (from: number) => Promise<Iterable<Recent>>;
  epoch = "";
  newest = 0;
  /** The oldest publication that the root has. */
  first = 1;
  /** No earlier publication may be replayed. */
  #isWhole = false;
  /** Ends with the newest. */
  #recent: Recent[] = [];
  bytes = 0;

  /** @param read fetches publications from an offset on from the root, a part of them */
  constructor(settings: Settings, read: (from: number) => Promise<Iterable<Recent>>) {
    this.settings = settings;
    this.#read = read;
  }

  get isKnown(): boolean {
    return this.epoch !== "";
  }

  get position(): string | undefined {
    return positionOf(this.epoch, this.newest);
  }

  /** The oldest publication that is here. */
  get #start(): number {
    return this.newest + 1 - this.#recent.length;
  }

  /** Begins after a position. */
  begin(epoch: string, newest: number, first: number): void {
    this.epoch = epoch;
    this.newest = newest;
    this.first = first;
    this.#recent = [];
    this.bytes = 0;
    // Without any publication this is all there is.
    this.#isWhole = newest === 0;
  }

  /** Adds the publication after the newest. */
  add(recent: Recent): void {
    this.newest = recent.offset;
    this.#recent.push(recent);
    this.bytes += recent.size;
  }

  /** Adds older publications of the root, which end where this begins, or later. */
  extend(kept: readonly Kept[], isWhole: boolean): void {
    const start = this.#start;
    const older = kept.filter(([offset]) => offset < start).map(recentOf);
    if (older.length > 0 && older.at(-1)!.offset !== start - 1) return;
    if (older.length > 0) this.#recent = [...older, ...this.#recent];
    for (const { size } of older) this.bytes += size;
    this.#isWhole ||= isWhole;
  }

  /**
   * Removes the oldest publications past this many bytes.
   *
   * @param pinned the first publication that has to stay
   */
  trim(most: number, pinned: number): void {
    // Only now and then: moving the others takes time in proportion to their number.
    if (this.bytes <= most * 1.25) return;
    let count = 0;
    for (const { offset, size } of this.#recent) {
      if (this.bytes <= most || offset >= pinned) break;
      this.bytes -= size;
      count++;
    }
    this.#recent.splice(0, count);
    // More than may be replayed is not needed.
    if (count > 0) this.#isWhole = this.bytes >= this.settings.replayBytes;
  }

  *read(from: number): Generator<Recent, void, undefined> {
    for (let next = Math.max(from, this.#start); next <= this.newest; next++) {
      const one = this.#recent[next - this.#start];
      if (!one) return;
      yield one;
    }
  }

  fetch(from: number): Promise<Iterable<Recent>> | undefined {
    return from < this.#start && from >= this.first ? this.#read(from) : undefined;
  }

  /** Whether it has all that decides where a subscription begins, and all that the subscription receives. */
  covers([epoch, from, last]: Range): boolean {
    if (this.#isWhole) return true;
    const start = this.#start;
    const isReplayed = epoch === this.epoch && from >= start && from <= this.newest + 1;
    return isReplayed || ((epoch !== this.epoch || from > this.newest + 1) && this.newest + 1 - last >= start);
  }

  /** Whether a client with this position may have it from another shard, which is further ahead. */
  isBehind([epoch, from]: Range): boolean {
    return epoch !== "" && (epoch !== this.epoch || from > this.newest + 1);
  }

  /** As in a history, computed from the part of it that decides. */
  startOf(since: string | undefined, last: number, now: number): Start {
    return startIn(this, since, last, now, this.settings.replayBytes);
  }

  firstAt(now: number): number {
    const { messages, bytes, ageMs } = this.settings;
    let rest = this.bytes;
    for (const { offset, time, size } of this.#recent) {
      if (offset > this.newest - messages && time + ageMs > now && rest <= bytes) return offset;
      rest -= size;
    }
    return this.newest + 1;
  }

  fitting(from: number, most: number): number {
    let start = this.newest + 1;
    let rest = most;
    for (let index = this.#recent.length - 1; index >= 0; index--) {
      const { offset, size } = this.#recent[index]!;
      rest -= size;
      if (offset < from || rest < 0) break;
      start = offset;
    }
    return start;
  }
}

/** The part of a history that decides where a subscription begins. */
export function rangeOf(since: string | undefined, last: number): Range {
  const position = since === undefined ? undefined : parsePosition(since);
  return position ? [position.epoch, position.offset + 1, last] : ["", 0, last];
}
