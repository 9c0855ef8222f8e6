// The sessions of a Durable Object: opened, found again by their sockets, and ended when a timeout is due.
import { CloseReason } from "../api/close-reason.ts";
import type { EventListener } from "../api/container-event.ts";
import { SessionVersionError } from "../api/errors.ts";
import type { TopicSettings } from "../api/topics.ts";
import { refused, unavailable, type Told } from "../endpoint/handshake.ts";
import { isOurs, markEnd, readAttachment } from "../hibernation/attached.ts";
import { freezeFacts, type SessionFacts } from "../hibernation/facts.ts";
import { beginLife, markLife } from "../hibernation/life.ts";
import { renewLimits } from "../hibernation/limits.ts";
import type { Remains } from "../hibernation/remains.ts";
import { watchRollbacks } from "../hibernation/rollback.ts";
import { readTopics, type Kept } from "../hibernation/row.ts";
import { hasTimeout } from "../options/timeouts.ts";
import { LostSessions } from "../options/track-sessions/lost-sessions.ts";
import { placeOf, report, type Place } from "../reporting/log.ts";
import { closeSocket } from "../sending/close-frame.ts";
import { Slices } from "../sending/slices.ts";
import { UNREADABLE } from "../session/dispatch.ts";
import { ServerSession } from "../session/session.ts";
import type { SessionHost, Subject } from "../session/subject.ts";
import { Turns } from "../session/turns.ts";
import type { Served } from "../session/way.ts";
import type { Alarm } from "./alarm/alarm.ts";
import { Occupancy } from "./occupancy.ts";
import { beginningOf, run, switching } from "./opening.ts";
import { Outdated } from "./outdated.ts";
import { Part } from "./part.ts";
import type { Siblings } from "./siblings.ts";
import { closeSilent } from "./silence.ts";

export class Sessions implements SessionHost {
  declare readonly ctx: DurableObjectState;
  declare readonly env: unknown;
  declare readonly alarm: Alarm;
  declare readonly siblings: Siblings;
  /** The endpoint at a path as it was registered. */
  declare readonly definition: (path: string) => Served | undefined;
  /** The topic settings of the object's endpoints. */
  declare readonly settings: (path?: string) => readonly [TopicSettings, isRegistered: boolean];
  /** Receives the events that belong to no endpoint. */
  declare readonly onEvent: EventListener;
  readonly turns = new Turns();
  readonly slices = new Slices((sending) => this.ctx.waitUntil(sending));
  /** Sessions that had an event since the object woke. */
  readonly #known = new Map<WebSocket, ServerSession>();
  /** Those of them that don't hibernate. */
  readonly #awake = new Set<ServerSession>();
  readonly #outdated = new Outdated(this);
  readonly #occupancy = new Occupancy();
  #part: Part | undefined;
  /** Ended sessions whose sockets may not have the mark of the end. */
  readonly #ended = new WeakSet<WebSocket>();

  constructor(parts: Pick<Sessions, "ctx" | "env" | "alarm" | "siblings" | "definition" | "settings" | "onEvent">) {
    Object.assign(this, parts);
    beginLife(this.ctx);
    watchRollbacks(this.ctx.storage, () => this.rearm());
  }

