// Plays a sequence on a path of several shards in workerd, and records the calls and their results.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { Session, SubscribeOptions, Subscription } from "socle";
import { hibernate } from "socle/testing";
import { vi } from "vitest";

import { topicsName } from "../../src/wire/positions.ts";
import { rowsOf } from "./alarm.ts";
import { connect } from "./client.ts";
import { serve, type Served } from "./endpoint.ts";
import { Faults } from "./shards-faults.ts";
import { TOPICS, type Act, type Step, type TopicName, type Variant, type Where } from "./shards-script.ts";
import { TopicsClient } from "./topics-client.ts";
import type { Kind } from "./topics-script.ts";
import { container, type Endpoints } from "./worker.ts";

/** How long the path may take to settle, in milliseconds. */
const BOUND = 50_000;

/** A publication or a broadcast, with the time of its call. */
export interface Published {
  readonly id: string;
  /** Undefined for a broadcast. */
  readonly topic: TopicName | undefined;
  /** The name of the object that made the call; "rpc" for the Worker. */
  readonly by: string;
  readonly called: number;
  readonly excepted: ReadonlySet<string>;
  /** When the call resolved. */
  done?: number;
  position?: string | undefined;
  error?: string;
}

/** A subscription that a session requested. */
export interface Subscribed {
  readonly topic: TopicName;
  readonly since: string | undefined;
  readonly last: number;
  readonly called: number;
  placed?: number;
  result?: Subscription;
  error?: string;
  /** When it ended. */
  ended?: number;
}

export class PlayedSession {
  id = "";
  client: TopicsClient | undefined;
  /** When its client got the 101. */
  opened: number | undefined;
  isSlow: boolean;
  /** Whether the client acknowledges only when it is told to, which is mostly late. */
  readonly wasSlow: boolean;
  subscriptions: Subscribed[] = [];
  /** The topics that have used their position from the handshake. */
  readonly used = new Set<string>();
  /** Messages whose callback has not finished. */
  readonly messages = new Set<string>();
  isOver = false;

  constructor(
    readonly name: string,
    readonly shard: number,
    readonly kind: Kind,
    readonly step: Extract<Step, { do: "open" }>,
    readonly positions: ReadonlyMap<string, string>,
    isCredited: boolean,
  ) {
    this.isSlow = step.isSlow && isCredited;
    this.wasSlow = isCredited;
  }

  get isOpen(): boolean {
    return this.opened !== undefined && this.client!.closed === undefined && !this.isOver;
  }

  /** The subscription to a topic that has not ended. */
  subscription(topic: TopicName): Subscribed | undefined {
    return this.subscriptions.findLast((one) => one.topic === topic && one.ended === undefined && !one.error);
  }

  /** The newest position that the client got of a topic. */
  newest(topic: TopicName): string | undefined {
    this.client?.read();
    const events = this.client?.events ?? [];
    return events.findLast((event) => event.type === "message" && event.topic === topic)?.position;
  }
}

interface Player {
  readonly where: string;
  readonly object: Endpoints | undefined;
  /** The session whose callback makes the calls. */
  readonly session: Session | undefined;
}

export class PlayedPath {
  readonly trace: string[] = [];
  readonly served: Served;
  readonly sessions: PlayedSession[] = [];
  readonly published: Published[] = [];
  readonly faults: Faults;
  readonly log: string[] = [];
  /** The kinds of objects that died, and whether any gave up, since everything was last settled. */
  lately = { root: false, any: false, gaveUp: false };
  /** The objects that have hibernated: they may have taken a delivery whose answer was lost. */
  readonly slept = new Set<string>();
  isFaultless = true;
  clears = 0;
  /** The positions of each topic that clients and calls were told, in order. */
  readonly old: Record<TopicName, string[]> = { long: [], short: [], bare: [] };
  #clock = 0;
  #count = 0;
  readonly #lives = new Map<string, number>();
  readonly #under = new Map<symbol, { where: string; life: number; what: string }>();

