// One object with several sessions in workerd. Its callbacks play the scripts that their clients send.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import {
  startWsConnection,
  WebSocketSendAsync,
  type CloseReason,
  type Payload,
  type SendChannel,
  type SendResult,
  type Session,
  type WsEndpointMap,
} from "socle";
import { redeploy } from "socle/testing";
import { assert, vi } from "vitest";

import type { FlowSession } from "../../src/options/flow-control/flow-session.ts";
import type { ServerSession } from "../../src/session/session.ts";
import { passTime, ring } from "./alarm.ts";
import type { Client } from "./client.ts";
import { serve, type Served } from "./endpoint.ts";
import { acknowledgement, batch, bytes, contents, PLAIN } from "./flow-client.ts";
import { show, TIMEOUT, type Reference, type SessionValue } from "./reference.ts";
import { named, type Act, type Opening, type PayloadKind, type Script, type Variant } from "./script.ts";
import { container, type Endpoints } from "./worker.ts";

interface Played extends SessionValue {
  send: SendChannel;
  ballast: string;
  spoilt?: () => void;
  /** The version of the code that saved it. */
  form: number;
}

/** How long the events of one sequence may take to arrive. */
const BOUND = 30_000;

class PlayedSession {
  readonly log: string[] = [];
  readonly results: Record<string, string> = {};
  readonly ids = new Set<string>();
  closed: { code: number; reason: string } | undefined;
  session: Session | undefined;
  isRunning = false;
  client: Client | undefined;

  constructor(
    readonly name: string,
    readonly failsInClose: boolean,
    readonly isFlowControlled: boolean,
  ) {}

  get isAccepted(): boolean {
    return this.client !== undefined;
  }

  /** How many messages have arrived and are queued. No public property says this while a callback runs. */
  get queued(): number {
    return (this.session as ServerSession | undefined)?.dispatch.waiting ?? 0;
  }

  get received(): readonly unknown[] {
    const frames = this.client?.unread ?? [];
    return this.isFlowControlled ? frames.flatMap((frame) => contents(frame).messages) : frames;
  }

  /** Records a call of a callback. */
  called(session: Session, entry: string): void {
    this.session = session;
    this.ids.add(session.id);
    this.log.push(entry);
  }
}

export class PlayedObject {
  readonly #served: Served;
  readonly #sessions = new Map<string, PlayedSession>();
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();

  constructor(readonly variant: Variant) {
    this.#served = serve<Played>(this.#endpoint(0));
  }

  /** Deploys another version: the object takes it on after hibernation, or loses its sockets at once. */
  async deploy(version: number, webSockets: "hibernate" | "close"): Promise<void> {
    redeploy(container, this.#served.path as `/${string}`, this.#endpoint(version));
    await this.evict(webSockets);
  }

  /** The callbacks check that the session object is of their version. */
  #endpoint(version: number): WsEndpointMap<Cloudflare.Env, Played> {
    const { hibernates, hasOnError, tracks, flowControl, buffer, isLarge } = this.variant;
    const read = (data: string) => JSON.parse(data) as Script;
    const known = (object: Played | undefined) => assert.equal(object?.form ?? version, version);
    return {
      version,
      migrateSession: (data, from) => {
        assert.equal((data as Played).form, from);
        return { ...(data as Played), form: version };
      },
      hibernate: hibernates,
      // The clock is stopped, but timers are not.
      flowControl: { ...flowControl, stallTimeoutMs: 2 ** 31 - 1 },
      trackSessions: hibernates && tracks,
      idleTimeoutMs: TIMEOUT,
      onOpen: (session) => {
        const { name, acts } = JSON.parse(session.requestParameterMap.get("play")!) as Opening;
        this.#of(name).called(session, "open");
        const object: Played = {
          n: 0,
          list: [],
          send: startWsConnection(session, { sendBufferOrN: buffer }),
          ballast: "x".repeat(isLarge ? 20_000 : 0),
          form: version,
        };
        return this.#play(acts, session, object)?.then(() => object) ?? object;
      },
      onText: (object, text, session) => {
        known(object);
        return this.#message("text", read(text), session, object);
      },
      onBinary: (object, data, session) => {
        known(object);
        return this.#message("binary", read(new TextDecoder().decode(data)), session, object);
      },
      onClose: async (object, session, { closeCode, reasonPhrase }: CloseReason) => {
        known(object);
        const played = this.#by(session);
        played.called(session, `close ${closeCode} ${reasonPhrase} ${show(object)}`);
        await session.asyncRemote
          .sendText("farewell")
          .catch((error: Error) => (played.results.farewell = named(error)));
        if (played.failsInClose) throw new Error("onClose");
      },
      ...(hasOnError && {
        onError: (object: Played | undefined, session: Session, error: Error) => {
          this.#by(session).called(session, `error ${named(error)} ${show(object)}`);
          throw new Error("onError");
        },
      }),
    };
  }

