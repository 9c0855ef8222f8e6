// A topic that a shard follows: where it is with it, what comes of it and what it has missed, and who waits to be subscribed.
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

/** What it needs of the shard's topics. */
export interface Owner extends Sender {
  readonly shard: Shard;
  readonly settings: TopicSettings;
  readonly place: Place;
  /** How many bytes of its history may be in memory. */
  readonly share: number;
  /** Has those found that are subscribed and of which the shard has heard nothing since it woke. */
  complete(): void;
  /** It is forgotten, if nobody is subscribed. */
  release(topic: string): boolean;
}

export class Followed {
  readonly topic: Topic<Window>;
  readonly #owner: Owner;
  /** The root knows that the shard wants it, as this life of the shard has said. */
  #isJoined = false;
  /** The root is being asked where it is: settles when it is known, or can't be. */
  #asking: Promise<void> | undefined;
  /** Its place is from the row, and what has come since may have been written nowhere. */
  #isFromRow = false;
  /** The newest that the root has told of: who subscribes waits for it. */
  newest = 0;
  /** How many deliveries there were when the root said where it is. */
  #sent = 0;
  /** Who subscribes waits for so many deliveries: what some of them had of another shard, or a clear, is on its way. */
  #awaited = 0;
  /** The last question by which the shard has published on it. */
  published = 0;
  readonly waiting: Subscriber[] = [];
  /** Sessions that get only what comes behind a delivery. */
  readonly after = new Map<WebSocket, number>();
  /** Sessions that have unsubscribed, and get what the root had sent by then. */
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

  /** Subscribes those that wait, in their order, as far as it is known where the topic is and what they get. */
  serve(): void {
    const { topic, waiting } = this;
    while (waiting.length > 0) {
      const [first] = waiting;
      const { history } = topic;
      const { range, behind, isChecked } = first!;
      if (!this.#isJoined || history === null) return this.#ask(range);
      if (behind > this.#owner.shard.answered) return this.#ask([history?.epoch ?? "", Infinity, 0]);
      if (history && !isChecked && history.isBehind(range)) return this.#ask(range);
      // It is on its way.
      if (this.#awaited > this.#owner.shard.received) return;
      if (history && history.newest < this.newest) return;
      if (history && !history.covers(range)) return this.#ask([history.epoch, 0, Infinity]);
      waiting.shift();
      this.#subscribe(first!);
    }
  }

  /** @param isSure all before it has arrived */
  take(delivery: Delivery, number: number, isSure: boolean): Promise<void> | undefined {
    const { history } = this.topic;
    // It keeps its place among what is behind it.
    if (history === null && this.#asking) return this.#asking.then(() => this.take(delivery, number, isSure));
    if (delivery[0] === "publication") return this.#take(delivery, number, isSure);
    if (history && delivery[0] === "newest") return this.reach(delivery[2], delivery[3]);
    if (history && delivery[0] === "cleared") this.#clear(history, delivery[2]);
    return undefined;
  }

  /** The root has told where it is, but for what is on its way. */
  reach(epoch: string, newest: number): Promise<void> | undefined {
    if (!epoch) return undefined;
    const window = this.#window;
    if (epoch !== window.epoch) this.#lose(window, epoch, newest);
    return newest > window.newest ? this.#catchUp(epoch, newest) : undefined;
  }

  /** The root counts from one again. */
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
    // The root has kept it, whatever the code of here says.
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
    // It has left, and what was on its way to it is not there yet.
    const isBack = until.delete(webSocket);
    const { recovered, next } = history?.startOf(since, last, Date.now()) ?? { recovered: false, next: 1 };
    this.#owner.slices.finish(webSocket);
    topic.subscribers.add(webSocket);
    session.asyncRemote.tell({ topic: name, epoch, offset: next - 1 }, recovered);
    if (history) follow(topic, { session, epoch, next, skipped: new Set() }, this.#owner.settings.envelope);
    else if (!isBack && sent > this.#owner.shard.received) after.set(webSocket, sent);
    resolve({ recovered, position, replayed: newest + 1 - next });
  }

  /** Asks the root where it is, and what may be replayed of it. */
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
    if (epoch && history?.isKnown && history.epoch !== epoch && sent > this.#owner.shard.received) {
      // What is behind it comes in its place, and so does the clear.
      this.#awaited = sent;
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
    const fetching = this.reach(epoch, newest);
    fetching
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
      // What it has got last may be in no row, and what is sure to have come has come.
      if (!window.isKnown || (this.#isFromRow && isSure && !isNext)) window.begin(epoch, offset - 1, 1);
      this.#isFromRow = false;
      // The root has begun anew, and said so, while it was on its way.
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

  /** Goes on behind the newest, up to an offset. */
  #read(window: Window, kept: TopicPlace["kept"], target: number): void {
    for (const one of kept) {
      const [offset, , , payload] = one;
      if (offset !== window.newest + 1 || offset > target) continue;
      this.#add(window, recentOf(one));
      this.#send(window.epoch, offset, payload, []);
    }
  }

  /** Fetches what was missed, up to an offset. What can't be had is gone. */
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

  /** What was missed is gone: those are told who were to get it next. */
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
