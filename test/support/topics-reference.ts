// The plain reference of the topics of one object: what is in the histories, what subscriptions begin with, who gets what.
import {
  AGE,
  contentOf,
  FILLERS,
  shown,
  TOPICS,
  type Act,
  type Histories,
  type History,
  type Opening,
  type Publish,
  type Range,
  type Script,
  type TopicName,
  type Variant,
} from "./topics-script.ts";
import { Stream } from "./topics-stream.ts";

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
    readonly reference: Reference,
  ) {}

  get history(): History | undefined {
    return this.reference.histories[this.name];
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
    this.epoch = this.reference.epoch();
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
    for (const session of this.reference.sessions) {
      if (act.except.includes(session.name)) session.streams[this.name].except(published);
    }
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

export class ReferenceSession {
  readonly log: string[] = [];
  readonly topics = new Set<string>();
  readonly streams: Record<TopicName, Stream>;
  isOpen = true;
  isAccepted = false;
  /** Its client acknowledges nothing by itself. */
  isSlow = false;
  closed: number | undefined;
  readonly #positions: Map<string, string>;

  constructor(
    readonly opening: Opening,
    readonly reference: Reference,
  ) {
    this.streams = Object.fromEntries(
      TOPICS.map((name) => [name, new Stream(reference.topics[name], this)]),
    ) as ReferenceSession["streams"];
    this.#positions = new Map(opening.kind === "topics" ? opening.positions : []);
    this.log.push("open");
  }

  get name(): string {
    return this.opening.name;
  }

  /** Publications wait for its client. */
  get isCredited(): boolean {
    return this.reference.variant.flowControl !== undefined && this.opening.kind !== "plain";
  }

  /** Its `onOpen` has run. */
  accept(): void {
    this.isAccepted = true;
  }

  receive({ id, acts }: Script): void {
    this.log.push(`text ${id} ${shown(this.topics)}`);
    this.reference.run(acts);
  }

  /** @param isCut it need not have got all that was published */
  end(code: number, isCut: boolean): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.closed = code;
    for (const stream of Object.values(this.streams)) stream.end(isCut);
    if (code !== 1006 || this.reference.variant.tracks) this.#closing.push(code);
    // In onOpen it comes behind that.
    if (this.isAccepted) this.reference.later(this);
  }

  readonly #closing: number[] = [];

  /** Runs `onClose`, if it is due. */
  close(): void {
    for (const code of this.#closing.splice(0)) {
      this.log.push(`close ${code} ${shown(this.topics)}`);
      this.reference.run(this.opening.closing);
    }
  }

  subscribe({ topic: name, since, last = 0 }: Range): string {
    if (!this.isOpen) return "SessionClosedError";
    const topic = this.reference.topics[name];
    topic.touch();
    if (this.topics.has(name)) return `false 0 ${topic.position}`;
    topic.open();
    const known = since === "client" ? this.#positions.get(name) : since;
    if (since === "client") this.#positions.delete(name);
    this.topics.add(name);
    const { history, epoch, newest, all } = topic;
    if (!history) {
      this.streams[name].begin(all.length, false, undefined);
      return "false 0 undefined";
    }
    const { recovered, next } = topic.startOf(known, last, history.replayBytes);
    const start = topic.epochs.get(epoch)! + next - 1;
    this.streams[name].begin(start, recovered, positionOf({ epoch, offset: next - 1 }));
    return `${recovered} ${newest + 1 - next} ${topic.position}`;
  }

  unsubscribe(name: TopicName): string {
    if (!this.topics.delete(name)) return "false";
    this.streams[name].end(false);
    return "true";
  }
}

export class Reference {
  readonly sessions: ReferenceSession[] = [];
  readonly topics: Record<TopicName, ReferenceTopic>;
  readonly results: Record<string, string> = {};
  histories: Histories;
  #epochs = 0;
  /** Those whose `onClose` comes next. */
  readonly #ended: ReferenceSession[] = [];

  constructor(readonly variant: Variant) {
    this.histories = variant.histories;
    this.topics = Object.fromEntries(
      TOPICS.map((name) => [name, new ReferenceTopic(name, this)]),
    ) as Reference["topics"];
  }

  epoch(): string {
    return `epoch${++this.#epochs}`;
  }

  get openSessions(): ReferenceSession[] {
    return this.sessions.filter(({ isOpen }) => isOpen);
  }

  open(opening: Opening): void {
    const session = new ReferenceSession(opening, this);
    this.sessions.push(session);
    this.run(opening.acts);
    session.accept();
    session.close();
  }

  later(session: ReferenceSession): void {
    this.#ended.push(session);
  }

  /** What `onClose` does comes behind. */
  settle(): void {
    for (let session; (session = this.#ended.shift());) session.close();
  }

  run(acts: readonly Act[]): void {
    for (const act of acts) {
      const result = this.#act(act);
      if (result !== undefined) this.results[act.id] = result;
    }
  }

  #act(act: Act): string | undefined {
    const session = this.sessions.find(({ name }) => name === act.by);
    if (act.do === "rollback") this.run(act.acts);
    if (act.do === "close") session!.end(4000, false);
    if (act.do === "subscribe") return session!.subscribe(act);
    if (act.do === "unsubscribe") return session!.unsubscribe(act.topic);
    if (act.do === "fill" && session!.isOpen) for (const name of FILLERS) session!.topics.add(name);
    if (act.do === "empty") for (const name of FILLERS) session!.topics.delete(name);
    if (!("topic" in act)) return undefined;
    const topic = this.topics[act.topic];
    if (act.do === "publish") return `${positionOf(topic.publish(act))}`;
    topic.touch();
    if (act.do === "read") {
      return topic
        .read(act.since, act.last)
        .map((one) => `${positionOf(one)} ${one.isBinary} true ${one.content}`)
        .join();
    }
    if (act.do === "state")
      return `${topic.position} ${this.openSessions.filter((one) => one.topics.has(act.topic)).length}`;
    if (topic.history && topic.epoch) topic.begin();
    return "cleared";
  }
}
