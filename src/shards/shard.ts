// A shard's side of the link to the root: its questions and the root's deliveries, each once and in order.
import { DeploymentError, OverloadedError, PayloadError, TopicError, TopicLimitError } from "../api/errors.ts";
import { placeOf, report } from "../reporting/log.ts";
import type { Data } from "../sending/data.ts";
import type { Origin } from "../topics/outlet.ts";
import { newEpoch } from "../topics/tables.ts";
import { Link, type Batch } from "./link.ts";
import type { Answered, Answers, Asked, Delivered, Delivery, Question, Result, Taken } from "./message.ts";
import { ShardRow } from "./shard-row.ts";

/** The part of the object that is needed. */
export interface ShardHost {
  readonly ctx: DurableObjectState;
  readonly shard: number;
  /** Returns a function that asks the root: with a new stub each time. */
  root(): (asked: Asked) => Promise<Answered>;
  /** Whether there are sessions, including those in `onOpen`. */
  hasSessions(): boolean;
  broadcast(payload: Data, except: readonly string[] | undefined, tag: string | undefined): number;
  count(tag: string | undefined): number;
  closeAll(closeCode: number, reasonPhrase: string): number;
  /** Settles when slices to many sessions have reached the last. */
  settled(): Promise<void> | undefined;
}

/** The shard's topics. */
export interface Follower {
  /** @param number of the delivery; @param isSure all earlier deliveries have arrived */
  take(delivery: Delivery, number: number, isSure: boolean): Promise<void> | undefined;
  /** Deliveries up to that number have arrived. */
  arrived(number: number): void;
  /**
   * Fetches what may be missing, because it is unknown which of the root's deliveries have arrived.
   *
   * @param isHere whether the root is still the same. Otherwise the positions are newer than the deliveries that are
   * being taken
   */
  look(isHere: () => boolean): Promise<void>;
  /** A new root counts from one again. */
  restart(): void;
  /** How many sessions are subscribed. */
  count(topic: string): number;
  /** Forgets a topic if nobody is subscribed or about to be. @returns whether it did */
  release(topic: string): boolean;
  /** Forgets all topics, because there are no sessions. @returns false if somebody was about to be subscribed */
  releaseAll(): boolean;
}

const ERRORS = { DeploymentError, OverloadedError, PayloadError, TopicError, TopicLimitError };

/** The error that the root threw. */
function errorOf(name: string, text: string): Error {
  const type = (ERRORS as Record<string, (new (text: string) => Error) | undefined>)[name] ?? Error;
  const error = new type(text);
  if (error.name !== name) error.name = name;
  return error;
}

const topicOf = (delivery: Delivery): readonly string[] =>
  delivery[0] === "publication" || delivery[0] === "newest" || delivery[0] === "cleared" ? [delivery[1]] : [];

/** After how many sends other events run, and how many publications share slices. */
const SLICE = 250;
const TOGETHER = 32;

export class Shard {
  readonly #host: ShardHost;
  readonly #life = newEpoch();
  readonly #up: Link<Question, Result>;
  readonly row: ShardRow;
  topics!: Follower;
  #greeting: Promise<unknown> | undefined;
  /** The root's life, how many deliveries it has sent, and how many have arrived. */
  #rootLife = "";
  sent = 0;
  received = 0;
  /** The number of the last answered question. */
  answered = 0;
  #taking: { life: string; first: number; taken: Promise<Taken> } | undefined;
  /** The newest origin from each shard, for deliveries without a position that would identify them. */
  readonly #origins = new Map<number, Origin>();

