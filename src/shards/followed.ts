// A topic that a shard follows: its position, its deliveries and gaps, and the sessions that wait to be subscribed.
import type { TopicSettings } from "../api/topics.ts";
import { historyOf } from "../options/topics.ts";
import { report, type Place } from "../reporting/log.ts";
import { TopicMessage } from "../sending/topic-message.ts";
import { deliverAll, follow, tellGone, type Sender } from "../topics/delivery.ts";
import type { Range, TopicPlace } from "../topics/outlet.ts";
import type { Topic } from "../topics/topic.ts";
import { positionOf } from "../wire/publication.ts";
import type { Delivery, Located, Publication } from "./message.ts";
import type { Shard } from "./shard.ts";
import type { Subscriber } from "./subscriber.ts";
import { recentOf, Window } from "./window.ts";

/** The part of the shard's topics that is needed. */
export interface Owner extends Sender {
  readonly shard: Shard;
  readonly settings: TopicSettings;
  readonly place: Place;
  /** How many bytes of its history may be in memory. */
  readonly share: number;
  /** Finds the subscribed sessions that the shard has not seen since it woke. */
  complete(): void;
  /** Forgets the topic, if nobody is subscribed. */
  release(topic: string): boolean;
}

export class Followed {
  readonly topic: Topic<Window>;
  readonly #owner: Owner;
  /** The shard has told the root in this life that it wants the topic. */
  #isJoined = false;
  /** A question about the topic's position; settles when it is answered or has failed. */
  #asking: Promise<void> | undefined;
  /** The position is from the row, and later deliveries may not have been written. */
  #isFromRow = false;
  /** The newest offset that the root has reported: new subscribers wait for it. */
  newest = 0;
  /** How many deliveries the root had sent when it told the position. */
  #sent = 0;
  /**
   * New subscribers wait for this many deliveries: a publication that a client has from another shard, or a clear, is
   * on its way.
   */
  #awaited = 0;
  /** The epoch that should come with them. */
  #expected = "";
  /** The number of the last question with which the shard published on the topic. */
  published = 0;
  readonly waiting: Subscriber[] = [];
  /** Sessions that only receive what comes after a delivery. */
  readonly after = new Map<WebSocket, number>();
  /** Sessions that have unsubscribed, and still receive what the root had sent by then. */
  readonly until = new Map<WebSocket, number>();

  constructor(topic: Topic<Window>, owner: Owner) {
    this.topic = topic;
    topic.isFollowed = true;
    this.#owner = owner;
    const place = owner.shard.row.places.get(topic.name);
    this.#isFromRow = place !== undefined;
    if (place) this.#window.begin(...place, 1);
  }

  get isAsking(): boolean {
    return this.#asking !== undefined;
  }

