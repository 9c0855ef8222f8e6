// The client's end of a session, as callbacks see it.

/**
 * Sends to the session's client, past every {@link SendChannel}.
 *
 * ```ts
 * await session.asyncRemote.sendText("hello");
 * ```
 *
 * A resolved promise says that the runtime took the message, not that the client has it. Under `flowControl` a message may
 * have to wait for the client before. A rejection that nobody awaits is not reported as unhandled.
 *
 * @see Jakarta: `RemoteEndpoint.Async`
 */
export interface RemoteEndpointAsync {
  /**
   * Sends a text message. Rejects with {@link SessionClosedError}, {@link PayloadError}, {@link BufferFullError} or the
   * platform's error.
   */
  sendText(text: string): Promise<void>;
  /** Sends a binary message, of which the bytes are copied. Rejects as {@link sendText} does. */
  sendBinary(data: ArrayBuffer | ArrayBufferView): Promise<void>;
  /**
   * Under `flowControl`, how many bytes wait for the client to take what was sent before: those sent past the channels, and
   * of each channel the one message that it has taken out of its buffer. What is in the buffer is not counted. 0 for a
   * client that doesn't speak `socle.v1`: for those the runtime keeps what they don't take, and tells nobody.
   *
   * @see the browser's `WebSocket.bufferedAmount`
   */
  readonly bufferedAmount: number;
}

/** How a send went: `"success"`, or the error that kept the message from being sent. */
export type SendResult = "success" | Error;
