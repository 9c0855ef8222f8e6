// The client's end of a session, `session.asyncRemote`: sends messages and the Close frame. It knows nothing of
// callbacks and channels. Under flow control a `FlowRemote` replaces it.
import type { CloseReason } from "../api/close-reason.ts";
import { BufferFullError } from "../api/errors.ts";
import type { RemoteEndpointAsync, SendResult } from "../api/remote-endpoint.ts";
import type { ChannelBuffer } from "../channel/buffer.ts";
import { quiet } from "../channel/waiting.ts";
import { attempt } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { OVERHEAD } from "../wire/frame.ts";
import type { Place } from "../wire/publication.ts";
import { closeSocket } from "./close-frame.ts";
import { checkData, copyOf, wellFormed, type Data } from "./data.ts";
import type { Slices } from "./slices.ts";
import type { TopicMessage } from "./topic-message.ts";

/** The result of every send that did not fail: the platform's send is synchronous. */
export const SENT = /* @__PURE__ */ Promise.resolve();

/** How many bytes of publications may wait for the 101; each counts {@link OVERHEAD} extra. */
const MAX_KEPT = 1_048_576;

/** The part of its session that is needed. */
export interface RemoteLink {
  readonly path: string;
  readonly ctx: object;
  /** The error of a send after the end: the reason of the session's signal, if the signal was accessed. */
  readonly closedError: Error;
  /** The object's messages to many sessions. */
  readonly slices: Slices;
  /** Whether changes by callbacks have to be kept before anything is sent. */
  readonly isHolding: boolean;
  /** Sends later in this turn, once they are kept. */
  hold(send: () => void): void;
  /** A message was sent. */
  sent(): void;
}

export class Remote implements RemoteEndpointAsync {
  readonly #socket: WebSocket;
  readonly #link: RemoteLink;
  /**
   * Messages, and functions that send, from before the socket is accepted: the platform refuses them until then. They
   * are sent after the 101.
   */
  #kept: (Data | (() => void))[] | undefined;
  /** The size of the publications among them. */
  #keptAmount = 0;
  #reason: CloseReason | undefined;
  declare isOpen: boolean;
  /**
   * For a channel that keeps its messages in its buffer until it can send: settles when it is its turn. Undefined, or
   * returning undefined, for one that takes them out immediately.
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
   * @param isPatient waits as long as it takes, and resolves to the result, as a channel does
   * @returns a promise if the message waits for the client
   */
  send(data: unknown): Promise<void> | undefined;
  send(data: unknown, isPatient: true): Promise<SendResult> | undefined;
  send(data: unknown): undefined {
    checkData(data);
    this.catchUp();
    return this.transmit(data);
  }

  /** Earlier messages to many sessions are sent first. */
  protected catchUp(): void {
    const { slices } = this.#link;
    if (slices.isWaiting) slices.catchUp(this.#socket);
  }

  protected transmit(data: Data): undefined {
    const link = this.#link;
    if (!this.isOpen) throw link.closedError;
    if (this.#kept) this.#kept.push(copyOf(data));
    else {
      // The platform throws on a socket that something else has closed.
      if (link.isHolding && this.#socket.readyState === WebSocket.OPEN) this.#hold(data);
      else this.#socket.send(wellFormed(data));
      link.sent();
    }
    return undefined;
  }

  /** Whether a message is sent immediately: the session is open, and the client has the 101. */
  get isReady(): boolean {
    return this.isOpen && !this.#kept;
  }

  /** Sends a publication, or throws. */
  publish(message: TopicMessage): void {
    this.admit(message);
    void this.send(message.plain);
  }

  /** Before the 101 nothing else limits the queue. @throws {@link BufferFullError} */
  protected admit({ length }: TopicMessage): void {
    if (!this.#kept) return;
    this.#keptAmount += length + OVERHEAD;
    if (this.#keptAmount > MAX_KEPT) {
      throw new BufferFullError("Not sent: more than a megabyte is queued until onOpen has run.");
    }
  }

  /** Whether a message of this many bytes may be sent now. */
  isFree(_bytes: number): boolean {
    return true;
  }

  /** Calls back when a message of this many bytes may be sent, for a caller that keeps its messages elsewhere. */
  queue(_bytes: number, _go: () => void): void {}

  /** Cancels such a call. */
  unqueue(_go: () => void): void {}

  /**
   * Tells the client from which position on it receives the publications of a topic.
   *
   * @returns false if the client doesn't receive topics by `socle.v1`
   */
  tell(_place: Place, _recovered: boolean): boolean {
    return false;
  }

  /** Calls a function after what was sent before: now, or after the 101. */
  behind(send: () => void): void {
    if (this.#kept) this.#kept.push(send);
    else send();
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
    const kept = this.#kept!;
    this.#kept = undefined;
    for (const one of kept) {
      if (typeof one === "function") one();
      // Messages after a held one are held too.
      else if (this.#link.isHolding) this.#hold(one);
      else this.#attempt(one);
    }
    if (this.#reason) this.close(this.#reason);
  }

  /** Sends the session's Close frame, or answers the client's. Nothing else is sent after it. */
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
