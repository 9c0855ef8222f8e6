// The Durable Object: it passes the platform's socket events to the sessions.
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

/** A class that extends {@link Endpoint}. It is the type of `container.Endpoint` and of a class that you register. */
export type EndpointClass<Env = unknown, T = unknown, Path extends string = string> = new (
  ctx: DurableObjectState,
  env: Env,
) => Endpoint<Env, T, Path>;

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the callbacks are optional: a subclass has those it writes
export interface Endpoint<Env = Cloudflare.Env, T = unknown, Path extends string = string>
  extends Callbacks<Env, T, Path>, Hooks {}

/**
 * A Durable Object that serves WebSockets. Write the callbacks as methods. Storage, alarms, RPC methods and `onRequest`
 * are yours, as in any Durable Object.
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
 * @typeParam Path the path at which the class is registered, for typed path parameters
 * @see Jakarta: `Endpoint`
 */
// oxlint-disable-next-line no-unused-vars -- the callbacks of the interface above have them
export class Endpoint<Env = Cloudflare.Env, T = unknown, Path extends string = string> extends DurableObject<Env> {
  /**
   * The options of the class, wherever it is registered. Options given at registration win.
   *
   * ```ts
   * static override options: EndpointOptions = { idleTimeoutMs: 60_000 };
   * ```
   *
   * Options of a superclass apply too, unless the class sets them itself. An undefined option counts as not set.
   */
  static options?: EndpointOptions<unknown>;

  /**
   * Set it to true in a class that has its own `fetch`, `alarm`, `webSocketMessage`, `webSocketClose` or `webSocketError` and
   * calls `super` in it. Otherwise Socle refuses such a class, because its callbacks would never run.
   */
  static overrides?: boolean;

  /** Set by containers, for the objects of the class. */
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
  /** Ends the sessions that a crash left, before anything new runs. */
  #recovery: Promise<void> | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // A registered class was checked at registration, and this class may be a wrapper that calls it. A wrong `fetch` shows with the first client.
    if (!this.#class[ENDPOINTS] || this.#class[SERVES_MAPS]) checkMethods(this.#class, Endpoint, "fetch");
    this.#tell({ type: "wake", id: ctx.id }, env);
    if (!hasLostSessions(ctx)) return;
    // Waits for the constructor of the subclass, and for its blockConcurrencyWhile. RPC calls wait too.
    this.#recovery = Promise.resolve().then(() => ctx.blockConcurrencyWhile(() => this.#sessions.endLost()));
  }

  /**
   * The stub of the root of this object's path, for state that all its shards share. Without the option `shards`, and
   * in the root, it is the stub of the object itself.
   *
   * ```ts
   * await this.root.ban(user.name); // a method of the class, which runs in the root
   * ```
   *
   * @throws {@link DeploymentError} if no binding and no export leads to the class
   */
  get root(): RootStub<this> {
    return this.#siblings.root as unknown as RootStub<this>;
  }

  /** The number of the shard that this object is; undefined in the root and without the option `shards`. */
  get shard(): number | undefined {
    return this.#siblings.shard;
  }

