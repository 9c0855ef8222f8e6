// The plain reference of one topic and its history: all in a list, of which some may be got.
import { AGE, contentOf, type History, type Publish, type TopicName } from "./topics-script.ts";

/** A publication. Where it stands among all of its topic is its index. */
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

/** A position, as the reference names it; undefined without a history. */
export const positionOf = ({ epoch, offset }: Pick<Published, "epoch" | "offset">): string | undefined =>
  epoch ? `${epoch}.${offset}` : undefined;

export class ReferenceTopic {
  readonly all: Published[] = [];
  /** "" before anything was published or subscribed. */
  epoch = "";
  newest = 0;
  /** Up to this all is gone for good. */
  gone = 0;
  /** Where each epoch begins. */
  readonly epochs = new Map<string, number>();

  constructor(
    readonly name: TopicName,
    readonly settings: () => History | undefined,
    /** Makes the name of another. */
    readonly newEpoch: () => string,
  ) {}

  get history(): History | undefined {
    return this.settings();
  }

  get position(): string | undefined {
    return this.history && positionOf({ epoch: this.epoch, offset: this.newest });
  }

  /** Somebody has to do with it: what former code has kept is forgotten where there is no history now. */
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

  /** What somebody may get, the oldest first. */
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

  /** Nobody gets it any more who asks. */
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

  /** From which offset on all that follows has no more bytes. */
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
