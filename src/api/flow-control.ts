// The settings of the option `flowControl`.

/** How much a client that speaks `socle.v1` may leave untaken, and for how long: the settings of `flowControl`. */
export interface FlowControl {
  /**
   * How many bytes may be under way to the client, or with it, that it has not taken yet; 262,144 if absent. Each
   * message counts 32 more than it has. A larger one goes alone.
   */
  window?: number;
  /**
   * How many bytes may wait for the client before a send past a {@link SendChannel} fails with a {@link BufferFullError};
   * 1,048,576 if absent. Each message counts 32 more than it has.
   */
  maxBufferedAmount?: number;
  /**
   * After how many milliseconds in which messages wait and the client takes nothing the session ends with 1008; 30,000
   * if absent. The object doesn't hibernate while messages wait. A client may take 250 ms to say what it took.
   */
  stallTimeoutMs?: number;
  /**
   * For how many milliseconds small messages wait for more, to go as one frame; 0 if absent, by which those of one turn
   * of the event loop do.
   */
  batchMs?: number;
}
