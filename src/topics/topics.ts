// The topics of an object: its sessions subscribe to them, and each publication goes to all subscribers in one order.
import { TopicLimitError } from "../api/errors.ts";
import type {
  KeptPublication,
  Publication,
  PublicationsOptions,
  PublishOptions,
  SubscribeOptions,
  Subscription,
  TopicState,
} from "../api/topics.ts";
import { attempt, report } from "../reporting/log.ts";
import { checkData, sizeOf } from "../sending/data.ts";
import { SENT } from "../sending/remote.ts";
import type { Slices } from "../sending/slices.ts";
import { itemOf, payloadOf, TopicMessage } from "../sending/topic-message.ts";
import { idsOf } from "../session/excepted.ts";
import type { ObjectTopics, Subject } from "../session/subject.ts";
import { positionOf } from "../wire/publication.ts";
import { recordOf } from "./block.ts";
import { deliverAll, follow } from "./delivery.ts";
import { Histories, type Owner } from "./histories.ts";
import type { History } from "./history.ts";
import { formerOf, placeIn, send, type Asked } from "./outgoing.ts";
import type { Outlet, Range, TopicPlace } from "./outlet.ts";
import { Register, type Host as Sockets } from "./register.ts";
import { checkId, checkRange, checkRecord, checkTopic } from "./request.ts";
import type { Pending, Topic } from "./topic.ts";

/** To how many topics a session may be subscribed. */
export const MOST = 1000;

/** The part of the object that is needed. */
interface Host extends Sockets, Owner {
  readonly slices: Slices;
  /** Receives the publications in addition to the object's own sessions. */
  readonly outlet?: Outlet | undefined;
}

export class Topics implements ObjectTopics {
  readonly #host: Host;
  readonly #histories: Histories;
  readonly #register: Register<History>;
  /** Topics on which something is to be published at the end of this turn. */
  readonly #due = new Set<Topic<History>>();

  constructor(host: Host) {
    this.#host = host;
    this.#register = new Register(host);
    this.#histories = new Histories(host);
  }

  async subscribe(session: Subject, name: string, options: SubscribeOptions = {}): Promise<Subscription> {
    checkTopic(name);
    checkRange(options);
    if (!session.isOpen) throw session.closedError;
    const { subscriptions, asyncRemote, webSocket } = session;
    const topic = this.#register.at(name);
    try {
      const history = this.#histories.of(topic, session);
      this.#publish(topic);
      this.#host.slices.finish(webSocket);
      // Sending may have ended the session.
      if (!session.isOpen) throw session.closedError;
      if (subscriptions.has(name)) return { recovered: false, position: history?.position, replayed: 0 };
      if (subscriptions.names.length >= MOST) throw new TopicLimitError(`A session can have at most ${MOST} topics.`);
      const { since, last = 0 } = options;
      const known = since === "client" ? subscriptions.positionOf(name) : since;
      const { recovered, next } = history?.startOf(known, last, Date.now()) ?? { recovered: false, next: 1 };
      const { epoch, newest } = history ?? { epoch: "", newest: 0 };
      if (since === "client") subscriptions.use(name);
      subscriptions.add(topic.name);
      topic.subscribers.add(webSocket);
      asyncRemote.tell({ topic: name, epoch, offset: next - 1 }, recovered);
      if (history) {
        follow(topic, { session, epoch, next, skipped: new Set() }, this.#histories.settings.envelope);
        this.#histories.watch(history);
      }
      await this.#kept(session, name, since === "client" ? known : undefined);
      return { recovered, position: positionOf(epoch, newest), replayed: newest + 1 - next };
    } finally {
      this.#register.forget(topic);
    }
  }

  unsubscribe(session: Subject, name: string): boolean {
    const { subscriptions } = session;
    if (!subscriptions.has(name)) return false;
    // The session still receives earlier publications.
    const topic = this.#register.find(name);
    if (topic) this.#publish(topic);
    this.#host.slices.finish(session.webSocket);
    subscriptions.delete(name);
    this.#register.remove(session, name);
    subscriptions.save().catch((error: unknown) => report("a session's topics can't be saved", error, session));
    return true;
  }

  async publish(
    name: string,
    payload: unknown,
    { except, id }: PublishOptions = {},
    session?: Subject,
    asked?: Asked,
  ): Promise<Publication> {
    checkTopic(name);
    checkData(payload);
    checkId(id);
    const excepted = idsOf(except);
    const topic = this.#register.at(name);
    try {
      const history = this.#histories.of(topic, session);
      const { promise, resolve, reject } = Promise.withResolvers<Publication>();
      const time = Date.now();
      const one = { id: id ?? "", excepted, time, resolve, reject, asked };
      this.#host.outlet?.admit(name, sizeOf(payload), history !== undefined && excepted.size === 0);
      if (history) {
        const item = itemOf(payload);
        const record = recordOf(time, id ?? (asked ? formerOf(asked.origin) : ""), item);
        checkRecord(record);
        // Creates the history if there is none.
        void history.epoch;
        this.#histories.admit(record.length);
        // The record has its own copy of the bytes.
        const bytes = record.subarray(record.length - item.bytes.length);
        const source = typeof payload === "string" ? { payload } : { item: { ...item, bytes } };
        topic.pending.push({ ...one, source, record });
        if (this.#due.size === 0) void SENT.then(() => this.flush());
        this.#due.add(topic);
      } else {
        topic.pending.push({ ...one, source: { payload }, record: undefined });
        this.#publish(topic);
      }
      return await promise;
    } finally {
      this.#register.forget(topic);
    }
  }

  /** Stores and sends the publications of this turn. */
  flush(): void {
    for (const topic of this.#due) attempt("publications can't be sent yet", () => this.#publish(topic));
  }

  /** The session receives no more publications, but still knows its topics. */
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
    this.#with(name, (topic, history) => {
      if (history?.position === undefined) return;
      topic.restart(history);
      history.clear();
      this.#host.outlet?.cleared(name, history.epoch);
    });
  }

