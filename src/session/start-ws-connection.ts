import type { EndpointConfig } from "../api/endpoint-options.ts";
import { PayloadError, SessionClosedError } from "../api/errors.ts";
import type { Session } from "../api/session.ts";
// The seed's simple connection: a session object that is a channel to the client.
import { toBuffer, type ChannelBuffer } from "../channel/buffer.ts";
import { SessionSendChannel, type SendChannel } from "../sending/send-channel.ts";
import { ServerSession } from "./session.ts";

/** The options of {@link startWsConnection}. */
export interface WsConnectionOptions {
  /**
   * How many messages wait while a payload sends itself, or under `flowControl` while the client is behind; or a buffer that
   * says what becomes of one more. 10 if absent.
   *
   * @see Pedestal: `:send-buffer-or-n`
   */
  sendBufferOrN?: ChannelBuffer | number;
}

/**
 * Makes a channel to the session's client: what is put on it is sent in order. It may stand in the session object, at
 * any depth. Closing it sends what was put and closes the session with 1000.
 *
 * ```ts
 * onOpen(session) {
 *   const send = startWsConnection(session, { sendBufferOrN: slidingBuffer(5) });
 *   return { send, name: session.pathParameters.name };
 * }
 * ```
 *
 * @throws {@link BufferSizeError}; {@link PayloadError} for what is no session; {@link SessionClosedError} if the session is not open
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
 * Makes an `onOpen` that calls {@link startWsConnection}: the session object is the channel.
 *
 * ```ts
 * addEndpoint(container, "/echo", {
 *   onOpen: onOpenStartWsConnection(),
 *   onText: (send, text) => send.put(`echo: ${text}`),
 * });
 * ```
 *
 * @throws {@link BufferSizeError}
 * @see Pedestal: `on-open-start-ws-connection`
 */
export function onOpenStartWsConnection({ sendBufferOrN = 10 }: WsConnectionOptions = {}) {
  const buffer = toBuffer(sendBufferOrN);
  return (session: Session, _config?: EndpointConfig): SendChannel =>
    startWsConnection(session, { sendBufferOrN: buffer });
}
