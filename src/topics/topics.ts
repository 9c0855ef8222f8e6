// The topics of an object: its sessions subscribe to them, and what is published on one goes to its subscribers in one order.
import { TopicLimitError } from "../api/errors.ts";
import type {
  KeptPublication,
  Publication,
  PublicationsOptions,
  PublishOptions,
  SubscribeOptions,
  Subscription,
  TopicSettings,
  TopicState,
} from "../api/topics.ts";
import { historyOf } from "../options/topics.ts";
import { report } from "../reporting/log.ts";
import { SENT } from "../sending/remote.ts";
import { itemOf, payloadOf, TopicMessage } from "../sending/topic-message.ts";
import { idsOf } from "../session/excepted.ts";
import type { ObjectTopics, Subject } from "../session/subject.ts";
import { positionOf } from "../wire/publication.ts";
import { recordOf } from "./block.ts";
import { deliver, follow } from "./delivery.ts";
import { History } from "./history.ts";
import { Register, type Host as Sockets } from "./register.ts";
import { checkId, checkPayload, checkRange, checkRecord, checkTopic } from "./request.ts";
import { Tables } from "./tables.ts";
import type { Pending, Topic } from "./topic.ts";

/** To how many topics a session may be subscribed. */
const MOST = 1000;

/** What they need of the object. */
interface Host extends Sockets {
  /** What the object's endpoints say of them, or that of the session. */
  topicSettings(session?: Subject): TopicSettings | undefined;
  /** Has what is too old looked at, at this time or before. */
  sweepAt(time: number): void;
}

export class Topics implements ObjectTopics {
  readonly #host: Host;
  readonly #tables: Tables;
  readonly #register: Register;
  /** Those on which something is to be published at the end of this turn. */
  readonly #due = new Set<Topic>();
  #settings: TopicSettings | undefined;
  /** When what ages is looked at next. */
  #sweepAt = Infinity;

  constructor(host: Host) {
    this.#host = host;
    this.#register = new Register(host);
    this.#tables = new Tables(host.ctx, () => this.#settingsOf());
  }

