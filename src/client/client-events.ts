// What clients tell of.

/** What a message holds: a text, or bytes by {@link SocleWebSocket.binaryType}. */
export type ClientData = string | ArrayBuffer | Blob;

/** A message. */
export interface ClientMessageEvent<Data = ClientData> extends Event {
  readonly data: Data;
  /** Of what topic it is; undefined if of none, or if the server's endpoint has no option `topics`. */
  readonly topic?: string;
  /** Where in the topic's history it stands; undefined without one. */
  readonly position?: string;
}

/**
 * From now on the messages of a topic come: the server has subscribed it for this client. It comes once more, not recovered,
 * where a client was so slow that the history has lost what it had to get.
 */
export interface ClientRecoveryEvent extends Event {
  readonly topic: string;
  /** What comes next follows it; undefined without a history. */
  readonly position?: string;
  /** What comes is all that was published since the position that the client came back with. */
  readonly recovered: boolean;
}

/** The end of the connection. */
export interface ClientCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** The events of a {@link SocleWebSocket}. */
export interface ClientEvents {
  open: Event;
  message: ClientMessageEvent;
  recovery: ClientRecoveryEvent;
  error: Event;
  close: ClientCloseEvent;
}

/** Where a {@link SocleClient} is: `"waiting"` for its next attempt, or `"closed"` for good. */
export type ClientStatus = "connecting" | "open" | "waiting" | "closed";

/** A {@link SocleClient} has another status. */
export interface ClientStatusEvent extends Event {
  readonly status: ClientStatus;
  /** How many messages may not have arrived: those that the connection which has ended was given since its last heartbeat. */
  readonly mayBeLost: number;
  /** How the connection has ended; 1006 if by a dead network, or if there was none. */
  readonly code?: number;
  readonly reason?: string;
  /** Why there was none, such as what the function `url` has thrown. */
  readonly error?: unknown;
}

/** The end of a {@link SocleClient}, for good. */
export interface ClientEndEvent extends ClientCloseEvent {
  /** As that of a {@link ClientStatusEvent}, and those that were still waiting. */
  readonly mayBeLost: number;
}

/** The events of a {@link SocleClient}. */
export interface SocleClientEvents {
  status: ClientStatusEvent;
  /** There is a connection: of each anew. What its listeners send goes before what waits. */
  open: Event;
  message: ClientMessageEvent<string | ArrayBuffer>;
  close: ClientEndEvent;
}
