// The topics of a shard: its sessions subscribe here, their publications go to the root, and the root's deliveries go
// to them.
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
import { placeOf, report } from "../reporting/log.ts";
import { checkData, settle, sizeOf } from "../sending/data.ts";
import type { Slices } from "../sending/slices.ts";
import { idsOf } from "../session/excepted.ts";
import type { ObjectTopics, Subject } from "../session/subject.ts";
import { Register, type Host as Sockets } from "../topics/register.ts";
import { checkId, checkRange, checkTopic } from "../topics/request.ts";
import { MOST } from "../topics/topics.ts";
import { positionOf } from "../wire/publication.ts";
import { Followed, type Owner } from "./followed.ts";
import type { Delivery } from "./message.ts";
import type { Follower, Shard } from "./shard.ts";
import { rangeOf, type Window } from "./window.ts";

/** The part of the object that is needed. */
export interface Host extends Sockets {
  readonly slices: Slices;
  settings(path?: string): readonly [settings: TopicSettings, isRegistered: boolean];
  /** The root's state of a topic. */
  state(topic: string, own: number): Promise<TopicState>;
  publications(topic: string, options: PublicationsOptions): Promise<KeptPublication[]>;
}

/** How many bytes of histories a shard has in memory, for all topics together. */
const MOST_BYTES = 16_777_216;

export class ShardTopics implements ObjectTopics, Follower {
  readonly #host: Host;
  readonly #shard: Shard;
  readonly #register: Register<Window>;
  readonly #followed = new Map<string, Followed>();
  /** Topics with sessions that wait for deliveries. */
  readonly #stirred = new Set<Followed>();
  readonly #owner: Owner;

