// What is settled of a session before its `onOpen` runs, and stays the same until it ends.

/** What is settled when a session opens, and stays the same until it ends. */
export interface SessionFacts {
  readonly id: string;
  readonly uri: string;
  /** The endpoint's path as it was registered. */
  readonly path: string;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly negotiatedSubprotocol: string;
  readonly userPrincipal?: unknown;
  readonly tags: readonly string[];
  /** When it opened, in milliseconds since 1970, for a container with `onEvent`. */
  readonly since?: number;
}

/** What the Worker settles of it, before the object is woken. */
export interface Handshake extends Omit<SessionFacts, "id" | "uri" | "tags" | "since"> {
  readonly userProperties?: Record<string, unknown> | undefined;
}
