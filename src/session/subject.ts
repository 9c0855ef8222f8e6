// A session as the dispatch of its events and the parts of its endpoint's options see it.
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

/** The events of a session: a message, a failure of its socket, or its end. */
export type SessionEvent = string | ArrayBuffer | Error | CloseReason;

/** The part of an endpoint that its sessions know. */
export interface SessionDefinition {
  readonly config: EndpointConfig;
  /** Those of its map, or of the object of its class. */
  readonly callbacks: Callbacks;
  /** The listener of the container. */
  readonly onEvent?: EventListener | undefined;
}

/** The part of an object's topics that its sessions know. */
export interface ObjectTopics {
  subscribe(session: Subject, topic: string, options?: SubscribeOptions): Promise<Subscription>;
  unsubscribe(session: Subject, topic: string): boolean;
  publish(topic: string, payload: unknown, options?: PublishOptions, session?: Subject): Promise<Publication>;
}

/** The part of the object that its sessions know. */
export interface SessionHost {
  readonly env: unknown;
  readonly ctx: DurableObjectState;
  readonly turns: Turns;
  readonly slices: Slices;
  readonly topics: ObjectTopics;
  /** Stores and sends the publications of this turn. */
  flush(): void;
  /** The session receives no more publications. */
  leave(session: Subject): void;
  /** The open sessions of an endpoint. */
  openSessions(path: string): Set<Session>;
  /** Has the timeouts checked, at this time or before. */
  wake(time: number, hibernates: boolean): void;
  /** Reads the session object of a session that hibernated. */
  awaken(session: Subject): void;
  /** Other code has kept the session, and it can't continue: it ends with 1012. */
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
  /** Its client receives topics by `socle.v1`. */
  readonly knowsTopics: boolean;
  readonly limits: Limits;
  /** Shared with the other sessions of the same object. */
  readonly turns: Turns;
  readonly dispatch: {
    /** A limit was exceeded: no more messages are accepted. */
    readonly isFull: boolean;
    receive(event: SessionEvent): Promise<void> | undefined;
    refuse(error: LimitExceededError): Promise<void> | undefined;
  };
  /** Keeps one of its limits, or the use of it. */
  limit<Index extends keyof Limits>(index: Index, value: Limits[Index]): void;
  /** Something arrived: a message, or a frame of several. */
  receive(message: string | ArrayBuffer): Promise<void> | undefined;
  /** A message arrived. */
  take(message: string | ArrayBuffer): Promise<void> | undefined;
  /** Something other than a message arrived from the client. */
  heard(): void;
  /** Has the timeouts checked, at this time or before. */
  wake(time: number): void;
  /** Keeps the tags that were made for it. */
  settle(tags: readonly string[]): void;
  /** Whether a callback has failed because the session's signal stopped it. */
  isStop(error: Error): boolean;
  /** The work before `onOpen`. */
  begin(): Promise<void> | undefined;
  /** `onOpen` has run, and its session object is about to be kept. */
  opened(): void;
  /** Restores what hibernation kept. Throws if it can't be read at all; returns the error if it can't be restored. */
  load(): Error | undefined;
  /** Ends the session, open or not. */
  end(reason: CloseReason): void;
  /** The client has closed or is gone, or its socket failed. Earlier messages are delivered first. */
  lost(reason: CloseReason, error?: Error): Promise<void> | undefined;
  /** `onClose` comes next: later events of the platform are ignored. */
  leave(): void;
  /** Calls the container's `onEvent`. */
  tell(event: ContainerEvent): void;
  /** `onClose` has settled. */
  forget(closeReason?: CloseReason): void;
}
