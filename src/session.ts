// A session as the callbacks see it, and the parts it is made of. It doesn't know the object that holds it.
import { Attachment, type Remains, type SessionFacts } from "./attachment.ts";
import { CloseReason } from "./close-reason.ts";
import { tellOf, type ContainerEvent } from "./container-event.ts";
import { isPlain } from "./difference.ts";
import { Dispatch, type SessionDefinition, type Subject } from "./dispatch.ts";
import { isTags } from "./endpoint-definition.ts";
import { DeploymentError, LimitError, LimitExceededError, SessionClosedError, SessionObjectError } from "./errors.ts";
import {
  ACTIVE_UNTIL,
  BINARY_SIZE,
  CLIENT_TIMEOUT,
  HEARD_UNTIL,
  IDLE_TIMEOUT,
  isOver,
  spanEnd,
  SPENT_UNTIL,
  spend,
  TEXT_SIZE,
  type Limits,
} from "./limits.ts";
import { attempt } from "./log.ts";
import { Remote, type RemoteLink } from "./remote.ts";
import type { SendLink, SessionSendChannel } from "./send-channel.ts";
import { SessionObject } from "./session-object.ts";
import type { Turns } from "./turns.ts";
import type { Session } from "./types.ts";
import type { RateLimit } from "./ws-endpoint-map.ts";

/** What a session is handed by the object that holds it. */
export interface SessionHost {
  readonly env: unknown;
  readonly ctx: DurableObjectState;
  readonly turns: Turns;
  /** The open sessions of an endpoint. */
  openSessions(path: string): Set<Session>;
  /** Has the idle timeouts looked at, at this time or before. */
  wake(time: number): void;
  /** Reads the session object of one that hibernated. */
  awaken(session: ServerSession): void;
  /** The session has ended. */
  forget(socket: WebSocket): void;
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- assigned from the facts
export interface ServerSession extends SessionFacts {}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class ServerSession implements Session, Subject, SendLink, RemoteLink {
  declare readonly host: SessionHost;
  declare readonly webSocket: WebSocket;
  declare readonly definition: SessionDefinition;
  declare readonly userPrincipal: unknown;
  readonly protocolVersion = "13";
  declare readonly env: unknown;
  declare readonly ctx: DurableObjectState;
  declare readonly turns: Turns;
  declare readonly asyncRemote: Remote;
  declare readonly object: SessionObject;
  declare readonly limits: Limits;
  readonly dispatch = new Dispatch(this);
  readonly channels: (SessionSendChannel | undefined)[] = [];
  readonly #attachment: Attachment;
  #properties: SessionObject | undefined;
  #controller: AbortController | undefined;
  #ended: CloseReason | undefined;
  #reason: SessionClosedError | undefined;

  constructor(
    host: SessionHost,
    webSocket: WebSocket,
    definition: SessionDefinition,
    facts: SessionFacts,
    remains: Remains,
    accepted: boolean,
  ) {
    const { env, ctx, turns } = host;
    Object.assign(this, facts, { host, webSocket, definition, env, ctx, turns });
    const { config } = definition;
    this.#attachment = new Attachment(webSocket, ctx, facts.id, config, remains);
    this.limits = this.#attachment.limits;
    this.asyncRemote = new Remote(webSocket, accepted, this);
    this.object = new SessionObject(this.#attachment, 1, this, !accepted, config);
  }

  get requestURI(): URL {
    return new URL(this.uri);
  }

  get queryString(): string {
    return this.requestURI.search.slice(1);
  }

  get requestParameterMap(): URLSearchParams {
    return this.requestURI.searchParams;
  }

  get negotiatedExtensions(): readonly string[] {
    // A string on each server's socket, though its type says that it may be null.
    return this.webSocket.extensions!.split(/\s*,\s*/).filter(Boolean);
  }

  get isSecure(): boolean {
    return /^(http|ws)s:/.test(this.uri);
  }

  get isOpen(): boolean {
    return this.asyncRemote.isOpen;
  }

  get openSessions(): Set<Session> {
    return this.host.openSessions(this.path);
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      this.#abort();
    }
    return this.#controller.signal;
  }

