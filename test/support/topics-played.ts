// One object with topics in workerd. Its callbacks play what the scripts say.
import { runInDurableObject } from "cloudflare:test";
import type { Session, WsEndpointMap } from "socle";
import { drop, hibernate, redeploy } from "socle/testing";
import { assert, vi } from "vitest";

import { topicsName } from "../../src/wire/positions.ts";
import { alarmOf, passTime, ring, rowsOf } from "./alarm.ts";
import { connect } from "./client.ts";
import { serve, type Served } from "./endpoint.ts";
import { acknowledgement } from "./flow-client.ts";
import { Acts } from "./topics-acts.ts";
import { TopicsClient, type Enveloped, type Event } from "./topics-client.ts";
import { Epochs } from "./topics-epochs.ts";
import { positionOf } from "./topics-history.ts";
import type { Reference, ReferenceSession } from "./topics-reference.ts";
import {
  AGE,
  FILLERS,
  shown,
  TOPICS,
  type Act,
  type Histories,
  type Kind,
  type Opening,
  type Script,
  type TopicName,
  type Variant,
} from "./topics-script.ts";
import type { Received } from "./topics-stream.ts";
import { container, type Endpoints } from "./worker.ts";

/** How long the events of one sequence may take to arrive. */
const BOUND = 30_000;

const PROTOCOLS: Record<Kind, (opening: Opening) => Record<string, string>> = {
  plain: () => ({}),
  flow: () => ({ "Sec-WebSocket-Protocol": "socle.v1" }),
  topics: ({ positions }) => ({ "Sec-WebSocket-Protocol": `socle.v1, ${topicsName(positions)}` }),
};

class PlayedSession {
  readonly log: string[] = [];
  isClosing = false;
  id = "";
  client: TopicsClient | undefined;
}

export class PlayedObject {
  readonly #acts = new Acts((name) => this.#of(name).id);
  /** The steps that were played, for a counterexample. */
  readonly trace: string[] = [];
  readonly #served: Served;
  readonly #sessions = new Map<string, PlayedSession>();
  readonly #epochs = new Epochs();

  constructor(readonly variant: Variant) {
    this.#served = serve(this.#endpoint(variant.histories));
  }