  open(opening: Opening): void {
    const played = new PlayedSession(opening.name, opening.failsInClose, opening.isFlowControlled);
    this.#sessions.set(opening.name, played);
    const query = `?play=${encodeURIComponent(JSON.stringify(opening))}`;
    const connected = this.#served.connect(query, opening.isFlowControlled ? PLAIN : {});
    void connected.then(async (client) => {
      played.client = client;
      const { code, reason } = await client.closed;
      // If the connection broke, the reason is the platform's own text.
      played.closed = { code, reason: code === 1006 ? "" : reason };
    });
  }

  send(name: string, type: "text" | "binary", script: Script): void {
    const text = JSON.stringify(script);
    const { client, isFlowControlled } = this.#of(name);
    const data = new TextEncoder().encode(text);
    client!.send(type === "text" ? text : isFlowControlled ? bytes(0, [...data]) : data);
  }

  /** Sends all messages in one frame. */
  sendTogether(name: string, scripts: readonly (readonly ["text" | "binary", Script])[]): void {
    const items = scripts.map(([type, script]) => {
      const text = JSON.stringify(script);
      return type === "text" ? text : new TextEncoder().encode(text);
    });
    this.#of(name).client!.send(batch(...items));
  }

  /** Acknowledges this many messages in all. */
  acknowledge(name: string, count: number): void {
    this.#of(name).client!.send(acknowledgement(count));
  }

