// The queue of one session's outgoing messages: sent one after the other, in the order of the puts.
import { MessageDroppedError, SessionClosedError } from "../api/errors.ts";
import type { SendResult } from "../api/remote-endpoint.ts";
import type { ChannelBuffer } from "../channel/buffer.ts";
import { Queue } from "../channel/queue.ts";
import type { WaitOptions } from "../channel/waiting.ts";
import { report } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { sendsItself, wsSendAsync, type Payload } from "./payload.ts";
import type { Remote } from "./remote.ts";

/** Receives the result of a send: a channel such as `promiseChan()`, or any object with this method. */
export interface ResponseChannel {
  put(result: SendResult): unknown;
}

/**
 * The type of a value that you put on a {@link SendChannel}: a payload, or a payload with the channel for its result.
 */
export type SendValue = Payload | readonly [payload: Payload, response?: ResponseChannel | null | undefined];

/** The part of a session that a send channel needs. */
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
 * A channel to the session's client, created by {@link startWsConnection}. Socle sends what you put on it in order, one
 * message after the other. You may store it in the session object, at any depth; it works after hibernation too.
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
  /** Whether the channel is closed, by {@link close} or because the session ended. */
  readonly closed: boolean;
  /**
   * Puts a message, or a tuple of a message and the channel for its result; waits while the buffer is full.
   *
   * @param options `signal` cancels the put: the promise rejects with the signal's reason, the response channel
   * receives it too, and nothing is sent. A signal that has already aborted does so immediately
   * @returns true once the channel accepted the message; false if the channel is closed, and then the response channel
   * receives a {@link SessionClosedError}
   * @throws {@link NullPutError}; {@link PendingLimitError} if 1,024 puts are already waiting; {@link SignalError}
   * @see core.async: `>!`, `put!`
   */
  put(value: SendValue, options?: WaitOptions): Promise<boolean>;
  /**
   * Puts as {@link put} does, if the channel can accept the message now.
   *
   * @returns whether the channel accepted it
   * @throws {@link NullPutError}
   * @see core.async: `offer!`
   */
  offer(value: SendValue): boolean;
  /**
   * Puts a message and waits for its result.
   *
   * @returns a promise of the result, which never rejects
   */
  send(payload: Payload): Promise<SendResult>;
  /**
   * Closes the channel: Socle sends what was put, then closes the session with 1000.
   *
   * @see core.async: `close!`
   */
  close(): void;
}

/** The queue holds what was put while a payload sends itself. All else is private, so that it isn't serialised. */
export class SessionSendChannel extends Queue<SendValue> implements SendChannel {
  /** The public fields, number and buffer, recreate the channel after hibernation. */
  readonly number: number;
  readonly #link: SendLink;
  #busy = false;
  /**
   * Ends the wait for a payload that sends itself, or for the client: with its own result or with the session's end,
   * whichever comes first.
   */
  #settle: ((result: SendResult) => void) | undefined;

  constructor(link: SendLink, bufferOrN: ChannelBuffer | number, number = link.channels.length) {
    super(bufferOrN, (value) =>
      respond(value, new MessageDroppedError("Not sent: the channel's buffer was full."), link),
    );
    this.number = number;
    this.#link = link;
    link.channels[number] = this;
  }

  /** Returns nothing, so that a session object written as JSON has no fields of its channels. */
  toJSON(): void {}

  /** On an idle channel a value goes directly to the socket, unless the client has to take earlier messages first. */
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

  /** The session has ended: nothing more is sent, and each waiting put gets a result. */
  end(): void {
    const unsent = this.abandon();
    this.#settle?.(new SessionClosedError());
    for (const value of unsent) respond(value, new SessionClosedError(), this.#link);
  }

  /** The promise tells the caller of `put`, and the response channel gets the reason. Nothing is logged. */
  protected override givenUp(value: SendValue, putting: Promise<boolean>): Promise<boolean> {
    if (responseOf(value)) putting.catch((reason: unknown) => respond(value, toError(reason), this.#link));
    return putting;
  }

  /** Sends one value. @returns a promise if the payload sends itself or waits for the client */
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

/** False for a revoked proxy, for which Array.isArray throws. */
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