  constructor(readonly variant: Variant) {
    const { histories, tracks, window } = variant;
    this.faults = new Faults(variant.faults, (name) => this.died(name));
    this.served = serve({
      shards: 8,
      shard: (request) => Number(new URL(request.url).searchParams.get("shard")),
      trackSessions: tracks,
      ...(window !== undefined && {
        flowControl: { window, maxBufferedAmount: 1_048_576, stallTimeoutMs: 2 ** 31 - 1 },
      }),
      topics: {
        envelope: ({ topic, position, payload }) =>
          JSON.stringify({ topic, position, isBinary: false, content: payload as string }),
        history: (name) => {
          const messages = histories[name as TopicName];
          return messages === undefined ? undefined : { messages };
        },
      },
      onOpen: async (session) => {
        const played = this.#of(session);
        played.id = session.id;
        // onOpen may run again after a crash of its shard.
        played.subscriptions = [];
        played.used.clear();
        await this.#play(played.step.acts, { where: session.ctx.id.name!, object: undefined, session });
        return null;
      },
      onText: async (_, text, session) => {
        const played = this.#of(session);
        const { id, acts } = JSON.parse(text) as { id: string; acts: Act[] };
        await this.#play(acts, { where: session.ctx.id.name!, object: undefined, session });
        played.messages.delete(id);
      },
      onClose: async (_, session) => {
        const played = this.#of(session);
        for (const one of played.subscriptions) one.ended ??= this.now();
        const closing = played.step.closing.filter(({ do: what }) => what === "publish");
        await this.#play(closing, { where: session.ctx.id.name!, object: undefined, session });
      },
    });
    vi.spyOn(console, "error").mockImplementation((...line: unknown[]) => {
      const text = line.map(String).join(" ");
      this.log.push(text);
      if (/can't be reached|was lost|can't be read/.test(text)) this.lately.gaveUp = true;
    });
  }

  now(): number {
    return ++this.#clock;
  }

  died(name: string): void {
    this.#did(`${name} dies`);
    this.isFaultless = false;
    this.lately.any = true;
    if (name === this.served.path) this.lately.root = true;
    this.#lives.set(name, this.#life(name) + 1);
    for (const session of this.sessions) {
      if (this.nameOf(session.shard) !== name) continue;
      if (session.opened !== undefined) session.isOver = true;
      session.messages.clear();
    }
  }

  nameOf(where: Where): string {
    return where === "root" ? this.served.path : `${this.served.path}#${where % this.variant.shards}`;
  }

  stubOf(where: Where): DurableObjectStub<Endpoints> {
    return env.Endpoints.getByName(this.nameOf(where));
  }

  get open(): PlayedSession[] {
    return this.sessions.filter(({ isOpen }) => isOpen);
  }