  /** Acknowledges what arrived, and waits until the server knows, because no other message would show it. */
  async take(name: string, count: number): Promise<void> {
    this.acknowledge(name, count);
    const [id] = this.#of(name).ids;
    const isKnown = (object: Endpoints) => {
      const session = [...object.openSessions()].find((one) => one.id === id) as FlowSession | undefined;
      return !session || session.credit!.kept[0]! >= count;
    };
    await vi.waitUntil(() => runInDurableObject(this.#served.stub, isKnown), { timeout: BOUND, interval: 1 });
  }

  /** Closes the client's end. Resolves once the server knows. */
  async leave(name: string, code: number | undefined, phrase: string, isHeld: boolean): Promise<void> {
    const { client, session } = this.#of(name);
    client!.socket.close(...((code === undefined ? [] : [code, phrase]) as [number?, string?]));
    if (isHeld) await vi.waitUntil(() => !session!.isOpen, { timeout: BOUND, interval: 1 });
  }

  /** Resolves a gate inside the object that created it. */
  release(gate: string): Promise<void> {
    return runInDurableObject(this.#served.stub, () => this.#gate(gate).resolve());
  }

  /** Does one act outside of any callback. */
  act(name: string, act: Act): Promise<void> {
    return this.#inside(name, (session) => void this.#act(act, session, session.sessionObject as Played));
  }

  close(name: string, code: number, phrase: string): Promise<void> {
    return this.#inside(name, (session) => session.close(code, phrase));
  }

  closeAll(closeCode: number, reasonPhrase: string): Promise<number> {
    return this.#served.stub.closeAll({ closeCode, reasonPhrase });
  }

  broadcast(text: string, except?: string): Promise<number> {
    return this.#served.stub.broadcast(text, except === undefined ? {} : { except: [...this.#of(except).ids] });
  }

  openSessionCount(): Promise<number> {
    return this.#served.stub.openSessionCount();
  }

  /** Calls the handler with which the platform reports a client that vanished, or a socket that failed. */
  lose(name: string, error?: Error): Promise<void> {
    return this.#inside(name, ({ webSocket, ctx }, object) => {
      const told = error
        ? object.webSocketError!(webSocket, error)
        : object.webSocketClose!(webSocket, 1006, "", false);
      ctx.waitUntil(Promise.resolve(told));
    });
  }

  /** Hibernates the object, or resets it. */
  async evict(webSockets: "hibernate" | "close"): Promise<void> {
    // Only a running object can be evicted, and the gates that ended sessions left behind disappear with it.
    await runInDurableObject(this.#served.stub, () => this.#gates.forEach(({ resolve }) => resolve()));
    this.#gates.clear();
    await evictDurableObject(this.#served.stub, { webSockets });
  }

  async pass(milliseconds: number): Promise<void> {
    passTime(milliseconds);
    while (await ring(this.#served.stub));
  }

  /** The number of rows of sessions in storage. */
  rows(): Promise<number> {
    return runInDurableObject(
      this.#served.stub,
      (_, { storage }) => [...storage.kv.list({ prefix: "socle:session:" })].length,
    );
  }

  /** Waits until the object is in the state of the reference, and compares the two. */
  async agree({ sessions }: Reference): Promise<void> {
    const mine = () => sessions.map(({ name }) => state(this.#of(name)));
    const theirs = sessions.map(state);
    const wanted = JSON.stringify(theirs);
    await vi.waitUntil(() => JSON.stringify(mine()) === wanted, { timeout: BOUND, interval: 1 }).catch(() => {});
    assert.deepEqual(mine(), theirs);
    for (const { ids, name } of this.#sessions.values()) assert.equal(ids.size, 1, `ids of ${name}`);
  }

  #of(name: string): PlayedSession {
    return this.#sessions.get(name)!;
  }

  #by(session: Session): PlayedSession {
    return this.#of((JSON.parse(session.requestParameterMap.get("play")!) as Opening).name);
  }

  #gate(id: string): PromiseWithResolvers<void> {
    if (!this.#gates.has(id)) this.#gates.set(id, Promise.withResolvers());
    return this.#gates.get(id)!;
  }

  #inside(name: string, act: (session: Session, object: DurableObject) => void): Promise<void> {
    const [id] = this.#of(name).ids;
    return runInDurableObject(this.#served.stub, (object) =>
      act(
        [...object.openSessions()].find((session) => session.id === id)!,
        object,
      ),
    );
  }

  #message(type: string, { id, acts }: Script, session: Session, object: Played): Promise<void> | undefined {
    this.#by(session).called(session, `${type} ${id} ${show(object)}`);
    return this.#play(acts, session, object);
  }

  /** Returns no promise if no act takes time, and throws at once. */
  #play(acts: readonly Act[], session: Session, object: Played): Promise<void> | undefined {
    const played = this.#by(session);
    const playing = this.#playOn(acts, session, object);
    played.isRunning = playing !== undefined;
    return playing?.finally(() => (played.isRunning = false));
  }

  #playOn(acts: readonly Act[], session: Session, object: Played): Promise<void> | undefined {
    let current = object;
    for (const [index, act] of acts.entries()) {
      const taken = this.#act(act, session, current);
      if (taken) return taken.then(() => this.#playOn(acts.slice(index + 1), session, current));
      if (act.do === "replace") current = session.sessionObject as Played;
    }
    return undefined;
  }

  #act(act: Act, session: Session, object: Played): Promise<void> | undefined {
    const { results } = this.#by(session);
    const { id } = act;
    if (act.do === "tick") return scheduler.wait(0);
    if (act.do === "hold") return this.#gate(id).promise;
    if (act.do === "count") object.n++;
    if (act.do === "list") object.list.push(id);
    if (act.do === "spoil") object.spoilt = () => {};
    if (act.do === "replace") session.sessionObject = { ...object, n: object.n + 100, list: [], spoilt: undefined };
    if (act.do === "throw") throw new Error(id);
    if (act.do === "finish") object.send.close();
    if (act.do === "close") session.close(act.code, act.phrase);
    if (act.do === "touch") {
      const [other] = this.#of(act.other).ids;
      for (const one of session.openSessions) if (one.id === other) (one.sessionObject as Played).n += 10;
    }
    if (act.do === "offer") results[`${id} taken`] = String(object.send.offer(this.#payload(id, act.payload)));
    if (act.do === "put" || act.do === "tuple") {
      const payload = this.#payload(id, act.payload);
      const put = (result: SendResult) => (results[id] = result === "success" ? result : named(result));
      void object.send
        .put(act.do === "put" ? payload : [payload, { put }])
        .then((taken) => (results[`${id} taken`] = String(taken)));
    }
    if (act.do === "remote") {
      session.asyncRemote.sendText(this.#payload(id, act.payload) as string).then(
        () => (results[id] = "success"),
        (error: Error) => (results[id] = named(error)),
      );
    }
    return undefined;
  }

  #payload(id: string, kind: PayloadKind): Payload {
    if (kind === "text") return id;
    if (kind === "bad") return 42 as never;
    return {
      [WebSocketSendAsync]: async (remote) => {
        await this.#gate(id).promise;
        if (kind === "failing") throw new Error(id);
        await remote.sendText(id);
      },
    };
  }
}

type Compared = Pick<
  PlayedSession,
  "name" | "isAccepted" | "isRunning" | "queued" | "log" | "received" | "closed" | "results"
>;

/** The part of a session that is compared. */
const state = ({ name, isAccepted, isRunning, queued, log, received, closed, results }: Compared) => ({
  name,
  isAccepted,
  isRunning,
  queued,
  log: [...log],
  received: [...received],
  closed,
  results: Object.fromEntries(Object.entries(results).toSorted(([a], [b]) => (a < b ? -1 : 1))),
});
