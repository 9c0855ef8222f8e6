// A session as the callbacks see it, and its parts. It doesn't know the object that holds it.
import { CloseReason } from "../api/close-reason.ts";
import type { ContainerEvent } from "../api/container-event.ts";
import { LimitError, SessionClosedError, SessionObjectError, SessionVersionError } from "../api/errors.ts";
import type { Session } from "../api/session.ts";
import type { Publication, PublishOptions, SubscribeOptions, Subscription } from "../api/topics.ts";
import { Attachment } from "../hibernation/attachment.ts";
import type { SessionFacts } from "../hibernation/facts.ts";
import { ACTIVE_UNTIL, BINARY_SIZE, IDLE_TIMEOUT, own, TEXT_SIZE, type Limits } from "../hibernation/limits.ts";
import { isPlain } from "../hibernation/plain-data.ts";
import type { Remains } from "../hibernation/remains.ts";
import { tellOf } from "../reporting/listener.ts";
import { Remote } from "../sending/remote.ts";
import type { SendLink, SessionSendChannel } from "../sending/send-channel.ts";
import type { Slices } from "../sending/slices.ts";
import { Dispatch } from "./dispatch.ts";
import { OpeningRequest } from "./request.ts";
import { SessionObject } from "./session-object.ts";
import { EndSignal } from "./signal.ts";
import type { SessionHost, Subject } from "./subject.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Turns } from "./turns.ts";
import type { Served, Way } from "./way.ts";

export class ServerSession extends OpeningRequest implements Subject, SendLink {
  declare readonly host: SessionHost;
  declare readonly webSocket: WebSocket;
  declare readonly definition: Served;
  declare readonly env: unknown;
  declare readonly ctx: DurableObjectState;
  declare readonly turns: Turns;
  declare readonly asyncRemote: Remote;
  declare readonly object: SessionObject;
  declare readonly limits: Limits;
  declare way: Way;
  readonly dispatch = new Dispatch(this);
  readonly channels: (SessionSendChannel | undefined)[] = [];
  /** Why it has ended, if it has. */
  ended: CloseReason | undefined;
  readonly #attachment: Attachment;
  #properties: SessionObject | undefined;
  #subscriptions: Subscriptions | undefined;
  #signal: EndSignal | undefined;

