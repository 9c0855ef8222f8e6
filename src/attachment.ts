// What a socket carries through hibernation. Only this file reads and writes it; it knows nothing of callbacks.

const MARK = "socle";

/**
 * A tuple, because the names of properties would be written again with each change of the session object. The facts are
 * one string for the same reason: it is made once, and copied as it is.
 */
export type Attachment = [
  mark: typeof MARK,
  /** {@link SessionFacts} as JSON. */
  facts: string,
  /** The session object. */
  object: unknown,
];

/** What is settled when a session opens, and stays the same until it ends. */
export interface SessionFacts {
  readonly id: string;
  readonly uri: string;
  /** The endpoint's path as it was registered. */
  readonly path: string;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly negotiatedSubprotocol: string;
}

export const writeAttachment = (socket: WebSocket, facts: string, object: unknown): void =>
  socket.serializeAttachment([MARK, facts, object] satisfies Attachment);

/** What was kept; undefined for a session that has ended, and for a socket that Socle did not accept. */
export function readAttachment(socket: WebSocket): Attachment | undefined {
  const kept = socket.deserializeAttachment() as Attachment | null;
  return kept?.[0] === MARK ? kept : undefined;
}

/** Marks the session as ended: events that the platform still delivers for the socket are nobody's. */
export const clearAttachment = (socket: WebSocket): void => socket.serializeAttachment(null);
