// The plain reference of the topics of one object: where subscriptions begin, which callbacks run, and who gets what.
import { positionOf, ReferenceTopic } from "./topics-history.ts";
import {
  FILLERS,
  shown,
  TOPICS,
  type Act,
  type Histories,
  type Opening,
  type Publish,
  type Range,
  type Script,
  type TopicName,
  type Variant,
} from "./topics-script.ts";
import { Stream } from "./topics-stream.ts";

export class ReferenceSession {
  readonly log: string[] = [];
  readonly topics = new Set<string>();
  readonly streams: Record<TopicName, Stream>;
  isOpen = true;
  isAccepted = false;
  /** Whether the client acknowledges only when the sequence says so. */
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

  /** Whether publications wait for credit of the client. */
  get isCredited(): boolean {
    return this.reference.variant.flowControl !== undefined && this.opening.kind !== "plain";
  }

  /** Called when `onOpen` has run. */
  accept(): void {
    this.isAccepted = true;
  }

  receive({ id, acts }: Script): void {
    this.log.push(`text ${id} ${shown(this.topics)}`);
    this.reference.run(acts);
  }

  /** @param isCut whether the client may miss some of the publications */
  end(code: number, isCut: boolean): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.closed = code;
    for (const stream of Object.values(this.streams)) stream.end(isCut);
    if (code !== 1006 || this.reference.variant.tracks) this.#closing.push(code);
    // A session that ends in onOpen runs onClose after it.
    if (this.isAccepted) this.reference.later(this);
  }

  readonly #closing: number[] = [];

  /** Runs `onClose` if it is due. */
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
  /** The sessions whose `onClose` runs next. */
  readonly #ended: ReferenceSession[] = [];

  constructor(readonly variant: Variant) {
    this.histories = variant.histories;
    this.topics = Object.fromEntries(
      TOPICS.map((name) => [
        name,
        new ReferenceTopic(
          name,
          () => this.histories[name],
          () => `epoch${++this.#epochs}`,
        ),
      ]),
    ) as Reference["topics"];
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

  /** Runs the pending `onClose` callbacks, which come after everything else. */
  settle(): void {
    for (let session; (session = this.#ended.shift());) session.close();
  }

  run(acts: readonly Act[]): void {
    for (const act of acts) {
      this.results[act.id] = this.#act(act);
    }
  }

  #act(act: Act): string {
    const session = this.sessions.find(({ name }) => name === act.by);
    if (act.do === "rollback") this.run(act.acts);
    if (act.do === "close") session!.end(4000, false);
    if (act.do === "subscribe") return session!.subscribe(act);
    if (act.do === "unsubscribe") return session!.unsubscribe(act.topic);
    if (act.do === "fill" && session!.isOpen) for (const name of FILLERS) session!.topics.add(name);
    if (act.do === "empty") for (const name of FILLERS) session!.topics.delete(name);
    if (!("topic" in act)) return "done";
    const topic = this.topics[act.topic];
    if (act.do === "publish") return this.#publish(topic, act);
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

  #publish(topic: ReferenceTopic, act: Publish): string {
    const published = topic.publish(act);
    // If the history has a publication with this id, nothing is published.
    const isNew = published.id === act.id;
    for (const { name, streams } of isNew ? this.sessions : []) {
      if (act.except.includes(name)) streams[topic.name].except(published);
    }
    return `${positionOf(published)}`;
  }
}
