// The client's end of a session, `session.asyncRemote`: where messages and the Close frame go out. Callbacks and queues are not its
// business. Under flow control a `FlowRemote` stands in its place.
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

/** What every send returns that did not fail: the platform's is done at once. */
export const SENT = /* @__PURE__ */ Promise.resolve();

/** How many bytes of publications may wait for the 101, each counting {@link OVERHEAD} more. */
const MAX_KEPT = 1_048_576;

/** What it needs of its session. */
export interface RemoteLink {
  readonly path: string;
  readonly ctx: object;
  /** What a send behind the end rejects with: the reason of the session's signal, if somebody has asked for that. */
  readonly closedError: Error;
  /** What the object sends to many. */
  readonly slices: Slices;
  /** What callbacks have changed is to be kept before anything is sent. */
  readonly isHolding: boolean;
  /** Sends later in this turn, once that is kept. */
  hold(send: () => void): void;
  /** A message was sent. */
  sent(): void;
}

export class Remote implements RemoteEndpointAsync {
  readonly #socket: WebSocket;
  readonly #link: RemoteLink;
  /** What is sent before the socket is accepted, which the platform refuses, and what sends later: it goes out after the 101. */
  #kept: (Data | (() => void))[] | undefined;
  /** The size of the publications among that. */
  #keptAmount = 0;
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
    this.catchUp();
    return this.transmit(data);
  }

  /** What was sent to many before comes before. */
  protected catchUp(): void {
    const { slices } = this.#link;
    if (slices.isWaiting) slices.catchUp(this.#socket);
  }

  /** Sends, or throws. */
  protected transmit(data: Data): undefined {
    const link = this.#link;
    if (!this.isOpen) throw link.closedError;
    if (this.#kept) this.#kept.push(copyOf(data));
    else {
      // On a socket that something else has closed the platform throws.
      if (link.isHolding && this.#socket.readyState === WebSocket.OPEN) this.#hold(data);
      else this.#socket.send(wellFormed(data));
      link.sent();
    }
    return undefined;
  }

  /** Open to the client too: what is sent goes out at once. */
  get isReady(): boolean {
    return this.isOpen && !this.#kept;
  }

  /** Sends a publication, or throws. */
  publish(message: TopicMessage): void {
    this.admit(message);
    void this.send(message.plain);
  }

  /** Before the 101 nothing else bounds what waits. @throws {@link BufferFullError} */
  protected admit({ length }: TopicMessage): void {
    if (!this.#kept) return;
    this.#keptAmount += length + OVERHEAD;
    if (this.#keptAmount > MAX_KEPT) {
      throw new BufferFullError("Not sent: more than a megabyte is queued until onOpen has run.");
    }
  }

  /** Whether a message of so many bytes may be sent now. */
  isFree(_bytes: number): boolean {
    return true;
  }

  /** For who has its messages elsewhere: calls it back when one of so many bytes may be sent. */
  queue(_bytes: number, _go: () => void): void {}

  /** It need not be called back any more. */
  unqueue(_go: () => void): void {}

  /**
   * Tells the client from where on it gets the publications of a topic.
   *
   * @returns false if it knows nothing of that
   */
  tell(_place: Place, _recovered: boolean): boolean {
    return false;
  }

  /** Has something sent behind what was sent before: now, or after the 101. */
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
      // What was sent behind it is held too.
      else if (this.#link.isHolding) this.#hold(one);
      else this.#attempt(one);
    }
    if (this.#reason) this.close(this.#reason);
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
