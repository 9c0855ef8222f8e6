// The client's end of a session, as callbacks see it.

/**
 * Sends to the session's client directly, outside every {@link SendChannel}.
 *
 * ```ts
 * await session.asyncRemote.sendText("hello");
 * ```
 *
 * A resolved promise means that the runtime accepted the message, not that the client received it. Under `flowControl`
 * a message may first be queued until the client is ready. A rejection that you don't await is not reported as
 * unhandled.
 *
 * @see Jakarta: `RemoteEndpoint.Async`
 */
export interface RemoteEndpointAsync {
  /**
   * Sends a text message.
   *
   * @throws {@link SessionClosedError}, {@link PayloadError}, {@link BufferFullError} or the platform's error, as a
   * rejection
   */
  sendText(text: string): Promise<void>;
  /** Sends a binary message. The bytes are copied. Rejects as {@link sendText} does. */
  sendBinary(data: ArrayBuffer | ArrayBufferView): Promise<void>;
  /**
   * How many bytes are queued for the client under `flowControl`. It counts the messages that were sent outside the
   * channels and, of each channel, the one message that it has taken out of its buffer. It doesn't count a channel's
   * buffer. 0 for a client that doesn't speak `socle.v1`: for such a client the runtime buffers, and doesn't say how
   * much.
   *
   * @see the browser's `WebSocket.bufferedAmount`
   */
  readonly bufferedAmount: number;
}

/** The result of a send: `"success"`, or the error that prevented it. */
export type SendResult = "success" | Error;