  constructor(
    host: SessionHost,
    webSocket: WebSocket,
    definition: Served,
    facts: SessionFacts,
    remains: Remains,
    isAccepted: boolean,
  ) {
    super(facts);
    this.host = host;
    this.webSocket = webSocket;
    this.definition = definition;
    this.env = host.env;
    this.ctx = host.ctx;
    this.turns = host.turns;
    this.#attachment = new Attachment(webSocket, host.ctx, facts.id, definition.config, remains);
    this.limits = this.#attachment.limits;
    this.way = remains.limits ? definition.wayOf(remains.limits) : definition.way;
    this.asyncRemote = new Remote(webSocket, isAccepted, this);
    this.object = new SessionObject(this.#attachment, 1, this, !isAccepted, definition.config);
    this.way.join?.(this, isAccepted);
  }

  get negotiatedExtensions(): readonly string[] {
    // A string on each server's socket, though its type allows null.
    return this.webSocket.extensions!.split(/\s*,\s*/).filter(Boolean);
  }

  get isOpen(): boolean {
    return this.asyncRemote.isOpen;
  }

  get openSessions(): Set<Session> {
    return this.host.openSessions(this.path);
  }

  get signal(): AbortSignal {
    return (this.#signal ??= new EndSignal(this)).signal;
  }

  get closedError(): SessionClosedError {
    return this.#signal?.closedError ?? new SessionClosedError();
  }

  isStop(error: Error): boolean {
    return this.#signal?.isStop(error) ?? false;
  }

  get sessionObject(): unknown {
    if (!this.object.isRead) this.host.awaken(this);
    this.turns.read(this.object);
    return this.object.value;
  }

  set sessionObject(value: unknown) {
    // A value that this code assigns to a session that other code kept would later be taken for that code's.
    if (this.#attachment.renewal) this.host.awaken(this);
    if (this.#attachment.renewal) return;
    this.object.replace(value);
  }

  get userProperties(): Record<string, unknown> {
    const properties = this.#userProperties;
    this.turns.read(properties);
    return properties.value as Record<string, unknown>;
  }

  set userProperties(value: Record<string, unknown>) {
    if (!isPlain(value)) throw new SessionObjectError("session.userProperties must be a plain object.");
    this.#userProperties.replace(value);
  }

  get maxIdleTimeout(): number {
    return this.limits[IDLE_TIMEOUT];
  }

  set maxIdleTimeout(milliseconds: number) {
    this.#limit(IDLE_TIMEOUT, "maxIdleTimeout", milliseconds, 0);
    this.limits[ACTIVE_UNTIL] = 0;
    this.sent();
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

  get subscriptions(): Subscriptions {
    return (this.#subscriptions ??= new Subscriptions(this.#attachment));
  }

  get topics(): Set<string> {
    return new Set(this.subscriptions.names);
  }

  async subscribe(topic: string, options?: SubscribeOptions): Promise<Subscription> {
    return this.host.topics.subscribe(this, topic, options);
  }

  unsubscribe(topic: string): boolean {
    return this.host.topics.unsubscribe(this, topic);
  }

  async publish(topic: string, payload: string | BufferSource, options?: PublishOptions): Promise<Publication> {
    return this.host.topics.publish(topic, payload, options, this);
  }

  get slices(): Slices {
    return this.host.slices;
  }

  get isHolding(): boolean {
    return this.turns.isHolding(this.object);
  }

  hold(send: () => void): void {
    this.turns.hold(send, this.object);
  }

  receive(message: string | ArrayBuffer): Promise<void> | undefined {
    return this.way.receive(this, message);
  }

  take(message: string | ArrayBuffer): Promise<void> | undefined {
    return this.way.take(this, message);
  }

  sent(): void {
    this.way.sent?.(this);
  }

  heard(): void {
    this.way.heard?.(this);
  }

  wake(time: number): void {
    this.host.wake(time, this.definition.config.hibernate);
  }

  close(reason: CloseReason | number = 1000, phrase?: string): void {
    const closeReason = reason instanceof CloseReason ? reason : new CloseReason(reason, phrase);
    closeReason.check();
    if (this.isOpen) this.end(closeReason);
  }

  begin(): Promise<void> | undefined {
    return this.way.begin?.(this);
  }

  settle(tags: readonly string[]): void {
    this.#attachment.settle({ tags });
    this.tags = Object.freeze([...tags]);
  }

  limit<Index extends keyof Limits>(index: Index, value: Limits[Index]): void {
    this.#attachment.limit(index, value);
  }

  emptied(): void {
    this.#attachment.emptied();
  }

  opened(): void {
    this.#attachment.kept[3] = undefined;
  }

  load(): Error | undefined {
    void [this.#attachment.kept, this.#attachment.subscriptions];
    const failure = this.object.resume();
    return failure instanceof SessionVersionError ? this.host.outdate(this, failure) : failure;
  }

  end(reason: CloseReason): void {
    const wasOpen = this.isOpen;
    // Earlier publications are sent before the end, and sending them may end the session.
    this.host.flush();
    this.slices.finish(this.webSocket);
    if (wasOpen && !this.isOpen) return;
    // After a failed onOpen, onError may have closed the session with another reason.
    this.ended = reason;
    this.shut(reason);
    this.dispatch.end(reason);
  }

  lost(reason: CloseReason, error?: Error): Promise<void> | undefined {
    if (!this.object.isRead) this.host.awaken(this);
    // No callback runs for a session that can't be read.
    if (!this.object.isRead) return undefined;
    // Behind the client's Close frame a message still arrives, but not on a socket that has failed.
    if (this.webSocket.readyState !== WebSocket.CLOSED) this.slices.finish(this.webSocket);
    this.shut(reason);
    const told = error && this.dispatch.receive(error);
    const ended = this.dispatch.receive(reason);
    return told ?? ended;
  }

  /** From here on nothing is sent, and nobody waits for a send. */
  shut(reason: CloseReason): void {
    this.ended ??= reason;
    this.host.leave(this);
    this.asyncRemote.close(reason);
    for (const channel of this.channels) channel?.end();
    this.#signal?.abort();
  }

  leave(): void {
    this.#attachment.end();
  }

  /** @param closeReason absent for a session whose end is not reported */
  forget(closeReason?: CloseReason): void {
    if (closeReason) {
      const now = Date.now();
      // A session that opened when there was no listener doesn't know when that was.
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

  #limit(index: 0 | 1 | 2, name: keyof Session, value: number, least: number): void {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new LimitError(`A session's ${name} must be a whole number from ${least}, not ${value}.`);
    }
    own(this.limits, index);
    this.limit(index, value);
    this.way = this.definition.wayOf(this.limits);
  }
}