  get closedError(): SessionClosedError {
    if (!this.#controller || !this.#ended) return new SessionClosedError();
    return (this.#reason ??= new SessionClosedError(this.#ended));
  }

  isStop(error: Error): boolean {
    const reason = this.#controller?.signal.reason as SessionClosedError | undefined;
    if (!reason || error === reason) return reason !== undefined;
    try {
      if (error instanceof SessionClosedError) return false;
      // What the platform rejects, such as a fetch with the signal, gets a copy: of the class only the name is left.
      const { name, closeReason } = error as Partial<SessionClosedError>;
      return name === reason.name && closeReason?.closeCode === reason.closeReason!.closeCode;
    } catch {
      return false;
    }
  }

  get sessionObject(): unknown {
    if (!this.object.isRead) this.host.awaken(this);
    this.turns.read(this.object);
    return this.object.value;
  }

  set sessionObject(value: unknown) {
    this.object.replace(value);
  }

  get userProperties(): Record<string, unknown> {
    const properties = this.#userProperties;
    this.turns.read(properties);
    return properties.value as Record<string, unknown>;
  }

  set userProperties(value: Record<string, unknown>) {
    if (!isPlain(value)) throw new SessionObjectError("The userProperties of a session must be a plain object.");
    this.#userProperties.replace(value);
  }

  get maxIdleTimeout(): number {
    return this.limits[IDLE_TIMEOUT];
  }

  set maxIdleTimeout(milliseconds: number) {
    this.#limit(IDLE_TIMEOUT, "maxIdleTimeout", milliseconds, 0);
    this.limits[ACTIVE_UNTIL] = 0;
    this.touch();
  }

  get maxTextMessageBufferSize(): number {
    return this.limits[TEXT_SIZE];
  }

  set maxTextMessageBufferSize(bytes: number) {
    this.#limit(TEXT_SIZE, "maxTextMessageBufferSize", bytes, 1);
  }

  get maxBinaryMessageBufferSize(): number {
    return this.limits[BINARY_SIZE];
  }

  set maxBinaryMessageBufferSize(bytes: number) {
    this.#limit(BINARY_SIZE, "maxBinaryMessageBufferSize", bytes, 1);
  }

  /** A message has come. */
  receive(message: string | ArrayBuffer): Promise<void> | undefined {
    if (this.dispatch.isFull) return undefined;
    this.touch();
    this.hear();
    const exceeded = this.#exceededBy(message);
    return exceeded ? this.dispatch.refuse(exceeded) : this.dispatch.receive(message);
  }

  get isHolding(): boolean {
    return this.turns.isHolding(this.object);
  }

  hold(send: () => void): void {
    this.turns.hold(send, this.object);
  }

  /** A message came or went. */
  touch(): void {
    this.#putOff(IDLE_TIMEOUT, ACTIVE_UNTIL);
  }

  /** Something came from the client, be it no message. */
  hear(): void {
    if (this.limits.length > CLIENT_TIMEOUT) this.#putOff(CLIENT_TIMEOUT, HEARD_UNTIL);
  }

  close(reason: CloseReason | number = 1000, phrase?: string): void {
    const closeReason = reason instanceof CloseReason ? reason : new CloseReason(reason, phrase);
    closeReason.check();
    if (this.isOpen) this.end(closeReason);
  }

  async begin(): Promise<void> {
    const { config } = this.definition;
    if (typeof config.tags !== "function") return;
    const tags = await config.tags(this);
    if (!isTags(tags)) {
      throw new DeploymentError(`The option tags of ${this.path} must return at most 10 strings of at most 256 bytes.`);
    }
    this.#attachment.settle({ tags });
    Object.assign(this, { tags: Object.freeze([...tags]) });
  }

  /** Keeps one of its limits, or where it stands against it. */
  limit<Index extends keyof Limits>(index: Index, value: Limits[Index]): void {
    this.#attachment.limit(index, value);
  }

  opened(): void {
    this.#attachment.kept[3] = undefined;
  }

  /** Reads what hibernation kept. What can't be read at all is thrown, what can't be made again is returned. */
  load(): Error | undefined {
    void this.#attachment.kept;
    return this.object.resume();
  }

  end(reason: CloseReason): void {
    // A failed onOpen, whose onError may have closed it with another.
    this.#ended = reason;
    this.shut(reason);
    this.dispatch.end(reason);
  }

  /** The client has closed or is gone, or its socket failed: what it sent before is delivered first. */
  lost(reason: CloseReason, error?: Error): Promise<void> | undefined {
    if (!this.object.isRead) this.host.awaken(this);
    // Nobody is told of one that can't be read.
    if (!this.object.isRead) return undefined;
    this.shut(reason);
    const told = error && this.dispatch.receive(error);
    const ended = this.dispatch.receive(reason);
    return told ?? ended;
  }

  /** From here on nothing is sent, and nobody waits for a send. */
  shut(reason: CloseReason): void {
    this.#ended ??= reason;
    this.asyncRemote.close(reason);
    for (const channel of this.channels) channel?.end();
    this.#abort();
  }

  /** `onClose` comes next. */
  leave(): void {
    this.#attachment.end();
  }

  /** @param closeReason absent for one that nobody is told of */
  forget(closeReason?: CloseReason): void {
    if (closeReason) {
      const now = Date.now();
      // One that opened when nobody listened doesn't know since when it has been there.
      this.tell({ type: "close", session: this, closeReason, milliseconds: now - (this.since ?? now) });
    }
    this.turns.forget(this.object);
    if (this.#properties) this.turns.forget(this.#properties);
    this.host.forget(this.webSocket);
    this.#attachment.forget();
  }

  tell(event: ContainerEvent): void {
    tellOf(this.definition.onEvent, event, this.env, this);
  }

  get #userProperties(): SessionObject {
    if (!this.#properties) {
      this.#attachment.kept[2] ??= {};
      this.#properties = new SessionObject(this.#attachment, 2, this, false);
      this.#properties.resume();
    }
    return this.#properties;
  }

  #putOff(timeout: typeof IDLE_TIMEOUT | typeof CLIENT_TIMEOUT, until: typeof ACTIVE_UNTIL | typeof HEARD_UNTIL): void {
    const { limits } = this;
    const milliseconds = limits[timeout];
    if (!milliseconds || !this.isOpen) return;
    const now = Date.now();
    if (now < limits[until]!) return;
    const end = spanEnd(now, milliseconds);
    this.limit(until, end);
    this.host.wake(end + milliseconds);
  }

  #limit(index: 0 | 1 | 2, name: keyof Session, value: number, least: number): void {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new LimitError(`A session's ${name} must be a whole number from ${least}, not ${value}.`);
    }
    this.limit(index, value);
  }

