// The root of a path whose sessions are in shards: it answers their questions, and sends publications to the shards
// that want them.
import { report, placeOf } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { settle, sizeOf, type Data } from "../sending/data.ts";
import type { Origin, Outgoing, Outlet, Range } from "../topics/outlet.ts";
import { parsePosition } from "../topics/position.ts";
import { newEpoch } from "../topics/tables.ts";
import type { Topics } from "../topics/topics.ts";
import type { Place } from "../wire/publication.ts";
import type {
  Answered,
  Answers,
  Asked,
  Delivered,
  Delivery,
  ForAll,
  Located,
  Question,
  Result,
  Taken,
} from "./message.ts";
import { RootLinks } from "./root-links.ts";
import { RootTables } from "./root-tables.ts";

/** The part of the object that is needed. */
export interface RootHost {
  readonly ctx: DurableObjectState;
  readonly topics: () => Topics;
  /** Returns a function that calls a shard: with a new stub each time. */
  shard(number: number): (delivered: Delivered) => Promise<Taken>;
  /** Has unconfirmed deliveries checked, at this time or before. */
  sweepAt(time: number): void;
}

/**
 * How soon to check whether publications have arrived, in milliseconds: before an idle root is evicted, so that it
 * mostly still knows.
 */
const LOOK = 5000;

const sumOf = (counts: readonly (number | undefined)[], own: number): number =>
  counts.reduce<number>((sum, count) => sum + (count ?? 0), own);

export class Root implements Outlet {
  readonly #host: RootHost;
  readonly #tables: RootTables;
  readonly #life = newEpoch();
  readonly #links: RootLinks;
  /** The last questions of each shard. */
  readonly #asked = new Map<number, { life: string; first: number; answered: Promise<Answered> }>();
  /** When unconfirmed deliveries are checked next. */
  #lookAt = 0;

