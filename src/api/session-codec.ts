// The options `serializeSession`, `deserializeSession` and `migrateSession`.

/**
 * How an endpoint turns a session object that isn't plain data into plain data and back. Give both functions, or
 * neither.
 *
 * ```ts
 * serializeSession: (cursor: Cursor) => [cursor.line, cursor.column],
 * deserializeSession: (data) => new Cursor(...(data as [number, number])),
 * ```
 */
export type SessionCodec<T> = WholeCodec<T> | NoCodec<T>;

interface WholeCodec<T> {
  /**
   * Turns the session object into plain data, which may contain send channels. Called after each callback and at each
   * assignment.
   */
  serializeSession(sessionObject: T): unknown;
  /** Makes the session object from the data that {@link serializeSession} returned. */
  deserializeSession(data: unknown): T;
  /**
   * Turns data that {@link serializeSession} returned under another version into data of the current version.
   *
   * @param from the other version; it is higher after a rollback
   */
  migrateSession?(data: unknown, from: number): unknown;
}

interface NoCodec<T> {
  serializeSession?: undefined;
  deserializeSession?: undefined;
  /**
   * Makes a session object from one that was kept under another version. Called once, when the session object is first
   * read, before any callback receives it. It is synchronous. If it throws or returns a promise, the session ends with
   * 1012, and its `onClose` receives undefined.
   *
   * ```ts
   * version: 2,
   * migrateSession: (data, from) => (from === 1 ? { names: [(data as { name: string }).name] } : { names: [] }),
   * ```
   *
   * @param from the other version; it is higher after a rollback
   */
  migrateSession?(data: unknown, from: number): NoInfer<T>;
}