  constructor(host: Host, shard: Shard) {
    this.#host = host;
    this.#shard = shard;
    this.#register = new Register(host);
    shard.topics = this;
    const share = () => MOST_BYTES / this.#followed.size;
    this.#owner = {
      shard,
      slices: host.slices,
      find: (socket) => host.find(socket),
      complete: () => this.#complete(),
      get settings() {
        return host.settings()[0];
      },
      place: placeOf(host.ctx),
      get share() {
        return share();
      },
      release: (topic) => this.release(topic),
    };
  }

  async subscribe(session: Subject, name: string, options: SubscribeOptions = {}): Promise<Subscription> {
    checkTopic(name);
    checkRange(options);
    if (!session.isOpen) throw session.closedError;
    const { subscriptions } = session;
    const followed = this.#at(name);
    const isSubscribed = subscriptions.has(name);
    if (!isSubscribed && subscriptions.names.length >= MOST)
      throw new TopicLimitError(`A session can have at most ${MOST} topics.`);
    const { since, last = 0 } = isSubscribed ? {} : options;
    const known = since === "client" ? subscriptions.positionOf(name) : since;
    if (since === "client") subscriptions.use(name);
    if (!isSubscribed) subscriptions.add(name);
    const { promise, resolve, reject } = Promise.withResolvers<Subscription>();
    const { sent } = this.#shard;
    const range = rangeOf(known, last);
    const place = { since: known, last, range, behind: followed.published, sent };
    followed.waiting.push({ session, ...place, isOver: isSubscribed, isChecked: false, resolve, reject });
    this.#stirred.add(followed);
    followed.serve();
    try {
      const subscription = await promise;
      await subscriptions.save();
      return subscription;
    } catch (error) {
      if (!isSubscribed) this.#undo(session, name, since === "client" ? known : undefined);
      throw error;
    }
  }

  unsubscribe(session: Subject, name: string): boolean {
    const { subscriptions, webSocket } = session;
    if (!subscriptions.delete(name)) return false;
    this.#host.slices.finish(webSocket);
    const followed = this.#followed.get(name);
    for (const one of followed?.waiting ?? []) if (one.session === session) one.isOver = true;
    const last = followed?.topic.subscribers.has(webSocket) ? this.#lastFor(followed) : 0;
    // The session still receives earlier publications, which may be on their way.
    if (followed && last > 0) {
      this.#stirred.add(followed);
      followed.until.set(webSocket, last);
      if (last === Infinity) void this.#shard.settled()?.then(() => this.#limit(followed, webSocket));
    } else this.#leave(session, name);
    subscriptions.save().catch((error: unknown) => report("a session's topics can't be saved", error, session));
    return true;
  }

  async publish(name: string, payload: unknown, { except, id }: PublishOptions = {}): Promise<Publication> {
    checkTopic(name);
    checkData(payload);
    checkId(id);
    const excepted = [...idsOf(except)];
    const bytes = sizeOf(payload);
    this.#shard.admit(bytes);
    const asked = this.#shard.ask(["publish", name, settle(payload), excepted, id], bytes);
    const followed = this.#followed.get(name);
    if (followed) followed.published = this.#shard.asked;
    const [epoch, offset] = await asked;
    if (followed?.topic.history?.epoch === epoch) followed.newest = Math.max(followed.newest, offset);
    return { position: positionOf(epoch, offset) };
  }

  async state(name: string): Promise<TopicState> {
    checkTopic(name);
    await this.#shard.settled();
    return this.#host.state(name, this.count(name));
  }

  async publications(name: string, options: PublicationsOptions = {}): Promise<KeptPublication[]> {
    checkTopic(name);
    checkRange(options);
    await this.#shard.settled();
    return this.#host.publications(name, options);
  }

  async clear(name: string): Promise<void> {
    checkTopic(name);
    await this.#shard.ask(["clear", name]);
  }

  /** Nothing to do: each publication goes to the root immediately. */
  flush(): void {}

  leave(session: Subject): void {
    for (const name of session.subscriptions.names) this.#leave(session, name);
  }

  /** Nothing to do: the root has the histories. */
  sweep(_now: number): undefined {}

  reset(): void {
    this.#shard.row.rewrite();
  }

  drop(socket: WebSocket): void {
    this.#register.drop(socket);
  }

  count(name: string): number {
    this.#complete();
    return this.#register.find(name)?.subscribers.size ?? 0;
  }

  take(delivery: Delivery, number: number, isSure: boolean): Promise<void> | undefined {
    return this.#find(delivery[1] as string)?.take(delivery, number, isSure);
  }

  arrived(number: number): void {
    for (const followed of this.#stirred) {
      const { topic, until, waiting } = followed;
      for (const [webSocket, last] of until) {
        if (last > number) continue;
        until.delete(webSocket);
        this.#register.remove({ webSocket }, topic.name);
      }
      followed.serve();
      if (until.size + waiting.length === 0) this.#stirred.delete(followed);
    }
  }

  async look(isHere: () => boolean): Promise<void> {
    const { row } = this.#shard;
    for (const name of row.places.keys()) if (!this.#find(name)) row.leave(name);
    const all = [...this.#followed.values()].filter(({ topic }) => topic.history?.isKnown);
    if (all.length === 0) return;
    const places = await this.#shard.ask(["places", all.map(({ topic }) => topic.name)]);
    for (const [index, [epoch, newest]] of places.entries()) {
      if (isHere() && all[index]!.topic.history) await all[index]!.reach(epoch, newest);
    }
  }

  restart(): void {
    for (const followed of this.#followed.values()) followed.restart();
    this.arrived(Infinity);
  }

  release(name: string): boolean {
    this.#complete();
    const followed = this.#followed.get(name);
    const topic = this.#register.find(name);
    if ((topic?.subscribers.size ?? 0) > 0 || (followed && (followed.waiting.length > 0 || followed.isAsking))) {
      return false;
    }
    this.#followed.delete(name);
    this.#shard.row.leave(name);
    if (topic) {
      topic.history = null;
      topic.isFollowed = false;
      this.#register.forget(topic);
    }
    return true;
  }

  releaseAll(): boolean {
    const names = new Set([...this.#followed.keys(), ...this.#shard.row.places.keys()]);
    return [...names].every((name) => this.release(name));
  }

  /** A session that waits to be subscribed already has the name in its subscriptions, but no place yet. */
  #complete(): void {
    if (!this.#register.complete()) return;
    for (const { topic, until, waiting } of this.#followed.values()) {
      for (const { session, isOver } of waiting) {
        if (!isOver && !until.has(session.webSocket)) topic.subscribers.delete(session.webSocket);
      }
    }
  }

  /** A followed topic; starts to follow it if it isn't yet. */
  #at(name: string): Followed {
    let followed = this.#followed.get(name);
    if (!followed) this.#followed.set(name, (followed = new Followed(this.#register.at(name), this.#owner)));
    return followed;
  }

  /** A topic that somebody is subscribed to, or about to be. */
  #find(name: string): Followed | undefined {
    const known = this.#followed.get(name);
    if (known) return known;
    this.#complete();
    return this.#register.find(name) && this.#at(name);
  }

  /** The last delivery that a session still receives; Infinity while it is unknown. */
  #lastFor({ published }: Followed): number {
    const { sent, received, answered } = this.#shard;
    if (published > answered) return Infinity;
    return sent > received ? sent : 0;
  }

  /** Earlier publications have their positions now. */
  #limit({ until }: Followed, webSocket: WebSocket): void {
    if (until.get(webSocket) !== Infinity) return;
    until.set(webSocket, this.#shard.sent);
    this.arrived(this.#shard.received);
  }

  #leave(session: Subject, name: string): void {
    const followed = this.#followed.get(name);
    followed?.after.delete(session.webSocket);
    followed?.until.delete(session.webSocket);
    this.#register.remove(session, name);
  }

  #undo(session: Subject, name: string, position: string | undefined): void {
    session.subscriptions.delete(name);
    if (position !== undefined) session.subscriptions.giveBack(name, position);
    this.#leave(session, name);
  }
}
