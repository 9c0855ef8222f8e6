// What a SocleWebSocket tells of.

/** What a message holds: a text, or bytes by {@link SocleWebSocket.binaryType}. */
export type ClientData = string | ArrayBuffer | Blob;

/** A message. */
export interface ClientMessageEvent extends Event {
  readonly data: ClientData;
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