  /**
   * The position of a topic, for a shard.
   *
   * @param what the wanted part of its history: what may be replayed, or the publications from an offset on, as many as
   * go at once
   */
  place(name: string, what?: Range | number): TopicPlace {
    return this.#with(name, (_, history) => {
      if (history) this.#histories.watch(history);
      return placeIn(history, what);
    });
  }

  /**
   * Deletes old publications.
   *
   * @returns when to look again; undefined if nothing is left
   */
  sweep(now: number): number | undefined {
    const isHeld = (name: string) => (this.#register.find(name)?.pinned ?? Infinity) < Infinity;
    const isAlive = (name: string) => {
      this.#register.complete();
      return (this.#register.find(name)?.subscribers.size ?? 0) > 0 || this.#host.outlet?.isWanted(name) === true;
    };
    const next = this.#histories.sweep(now, isHeld, isAlive);
    this.#reset();
    return next;
  }

  /** Storage was emptied. */
  reset(): void {
    this.#histories.reset();
    for (const topic of this.#register.all) if (topic.history?.isKnown) topic.restart(topic.history);
    this.#reset();
  }

  /** Removes a socket that can't be read. */
  drop(socket: WebSocket): void {
    this.#register.drop(socket);
  }

  #reset(): void {
    for (const topic of this.#register.all) {
      topic.history?.reset();
      this.#register.forget(topic);
    }
  }

  #with<Result>(name: string, use: (topic: Topic<History>, history: History | undefined) => Result): Result {
    checkTopic(name);
    const topic = this.#register.at(name);
    try {
      const history = this.#histories.of(topic);
      this.#publish(topic);
      return use(topic, history);
    } finally {
      this.#register.forget(topic);
    }
  }

  /** Gives positions to what is to be published on a topic, and sends it. Publications that come meanwhile follow. */
  #publish(topic: Topic<History>): void {
    if (topic.isPublishing) return;
    topic.isPublishing = true;
    try {
      while (topic.pending.length > 0) this.#publishAll(topic, topic.pending.splice(0));
    } finally {
      topic.isPublishing = false;
      this.#due.delete(topic);
    }
  }

  #publishAll(topic: Topic<History>, pending: readonly Pending[]): void {
    const { history, name } = topic;
    this.#register.complete();
    const placed = history ? this.#keep(history, pending) : [];
    if (!placed) return;
    const { envelope } = this.#histories.settings;
    const epoch = history?.epoch ?? "";
    // A later subscriber, added by the envelope, has it from the history.
    const subscribers = [...topic.subscribers];
    const { outlet } = this.#host;
    for (const [index, one] of pending.entries()) {
      const { source, excepted, resolve } = one;
      const [offset, isNew] = placed[index] ?? [0, true];
      const message = new TopicMessage({ topic: name, epoch, offset }, source, envelope);
      if (isNew) deliverAll(topic, subscribers, message, excepted, this.#host, envelope);
      if (outlet) attempt("a publication can't be sent to the shards", () => send(outlet, message, isNew, one));
      resolve({ position: positionOf(epoch, offset) });
    }
  }

  /** @returns the place of each; undefined if none could be stored, after rejecting them */
  #keep(history: History, pending: readonly Pending[]): ReturnType<History["append"]> | undefined {
    try {
      const entries = pending.map(({ id, record, asked }) => ({
        id,
        record: record!,
        former: asked?.isAgain && id === "" ? formerOf(asked.origin) : undefined,
      }));
      const placed = history.append(entries, Date.now());
      this.#histories.watch(history);
      return placed;
    } catch (error) {
      for (const { reject } of pending) reject(error);
      return undefined;
    }
  }

  /** Written once a turn. A subscription that can't be written is undone. */
  async #kept(session: Subject, name: string, position: string | undefined): Promise<void> {
    try {
      await session.subscriptions.save();
    } catch (error) {
      session.subscriptions.delete(name);
      if (position !== undefined) session.subscriptions.giveBack(name, position);
      this.#register.remove(session, name);
      throw error;
    }
  }
}