  async subscribe(session: Subject, name: string, options: SubscribeOptions = {}): Promise<Subscription> {
    checkTopic(name);
    checkRange(options);
    if (!session.isOpen) throw session.closedError;
    const { subscriptions, asyncRemote, webSocket } = session;
    const topic = this.#register.at(name);
    try {
      const history = this.#historyOf(topic, session);
      this.#publish(topic);
      if (subscriptions.has(name)) return { recovered: false, position: history?.position, replayed: 0 };
      if (subscriptions.names.length >= MOST) throw new TopicLimitError(`A session may have ${MOST} topics.`);
      const { since, last = 0 } = options;
      const known = since === "client" ? subscriptions.positionOf(name) : since;
      const { recovered, next } = history?.startOf(known, last, Date.now()) ?? { recovered: false, next: 1 };
      const { epoch, newest } = history ?? { epoch: "", newest: 0 };
      if (since === "client") subscriptions.use(name);
      subscriptions.add(topic.name);
      topic.subscribers.add(webSocket);
      asyncRemote.tell({ topic: name, epoch, offset: next - 1 }, recovered);
      if (history) {
        follow(topic, { session, epoch, next, skipped: new Set() }, this.#settings?.envelope);
        this.#watch(history);
      }
      await this.#kept(session, name);
      return { recovered, position: positionOf(epoch, newest), replayed: newest + 1 - next };
    } finally {
      this.#register.forget(topic);
    }
  }

  unsubscribe(session: Subject, name: string): boolean {
    const { subscriptions } = session;
    if (!subscriptions.has(name)) return false;
    // What was published before is still the session's.
    const topic = this.#register.find(name);
    if (topic) this.#publish(topic);
    subscriptions.delete(name);
    this.#register.remove(session, name);
    subscriptions.save().catch((error: unknown) => report("a session's topics can't be kept", error, session));
    return true;
  }

  async publish(
    name: string,
    payload: unknown,
    { except, id }: PublishOptions = {},
    session?: Subject,
  ): Promise<Publication> {
    checkTopic(name);
    checkPayload(payload);
    checkId(id);
    const excepted = idsOf(except);
    const topic = this.#register.at(name);
    try {
      const history = this.#historyOf(topic, session);
      const { promise, resolve, reject } = Promise.withResolvers<Publication>();
      const one = { id: id ?? "", excepted, resolve, reject };
      if (history) {
        const item = itemOf(payload);
        const record = recordOf(Date.now(), one.id, item);
        checkRecord(record);
        // The record's own copy of the bytes.
        const bytes = record.subarray(record.length - item.bytes.length);
        topic.pending.push({ ...one, payload: typeof payload === "string" ? payload : { ...item, bytes }, record });
        if (this.#due.size === 0) void SENT.then(() => this.flush());
        this.#due.add(topic);
      } else {
        topic.pending.push({ ...one, payload, record: undefined });
        this.#publish(topic);
      }
      return await promise;
    } finally {
      this.#register.forget(topic);
    }
  }

  /** Keeps and sends what was published in this turn. */
  flush(): void {
    for (const topic of this.#due) this.#publish(topic);
  }

  /** The session gets nothing more. What it was subscribed to it still knows. */
  leave(session: Subject): void {
    this.#register.leave(session);
  }

  async state(name: string): Promise<TopicState> {
    return this.#with(name, (topic, history) => {
      this.#register.complete();
      return { name, position: history?.position, subscribers: topic.subscribers.size };
    });
  }

  async publications(name: string, options: PublicationsOptions = {}): Promise<KeptPublication[]> {
    checkRange(options);
    const { since, last = since === undefined ? Infinity : 0 } = options;
    return this.#with(name, (_, history) => {
      if (history?.position === undefined) return [];
      const { next } = history.startOf(since, last, Date.now(), Infinity);
      return Array.from(history.read(next), ({ offset, time, item }) => ({
        position: positionOf(history.epoch, offset)!,
        payload: payloadOf(item),
        time,
      }));
    });
  }

  async clear(name: string): Promise<void> {
    this.#with(name, (_, history) => history?.clear());
  }

  /**
   * Deletes what is too old.
   *
   * @returns when to look again; undefined if nothing is left
   */
  sweep(now: number): number | undefined {
    const isHeld = (name: string) => (this.#register.find(name)?.pinned ?? Infinity) < Infinity;
    const isAlive = (name: string) => {
      this.#register.complete();
      return (this.#register.find(name)?.subscribers.size ?? 0) > 0;
    };
    const next = this.#tables.sweep(now, isHeld, isAlive);
    this.#sweepAt = next ?? Infinity;
    for (const { history } of this.#register.all) history?.reset();
    return next;
  }

  /** Storage was emptied. */
  reset(): void {
    this.#tables.reset();
    this.#sweepAt = Infinity;
    for (const { history } of this.#register.all) history?.reset();
  }

  #with<Result>(name: string, use: (topic: Topic, history: History | undefined) => Result): Result {
    checkTopic(name);
    const topic = this.#register.at(name);
    try {
      const history = this.#historyOf(topic);
      this.#publish(topic);
      return use(topic, history);
    } finally {
      this.#register.forget(topic);
    }
  }

  /** Gives places to what is to be published on a topic, and sends it. What comes meanwhile comes behind. */
  #publish(topic: Topic): void {
    if (topic.isPublishing) return;
    topic.isPublishing = true;
    try {
      while (topic.pending.length > 0) this.#publishAll(topic, topic.pending.splice(0));
    } finally {
      topic.isPublishing = false;
      this.#due.delete(topic);
    }
  }

  #publishAll(topic: Topic, pending: readonly Pending[]): void {
    const { history, name } = topic;
    this.#register.complete();
    const [accepted, placed] = history ? this.#keep(history, pending) : [pending, []];
    const { envelope } = this.#settings!;
    const sessionOf = (socket: WebSocket) => this.#host.find(socket);
    for (const [index, { payload, excepted, resolve }] of accepted.entries()) {
      const [offset, isNew] = placed[index] ?? [0, true];
      const place = { topic: name, epoch: history?.epoch ?? "", offset };
      if (isNew) deliver(topic, new TopicMessage(place, payload, envelope), excepted, sessionOf, envelope);
      resolve({ position: positionOf(place.epoch, offset) });
    }
  }

  /** @returns those that were kept, and the place of each; the others are told why not */
  #keep(history: History, pending: readonly Pending[]): readonly [readonly Pending[], ReturnType<History["append"]>] {
    const now = Date.now();
    const accepted: Pending[] = [];
    try {
      // It begins here.
      void history.epoch;
      for (const one of pending) if (this.#accepts(one)) accepted.push(one);
      const placed = history.append(
        accepted.map(({ id, record }) => ({ id, record: record! })),
        now,
      );
      this.#watch(history);
      return [accepted, placed];
    } catch (error) {
      for (const { reject } of pending) reject(error);
      return [[], []];
    }
  }

  #accepts({ record, reject }: Pending): boolean {
    try {
      this.#tables.checkSize(record!.length);
      return true;
    } catch (error) {
      reject(error);
      return false;
    }
  }

  /** Written once a turn. What can't be is undone. */
  async #kept(session: Subject, name: string): Promise<void> {
    try {
      await session.subscriptions.save();
    } catch (error) {
      session.subscriptions.delete(name);
      this.#register.remove(session, name);
      throw error;
    }
  }

  #settingsOf(session?: Subject): TopicSettings {
    return (this.#settings ??= this.#host.topicSettings(session) ?? {});
  }

  #historyOf(topic: Topic, session?: Subject): History | undefined {
    if (topic.history === null) {
      const settings = historyOf(this.#settingsOf(session), topic.name);
      topic.history = settings && new History(this.#tables, topic.name, settings, () => topic.pinned);
      // What other code has kept would lack what is published now.
      const old = settings ? undefined : this.#tables.find(topic.name);
      if (old) this.#tables.forget(old.topic);
    }
    return topic.history;
  }

  /** Has what ages looked at in time. */
  #watch({ settings: { ageMs } }: History): void {
    const now = Date.now();
    const time = now + Math.ceil(ageMs * 1.05);
    if (this.#sweepAt > now && time >= this.#sweepAt) return;
    this.#sweepAt = time;
    this.#host.sweepAt(time);
  }
}
