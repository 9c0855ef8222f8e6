// The client's end of a session: where messages and the Close frame go out. Callbacks and queues are not its business.
import type { ChannelBuffer } from "./channel/buffer.ts";
import { quiet } from "./channel/line.ts";
import type { CloseReason } from "./close-reason.ts";
import { PayloadError, toError } from "./errors.ts";
import { attempt, type Place } from "./log.ts";

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

type Data = string | ArrayBuffer | ArrayBufferView;

export function isData(value: unknown): value is Data {
  try {
    return typeof value === "string" || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
  } catch {
    // A revoked proxy.
    return false;
  }
}

export function checkData(value: unknown): asserts value is Data {
  if (isData(value)) return;
  throw new PayloadError(
    "Not sent: a message is a string, an ArrayBuffer, a view, or has a [WebSocketSendAsync] method.",
  );
}

/** Half a surrogate pair becomes U+FFFD. The platform would send it as it is, and browsers end the connection for it. */
const wellFormed = (data: Data): Data => (typeof data === "string" ? data.toWellFormed() : data);

/** Bytes that nobody can change any more. */
const settled = new WeakSet<object>();

/** A copy that needs no other for each session that it is sent to. */
export function settle(data: Data): Data {
  const copy = copyOf(data);
  if (typeof copy !== "string") settled.add(copy);
  return copy;
}

/** A view's own bytes, not all of its buffer. */
const copyOf = (data: Data): Data => {
  if (typeof data === "string" || settled.has(data)) return data;
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    : data.slice(0);
};

/** What every send returns that did not fail: the platform's is done at once. */
export const SENT = /* @__PURE__ */ Promise.resolve();

/** What it needs of its session. */
export interface RemoteLink {
  readonly path: string;
  readonly ctx: object;
  /** What a send behind the end rejects with: the reason of the session's signal, if somebody has asked for that. */
  readonly closedError: Error;
  /** What callbacks have changed is to be kept before anything is sent. */
  readonly isHolding: boolean;
  /** Sends later in this turn, once that is kept. */
  hold(send: () => void): void;
  /** A message was sent. */
  touch(): void;
}

export class Remote implements RemoteEndpointAsync {
  readonly #socket: WebSocket;
  readonly #link: RemoteLink;
  /** What is sent before the socket is accepted, which the platform refuses: it goes out after the 101. */
  #kept: Data[] | undefined;
  #reason: CloseReason | undefined;
  declare isOpen: boolean;
  /**
   * For a channel that is to leave its messages in its buffer until it can send: settles when it is its turn. Undefined, or
   * returns it, for one that takes them out at once.
   */
  declare readonly turn?: (buffer: ChannelBuffer) => Promise<void> | undefined;
  bufferedAmount = 0;

  constructor(socket: WebSocket, accepted: boolean, link: RemoteLink) {
    this.#socket = socket;
    this.#link = link;
    this.#kept = accepted ? undefined : [];
    this.isOpen = !accepted || socket.readyState === WebSocket.OPEN;
  }

  /**
   * Sends, or throws.
   *
   * @param isPatient waits as long as it takes, for the result: so does a channel
   * @returns a promise if the message waits for the client
   */
  send(data: unknown): Promise<void> | undefined;
  send(data: unknown, isPatient: true): Promise<SendResult> | undefined;
  send(data: unknown): undefined {
    checkData(data);
    const link = this.#link;
    if (!this.isOpen) throw link.closedError;
    if (this.#kept) this.#kept.push(copyOf(data));
    else {
      // On a socket that something else has closed the platform throws.
      if (link.isHolding && this.#socket.readyState === WebSocket.OPEN) this.#hold(data);
      else this.#socket.send(wellFormed(data));
      link.touch();
    }
    return undefined;
  }

  /** Open to the client too: what is sent goes out at once. */
  get isReady(): boolean {
    return this.isOpen && !this.#kept;
  }

  sendText(data: unknown): Promise<void> {
    try {
      return this.send(data) ?? SENT;
    } catch (error) {
      return quiet(Promise.reject(toError(error)));
    }
  }

  sendBinary(data: unknown): Promise<void> {
    return this.sendText(data);
  }

  accepted(): void {
    for (const data of this.#kept!) this.#attempt(data);
    this.#kept = undefined;
    if (this.#reason) closeSocket(this.#socket, this.#reason, this.#link);
  }

  /** Sends the session's Close frame, or answers the client's. From here on nothing else is sent. */
  close(reason: CloseReason): void {
    const link = this.#link;
    this.isOpen = false;
    if (this.#kept) this.#reason = reason;
    else if (link.isHolding) link.hold(() => closeSocket(this.#socket, reason, link));
    else closeSocket(this.#socket, reason, link);
  }

  #hold(data: Data): void {
    const kept = copyOf(data);
    this.#link.hold(() => this.#attempt(kept));
  }

  #attempt(data: Data): void {
    attempt("a message was not sent", () => this.#socket.send(wellFormed(data)), this.#link);
  }
}

/**
 * From the compatibility date 2026-04-07 on the platform echoes a client's Close frame by itself, also codes that may not
 * be sent, and ends the connection at a 1005 with a phrase. This leaves the answer to us, under any date.
 */
export const BY_US = { allowHalfOpen: true };

/**
 * Sends a Close frame, or completes the closing handshake, which the platform leaves to us: a code that may not be sent
 * (1005 is none at all) is answered by none. On a socket that is closing it does nothing.
 */
export function closeSocket(
  socket: WebSocket,
  { sendable, closeCode, reasonPhrase }: CloseReason,
  place?: Place,
): void {
  const close = () => {
    if (!sendable) return socket.close();
    try {
      socket.close(closeCode, reasonPhrase);
    } catch {
      // A client's phrase that is no UTF-8 grows as the platform decodes it, past what a Close frame carries.
      socket.close(closeCode);
    }
  };
  // The session ends all the same.
  attempt("a socket took no Close frame", close, place);
}
