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
export type SessionCodec<T> = WholeCodec<T> | NoCodec<T>;

interface WholeCodec<T> {
  /** Turns the session object into plain data, in which send channels may stand. Called after each callback. */
  serializeSession(sessionObject: T): unknown;
  /** Makes the session object again from what {@link serializeSession} returned. */
  deserializeSession(data: unknown): T;
  /**
   * Makes of what {@link serializeSession} returned under another version what it returns under this one.
   *
   * @param from the other version, which is higher after a rollback
   */
  migrateSession?(data: unknown, from: number): unknown;
}

interface NoCodec<T> {
  serializeSession?: undefined;
  deserializeSession?: undefined;
  /**
   * Makes a session object of one that was kept under another version: before any callback sees it, once, when it is first
   * read. It is synchronous. What throws, or returns a promise, ends that session with 1012, and its `onClose` gets undefined.
   *
   * ```ts
   * version: 2,
   * migrateSession: (data, from) => (from === 1 ? { names: [(data as { name: string }).name] } : { names: [] }),
   * ```
   *
   * @param from the other version, which is higher after a rollback
   */
  migrateSession?(data: unknown, from: number): NoInfer<T>;
}