  /** The object's role for its path. */
  get part(): Part {
    return (this.#part ??= new Part(this, this.siblings));
  }

  get topics(): Part["topics"] {
    return this.part.topics;
  }

  /** Whether there are sessions, including those in `onOpen`. */
  get hasAny(): boolean {
    return this.#known.size > 0 || this.ctx.getWebSockets().length > 0;
  }

  /** Opens a session, and answers with the 101. */
  async open(request: Request, agreed: Told): Promise<Response> {
    const definition = this.definition(agreed.path);
    // Only the Worker's version has an endpoint at this path.
    if (!definition) return refused(unavailable());
    if (definition.config.shards && !(await this.part.greet())) return unavailable();
    const full = agreed.place && this.#occupancy.refusal(agreed.place, this.ctx, this.#known.values());
    if (full) return full;
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    const [facts, remains] = beginningOf(request, agreed, definition);
    const session = this.#begin(socket, definition, remains, facts, false);
    this.#occupancy.add(socket);
    const running = run(session);
    if (!(typeof running === "boolean" ? running : await running)) return unavailable();
    if (session.isOpen) session.tell({ type: "open", session });
    return switching(agreed, webSocket, session.isOpen, request);
  }

  /** The session of a socket that has an event, from memory or from its attachment; undefined once it has ended. */
  of(socket: WebSocket): ServerSession | undefined {
    this.rearm();
    const known = this.#known.get(socket);
    if (known?.object.isRead) return known;
    const session = known ?? this.find(socket, true);
    // The session object of a session that can't continue is not read.
    if (session && !session.object.isRead) this.awaken(session);
    return this.#known.get(socket);
  }

  awaken(session: ServerSession): void {
    const { isEnding } = session.dispatch;
    try {
      const failure = session.load();
      if (!failure) return;
      // The session is ending; its end reads the object again and reports the error.
      session.object.isRead = !isEnding;
      if (isEnding) return;
      // As after a failed onOpen, there is no session object.
      this.keepAwake(session.dispatch.fail(failure, UNREADABLE));
      session.close(1011);
    } catch (error) {
      if (isEnding) return;
      session.shut(this.#drop(session.webSocket, error, session));
    }
  }

  /** The open sessions, without those in `onOpen` and those that are closing. */
  all(tag?: string): ServerSession[] {
    this.rearm();
    const sessions: ServerSession[] = [];
    for (const socket of this.ctx.getWebSockets(tag)) {
      const session = this.find(socket);
      if (session?.asyncRemote.isReady) sessions.push(session);
    }
    // The platform lists only sockets that hibernate.
    for (const session of this.#awake) {
      if (session.asyncRemote.isReady && (tag === undefined || session.tags.includes(tag))) sessions.push(session);
    }
    return sessions;
  }

  openSessions(path: string): Set<ServerSession> {
    return new Set(this.all().filter((session) => session.path === path));
  }

  known(socket: WebSocket): ServerSession | undefined {
    return this.#known.get(socket);
  }

  flush(): void {
    this.#part?.topics.flush();
  }

  leave(session: Subject): void {
    this.#occupancy.delete(session.webSocket);
    this.#part?.topics.leave(session);
  }

  /** All storage was deleted. */
  emptied(): void {
    this.part.reset();
    for (const session of this.#known.values()) session.emptied();
  }

  sweepAt(time: number): void {
    this.#share(this.alarm.wake(time));
  }

  forget(socket: WebSocket): void {
    const known = this.#known.get(socket);
    const limits = known?.limits;
    this.#known.delete(socket);
    if (known) this.#awake.delete(known);
    this.#ended.add(socket);
    this.#occupancy.delete(socket);
    // After hibernation there may be other sessions with a timeout. Looking for them would wake them, so the alarm does
    // it.
    if (limits && hasTimeout(limits) && this.#known.size === 0 && this.alarm.isFresh) this.#share(this.alarm.release());
  }

  /** Whether a socket has nothing to do with Socle: it has no session, and had none. */
  isOther(socket: WebSocket): boolean {
    return !this.#ended.has(socket) && !isOurs(socket);
  }

  keepAwake(pending: Promise<void> | undefined): void {
    if (pending) this.ctx.waitUntil(pending);
  }

  wake(time: number, hibernates: boolean): void {
    // The alarm's row belongs to this life. Sockets that don't hibernate end with the life in any case.
    if (hibernates) markLife(this.ctx.storage);
    this.#share(this.alarm.wake(time));
  }

  /** Sets an alarm that could not be set before. The failure was logged then. */
  rearm(): void {
    if (this.alarm.isMissing) this.keepAwake(this.alarm.wake(Infinity).catch(() => {}));
  }

  #share(sharing: Promise<void>): void {
    this.keepAwake(
      sharing.catch((error: unknown) => report("the alarm for idle timeouts can't be set", error, placeOf(this.ctx))),
    );
  }

  /**
   * Closes the sessions whose timeout is due, without waking the others, and deletes old publications from histories.
   *
   * @returns when to look again; Infinity for never
   */
  sweep(now: number): number {
    const { ctx, definition } = this;
    const host = { ctx, definition, known: this.#known, find: (socket: WebSocket) => this.find(socket) };
    return Math.min(closeSilent(host, now) ?? Infinity, this.part.sweep(now));
  }

  /** Ends the sessions that a crash left behind. */
  endLost(): Promise<void> {
    return new LostSessions(this).end();
  }

  /** Recreates a lost session, whose socket is gone. */
  restore(kept: Kept): ServerSession {
    const { id } = JSON.parse(kept[0]) as SessionFacts;
    const subscriptions = readTopics(this.ctx.storage, id);
    return this.#resume(new WebSocketPair()[1], { facts: kept[0], kept, isLarge: true, subscriptions }, false);
  }

  /** Reads the session object of a lost session, for its `onClose`. */
  read(session: ServerSession): Error | undefined {
    if (session.object.isRead) return undefined;
    const failure = session.object.resume(true);
    return failure instanceof SessionVersionError ? this.#outdated.announce(session, failure) : failure;
  }

  unreadable(error: SessionVersionError): void {
    this.#outdated.tell(error);
  }

  outdate(session: ServerSession, error: SessionVersionError): undefined {
    this.#outdated.announce(session, error);
    session.close(1012);
  }

  has(id: string): boolean {
    for (const session of this.#known.values()) if (session.id === id) return true;
    return false;
  }

  /** Doesn't read the session object, unless it is for an event of its own. */
  find(socket: WebSocket, isForEvent = false): ServerSession | undefined {
    const known = this.#known.get(socket);
    if (known || this.#ended.has(socket)) return known;
    try {
      const remains = readAttachment(socket, this.ctx.storage);
      return remains && this.#resume(socket, isForEvent ? remains : { ...remains, kept: undefined }, true);
    } catch (error) {
      closeSocket(socket, this.#drop(socket, error, placeOf(this.ctx)));
      return undefined;
    }
  }

  /** Only the log learns of a session that can't be read. @returns the reason with which to close it */
  #drop(socket: WebSocket, error: unknown, place: Place): CloseReason {
    const isOutdated = error instanceof SessionVersionError;
    if (isOutdated) this.#outdated.tell(error);
    else report("a session is closed with 1011", error, place);
    markEnd(socket, place);
    this.forget(socket);
    this.#part?.topics.drop(socket);
    return new CloseReason(isOutdated ? 1012 : 1011);
  }

  /** Recreates a kept session; mostly this code has kept it. */
  #resume(socket: WebSocket, remains: Remains, isAccepted: boolean): ServerSession {
    const facts = JSON.parse(remains.facts) as SessionFacts;
    const definition = this.definition(facts.path);
    const isSame = definition && facts.made === definition.made;
    const [served, renewal, error] = isSame ? [definition] : this.#outdated.look(facts, definition);
    const session = this.#begin(socket, served, renewal ? { ...remains, renewal } : remains, facts, isAccepted);
    // The object of a lost session is read just before its `onClose`.
    session.object.isRead &&= isAccepted;
    if (error) this.#outdated.announce(session, error);
    if (error && isAccepted) session.close(1012);
    return session;
  }

  #begin(
    socket: WebSocket,
    definition: Served,
    remains: Remains,
    facts: SessionFacts,
    isAccepted: boolean,
  ): ServerSession {
    freezeFacts(facts);
    const { config } = definition;
    if (remains.limits) renewLimits(config, remains.limits);
    const session = new ServerSession(this, socket, definition, facts, remains, isAccepted);
    this.#known.set(socket, session);
    if (!config.hibernate) this.#awake.add(session);
    return session;
  }
}
