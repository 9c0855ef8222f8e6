// A session as those know it who handle it: the dispatch of its events, and the parts of its endpoint's options.
import type { Callbacks } from "../api/callbacks.ts";
import type { CloseReason } from "../api/close-reason.ts";
import type { ContainerEvent, EventListener } from "../api/container-event.ts";
import type { EndpointConfig } from "../api/endpoint-options.ts";
import type { LimitExceededError, SessionVersionError } from "../api/errors.ts";
import type { Session } from "../api/session.ts";
import type { Publication, PublishOptions, SubscribeOptions, Subscription } from "../api/topics.ts";
import type { Limits } from "../hibernation/limits.ts";
import type { Remote, RemoteLink } from "../sending/remote.ts";
import type { Slices } from "../sending/slices.ts";
import type { SessionObject } from "./session-object.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { Turns } from "./turns.ts";

/** What reaches a session: a message, a failure of its socket, or its end. */
export type SessionEvent = string | ArrayBuffer | Error | CloseReason;

/** An endpoint as its sessions know it. */
export interface SessionDefinition {
  readonly config: EndpointConfig;
  /** Those of its map, or of the object of its class. */
  readonly callbacks: Callbacks;
  /** The container's. */
  readonly onEvent?: EventListener | undefined;
}

/** The topics of an object, as its sessions know them. */
export interface ObjectTopics {
  subscribe(session: Subject, topic: string, options?: SubscribeOptions): Promise<Subscription>;
  unsubscribe(session: Subject, topic: string): boolean;
  publish(topic: string, payload: unknown, options?: PublishOptions, session?: Subject): Promise<Publication>;
}

/** What a session is handed by the object that holds it. */
export interface SessionHost {
  readonly env: unknown;
  readonly ctx: DurableObjectState;
  readonly turns: Turns;
  readonly slices: Slices;
  readonly topics: ObjectTopics;
  /** Has what was published in this turn kept and sent. */
  flush(): void;
  /** The session gets no more publications. */
  leave(session: Subject): void;
  /** The open sessions of an endpoint. */
  openSessions(path: string): Set<Session>;
  /** Has the idle timeouts looked at, at this time or before. */
  wake(time: number, hibernates: boolean): void;
  /** Reads the session object of one that hibernated. */
  awaken(session: Subject): void;
  /** Other code has kept it, and it can't go on: it ends with 1012. */
  outdate(session: Subject, error: SessionVersionError): undefined;
  /** The session has ended. */
  forget(socket: WebSocket): void;
}

export interface Subject extends Session, RemoteLink {
  readonly definition: SessionDefinition;
  readonly ctx: DurableObjectState;
  /** The endpoint's path. */
  readonly path: string;
  readonly asyncRemote: Remote;
  readonly object: SessionObject;
  readonly subscriptions: Subscriptions;
  /** Its client knows the frames of topics. */
  readonly knowsTopics: boolean;
  readonly limits: Limits;
  /** What its callbacks share with those of the other sessions of the same object. */
  readonly turns: Turns;
  readonly dispatch: {
    /** A limit was exceeded: no more messages are taken. */
    readonly isFull: boolean;
    receive(event: SessionEvent): Promise<void> | undefined;
    refuse(error: LimitExceededError): Promise<void> | undefined;
  };
  /** Keeps one of its limits, or where it stands against it. */
  limit<Index extends keyof Limits>(index: Index, value: Limits[Index]): void;
  /** Something has come: a message, or a frame of several. */
  receive(message: string | ArrayBuffer): Promise<void> | undefined;
  /** A message has come. */
  take(message: string | ArrayBuffer): Promise<void> | undefined;
  /** Something has come from the client that is no message. */
  heard(): void;
  /** Has the timeouts looked at, at this time or before. */
  wake(time: number): void;
  /** Keeps the tags that were made for it. */
  settle(tags: readonly string[]): void;
  /** Whether a callback has failed because the session's signal stopped it. */
  isStop(error: Error): boolean;
  /** What is to be done before `onOpen`. */
  begin(): Promise<void> | undefined;
  /** `onOpen` has run, and its session object is about to be kept. */
  opened(): void;
  /** Reads what hibernation kept. What can't be read at all is thrown, what can't be made again is returned. */
  load(): Error | undefined;
  /** Ends the session, open or not. */
  end(reason: CloseReason): void;
  /** The client has closed or is gone, or its socket failed: what it sent before is delivered first. */
  lost(reason: CloseReason, error?: Error): Promise<void> | undefined;
  /** `onClose` comes next: what the platform still delivers is nobody's. */
  leave(): void;
  /** Tells the container's `onEvent`. */
  tell(event: ContainerEvent): void;
  /** `onClose` has settled. */
  forget(closeReason?: CloseReason): void;
}
