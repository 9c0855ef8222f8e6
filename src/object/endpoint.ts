// The Durable Object: takes the platform's events for its sockets to their sessions.
import { DurableObject } from "cloudflare:workers";

import type { Callbacks } from "../api/callbacks.ts";
import { CloseReason, reasonFor } from "../api/close-reason.ts";
import type { ContainerEvent, EventListener } from "../api/container-event.ts";
import type { EndpointOptions } from "../api/endpoint-options.ts";
import type { Session } from "../api/session.ts";
import type { KeptPublication, Publication, PublicationsOptions, PublishOptions, TopicState } from "../api/topics.ts";
import type { EndpointDefinition } from "../endpoint/definition.ts";
import { checkMethods, ENDPOINTS, LISTENERS, optionsOf, SERVES_MAPS } from "../endpoint/endpoint-class.ts";
import { hasLostSessions } from "../options/track-sessions/lost-sessions.ts";
import { tellOf } from "../reporting/listener.ts";
import { placeOf, report } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { closeSocket, reasonOf } from "../sending/close-frame.ts";
import type { Payload } from "../sending/payload.ts";
import type { Told } from "../shards/message.ts";
import { Alarm } from "./alarm/alarm.ts";
import { closeAll, type BroadcastOptions } from "./broadcast.ts";
import { Definitions } from "./definitions.ts";
import { enter } from "./entrance.ts";
import type { Hooks, OtherEvent } from "./hooks.ts";
import type { RootStub } from "./root-stub.ts";
import { Sessions } from "./sessions.ts";
import { Siblings } from "./siblings.ts";

/** A class that extends {@link Endpoint}. */
export type EndpointClass<Env = unknown, T = unknown, Path extends string = string> = new (
  ctx: DurableObjectState,
  env: Env,
) => Endpoint<Env, T, Path>;

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the callbacks are optional: a subclass has those it writes
export interface Endpoint<Env = Cloudflare.Env, T = unknown, Path extends string = string>
  extends Callbacks<Env, T, Path>, Hooks {}

/**
 * A Durable Object that serves WebSockets. Write the callbacks as methods; storage, alarms, RPC methods and
 * `onRequest` are yours as in any Durable Object.
 *
 * ```ts
 * export class Chat extends Endpoint<Env, { name: string }> {
 *   onOpen(session: Session) {
 *     return { name: session.requestParameterMap.get("name") ?? "anonymous" };
 *   }
 *   onText(user: { name: string }, text: string) {
 *     this.broadcast(`${user.name}: ${text}`);
 *   }
 * }
 * addEndpoint(container, "/chat/{room}", Chat);
 * ```
 *
 * @typeParam Env the Worker's bindings
 * @typeParam T the session object that `onOpen` returns
 * @typeParam Path the path at which it is registered, for typed path parameters
 * @see Jakarta: `Endpoint`
 */
// oxlint-disable-next-line no-unused-vars -- the callbacks of the interface above have them
export class Endpoint<Env = Cloudflare.Env, T = unknown, Path extends string = string> extends DurableObject<Env> {
  /**
   * The options of the class, wherever it is registered; those given there win.
   *
   * ```ts
   * static override options: EndpointOptions = { idleTimeoutMs: 60_000 };
   * ```
   *
   * Those of the classes that it extends hold too, where its own don't say otherwise. An option that is undefined says nothing.
   */
  static options?: EndpointOptions<unknown>;

  /**
   * True for a class that has a `fetch`, `alarm`, `webSocketMessage`, `webSocketClose` or `webSocketError` of its own, and calls
   * `super` in it. Without it such a class is refused, because its callbacks would never run.
   */
  static overrides?: boolean;

  /** What the container tells the objects of the class. */
  declare static [ENDPOINTS]?: Map<string, EndpointDefinition>;
  declare static [LISTENERS]?: Set<EventListener>;
  declare static [SERVES_MAPS]?: boolean;