  #endpoint(histories: Histories): WsEndpointMap<Cloudflare.Env> {
    const { hibernates, tracks, isEnveloped, flowControl, isLarge } = this.variant;
    const envelope = ({
      topic,
      position,
      payload,
    }: {
      topic: string;
      position: string | undefined;
      payload: string | ArrayBuffer;
    }) =>
      JSON.stringify({
        topic,
        position,
        isBinary: typeof payload !== "string",
        content: typeof payload === "string" ? payload : new TextDecoder().decode(payload),
      } satisfies Enveloped);
    return {
      hibernate: hibernates,
      trackSessions: hibernates && tracks,
      ...(flowControl && { flowControl: { ...flowControl, stallTimeoutMs: 2 ** 31 - 1 } }),
      topics: {
        ...(isEnveloped && { envelope }),
        history: (name) => {
          const history = histories[name as TopicName];
          return history && { ...history, ageMs: AGE };
        },
      },
      onOpen: async (session) => {
        const played = this.#by(session);
        played.id = session.id;
        played.log.push("open");
        await this.#play(this.#opening(session).acts, session);
        return isLarge ? "x".repeat(20_000) : null;
      },
      onText: (_, text, session) => {
        const { id, acts } = JSON.parse(text) as Script;
        this.#by(session).log.push(`text ${id} ${shown(session.topics)}`);
        return this.#play(acts, session);
      },
      onClose: (_, session, { closeCode }) => {
        this.#by(session).log.push(`close ${closeCode} ${shown(session.topics)}`);
        return this.#close(session);
      },
    };
  }

  async open(opening: Opening): Promise<void> {
    this.#did("open", opening);
    const played = new PlayedSession();
    this.#sessions.set(opening.name, played);
    const positions = opening.positions.map(([topic, position]) => [topic, this.#epochs.named(position)] as const);
    const known = this.#realActs({ ...opening, positions });
    const query = `?play=${encodeURIComponent(JSON.stringify(known))}`;
    const client = await connect(this.#served.path + query, PROTOCOLS[opening.kind](known));
    played.client = new TopicsClient(client, opening.kind);
  }

  send(name: string, script: Script): void {
    this.#did(`message of ${name}`, script.acts);
    this.#of(name).client!.client.send(JSON.stringify(this.#realActs(script)));
  }

  /** Plays acts of the object, and of its sessions outside of their callbacks. */
  inside(acts: readonly Act[]): Promise<void> {
    this.#did("inside", acts);
    return runInDurableObject(this.#served.stub, (object: Endpoints, { storage }) =>
      this.#playInside(acts, object, storage),
    );
  }

  /** Resets the object right after the acts: results that nobody could have seen may be lost. */
  async insideAndCrash(acts: readonly Act[]): Promise<void> {
    this.#did("inside, and a crash", acts);
    const crashing = runInDurableObject(this.#served.stub, async (object: Endpoints, state) => {
      await this.#playInside(acts, object, state.storage);
      state.abort("crash");
    });
    await crashing.catch(() => {});
  }

  byRpc(acts: readonly Act[]): Promise<void> {
    this.#did("by RPC", acts);
    return this.#acts.play(this.#realActs({ acts }).acts, { sessions: [], player: this.#served.stub });
  }

  async hibernate(): Promise<void> {
    this.#did("hibernate");
    await this.#settle();
    await hibernate(this.#served.stub, { timeoutMs: BOUND });
  }

  async drop(): Promise<void> {
    await this.#settle();
    await drop(this.#served.stub, { timeoutMs: BOUND });
  }

  /**
   * Waits until nothing is queued for a client: only a running object can hibernate, and messages of a topic that a
   * session has left wait until the client acknowledges earlier ones.
   */
  async #settle(): Promise<void> {
    const isSettled = () =>
      runInDurableObject(this.#served.stub, (object: Endpoints) =>
        [...object.openSessions()].every(({ asyncRemote }) => asyncRemote.bufferedAmount === 0),
      );
    const take = async () => {
      if (await isSettled()) return true;
      for (const { client } of this.#sessions.values())
        if (client!.kind !== "plain" && client!.closed === undefined) client!.take(client!.untaken);
      return false;
    };
    await vi.waitUntil(take, { timeout: BOUND, interval: 1 });
  }

  /** Deploys code with other settings for histories. */
  async deploy(histories: Histories, isDeferred: boolean): Promise<void> {
    this.#did(isDeferred ? "deploy" : "deploy, and drop", histories);
    await this.#settle();
    redeploy(container, this.#served.path as `/${string}`, this.#endpoint(histories));
    await (isDeferred ? this.hibernate() : this.drop());
  }

  /** Lets time pass. The object checks a history late, by a twentieth of its age. */
  async pass(milliseconds: number): Promise<void> {
    this.#did("time passes", milliseconds);
    passTime(milliseconds);
    while (await ring(this.#served.stub));
  }

  async positionOf(topic: TopicName): Promise<string | undefined> {
    return (await this.#served.stub.topic(topic)).position;
  }

  /** The offsets in a history, and the ids of the acts that published them. */
  async kept(topic: TopicName): Promise<readonly (readonly [offset: number, id: string])[]> {
    const kept = await this.#served.stub.publications(topic);
    return kept.map(({ position, payload }) => {
      const content = typeof payload === "string" ? payload : new TextDecoder().decode(payload);
      return [Number(position.split(".")[1]), content.split("|")[0]!];
    });
  }

  /** What Socle has left in storage, and the time of the alarm. */
  async left(): Promise<unknown[]> {
    let left: unknown[] = [];
    // An onClose may still be running.
    const isEmpty = async () => (left = await this.#left()).length === 0;
    await vi.waitUntil(isEmpty, { timeout: BOUND, interval: 1 }).catch(() => {});
    return left;
  }

  async #left(): Promise<unknown[]> {
    const { stub } = this.#served;
    const tables = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name LIKE 'socle%'").toArray(),
    );
    const alarm = await alarmOf(stub);
    return [...tables.map(({ name }) => name), ...(await rowsOf(stub)), ...(alarm === null ? [] : [alarm])];
  }

  lie(name: string): void {
    this.#did(`${name} lies`);
    const { client, taken } = this.#of(name).client!;
    client.send(acknowledgement(taken + 1_000_000));
  }

  leave(name: string, code: number): void {
    this.#did(`${name} leaves`, code);
    this.#of(name).client!.client.socket.close(code);
  }

  take(name: string, count: number): void {
    this.#did(`${name} takes`, count);
    const client = this.#of(name).client!;
    client.take(Math.min(count, client.untaken));
  }

  knows(position: string): boolean {
    return this.#epochs.knows(position);
  }

  /** The newest position of a topic that a client got. */
  newestOf(name: string, topic: TopicName): string | undefined {
    const positions = this.#of(name).client!.events.flatMap((event) => (event.topic === topic ? [event.position] : []));
    const newest = positions.at(-1);
    return newest && this.#epochs.named(newest);
  }

  /** Waits until the object is in the state of the reference, and compares the two. */
  async agree(model: Reference): Promise<void> {
    model.settle();
    const state = () => this.#state(model);
    const isSettled = async () => {
      // First, because the results show the names of the epochs.
      const results = this.#results(model);
      if (JSON.stringify(results) !== JSON.stringify(model.results)) return false;
      await this.#nameEpochs(model);
      for (const session of model.sessions) this.#receive(session, model);
      const [mine, theirs] = state();
      return JSON.stringify(mine) === JSON.stringify(theirs);
    };
    await vi.waitUntil(isSettled, { timeout: BOUND, interval: 1 }).catch((error: Error) => {
      if (!error.message.startsWith("Timed out")) throw error;
    });
    assert.deepEqual(...state());
    await this.#lookAtSlow(model);
  }

  /** A slow client learns late that its session has ended. */
  async #lookAtSlow(model: Reference): Promise<void> {
    const slow = model.openSessions.filter((one) => one.isSlow && one.isCredited);
    if (slow.length === 0) return;
    const open = await runInDurableObject(this.#served.stub, (object: Endpoints) =>
      [...object.openSessions()].map(({ id }) => id),
    );
    const gone = slow.filter(({ name }) => !open.includes(this.#of(name).id));
    if (gone.length === 0) return;
    for (const { name } of gone) await this.#of(name).client!.client.closed;
    await this.agree(model);
  }

  /** Before the next clear: a slow client may be told of an epoch later. */
  async #nameEpochs({ topics }: Reference): Promise<void> {
    for (const { name, epoch, history } of Object.values(topics)) {
      if (!history || !epoch || this.#epochs.knows(`${epoch}.0`)) continue;
      const { position } = await this.#served.stub.topic(name);
      this.#epochs.align(position, `${epoch}.0`);
    }
  }

  #results(model: Reference): Record<string, string | undefined> {
    const results = Object.entries(model.results);
    return Object.fromEntries(
      results.map(([id, expected]) => [id, this.#epochs.align(this.#acts.results[id], expected)]),
    );
  }

  #state(model: Reference): [mine: unknown, theirs: unknown] {
    const mine = model.sessions.map(({ name }) => {
      const { log, client, isClosing } = this.#of(name);
      return { name, log, closed: client?.closed, missing: [], isClosing };
    });
    const theirs = model.sessions.map(({ name, log, closed, isSlow, isOpen, streams }) => {
      const missing = isSlow && isOpen ? [] : Object.values(streams).filter(({ isComplete }) => !isComplete);
      return { name, log, closed, missing: missing.map(String), isClosing: false };
    });
    return [
      { results: this.#results(model), sessions: mine },
      { results: model.results, sessions: theirs },
    ];
  }

  /** Passes what a client got to the reference, which checks whether that is allowed. */
  #receive(session: ReferenceSession, model: Reference): void {
    const { client } = this.#of(session.name);
    if (!client) return;
    client.read();
    for (; client.seen < client.events.length; client.seen++) {
      const event: Event = client.events[client.seen]!;
      if (event.type === "place" && FILLERS.includes(event.topic)) continue;
      const [topic, received] = this.#received(event, model);
      const stream = session.streams[topic];
      const before = String(stream);
      if (!stream.receive(received)) {
        assert.fail(
          `${session.name} got ${JSON.stringify({ ...received, event }).slice(0, 600)} when it was at ${before}`,
        );
      }
    }
    if (session.isCredited && session.isOpen && !session.isSlow && client.closed === undefined)
      client.take(client.untaken);
    if (client.closed === 1013 && session.isOpen && this.#mayEnd(session)) {
      session.end(1013, true);
      model.settle();
    }
  }

  /** The session of a slow client ends if the client can't be told what it missed, or if its buffer is full. */
  #mayEnd(session: ReferenceSession): boolean {
    if (!session.isCredited) return false;
    const streams = TOPICS.map((topic) => session.streams[topic]);
    const isFull = this.variant.flowControl!.maxBufferedAmount < 1_000_000;
    return (
      (session.opening.kind === "flow" && streams.some(({ isLost }) => isLost)) ||
      (isFull && streams.some(({ topic, isComplete }) => !topic.history && !isComplete))
    );
  }

  #received(event: Event, { topics }: Reference): [TopicName, Received] {
    if (event.type === "place") {
      const { topic, recovered, position } = event;
      // Nothing has named this epoch yet: the topic was cleared.
      if (position) this.#epochs.align(position, `${topics[topic as TopicName].epoch}.0`);
      return [topic as TopicName, { type: "place", recovered, position: position && this.#epochs.named(position) }];
    }
    const { content, isBinary, topic, position } = event;
    const id = content.split("|")[0];
    const all = Object.values(topics).flatMap((one) => one.all.map((published) => [one.name, published] as const));
    const found = all.find(([name, published]) =>
      content === "" ? name === topic && positionOf(published) === this.#epochs.named(position!) : published.id === id,
    );
    if (!found) assert.fail(`nobody has published ${JSON.stringify(event).slice(0, 200)}`);
    const [name, published] = found;
    assert.deepEqual({ content, isBinary }, { content: published.content, isBinary: published.isBinary });
    if (topic !== undefined)
      assert.deepEqual([topic, position && this.#epochs.named(position)], [name, positionOf(published)]);
    return [name, { type: "publication", published }];
  }

  #realActs<Played extends { acts: readonly Act[] }>(played: Played): Played {
    return JSON.parse(JSON.stringify(played), (key, value: unknown) =>
      key === "since" && typeof value === "string" ? this.#epochs.named(value) : value,
    ) as Played;
  }

  /** Until `onClose` has ended, a crash would make it run again. */
  async #close(session: Session): Promise<void> {
    const played = this.#by(session);
    played.isClosing = true;
    await this.#play(this.#opening(session).closing, session);
    played.isClosing = false;
  }

  #play(acts: readonly Act[], session: Session): Promise<void> {
    return this.#acts.play(acts, { sessions: [session], storage: session.ctx.storage });
  }

  #playInside(acts: readonly Act[], object: Endpoints, storage: DurableObjectStorage): Promise<void> {
    return this.#acts.play(this.#realActs({ acts }).acts, {
      sessions: [...object.openSessions()],
      storage,
      player: object,
    });
  }

  #did(what: string, how: unknown = ""): void {
    this.trace.push(`${what} ${JSON.stringify(how)}`);
  }

  #of(name: string): PlayedSession {
    return this.#sessions.get(name)!;
  }

  #opening(session: Session): Opening {
    return JSON.parse(session.requestParameterMap.get("play")!) as Opening;
  }

  #by(session: Session): PlayedSession {
    return this.#of(this.#opening(session).name);
  }
}