  /** The limit that a message exceeds. */
  #exceededBy(message: string | ArrayBuffer): LimitExceededError | undefined {
    const { rateLimit, maxPendingMessages } = this.definition.config;
    if (rateLimit && !this.#spend(rateLimit)) {
      const { messages, perMs } = rateLimit;
      return new LimitExceededError(
        1008,
        `The client sent more than ${messages} messages in ${perMs} ms: see rateLimit.`,
      );
    }
    const name = typeof message === "string" ? "maxTextMessageBufferSize" : "maxBinaryMessageBufferSize";
    if (isOver(message, this[name])) {
      return new LimitExceededError(1009, `The client sent a message of over ${this[name]} bytes: see ${name}.`);
    }
    if (this.dispatch.waiting < maxPendingMessages) return undefined;
    return new LimitExceededError(
      1013,
      `${maxPendingMessages} messages wait for slow callbacks: see maxPendingMessages.`,
    );
  }

  #spend(rateLimit: RateLimit): boolean {
    const { limits } = this;
    const now = Date.now();
    const spentUntil = spend(rateLimit, limits[SPENT_UNTIL], now);
    if (spentUntil === undefined) return false;
    // An eviction between two writes gives back a twentieth of the budget at most, and none of one that is used up.
    const part = rateLimit.perMs / 20;
    const isUsedUp = spend(rateLimit, spentUntil, now) === undefined;
    if (isUsedUp || Math.floor(spentUntil / part) > Math.floor(limits[SPENT_UNTIL] / part)) {
      this.limit(SPENT_UNTIL, spentUntil);
    } else limits[SPENT_UNTIL] = spentUntil;
    return true;
  }

  /** Tells the signal, if somebody has asked for it, that the session has ended. */
  #abort(): void {
    // What a listener throws comes out of the dispatch.
    if (this.#ended && this.#controller && !this.#controller.signal.aborted) {
      const abort = () => this.#controller!.abort(this.closedError);
      attempt("a listener of session.signal failed", abort, this);
    }
  }
}
