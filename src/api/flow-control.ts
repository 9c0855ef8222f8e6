// The settings of the option `flowControl`.

/**
 * The settings of `flowControl`: how many bytes a client that speaks `socle.v1` may leave unacknowledged, and for how
 * long.
 */
export interface FlowControl {
  /**
   * How many bytes may be in flight to the client without an acknowledgement; 262,144 if absent. Each message counts 32
   * bytes extra. A message that is larger than the window is sent alone.
   */
  window?: number;
  /**
   * How many bytes may be queued for the client before a send outside a {@link SendChannel} fails with a
   * {@link BufferFullError}; 1,048,576 if absent. Each message counts 32 bytes extra.
   */
  maxBufferedAmount?: number;
  /**
   * Milliseconds after which a session ends with 1008 because messages are queued and the client takes nothing; 30,000
   * if absent. The object doesn't hibernate while messages are queued. A client may take 250 ms to acknowledge.
   */
  stallTimeoutMs?: number;
  /**
   * Milliseconds for which small messages wait for others, to be sent in one frame. 0 if absent: then the messages of
   * one turn of the event loop share a frame.
   */
  batchMs?: number;
}