  #of(session: Session): PlayedSession {
    return this.sessions.find(({ name }) => name === session.requestParameterMap.get("name"))!;
  }

  #did(what: string): void {
    this.trace.push(`${this.#clock} ${what}`);
  }

  #life(name: string): number {
    return this.#lives.get(name) ?? 0;
  }

  async run(step: Step): Promise<void> {
    this.faults.isActive = true;
    const who = "who" in step ? this.open[step.who % Math.max(this.open.length, 1)] : undefined;
    if ("who" in step && !who) return;
    switch (step.do) {
      case "open":
        // Waits for it: otherwise its order with the next step is unknown.
        return this.#begin("opening", "", this.#open(step));
      case "message": {
        const id = this.#id("m");
        this.#did(`${who!.name} sends ${id} ${shown(step.acts)}`);
        who!.messages.add(id);
        who!.client!.client.send(JSON.stringify({ id, acts: step.acts }));
        return;
      }
      case "inside": {
        const where = this.nameOf(step.where);
        this.#did(`inside ${where} ${shown(step.acts)}`);
        this.#begin(
          "inside",
          where,
          runInDurableObject(this.stubOf(step.where), (object: Endpoints) =>
            this.#play(step.acts, { where, object, session: undefined }),
          ),
        );
        return;
      }
      case "rpc":
        this.#did(`by RPC ${shown(step.acts)}`);
        this.#begin("rpc", "", this.#play(step.acts, { where: "rpc", object: undefined, session: undefined }));
        return;
      case "hibernate":
        return this.#hibernate(step.where);
      case "crash": {
        const stub = this.stubOf(step.where);
        // Only an object that is running dies, not one that this call wakes.
        await runInDurableObject(stub, (_, state) => {
          this.died(this.nameOf(step.where));
          state.abort("crash");
        }).catch(() => {});
        return;
      }
      case "cut":
        this.#did(`cut ${step.calls} calls to ${this.nameOf(step.where)}`);
        this.isFaultless = false;
        this.faults.cut.set(this.nameOf(step.where), step.calls);
        return;
      case "leave":
        this.#did(`${who!.name} leaves`);
        for (const one of who!.subscriptions) one.ended ??= this.now();
        who!.isOver = true;
        who!.messages.clear();
        who!.client!.client.socket.close(4001);
        return;
      case "slow":
      case "fast":
        if (!who!.wasSlow) return;
        this.#did(`${who!.name} is ${step.do}`);
        who!.isSlow = step.do === "slow";
    }
  }

  /** Waits until all calls have ended, or their object died. */
  async settle(): Promise<void> {
    this.faults.isActive = false;
    this.faults.cut.clear();
    if (this.faults.count > 0) this.isFaultless = false;
    let waits: string[] = [];
    const isSettled = () => {
      this.take();
      waits = [...this.#under.values()].flatMap(({ where, life, what }) => (this.#life(where) === life ? [what] : []));
      for (const one of this.sessions) {
        if (one.isOpen && one.messages.size > 0) waits.push(`a message of ${one.name}`);
        if (one.isOver && one.opened !== undefined && one.client!.closed === undefined && !one.isSlow)
          waits.push(`the end of ${one.name}`);
      }
      return waits.length === 0;
    };
    await vi.waitUntil(isSettled, { timeout: BOUND, interval: 1 }).catch((error: Error) => {
      if (!error.message.startsWith("Timed out")) throw error;
      throw new Error(`What was begun does not end: ${waits.join(", ")}`);
    });
    // After two calls, a root or shard that was not sure what had arrived is sure.
    for (let times = 0; times < 2; times++) await this.count();
  }

  async count(): Promise<number> {
    return container.stub(env, this.served.path).openSessionCount();
  }

  /** The clients that are not slow acknowledge what arrived. */
  take(): void {
    for (const { client, isSlow, isOpen, kind } of this.sessions) {
      client?.read();
      if (client && kind !== "plain" && !isSlow && isOpen) client.take(client.untaken);
    }
  }

  /** The data that the shards have left in storage once all sessions have ended. */
  async left(): Promise<string[]> {
    const left: string[] = [];
    for (const where of ["root", ...Array.from({ length: this.variant.shards }, (_, shard) => shard)] as Where[]) {
      const stub = this.stubOf(where);
      const tables = await runInDurableObject(stub, (_, { storage }) =>
        storage.sql
          .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name LIKE 'socle%'")
          .toArray()
          .map(({ name }) => name),
      );
      const shards = tables.filter((name) => where !== "root" || /shards|wants/.test(name));
      const rows = where === "root" ? [] : await rowsOf(stub);
      left.push(...[...shards, ...rows].map((name) => `${where}: ${name}`));
    }
    return left;
  }

  async #open(step: Extract<Step, { do: "open" }>): Promise<void> {
    const { kind } = step;
    const shard = step.shard % this.variant.shards;
    const former = step.back === undefined ? undefined : this.sessions[step.back % Math.max(this.sessions.length, 1)];
    const positions = new Map<string, string>();
    for (const topic of TOPICS) {
      const newest = former?.newest(topic);
      if (newest !== undefined) positions.set(topic, newest);
    }
    const played = new PlayedSession(
      this.#id("s"),
      shard,
      kind,
      step,
      positions,
      kind !== "plain" && this.variant.window !== undefined,
    );
    this.sessions.push(played);
    this.#did(`${played.name} opens in ${shard}, ${kind} ${JSON.stringify([...positions])} ${shown(step.acts)}`);
    const headers: Record<string, string> = {};
    if (kind !== "plain") {
      headers["Sec-WebSocket-Protocol"] = kind === "flow" ? "socle.v1" : `socle.v1, ${topicsName([...positions])}`;
    }
    const client = await connect(`${this.served.path}?shard=${shard}&name=${played.name}`, headers).catch(
      (error: Error) => {
        this.#did(`${played.name} is not opened: ${error.message}`);
        played.isOver = true;
      },
    );
    if (!client) return;
    played.client = new TopicsClient(client, kind);
    played.opened = this.now();
  }

  async #hibernate(where: Where): Promise<void> {
    this.#did(`${this.nameOf(where)} hibernates`);
    await hibernate(this.stubOf(where), { timeoutMs: 2500 })
      .then(() => this.slept.add(this.nameOf(where)))
      .catch((error: Error) => this.#did(`it does not: ${error.message}`));
  }

  /** Registers work that `settle` waits for, unless its object dies. */
  #begin(what: string, where: string, doing: Promise<unknown>): void {
    const key = Symbol();
    this.#under.set(key, { where, life: this.#life(where), what });
    doing.catch((error: Error) => this.#did(`${what} fails: ${error.message}`)).finally(() => this.#under.delete(key));
  }

  #id(kind: string): string {
    return `${kind}${++this.#count}`;
  }

  async #play(acts: readonly Act[], player: Player): Promise<void> {
    for (const act of acts) {
      const acting = this.#act(act, player);
      const key = Symbol();
      const { where } = player;
      this.#under.set(key, { where, life: this.#life(where), what: `${act.do} in ${where}` });
      const ended = acting.finally(() => this.#under.delete(key));
      if (act.isAwaited) await ended;
    }
  }

  async #act(act: Act, { where, object, session }: Player): Promise<void> {
    const own = object ? [...object.openSessions()] : session ? [session] : [];
    const chosen = own[act.who % Math.max(own.length, 1)];
    const stub = container.stub(env, this.served.path);
    switch (act.do) {
      case "tick":
        return scheduler.wait(1);
      case "clear":
        this.clears++;
        this.#did(`clear ${act.topic} in ${where}`);
        return (object ?? stub).clearTopic(act.topic).then(
          () => this.#did(`cleared ${act.topic}`),
          (error: Error) => void this.#failed("clear", error),
        );
      case "publish":
      case "broadcast":
        return this.#publish(act, where, object ?? stub, act.isObjects && object ? undefined : chosen);
      case "close":
        if (!chosen) return;
        this.#did(`close ${this.#of(chosen).name}`);
        for (const one of this.#of(chosen).subscriptions) one.ended ??= this.now();
        this.#of(chosen).isOver = true;
        this.#of(chosen).messages.clear();
        return chosen.close(4000);
      case "unsubscribe": {
        if (!chosen) return;
        const played = this.#of(chosen);
        const one = played.subscription(act.topic);
        this.#did(`${played.name} leaves ${act.topic}`);
        chosen.unsubscribe(act.topic);
        if (one) one.ended = this.now();
        return;
      }
      case "subscribe":
        if (chosen?.isOpen) await this.#subscribe(act, chosen);
    }
  }

  async #publish(
    { do: what, topic, except }: Act,
    where: string,
    object: Pick<Endpoints, "publish"> & { broadcast(payload: string, options: object): number | Promise<number> },
    session: Session | undefined,
  ): Promise<void> {
    // A session that has no id yet can't be excepted.
    const excepted = except
      .flatMap((one) => (this.sessions.length > 0 ? [this.sessions[one % this.sessions.length]!] : []))
      .filter((one) => one.id !== "");
    const id = this.#id(what === "publish" ? "p" : "b");
    const one: Published = {
      id,
      topic: what === "publish" ? topic : undefined,
      by: where,
      called: this.now(),
      excepted: new Set(excepted.map(({ name }) => name)),
    };
    this.published.push(one);
    this.#did(`${id} ${what} ${topic} in ${where} except ${[...one.excepted].join()}`);
    const options = { except: excepted.map((each) => each.id) };
    try {
      if (what === "publish") {
        const { position } = await (session ?? object).publish(topic, id, options);
        one.position = position;
        if (position !== undefined) this.old[topic].push(position);
      } else await object.broadcast(id, options);
      one.done = this.now();
      this.#did(`${id} is at ${one.position}`);
    } catch (error) {
      one.error = this.#failed(id, error as Error);
    }
  }

  async #subscribe({ topic, since, index, last }: Act, session: Session): Promise<void> {
    const played = this.#of(session);
    const options: SubscribeOptions = { ...(last !== undefined && { last }) };
    const old = this.old[topic];
    const own = played.positions.get(topic);
    if (since === "junk" || since === "client") options.since = since;
    else if (since === "own" && own !== undefined) options.since = own;
    else if (since === "old" && old.length > 0) options.since = old.at(-1 - (index % old.length))!;
    let known = options.since;
    const isSecond = session.topics.has(topic);
    if (since === "client") {
      known = played.kind === "topics" && !played.used.has(topic) ? own : undefined;
      if (!isSecond) played.used.add(topic);
    }
    const one: Subscribed = { topic, since: known, last: last ?? 0, called: this.now() };
    this.#did(`${played.name} subscribes ${topic} ${JSON.stringify(options)}${isSecond ? " again" : ""}`);
    if (!isSecond) played.subscriptions.push(one);
    try {
      one.result = await session.subscribe(topic, options);
      one.placed = this.now();
      // A session that has ended meanwhile has no place in the topic.
      if (played.isOver || !session.isOpen) one.ended ??= one.called;
      this.#did(`${played.name} is subscribed ${topic} ${JSON.stringify(one.result)}`);
    } catch (error) {
      one.error = this.#failed(`${played.name} subscribe`, error as Error);
      one.ended ??= this.now();
      if (since === "client") played.used.delete(topic);
    }
  }

  #failed(what: string, error: Error): string {
    if (error.name === "UnreachableError") this.lately.gaveUp = true;
    const text = `${error.name}: ${error.message}`;
    this.#did(`${what} fails: ${text}`);
    return text;
  }
}

export const shown = (acts: readonly Act[]): string =>
  acts.map((act) => `${act.do}${act.isAwaited ? "" : "*"} ${act.topic}`).join("; ");