  readonly #definitions = new Definitions(this, this.#class, () => optionsOf(this.#class, Endpoint));
  readonly #alarm = new Alarm(
    this.ctx,
    this,
    (now) => this.#sessions.sweep(now),
    () => this.#sessions.emptied(),
  );
  readonly #siblings = new Siblings(this.ctx, this.env, this.#definitions);
  readonly #sessions = new Sessions({
    ctx: this.ctx,
    env: this.env,
    alarm: this.#alarm,
    siblings: this.#siblings,
    definition: (path) => this.#definitions.at(path),
    settings: (path) => this.#definitions.topicsOf(this.ctx, path),
    onEvent: (event, env) => this.#tell(event, env),
  });
  /** The sessions that a crash has ended come before anything new. */
  #recovery: Promise<void> | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // A registered class was checked, and a wrapper around it calls it. A fetch in place of ours shows with the first client.
    if (!this.#class[ENDPOINTS] || this.#class[SERVES_MAPS]) checkMethods(this.#class, Endpoint, "fetch");
    this.#tell({ type: "wake", id: ctx.id }, env);
    if (!hasLostSessions(ctx)) return;
    // Not before the constructor of the subclass has run, and what it blocks for. What is called by RPC waits too.
    this.#recovery = Promise.resolve().then(() => ctx.blockConcurrencyWhile(() => this.#sessions.endLost()));
  }

  /**
   * The object that is the root of this one's path, for state that all its shards share. Without the option `shards`, and in the root, it is
   * the object itself.
   *
   * ```ts
   * await this.root.ban(user.name); // a method of the class, which runs in the root
   * ```
   *
   * @throws {@link DeploymentError} where no binding and no export leads to the class
   */
  get root(): RootStub<this> {
    return this.#siblings.root as unknown as RootStub<this>;
  }

  /** The number of the shard that this object is; undefined in the root, and without the option `shards`. */
  get shard(): number | undefined {
    return this.#siblings.shard;
  }

  /**
   * The open sessions of this object: not those still in `onOpen`, nor those that are closing. Under `shards` those of this shard.
   *
   * @param tag only those with this tag
   * @see Jakarta: `Session.getOpenSessions`
   */
  openSessions(tag?: string): Set<Session<string, T, Env>> {
    return new Set(this.#sessions.all(tag)) as Set<unknown> as Set<Session<string, T, Env>>;
  }

  /**
   * How many open sessions there are: not those still in `onOpen`, nor those that are closing. By RPC too. Under `shards` those of this shard; by
   * `container.stub` and {@link root} those of the path.
   *
   * ```ts
   * await container.stub(env, "/chat/lobby").openSessionCount();
   * ```
   *
   * @param tag only those with this tag
   */
  openSessionCount(tag?: string): number {
    return this.#sessions.all(tag).length;
  }

  /**
   * Closes every open session. By RPC too, where the reason is a code, or an object with the two properties of a
   * {@link CloseReason}. Under `shards` those of this shard; by `container.stub` and {@link root} those of the path, behind what was published
   * before.
   *
   * ```ts
   * await container.stub(env, "/chat/lobby").closeAll({ closeCode: 1012, reasonPhrase: "new version" });
   * ```
   *
   * @param reason 1000 if absent
   * @returns how many it closed
   * @throws {@link CloseReasonError} for a code that may not be sent, or a phrase over 123 bytes of UTF-8
   */
  closeAll(reason?: number | { closeCode: number; reasonPhrase?: string }): number {
    return closeAll(this.#sessions, reasonFor(reason));
  }

  /**
   * Sends to every open session of this object, past their send channels. A session whose send fails keeps it from no
   * other; the failure is logged. By RPC too, where the payload is a text or bytes, and `except` ids.
   *
   * To more than 250 sessions it goes in slices, between which the object handles other events. The receivers and the bytes are those of the call, and
   * what is sent to a session later comes later. A payload that sends itself makes its bytes when its turn comes.
   *
   * Under `shards` it goes to every session of the path, by the root, in one order with what is published, and the payload is a text or bytes. What is lost on
   * the way there is logged.
   *
   * ```ts
   * this.broadcast(`${user.name} has joined`, { except: session });
   * await container.stub(env, "/chat/lobby").broadcast("maintenance at 9", { tag: "staff" });
   * ```
   *
   * @returns how many sessions it went to; of more than 250 to how many it is to go. Under `shards` how many of this object's own, by RPC of all
   * @throws {@link PayloadError} for what is no payload; {@link OverloadedError} under `shards`, if too much waits
   */
  broadcast(payload: Payload, options: BroadcastOptions = {}): number {
    return this.#sessions.part.broadcast(payload, options);
  }

  /**
   * Publishes on a topic of this object, under `shards` of the path. All subscribers get it in the same order. By RPC too, where `except` is ids.
   *
   * ```ts
   * await this.publish("chat", "It is midnight.");
   * await container.stub(env, "/rooms/lobby").publish("chat", "It is midnight.");
   * ```
   *
   * @param payload a text or bytes, taken as it is at the call
   * @returns a promise that resolves when the publication has its place and, with a history, is kept
   * @throws as {@link Session.publish} does
   */
  async publish(
    topic: string,
    payload: string | ArrayBuffer | ArrayBufferView,
    options?: PublishOptions,
  ): Promise<Publication> {
    return this.#sessions.topics.publish(topic, payload, options);
  }

  /**
   * What there is of a topic: the newest position of its history, and how many of this object's sessions are subscribed, under `shards` of
   * all of the path. By RPC too.
   *
   * @throws {@link TopicError}
   */
  async topic(name: string): Promise<TopicState> {
    return this.#sessions.part.state(name);
  }

  /**
   * Reads a topic's history, the oldest first. By RPC too.
   *
   * ```ts
   * const newest = await this.publications("chat", { last: 20 });
   * ```
   *
   * @returns all that is there, without `since` and `last`; nothing of a topic without a history
   * @throws {@link TopicError}
   */
  async publications(topic: string, options?: PublicationsOptions): Promise<KeptPublication[]> {
    return this.#sessions.topics.publications(topic, options);
  }

  /**
   * Forgets a topic's history. Positions of before recover nothing any more; who is subscribed stays so. By RPC too.
   *
   * @throws {@link TopicError}
   */
  async clearTopic(topic: string): Promise<void> {
    return this.#sessions.topics.clear(topic);
  }

  /**
   * What the objects of a path under `shards` tell each other, and what the Worker has for all of them.
   *
   * @internal
   */
  async socle(told: Told, form: number): Promise<unknown> {
    return this.#sessions.part.told(told, form);
  }

  /** Opens a session, or answers what opens none. The container's router comes here, and so may your own routing. */
  override async fetch(request: Request): Promise<Response> {
    if (this.#recovery) await this.#recovery;
    this.#sessions.rearm();
    const entered = enter(request, {
      type: this.#class,
      ctx: this.ctx,
      answersRequests: this.onRequest !== undefined,
      definition: (path) => this.#definitions.at(path),
    });
    if (!entered) return this.onRequest!(request);
    if (entered instanceof Response) return entered;
    return this.#siblings.pass(request, entered) ?? this.#sessions.open(request, entered);
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> | void {
    const session = this.#sessions.of(socket);
    // It passes the parts of its endpoint's options, if there are any, and comes to `Dispatch.receive`.
    return session ? session.receive(message) : this.#other(socket, message);
  }

  override webSocketClose(socket: WebSocket, code: number, phrase: string): Promise<void> | void {
    const reason = new CloseReason(code, phrase);
    const session = this.#sessions.of(socket);
    // It has an answer in any case.
    return session ? session.lost(reason) : this.#other(socket, reason).then(() => closeSocket(socket, reason));
  }

  override webSocketError(socket: WebSocket, error: unknown): Promise<void> | void {
    const session = this.#sessions.of(socket);
    return session ? session.lost(reasonOf(error), toError(error)) : this.#other(socket, toError(error));
  }

  /** The idle timeouts share it with {@link onAlarm}. */
  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    await this.#recovery;
    await this.#alarm.ring(info);
  }

  /** Of a socket that Socle did not accept. What it throws is logged. */
  async #other(socket: WebSocket, event: OtherEvent): Promise<void> {
    if (!this.onOtherSocket || !this.#sessions.isOther(socket)) return;
    try {
      await this.onOtherSocket(socket, event);
    } catch (error) {
      report("onOtherSocket failed", error, placeOf(this.ctx));
    }
  }

  /** All containers' listeners, where no endpoint tells whose. */
  #tell(event: ContainerEvent, env: unknown): void {
    for (const onEvent of this.#class[LISTENERS] ?? []) tellOf(onEvent, event, env, { ctx: this.ctx });
  }

  get #class(): typeof Endpoint {
    return this.constructor as typeof Endpoint;
  }
}
