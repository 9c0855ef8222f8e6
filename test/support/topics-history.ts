// The plain reference of one topic and its history: a list of all publications, some of which a client can still get.
import { AGE, contentOf, type History, type Publish, type TopicName } from "./topics-script.ts";

/** A publication. Its index is its place among all publications of the topic. */
export interface Published {
  index: number;
  /** "" without a history. */
  epoch: string;
  offset: number;
  id: string;
  key: string;
  content: string;
  isBinary: boolean;
  size: number;
  time: number;
}

/** A position with the reference's name of the epoch; undefined without a history. */
export const positionOf = ({ epoch, offset }: Pick<Published, "epoch" | "offset">): string | undefined =>
  epoch ? `${epoch}.${offset}` : undefined;

export class ReferenceTopic {
  readonly all: Published[] = [];
  /** "" before the first publication or subscription. */
  epoch = "";
  newest = 0;
  /** The last offset that nobody can get any more. */
  gone = 0;
  /** The index at which each epoch begins. */
  readonly epochs = new Map<string, number>();

  constructor(
    readonly name: TopicName,
    readonly settings: () => History | undefined,
    /** Makes a new name for an epoch. */
    readonly newEpoch: () => string,
  ) {}

  get history(): History | undefined {
    return this.settings();
  }

  get position(): string | undefined {
    return this.history && positionOf({ epoch: this.epoch, offset: this.newest });
  }

  /** Called by each operation on the topic. If the topic has no history now, what older code kept is forgotten. */
  touch(): void {
    if (!this.history) this.forget();
  }

  forget(): void {
    this.epoch = "";
  }

  open(): void {
    if (this.history && !this.epoch) this.begin();
  }

  begin(): void {
    this.epoch = this.newEpoch();
    this.newest = this.gone = 0;
    this.epochs.set(this.epoch, this.all.length);
  }

  /** The publications that a client can still get, the oldest first. */
  kept({ messages, bytes }: History = this.history!): Published[] {
    const kept: Published[] = [];
    let rest = bytes;
    for (const one of this.all.toReversed()) {
      if (!this.epoch || one.epoch !== this.epoch || one.offset <= this.gone) break;
      if (one.time + AGE <= Date.now() || kept.length === messages || (rest -= one.size) < 0) break;
      kept.unshift(one);
    }
    return kept;
  }

  /** Whether a client that asks for a publication can't get it any more. */
  isGone(one: Published): boolean {
    return one.epoch !== "" && (one.epoch !== this.epoch || !this.history || !this.kept().includes(one));
  }

  startOf(since: string | undefined, last: number, most: number): { recovered: boolean; next: number } {
    const kept = this.kept();
    const first = this.newest + 1 - kept.length;
    const [epoch, digits] = since?.split(".") ?? [];
    const next = epoch === this.epoch ? Number(digits) + 1 : 0;
    const fitting = this.#fitting(kept, most);
    if (next >= first && next <= this.newest + 1 && next >= fitting) return { recovered: true, next };
    return { recovered: false, next: Math.max(first, this.newest + 1 - last, fitting) };
  }

  read(since: string | undefined, last = since === undefined ? Infinity : 0): Published[] {
    if (!this.history || !this.epoch) return [];
    const { next } = this.startOf(since, last, Infinity);
    return this.kept().filter(({ offset }) => offset >= next);
  }

  publish(act: Publish): Published {
    const { id, key, payload } = act;
    this.touch();
    this.open();
    const there = this.history && key && this.kept().findLast((one) => one.key === key);
    if (there) return there;
    const published: Published = {
      index: this.all.length,
      epoch: this.epoch,
      offset: this.history ? ++this.newest : 0,
      id,
      key,
      content: contentOf(act),
      isBinary: payload.isBinary,
      size: payload.size || 8 + key.length,
      time: Date.now(),
    };
    this.all.push(published);
    return published;
  }

  /** The first offset from which all later publications fit into `most` bytes. */
  #fitting(kept: readonly Published[], most: number): number {
    let next = this.newest + 1;
    let rest = most;
    for (const { size } of kept.toReversed()) {
      if ((rest -= size) < 0) break;
      next--;
    }
    return next;
  }
}
