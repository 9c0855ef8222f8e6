// The events of clients.

/** The data of a message: a text, or bytes in the form of {@link SocleWebSocket.binaryType}. */
export type ClientData = string | ArrayBuffer | Blob;

/** A message. */
export interface ClientMessageEvent<Data = ClientData> extends Event {
  readonly data: Data;
  /** The topic of the message; undefined if it has none, or if the server's endpoint has no option `topics`. */
  readonly topic?: string;
  /** The position of the message in the topic's history; undefined if the topic has none. */
  readonly position?: string;
}

/**
 * The server has subscribed this client to a topic, and the topic's messages follow from now on. Sent again, with
 * `recovered` false, if the client was so slow that the history has lost messages that it had not received yet.
 */
export interface ClientRecoveryEvent extends Event {
  readonly topic: string;
  /** The next message follows this position; undefined if the topic has no history. */
  readonly position?: string;
  /**
   * Whether the messages that follow are all that was published since the position with which the client reconnected.
   */
  readonly recovered: boolean;
}

/** The end of the connection. */
export interface ClientCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** The events of a {@link SocleWebSocket}, by name. */
export interface ClientEvents {
  open: Event;
  message: ClientMessageEvent;
  recovery: ClientRecoveryEvent;
  error: Event;
  close: ClientCloseEvent;
}

/**
 * The status of a {@link SocleClient}. `"waiting"` means waiting for the next attempt or for a network, `"closed"`
 * closed for good.
 */
export type ClientStatus = "connecting" | "open" | "waiting" | "closed";

/** The status of a {@link SocleClient} has changed. */
export interface ClientStatusEvent extends Event {
  readonly status: ClientStatus;
  /**
   * How many messages may not have reached the server: those that the ended connection was given after its last
   * answered heartbeat.
   */
  readonly mayBeLost: number;
  /** The code with which the connection ended; 1006 if the network was dead, or if there was no connection. */
  readonly code?: number;
  readonly reason?: string;
  /** Why there was no connection, such as what the function `url` threw. */
  readonly error?: unknown;
}

/** A {@link SocleClient} is closed for good. */
export interface ClientEndEvent extends ClientCloseEvent {
  /** As in {@link ClientStatusEvent}, plus the messages that were still queued. */
  readonly mayBeLost: number;
}

/** The events of a {@link SocleClient}, by name. */
export interface SocleClientEvents {
  status: ClientStatusEvent;
  /** Sent for each connection. Messages that its listeners send go before the queued ones. */
  open: Event;
  message: ClientMessageEvent<string | ArrayBuffer>;
  close: ClientEndEvent;
}
