// The values that the option `onHandshake` may return.

/** The value that `onHandshake` returns to let the client in. */
export interface HandshakeResult {
  /** Added to the 101. `Sec-WebSocket-*`, `Upgrade` and `Connection` belong to Socle. */
  headers?: HeadersInit | undefined;
  /** Added to the user properties of the {@link Session}, over those of `configure`: a plain object of JSON values. */
  userProperties?: Record<string, unknown> | undefined;
  /** Becomes the `userPrincipal` of the {@link Session}: a JSON value. */
  userPrincipal?: unknown;
  /**
   * The negotiated subprotocol, in place of one from the endpoint's own list. It must be one that the client offered,
   * such as a token that the hook has checked.
   */
  subprotocol?: string | undefined;
}

/**
 * The value that `onHandshake` returns to refuse the client with a close code. The Worker answers 101 and closes the
 * connection. For any other refusal, a browser tells its page only the code 1006.
 *
 * ```ts
 * return { closeCode: 4401, reasonPhrase: "get a new ticket" };
 * ```
 */
export interface HandshakeClosure {
  /** A code that a Close frame may carry. An application's own codes are 4000–4999. */
  closeCode: number;
  /** A text of at most 123 bytes of UTF-8. */
  reasonPhrase?: string | undefined;
  /** Added to the 101. `Sec-WebSocket-*`, `Upgrade` and `Connection` belong to Socle. */
  headers?: HeadersInit | undefined;
}

/** The return value of `onHandshake`. */
export type HandshakeDecision = Response | HandshakeResult | HandshakeClosure | undefined | void;

/** The part of a Worker's `ExecutionContext` that Socle needs. Frameworks have their own types for the context. */
export type WorkerContext = Pick<ExecutionContext, "waitUntil">;