  /** Subscribes the waiting sessions in order, as far as the topic's position and their replay are known. */
  serve(): void {
    const { topic, waiting } = this;
    while (waiting.length > 0) {
      const [first] = waiting;
      const { history } = topic;
      const { range, behind, isChecked } = first!;
      // The missing publications are on their way.
      if (this.#awaited > this.#owner.shard.received) return;
      if (!this.#isJoined || history === null) return this.#ask(range);
      if (behind > this.#owner.shard.answered) return this.#ask([history?.epoch ?? "", Infinity, 0]);
      if (history && !isChecked && history.isBehind(range)) return this.#ask(range);
      if (history && history.newest < this.newest) return;
      if (history && !history.covers(range)) return this.#ask([history.epoch, 0, Infinity]);
      waiting.shift();
      this.#subscribe(first!);
    }
  }

  /** @param isSure all earlier deliveries have arrived */
  take(delivery: Delivery, number: number, isSure: boolean): Promise<void> | undefined {
    const { history } = this.topic;
    // It keeps its place among later deliveries.
    if (history === null && this.#asking) return this.#asking.then(() => this.take(delivery, number, isSure));
    if (delivery[0] === "publication") return this.#take(delivery, number, isSure);
    if (history && delivery[0] === "newest") return this.reach(delivery[2], delivery[3]);
    if (history && delivery[0] === "cleared") this.#clear(history, delivery[2]);
    return undefined;
  }

  /** The root has told the position, apart from deliveries on their way. */
  reach(epoch: string, newest: number): Promise<void> | undefined {
    if (!epoch) return undefined;
    const window = this.#window;
    if (epoch !== window.epoch) this.#lose(window, epoch, newest);
    return newest > window.newest ? this.#catchUp(epoch, newest) : undefined;
  }

  /** A new root counts from one again. */
  restart(): void {
    this.after.clear();
    this.#sent = 0;
    this.#awaited = 0;
    for (const one of this.waiting) one.sent = 0;
  }

  get #subscribers(): WebSocket[] {
    this.#owner.complete();
    return [...this.topic.subscribers];
  }

  get #window(): Window {
    const { topic } = this;
    const { shard, settings } = this.#owner;
    // The root has kept it, whatever the settings here say.
    const kept = historyOf(settings, topic.name) ?? historyOf({ history: {} }, topic.name)!;
    return (topic.history ??= new Window(kept, async (from) => {
      const place = await shard.ask(["read", topic.name, from]);
      if (topic.history) topic.history.first = place.first;
      return place.kept.map(recentOf);
    }));
  }

  #subscribe({ session, since, last, sent, isOver, resolve }: Subscriber): void {
    const { topic, after, until } = this;
    const { history, name } = topic;
    const { webSocket } = session;
    const [epoch, newest] = history ? [history.epoch, history.newest] : ["", 0];
    const position = positionOf(epoch, newest);
    if (isOver || !session.isOpen) return resolve({ recovered: false, position, replayed: 0 });
    // The session unsubscribed, and deliveries to it are still on their way.
    const isBack = until.delete(webSocket);
    const { recovered, next } = history?.startOf(since, last, Date.now()) ?? { recovered: false, next: 1 };
    this.#owner.slices.finish(webSocket);
    topic.subscribers.add(webSocket);
    session.asyncRemote.tell({ topic: name, epoch, offset: next - 1 }, recovered);
    if (history) follow(topic, { session, epoch, next, skipped: new Set() }, this.#owner.settings.envelope);
    else if (!isBack && sent > this.#owner.shard.received) after.set(webSocket, sent);
    resolve({ recovered, position, replayed: newest + 1 - next });
  }

  /** Asks the root for the topic's position and for what may be replayed. */
  #ask(range: Range): void {
    if (this.#asking) return;
    const { name } = this.topic;
    const those = [...this.waiting];
    this.#asking = this.#owner.shard
      .ask<"join" | "replay">([this.#isJoined ? "replay" : "join", name, range])
      .then((place) => {
        this.#asking = undefined;
        this.#isJoined = true;
        this.#locate(place);
        for (const one of those) {
          one.isChecked = true;
          if (this.topic.history?.isBehind(one.range)) this.#awaited = Math.max(this.#awaited, place.sent);
        }
        this.serve();
      })
      .catch((error: unknown) => {
        this.#asking = undefined;
        for (const { reject } of this.waiting.splice(0)) reject(error);
        this.#owner.release(name);
      });
  }

  #locate({ epoch, newest, first, kept, isWhole, sent }: Located): void {
    const { history } = this.topic;
    const isOther = history?.isKnown && history.epoch !== epoch && epoch !== this.#expected;
    if (epoch && isOther && sent > this.#owner.shard.received) {
      // Later publications, and the clear, arrive in their order. If a former life of the shard had the clear, the shard asks again.
      this.#awaited = sent;
      this.#expected = epoch;
      this.#isJoined = false;
      return;
    }
    if (!epoch) this.topic.history = undefined;
    else if (!history?.isKnown) {
      this.#window.begin(epoch, newest, first);
      this.#owner.shard.row.reach(this.topic.name, epoch, newest);
    } else if (history.epoch === epoch) {
      this.newest = Math.max(this.newest, newest);
      this.#read(history, kept, newest);
    }
    this.topic.history?.extend(kept, isWhole);
    this.#sent = sent;
    for (const one of this.waiting) one.sent = Math.max(one.sent, sent);
    this.reach(epoch, newest)
      ?.then(() => this.serve())
      .catch((error: unknown) => report("a topic can't continue", error, this.#owner.place));
  }

  #take(delivery: Publication, number: number, isSure: boolean): Promise<void> | undefined {
    const [, , epoch, offset, , , , , origin] = delivery;
    if (!epoch) {
      if (this.#owner.shard.isRepeated(origin)) return undefined;
      this.topic.history = undefined;
    } else {
      const window = this.#window;
      const isNext = epoch === window.epoch && offset <= window.newest + 1;
      // The last deliveries may be missing in the row, and all sure ones have arrived.
      if (!window.isKnown || (this.#isFromRow && isSure && !isNext)) window.begin(epoch, offset - 1, 1);
      this.#isFromRow = false;
      // The root started a new epoch while this was on its way, and has already told so.
      if (epoch !== window.epoch && number <= this.#sent) return undefined;
      if (epoch !== window.epoch) this.#lose(window, epoch, offset - 1);
      if (offset > window.newest + 1) {
        return this.#catchUp(epoch, offset - 1).then(() => this.#deliver(delivery, number));
      }
    }
    this.#deliver(delivery, number);
    return undefined;
  }

  #deliver([, , epoch, offset, payload, time, size, except]: Publication, number: number): void {
    const { after } = this;
    if (epoch) {
      const window = this.#window;
      if (epoch !== window.epoch || offset !== window.newest + 1) return;
      this.#add(window, { offset, time, size, payload });
    }
    const subscribers = this.#subscribers.filter((socket) => (after.get(socket) ?? 0) < number);
    for (const [socket, sent] of after) if (sent <= number) after.delete(socket);
    this.#send(epoch, offset, payload, except ?? [], subscribers);
    if (this.waiting.length > 0) this.serve();
  }

  #send(epoch: string, offset: number, payload: Publication[4], except: readonly string[], to?: WebSocket[]): void {
    const { topic } = this;
    const { envelope } = this.#owner.settings;
    const message = new TopicMessage({ topic: topic.name, epoch, offset }, { payload }, envelope);
    deliverAll(topic, to ?? this.#subscribers, message, new Set(except), this.#owner, envelope);
  }

  #add(window: Window, recent: ReturnType<typeof recentOf>): void {
    const { share, shard } = this.#owner;
    window.add(recent);
    window.trim(Math.min(window.settings.replayBytes, share), this.topic.pinned);
    shard.row.reach(this.topic.name, window.epoch, window.newest);
  }

  /** Continues after the newest, up to an offset. */
  #read(window: Window, kept: TopicPlace["kept"], target: number): void {
    for (const one of kept) {
      const [offset, , , payload] = one;
      if (offset !== window.newest + 1 || offset > target) continue;
      this.#add(window, recentOf(one));
      this.#send(window.epoch, offset, payload, []);
    }
  }

  /** Fetches missed publications up to an offset. Those that can't be fetched are lost. */
  async #catchUp(epoch: string, target: number): Promise<void> {
    const { name } = this.topic;
    const window = this.#window;
    while (window.epoch === epoch && window.newest < target) {
      const from = window.newest + 1;
      const place = await this.#owner.shard.ask(["read", name, from]).catch((error: unknown) => {
        report("a shard's missed publications can't be read", error, this.#owner.place);
      });
      if (place?.epoch === epoch && place.first <= from) this.#read(window, place.kept, target);
      if (window.newest >= from) continue;
      if (window.epoch === epoch) this.#lose(window, epoch, target);
    }
  }

  /** Missed publications are lost: tells the sessions that would have received them. */
  #lose(window: Window, epoch: string, newest: number): void {
    const { topic } = this;
    window.begin(epoch, newest, newest + 1);
    this.newest = Math.min(this.newest, newest);
    this.#owner.shard.row.reach(topic.name, epoch, newest);
    for (const socket of this.#subscribers) {
      const session = topic.cursors?.has(socket) ? undefined : this.#owner.find(socket);
      if (session?.isOpen) tellGone(topic, session);
    }
  }

  #clear(window: Window, epoch: string): void {
    if (window.epoch === epoch) return;
    const { topic } = this;
    topic.restart(window);
    window.begin(epoch, 0, 1);
    this.newest = 0;
    this.#owner.shard.row.reach(topic.name, epoch, 0);
  }
}