  constructor(host: ShardHost) {
    this.#host = host;
    const { ctx } = host;
    this.row = new ShardRow(ctx);
    this.#up = new Link<Question, Result>(
      () => {
        const ask = host.root();
        return (batch) => this.#call(ask, batch);
      },
      (pending) => ctx.waitUntil(pending),
    );
  }

  /** The number of the last question. */
  get asked(): number {
    return this.#up.last;
  }

  /** Before its first session opens, the root has to know of the shard. @throws {@link UnreachableError} */
  async greet(): Promise<void> {
    if (this.row.isKnown) return;
    await (this.#greeting ??= this.ask(["hello"])
      .then(() => this.row.know(true))
      .finally(() => (this.#greeting = undefined)));
  }

  /** @throws {@link OverloadedError} if too much is queued for the root */
  admit(bytes: number): void {
    this.#up.admit(bytes, "the root");
  }

  /** Asks the root in turn. Rejects as the root does, or if it can't be reached. */
  async ask<const Kind extends Question[0]>(
    question: Extract<Question, readonly [Kind, ...unknown[]]>,
    bytes = 0,
  ): Promise<Answers[Kind]> {
    const [value, name, text] = await this.#up.put(question, bytes);
    if (name !== undefined) throw errorOf(name, text!);
    return value as Answers[Kind];
  }

  /** Settles when all questions so far are answered. */
  settled(): Promise<unknown> | undefined {
    return this.#up.settled();
  }

  /** The root delivers. A repeated delivery gets the same answer. */
  take(delivered: Delivered): Promise<Taken> {
    const { life, first } = delivered;
    const before = this.#taking;
    if (before?.life === life && before.first >= first) {
      if (before.first === first) return before.taken;
      throw new Error("A later delivery has already arrived.");
    }
    // Deliveries of a root that died may still be in progress.
    const taken = before ? before.taken.catch(() => {}).then(() => this.#take(delivered)) : this.#take(delivered);
    const taking = { life, first, taken };
    this.#taking = taking;
    taken.catch(() => {
      if (this.#taking === taking) this.#taking = undefined;
    });
    return taken;
  }

  /** Whether it has arrived before: it may be repeated after the root has died. */
  isRepeated(origin: Origin | undefined): boolean {
    if (!origin) return false;
    const [shard, life, number] = origin;
    const before = this.#origins.get(shard);
    if (before?.[1] === life && before[2] >= number) return true;
    this.#origins.set(shard, origin);
    return false;
  }

  async #call(
    ask: ReturnType<ShardHost["root"]>,
    { first, things, isAgain }: Batch<Question>,
  ): Promise<readonly Result[]> {
    const { shard } = this.#host;
    const answer = await ask({ shard, life: this.#life, first, isAgain, questions: things });
    this.#meet(answer.life);
    this.sent = Math.max(this.sent, answer.sent);
    if (answer.arrived > this.received) {
      // Deliveries to a former life of this shard are not repeated.
      this.received = answer.arrived;
      this.topics.arrived(answer.arrived);
    }
    this.answered = first + things.length - 1;
    return answer.results;
  }

  /** The root may have been replaced. */
  #meet(life: string): void {
    if (life === this.#rootLife) return;
    const isOther = this.#rootLife !== "";
    this.#rootLife = life;
    this.sent = 0;
    this.received = 0;
    if (isOther) this.topics.restart();
  }

  async #take({ life, first, isSure, deliveries }: Delivered): Promise<Taken> {
    this.#meet(life);
    if (!isSure) await this.topics.look(() => this.#rootLife === life);
    const results: (number | undefined)[] = [];
    let sends = 0;
    for (const [index, delivery] of deliveries.entries()) {
      const result = this.#attempt(delivery, first + index, isSure);
      // What it fetches comes before later deliveries.
      results.push(typeof result === "object" ? await result : result);
      this.received = first + index;
      sends += delivery[0] === "publication" ? this.topics.count(delivery[1]) : (results.at(-1) ?? 0);
      const slices = this.#host.settled();
      // Other events run in between, as between slices. Publications that wait for the same slices are sent together.
      if (slices ? index % TOGETHER === TOGETHER - 1 : sends >= SLICE) {
        await (slices ?? scheduler.wait(0));
        sends = 0;
      }
    }
    this.topics.arrived(this.received);
    await this.#host.settled();
    const names = new Set(deliveries.flatMap(topicOf));
    const gone = [...names].filter((topic) => this.topics.release(topic));
    // With subscribers there are sessions, so they need not be looked up.
    const isIdle = gone.length === names.size && !this.#greeting && !this.#host.hasSessions();
    // When the root forgets the shard, it also forgets what the shard wanted.
    const isEmpty = isIdle && this.topics.releaseAll();
    if (isEmpty) this.row.know(false);
    return { results, gone, isEmpty, life: this.#life, asked: this.asked };
  }

  #attempt(...given: [Delivery, number, boolean]): Promise<undefined> | number | undefined {
    try {
      return this.#one(...given);
    } catch (error) {
      report("a shard can't deliver what the root sent", error, placeOf(this.#host.ctx));
      return undefined;
    }
  }

  #one(delivery: Delivery, number: number, isSure: boolean): Promise<undefined> | number | undefined {
    const host = this.#host;
    switch (delivery[0]) {
      case "broadcast":
        return this.isRepeated(delivery[4]) ? 0 : host.broadcast(delivery[1], delivery[2], delivery[3]);
      case "sessions":
        return host.count(delivery[1]);
      case "subscribers":
        return this.topics.count(delivery[1]);
      case "close":
        return host.closeAll(delivery[1], delivery[2]);
      default:
        return this.topics.take(delivery, number, isSure) as Promise<undefined> | undefined;
    }
  }
}
