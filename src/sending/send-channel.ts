import { MessageDroppedError, SessionClosedError } from "../api/errors.ts";
import type { SendResult } from "../api/remote-endpoint.ts";
// The queue of one session's outgoing messages: sent one after the other, in the order in which they were put.
import type { ChannelBuffer } from "../channel/buffer.ts";
import { Queue } from "../channel/queue.ts";
import type { WaitOptions } from "../channel/waiting.ts";
import { report } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { sendsItself, wsSendAsync, type Payload } from "./payload.ts";
import type { Remote } from "./remote.ts";

/** Where the result of a send is put: a channel, such as `promiseChan()`. */
export interface ResponseChannel {
  put(result: SendResult): unknown;
}

/** What is put on a {@link SendChannel}: a payload, or a payload with the channel for its result. */
export type SendValue = Payload | readonly [payload: Payload, response?: ResponseChannel | null | undefined];

/** What a send channel needs of its session. */
export interface SendLink {
  readonly path: string;
  readonly asyncRemote: Remote;
  /** The session's send channels, which end with it. */
  readonly channels: (SessionSendChannel | undefined)[];
  /** Keeps the object from hibernating until the promise settles. */
  readonly ctx: { waitUntil(sending: Promise<unknown>): void };
  close(): void;
}

/**
 * A channel to the session's client, made by {@link startWsConnection}. What is put on it is sent in order, one message
 * after the other. It may be kept in the session object, at any depth, and then works after hibernation too.
 *
 * ```ts
 * const send = startWsConnection(session);
 * await send.put("hello");
 * const result = await send.send("again"); // "success" or an Error
 * send.close(); // sends what was put, then closes the session with 1000
 * ```
 *
 * @see Pedestal: the channel that `start-ws-connection` returns
 */
export interface SendChannel {
  /** Whether the channel is closed: by {@link close}, or because the session ended. */
  readonly closed: boolean;
  /**
   * Puts a message, or a tuple of a message and the channel for its result, waiting while the buffer is full.
   *
   * @param options `signal` gives the put up: the promise rejects with its reason, which the response channel gets too, and
   * nothing is sent. One that has aborted already does so at once
   * @returns true once the channel took it; false if the channel is closed, and then the response channel gets a
   * {@link SessionClosedError}
   * @throws {@link NullPutError}; {@link PendingLimitError} if 1,024 puts wait already; {@link SignalError}
   * @see core.async: `>!`, `put!`
   */
  put(value: SendValue, options?: WaitOptions): Promise<boolean>;
  /**
   * Puts as {@link put} does if the channel can take it now.
   *
   * @returns whether it took it
   * @see core.async: `offer!`
   */
  offer(value: SendValue): boolean;
  /**
   * Puts a message and waits for its result.
   *
   * @returns a promise of the result that never rejects
   */
  send(payload: Payload): Promise<SendResult>;
  /**
   * Closes the channel: what was put is sent, then the session closes with 1000.
   *
   * @see core.async: `close!`
   */
  close(): void;
}

/** What it holds as a queue was put while a payload sends itself. What else it has is private, and so not serialised. */
export class SessionSendChannel extends Queue<SendValue> implements SendChannel {
  /** By its public fields, its number and its buffer, it is made again after hibernation. */
  readonly number: number;
  readonly #link: SendLink;
  #busy = false;
  /** Ends the wait for a payload that sends itself, or for the client: by its own result, or by the session's end, whichever is first. */
  #settle: ((result: SendResult) => void) | undefined;

  constructor(link: SendLink, bufferOrN: ChannelBuffer | number, number = link.channels.length) {
    super(bufferOrN, (value) =>
      respond(value, new MessageDroppedError("Not sent: the channel's buffer was full."), link),
    );
    this.number = number;
    this.#link = link;
    link.channels[number] = this;
  }

  /** Nothing: its fields are no matter of who writes the session object as JSON. */
  toJSON(): void {}

  /** On an idle channel a value goes straight to the socket, unless the client has to take others before. */
  override offer(value: SendValue): boolean {
    if (this.closed && isTuple(value)) respond(value, new SessionClosedError(), this.#link);
    if (this.closed || this.#busy || (value ?? undefined) === undefined) return super.offer(value);
    const turn = this.#link.asyncRemote.turn?.(this.buffer);
    this.#busy = turn !== undefined;
    const sending = turn ?? this.#transmit(value);
    if (sending) this.#link.ctx.waitUntil(this.#drain(sending));
    return !turn || super.offer(value);
  }

  send(payload: Payload): Promise<SendResult> {
    return new Promise<SendResult>((put) => void this.put([payload, { put }])).catch(toError);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (!this.#busy) this.#link.close();
  }

  /** The session has ended: nothing is sent any more, and nobody is left waiting. */
  end(): void {
    const unsent = this.abandon();
    this.#settle?.(new SessionClosedError());
    for (const value of unsent) respond(value, new SessionClosedError(), this.#link);
  }

  /** Who put is told by the promise, and who waits for the result by the response channel. So no log is. */
  protected override givenUp(value: SendValue, putting: Promise<boolean>): Promise<boolean> {
    if (responseOf(value)) putting.catch((reason: unknown) => respond(value, toError(reason), this.#link));
    return putting;
  }

  /** Sends one value; a promise if its payload sends itself, or waits for the client. */
  #transmit(value: SendValue): Promise<void> | undefined {
    const remote = this.#link.asyncRemote;
    try {
      const payload = isTuple(value) ? value[0] : value;
      const sends = sendsItself(payload);
      const waiting = sends || remote.send(payload, true);
      if (waiting) {
        this.#busy = true;
        return new Promise((resolve) => {
          this.#settle = (sent) => {
            this.#settle = undefined;
            respond(value, sent, this.#link);
            resolve();
          };
          const sending = waiting === true ? wsSendAsync(payload, remote) : waiting;
          void sending.then((sent) => this.#settle?.(sent));
        });
      }
    } catch (error) {
      return respond(value, toError(error), this.#link);
    }
    return respond(value, "success", this.#link);
  }

  async #drain(sending: Promise<void>): Promise<void> {
    await sending;
    for (let value; (value = this.poll()) !== undefined;) await this.#transmit(value);
    this.#busy = false;
    if (this.closed) this.#link.close();
  }
}

/** A revoked proxy is none: to ask the platform throws. */
function isTuple(value: SendValue): value is Exclude<SendValue, Payload> {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** Undefined for a tuple that can't be read. */
function responseOf(value: SendValue): ResponseChannel | null | undefined {
  try {
    return isTuple(value) ? value[1] : undefined;
  } catch {
    return undefined;
  }
}

function respond(value: SendValue, result: SendResult, link: SendLink): undefined {
  const response = responseOf(value);
  if (!response) {
    if (result !== "success") report("a message was not sent", result, link);
    return undefined;
  }
  const failed = (error: unknown) => report("a response channel refused a result", error, link);
  try {
    const put = response.put(result);
    if (put instanceof Promise) put.catch(failed);
  } catch (error) {
    failed(error);
  }
  return undefined;
}