  /**
   * The open sessions of this object, without those still in `onOpen` and those that are closing. Under `shards`, those
   * of this shard.
   *
   * ```ts
   * for (const session of this.openSessions("staff")) session.close(1001);
   * ```
   *
   * @param tag only those with this tag
   * @see Jakarta: `Session.getOpenSessions`
   */
  openSessions(tag?: string): Set<Session<string, T, Env>> {
    return new Set(this.#sessions.all(tag)) as Set<unknown> as Set<Session<string, T, Env>>;
  }

  /**
   * The number of open sessions, without those still in `onOpen` and those that are closing. Also by RPC. Under
   * `shards`, it counts those of this shard; by `container.stub` and {@link root}, those of the path.
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
   * Closes every open session. Also by RPC, where the reason is a code, or an object with the two properties of a
   * {@link CloseReason}. Under `shards`, it closes those of this shard; by `container.stub` and {@link root}, those of
   * the path, after earlier publications.
   *
   * ```ts
   * await container.stub(env, "/chat/lobby").closeAll({ closeCode: 1012, reasonPhrase: "new version" });
   * ```
   *
   * @param reason 1000 if absent
   * @returns how many sessions it closed
   * @throws {@link CloseReasonError} for a code that may not be sent, or a phrase over 123 bytes of UTF-8
   */
  closeAll(reason?: number | { closeCode: number; reasonPhrase?: string }): number {
    return closeAll(this.#sessions, reasonFor(reason));
  }

  /**
   * Sends to every open session of this object, outside the send channels. If a send fails, Socle logs the error and
   * sends to the other sessions. Also by RPC, where the payload is a text or bytes, and `except` takes ids.
   *
   * To more than 250 sessions it sends in slices, between which the object handles other events. Receivers and bytes are those
   * of the call. A later message to a session arrives later. A payload that sends itself makes its bytes in its turn.
   *
   * Under `shards` it sends to every session of the path, through the root, in one order with publications. The payload
   * is then a text or bytes, and Socle logs a broadcast that is lost on the way to the root.
   *
   * ```ts
   * this.broadcast(`${user.name} has joined`, { except: session });
   * await container.stub(env, "/chat/lobby").broadcast("maintenance at 9", { tag: "staff" });
   * ```
   *
   * @returns the number of receivers; under `shards` the number of this object's own, by RPC of all
   * @throws {@link PayloadError} for anything but a payload; {@link OverloadedError} under `shards`, if too much is queued
   */
  broadcast(payload: Payload, options: BroadcastOptions = {}): number {
    return this.#sessions.part.broadcast(payload, options);
  }

  /**
   * Publishes on a topic of this object, under `shards` of the path. All subscribers receive it in the same order. Also
   * by RPC, where `except` takes ids.
   *
   * ```ts
   * await this.publish("chat", "It is midnight.");
   * await container.stub(env, "/rooms/lobby").publish("chat", "It is midnight.");
   * ```
   *
   * @param payload a text or bytes, copied at the call
   * @returns a promise that resolves when the publication has its position and, with a history, is stored
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
   * The state of a topic: the newest position of its history, and how many of this object's sessions, or under `shards`
   * of the path's, are subscribed. Also by RPC.
   *
   * @throws {@link TopicError}
   */
  async topic(name: string): Promise<TopicState> {
    return this.#sessions.part.state(name);
  }

  /**
   * Reads a topic's history, the oldest publication first. Also by RPC.
   *
   * ```ts
   * const newest = await this.publications("chat", { last: 20 });
   * ```
   *
   * @returns the whole history if there is neither `since` nor `last`; an empty array for a topic without a history
   * @throws {@link TopicError}
   */
  async publications(topic: string, options?: PublicationsOptions): Promise<KeptPublication[]> {
    return this.#sessions.topics.publications(topic, options);
  }

  /**
   * Deletes a topic's history. Earlier positions no longer recover anything. Subscriptions stay. Also by RPC.
   *
   * @throws {@link TopicError}
   */
  async clearTopic(topic: string): Promise<void> {
    return this.#sessions.topics.clear(topic);
  }

  /**
   * Receives the messages of the other objects of a path under `shards`, and those of the Worker to all its sessions.
   *
   * @internal
   */
  async socle(told: Told, form: number): Promise<unknown> {
    return this.#sessions.part.told(told, form);
  }

  /** Opens a session, or answers a request that opens none. The container's router calls it, and your own routing may. */
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
    // The message passes the parts of the endpoint's options, if there are any, and reaches `Dispatch.receive`.
    return session ? session.receive(message) : this.#other(socket, message);
  }

  override webSocketClose(socket: WebSocket, code: number, phrase: string): Promise<void> | void {
    const reason = new CloseReason(code, phrase);
    const session = this.#sessions.of(socket);
    // The Close frame is answered in any case.
    return session ? session.lost(reason) : this.#other(socket, reason).then(() => closeSocket(socket, reason));
  }

  override webSocketError(socket: WebSocket, error: unknown): Promise<void> | void {
    const session = this.#sessions.of(socket);
    return session ? session.lost(reasonOf(error), toError(error)) : this.#other(socket, toError(error));
  }

  /** The timeouts of sessions share the alarm with {@link onAlarm}. */
  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    await this.#recovery;
    await this.#alarm.ring(info);
  }

  /** An event of a socket that Socle did not accept. An error of the method is logged. */
  async #other(socket: WebSocket, event: OtherEvent): Promise<void> {
    if (!this.onOtherSocket || !this.#sessions.isOther(socket)) return;
    try {
      await this.onOtherSocket(socket, event);
    } catch (error) {
      report("onOtherSocket failed", error, placeOf(this.ctx));
    }
  }

  /** Tells the listeners of all containers, because the event belongs to no endpoint. */
  #tell(event: ContainerEvent, env: unknown): void {
    for (const onEvent of this.#class[LISTENERS] ?? []) tellOf(onEvent, event, env, { ctx: this.ctx });
  }

  get #class(): typeof Endpoint {
    return this.constructor as typeof Endpoint;
  }
}