  constructor(host: RootHost) {
    this.#host = host;
    this.#tables = new RootTables(host.ctx);
    this.#links = new RootLinks({
      ctx: host.ctx,
      life: this.#life,
      shard: (number) => host.shard(number),
      taken: (shard, taken) => this.#taken(shard, taken),
      place: (topic) => this.#topics.place(topic),
    });
  }

  get #topics(): Topics {
    return this.#host.topics();
  }

  /** A shard asks. A repeated question gets the same answer. */
  asked(asked: Asked): Promise<Answered> {
    const { shard, life, first } = asked;
    const before = this.#asked.get(shard);
    if (before?.life === life && before.first >= first) {
      if (before.first === first) return before.answered;
      throw new Error("A later call was already answered.");
    }
    const answered = this.#answer(asked);
    this.#asked.set(shard, { life, first, answered });
    return answered;
  }

  /**
   * A call of the Worker for all sessions.
   *
   * @returns the number of sessions
   */
  async all(what: ForAll): Promise<number> {
    this.#topics.flush();
    const delivery: Delivery = what[0] === "broadcast" ? [...what, undefined] : what;
    const counts = await Promise.all(
      this.#toAll(delivery).map((taken) =>
        taken.catch((error: unknown) => {
          report("a shard can't be reached", error, placeOf(this.#host.ctx));
          return 0;
        }),
      ),
    );
    return sumOf(counts, 0);
  }

  /** Sends to all sessions. @throws {@link OverloadedError} */
  broadcast(payload: Data, except: readonly string[], tag: string | undefined, origin?: Origin): void {
    this.#topics.flush();
    void this.#toAll(["broadcast", settle(payload), except, tag, origin]);
  }

  /**
   * How many sessions are subscribed to a topic.
   *
   * @param own the count of the shard that asks, which is not asked back
   */
  async subscribers(topic: string, own?: readonly [shard: number, count: number]): Promise<number> {
    const others = [...this.#tables.wanting(topic).keys()].filter((shard) => shard !== own?.[0]);
    const counts = await Promise.all(this.#links.put(others, ["subscribers", topic]));
    return sumOf(counts, own?.[1] ?? 0);
  }

  admit(topic: string, bytes: number, isKept: boolean): void {
    const those = this.#tables.wanting(topic);
    // A publication in a history waits there.
    if (isKept) return;
    for (const shard of those.keys()) this.#links.admit(shard, bytes);
  }

  publish({ topic, epoch, offset }: Place, { payload, time, size, except, origin }: Outgoing): void {
    const those = this.#tables.wanting(topic);
    if (those.size === 0) return;
    const delivery: Delivery = ["publication", topic, epoch, offset, payload, time, size, except, origin];
    const bytes = sizeOf(payload);
    const ready: number[] = [];
    for (const shard of those.keys()) {
      if (epoch && !except && !this.#links.admits(shard, bytes)) this.#links.leave(shard, topic);
      else ready.push(shard);
    }
    void this.#links.put(ready, delivery, bytes);
    if (epoch) this.#look();
  }

  renewed({ topic, epoch, offset }: Place): void {
    void this.#links.put(this.#tables.wanting(topic).keys(), ["newest", topic, epoch, offset]);
  }

  cleared(topic: string, epoch: string): void {
    void this.#links.put(this.#tables.wanting(topic).keys(), ["cleared", topic, epoch]);
    this.#look();
  }

  isWanted(topic: string): boolean {
    return this.#tables.wanting(topic).size > 0;
  }

  /** Storage was emptied. */
  reset(): void {
    this.#tables.rewrite();
  }

  /**
   * Checks whether all deliveries have arrived: a root that died meanwhile doesn't know.
   *
   * @returns when to look again; undefined if nothing is left
   */
  sweep(now: number): number | undefined {
    const isNew = this.#lookAt === 0;
    if (!isNew && this.#lookAt > now) return this.#lookAt;
    this.#lookAt = 0;
    // The delivery makes a shard fetch what it has missed.
    const all = [...(isNew ? this.#tables.shards.keys() : this.#links.shards)];
    void this.#links.put(
      all.filter((shard) => this.#links.isUnsure(shard)),
      ["sessions", undefined],
    );
    return undefined;
  }

  #look(): void {
    const now = Date.now();
    if (this.#lookAt > now) return;
    this.#lookAt = now + LOOK;
    this.#host.sweepAt(this.#lookAt);
  }

  #toAll(delivery: Delivery): Promise<number | undefined>[] {
    const bytes = delivery[0] === "broadcast" ? sizeOf(delivery[1]) : 0;
    const all = [...this.#tables.shards.keys()];
    for (const shard of all) this.#links.admit(shard, bytes);
    return this.#links.put(all, delivery, bytes);
  }

  #taken(shard: number, { gone, isEmpty, life, asked }: Taken): void {
    const then = { life, number: asked };
    for (const topic of gone) this.#tables.unwant(topic, shard, then);
    if (isEmpty) this.#tables.remove(shard, then);
  }

  async #answer({ shard, life, first, isAgain, questions }: Asked): Promise<Answered> {
    const results = questions.map(async (question, index): Promise<Result> => {
      try {
        return [await this.#answerOne(question, [shard, life, first + index], isAgain)];
      } catch (error) {
        const { name, message } = toError(error);
        return [undefined, name, message];
      }
    });
    const link = this.#links.link(shard);
    // The numbers are those behind the results.
    return { results: await Promise.all(results), life: this.#life, sent: link.last, arrived: link.arrived };
  }

  // oxlint-disable-next-line typescript/consistent-return -- the compiler knows that these are all
  #answerOne(question: Question, origin: Origin, isAgain: boolean): unknown {
    const [shard, life, number] = origin;
    const topics = this.#topics;
    switch (question[0]) {
      case "hello":
        return this.#tables.add(shard, { life, number });
      case "join":
        this.#tables.want(question[1], shard, { life, number });
        return this.#locate(shard, question[1], question[2]);
      case "replay":
        return this.#locate(shard, question[1], question[2]);
      case "read":
        return topics.place(question[1], question[2]);
      case "places":
        return this.#places(shard, question[1]);
      case "publish":
        return this.#publish(question, origin, isAgain);
      case "broadcast":
        return this.broadcast(question[1], question[2], question[3], origin);
      case "clear":
        return topics.clear(question[1]);
    }
  }

  /** The positions of topics from the view of a shard. Deliveries on their way arrive by the link, in their order. */
  #places(shard: number, topics: readonly string[]): [epoch: string, newest: number][] {
    const under = new Map<string, [epoch: string, newest: number]>();
    // The first pending delivery of a topic tells its position.
    for (const one of this.#links.link(shard).pending.toReversed()) {
      if (one[0] === "publication") under.set(one[1], [one[2], one[3] - 1]);
      // The shard fetches their publications when they arrive.
      if (one[0] === "cleared" || one[0] === "newest") under.set(one[1], ["", 0]);
    }
    return topics.map((topic) => {
      const { epoch, newest } = this.#topics.place(topic);
      return under.get(topic) ?? [epoch, newest];
    });
  }

  #locate(shard: number, topic: string, range: Range | undefined): Located {
    const place = this.#topics.place(topic, range);
    const { pending, last: sent } = this.#links.link(shard);
    // Publications on their way arrive in their order, with their exceptions.
    const first = pending.find((one) => one[0] === "publication" && one[1] === topic && one[2] === place.epoch);
    const newest = first ? (first[3] as number) - 1 : place.newest;
    return { ...place, newest, kept: place.kept.filter(([offset]) => offset <= newest), sent };
  }

  async #publish(
    [, topic, payload, except, id]: Extract<Question, readonly ["publish", ...unknown[]]>,
    origin: Origin,
    isAgain: boolean,
  ): Promise<Answers["publish"]> {
    const { position } = await this.#topics.publish(topic, payload, { except, id }, undefined, { origin, isAgain });
    const { epoch, offset } = (position && parsePosition(position)) || { epoch: "", offset: 0 };
    return [epoch, offset];
  }
}
