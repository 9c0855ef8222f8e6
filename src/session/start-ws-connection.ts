// Pedestal's simple connection: the session object is a channel to the client.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { PayloadError, SessionClosedError } from "../api/errors.ts";
import type { Session } from "../api/session.ts";
import { toBuffer, type ChannelBuffer } from "../channel/buffer.ts";
import { SessionSendChannel, type SendChannel } from "../sending/send-channel.ts";
import { ServerSession } from "./session.ts";

/** The options of {@link startWsConnection}. */
export interface WsConnectionOptions {
  /**
   * How many messages are buffered while a payload sends itself, or under `flowControl` while the client is behind. Or
   * a buffer that decides what to do with one more. 10 if absent.
   *
   * @see Pedestal: `:send-buffer-or-n`
   */
  sendBufferOrN?: ChannelBuffer | number;
}

/**
 * Creates a channel to the session's client. Socle sends what you put on it in order. You may store it in the session
 * object, at any depth. If you close it, Socle sends what was put and then closes the session with 1000.
 *
 * ```ts
 * onOpen(session) {
 *   const send = startWsConnection(session, { sendBufferOrN: slidingBuffer(5) });
 *   return { send, name: session.pathParameters.name };
 * }
 * ```
 *
 * @throws {@link BufferSizeError} for an invalid buffer; {@link PayloadError} for anything but a session;
 * {@link SessionClosedError} if the session is not open
 * @see Pedestal: `start-ws-connection`
 */
export function startWsConnection(session: Session, { sendBufferOrN = 10 }: WsConnectionOptions = {}): SendChannel {
  if (!(session instanceof ServerSession)) {
    throw new PayloadError("startWsConnection needs the session that a callback got.");
  }
  if (!session.isOpen) throw new SessionClosedError();
  return new SessionSendChannel(session, sendBufferOrN);
}

/**
 * Creates an `onOpen` that calls {@link startWsConnection}. The session object is then the channel.
 *
 * ```ts
 * addEndpoint(container, "/echo", {
 *   onOpen: onOpenStartWsConnection(),
 *   onText: (send, text) => send.put(`echo: ${text}`),
 * });
 * ```
 *
 * @throws {@link BufferSizeError} immediately, for an invalid buffer
 * @see Pedestal: `on-open-start-ws-connection`
 */
export function onOpenStartWsConnection({ sendBufferOrN = 10 }: WsConnectionOptions = {}) {
  const buffer = toBuffer(sendBufferOrN);
  return (session: Session, _config?: EndpointConfig): SendChannel =>
    startWsConnection(session, { sendBufferOrN: buffer });
}
