// What the option `onHandshake` may decide.

/** What `onHandshake` may return to let the client in. */
export interface HandshakeResult {
  /** Are added to the 101. `Sec-WebSocket-*`, `Upgrade` and `Connection` are Socle's. */
  headers?: HeadersInit | undefined;
  /** Become those of the {@link Session}, over those of `configure`: a plain object of JSON values. */
  userProperties?: Record<string, unknown> | undefined;
  /** Becomes that of the {@link Session}: a JSON value. */
  userPrincipal?: unknown;
  /**
   * The subprotocol that is agreed on, whatever the endpoint's own list: one of those that the client offered, such as a
   * token that the hook has checked.
   */
  subprotocol?: string | undefined;
}

/**
 * What `onHandshake` may return to refuse the client with a close code: the Worker answers 101, and closes. A browser tells its
 * page of no other refusal than 1006.
 */
export interface HandshakeClosure {
  /** One that a Close frame may carry: an application's own are 4000–4999. */
  closeCode: number;
  /** A text of at most 123 bytes of UTF-8. */
  reasonPhrase?: string | undefined;
  /** Are added to the 101. `Sec-WebSocket-*`, `Upgrade` and `Connection` are Socle's. */
  headers?: HeadersInit | undefined;
}

/** What `onHandshake` may return. */
export type HandshakeDecision = Response | HandshakeResult | HandshakeClosure | undefined | void;

/** What Socle needs of a Worker's `ExecutionContext`: frameworks have types of their own for it. */
export type WorkerContext = Pick<ExecutionContext, "waitUntil">;
