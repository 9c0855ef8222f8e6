// The options `serializeSession` and `deserializeSession`.

/**
 * How an endpoint turns its session object into plain data and back, where it is no plain data itself: both functions, or
 * neither.
 *
 * ```ts
 * serializeSession: (cursor: Cursor) => [cursor.line, cursor.column],
 * deserializeSession: (data) => new Cursor(...(data as [number, number])),
 * ```
 */
export type SessionCodec<T> = WholeCodec<T> | NoCodec;

interface WholeCodec<T> {
  /** Turns the session object into plain data, in which send channels may stand. Called after each callback. */
  serializeSession(sessionObject: T): unknown;
  /** Makes the session object again from what {@link serializeSession} returned. */
  deserializeSession(data: unknown): T;
}

interface NoCodec {
  serializeSession?: undefined;
  deserializeSession?: undefined;
}
