// The client's end of a session that speaks `socle.v1`: messages wait for its credit, and small ones are sent together.
import type { CloseReason } from "../../api/close-reason.ts";
import { BufferFullError } from "../../api/errors.ts";
import type { FlowControl } from "../../api/flow-control.ts";
import type { SendResult } from "../../api/remote-endpoint.ts";
import type { ChannelBuffer } from "../../channel/buffer.ts";
import { attempt } from "../../reporting/log.ts";
import { checkData } from "../../sending/data.ts";
import { Remote, SENT, type RemoteLink } from "../../sending/remote.ts";
import type { TopicMessage } from "../../sending/topic-message.ts";
import { MOST_IN_BATCH, OVERHEAD, type Bytes } from "../../wire/frame.ts";
import { placeFrame, type Place } from "../../wire/publication.ts";
import type { Credit } from "./credit.ts";
import { frameOfRun, isRun, LARGE, messageOf, type OutgoingMessage } from "./message.ts";

/**
 * After how many microtasks without another message the turn is over: a loop that awaits each `put` takes a few. They
 * are reactions of a promise, because for `queueMicrotask` the runtime makes a function each time, 3.5 µs.
 */
const QUIET = 8;

/** The part of its session that is needed. */
export interface FlowLink {
  readonly settings: Required<FlowControl>;
  /** Undefined without the option `flowControl`: then nothing waits for the client. */
  readonly credit: Credit | undefined;
  /** The frame of settings, which the client receives first. */
  readonly frame: Bytes;
  /** The client receives topics by `socle.v1`. */
  readonly knowsTopics: boolean;
  /**
   * A text frame with this text is the answer to a ping, which isn't counted: the platform sends it without telling
   * Socle.
   */
  readonly uncounted: string | undefined;
  readonly session: RemoteLink;
  /** The credit has changed. */
  readonly keep: () => void;
  /** The client took nothing for too long. */
  stalled(): void;
  /** The object doesn't hibernate until the promise settles. */
  keepAwake(sending: Promise<unknown>): void;
}

interface Waiting {
  /** Absent for a sliding channel, which keeps its messages itself. */
  readonly message: OutgoingMessage | undefined;
  /** The bytes of credit that it waits for. */
  readonly length: number;
  readonly settle: (error?: Error) => void;
  /** Called when it is its turn. */
  readonly go: (() => void) | undefined;
}

export class FlowRemote extends Remote {
  readonly #link: FlowLink;
  /** The messages of this turn. */
  #batch: OutgoingMessage[] = [];
  #batchLength = 0;
  /** For how many microtasks the last of them has waited. */
  #quiet = 0;
  #isDue = false;
  /** Messages for which the client has no credit. */
  readonly #waiting: Waiting[] = [];
  /** While the queue is served, its length when this turn began; otherwise 0. */
  #serving = 0;
  /** When the client last took something, or when the first message began to wait. */
  #since = 0;
  #stall: ReturnType<typeof setTimeout> = 0 as never;

  /** A sliding channel waits, so that it sends what is newest then. Other channels keep their place in the queue. */
  override readonly turn = ({ kind }: ChannelBuffer): Promise<void> | undefined =>
    kind === "sliding" && this.#isBehind() ? this.#wait(0) : undefined;

  constructor(socket: WebSocket, accepted: boolean, link: FlowLink) {
    super(socket, accepted, link.session);
    this.#link = link;
    if (!accepted) this.transmit(link.frame);
  }

  override send(data: unknown): Promise<void> | undefined;
  override send(data: unknown, isPatient: true): Promise<SendResult> | undefined;
  override send(data: unknown, isPatient = false): Promise<never> | undefined {
    checkData(data);
    this.catchUp();
    if (!this.isOpen) throw this.#link.session.closedError;
    return this.#send(messageOf(data), isPatient);
  }

  #isBehind(): boolean {
    this.catchUp();
    return this.isOpen && !this.isFree(0);
  }

  override isFree(bytes: number): boolean {
    const { credit } = this.#link;
    // During its own turn it is free, unless something was queued in that turn: an envelope is larger than its payload.
    return !credit || (this.#waiting.length === this.#serving && credit.has(bytes));
  }

  override queue(bytes: number, go: () => void): void {
    void this.#wait(bytes, undefined, true, go);
  }

  override unqueue(go: () => void): void {
    // While the queue is served it must not change. The entry's turn comes, and does nothing.
    if (this.#serving > 0) return;
    const index = this.#waiting.findIndex((one) => one.go === go);
    if (index < 0) return;
    const [one] = this.#waiting.splice(index, 1);
    if (this.#waiting.length === 0) clearTimeout(this.#stall);
    one!.settle();
  }

  #send(message: OutgoingMessage, isPatient: boolean): Promise<never> | undefined {
    const { settings } = this.#link;
    if (this.isFree(message.length)) {
      this.#add(message);
      return undefined;
    }
    const size = this.bufferedAmount + message.length + (this.#waiting.length + 1) * OVERHEAD;
    if (!isPatient && size > settings.maxBufferedAmount) {
      throw new BufferFullError(
        `Not sent: ${message.length} bytes more exceed maxBufferedAmount: ${this.bufferedAmount} bytes in ${this.#waiting.length} messages are queued for the client, and each message counts ${OVERHEAD} more. Send by a channel, whose put waits, or check bufferedAmount first.`,
      );
    }
    this.bufferedAmount += message.length;
    return this.#wait(message.length, message, isPatient);
  }

  override publish(publication: TopicMessage): void {
    const { knowsTopics, credit, session } = this.#link;
    if (!credit) this.admit(publication);
    if (!knowsTopics) return void this.send(publication.plain)?.catch(() => {});
    if (!this.isOpen) throw session.closedError;
    const message = { data: "", length: publication.length, item: publication.item, publication };
    void this.#send(message, false)?.catch(() => {});
  }

  override tell(place: Place, recovered: boolean): boolean {
    const { knowsTopics, session } = this.#link;
    if (!knowsTopics) return false;
    const send = (): void => {
      this.#flush();
      if (this.isOpen) attempt("a message was not sent", () => this.transmit(placeFrame(place, recovered)), session);
    };
    // Queued messages of a previous subscription go first.
    const isBehind = this.#waiting.some(({ message }) => message?.publication?.place.topic === place.topic);
    if (isBehind) void this.#wait(0, undefined, true, send);
    else send();
    return true;
  }

  override behind(send: () => void): void {
    this.#flush();
    super.behind(() => {
      send();
      this.#flush();
    });
  }

  /**
   * The client has acknowledged this many messages.
   *
   * @throws {@link ProtocolError} if it can't have taken them
   */
  acknowledge(count: number): void {
    const { credit, keep } = this.#link;
    if (!credit) return;
    // As if the slices had been sent when the client acknowledged.
    this.catchUp();
    credit.acknowledge(count);
    this.#since = Date.now();
    this.#serve(credit);
    keep();
  }

  /**
   * Serves the queue in order. A caller that keeps its messages elsewhere uses what credit there is, and then queues
   * again behind the others.
   */
  #serve(credit: Credit): void {
    let gone = 0;
    for (const { message, length, settle } of this.#waiting) {
      if (!credit.has(length)) break;
      gone++;
      this.#serving = this.#waiting.length;
      if (message) {
        this.bufferedAmount -= message.length;
        this.#add(message);
      }
      settle();
    }
    this.#serving = 0;
    // All at once: shifting a long array takes as long as the array.
    this.#waiting.splice(0, gone);
    if (this.#waiting.length === 0) clearTimeout(this.#stall);
  }

  override accepted(): void {
    this.#flush();
    super.accepted();
  }

  override close(reason: CloseReason): void {
    this.#flush();
    clearTimeout(this.#stall);
    super.close(reason);
    for (const { settle } of this.#waiting.splice(0)) settle(this.#link.session.closedError);
    this.bufferedAmount = 0;
  }

  /**
   * Waits until the message is sent, or a channel may continue. A patient caller gets the result, any other a
   * rejection.
   */
  #wait(length: number, message?: OutgoingMessage, isPatient = true, go?: () => void): Promise<never> {
    // The client can only acknowledge what was sent.
    this.#flush();
    if (this.#waiting.length === 0) {
      this.#since = Date.now();
      this.#watch(this.#link.settings.stallTimeoutMs);
    }
    const waiting = new Promise<SendResult>((resolve, reject) => {
      const settle = (error?: Error) => {
        go?.();
        if (error && !isPatient) reject(error);
        else resolve(error ?? "success");
      };
      this.#waiting.push({ message, length, settle, go });
    }) as Promise<never>;
    this.#link.keepAwake(waiting.catch(() => {}));
    return waiting;
  }

  #add(message: OutgoingMessage): void {
    const { credit, settings } = this.#link;
    credit?.use(message.length);
    const isLarge = message.length >= LARGE;
    if (isLarge) this.#flush();
    this.#batch.push(message);
    this.#batchLength += message.length;
    this.#quiet = 0;
    if (isLarge || this.#batchLength >= LARGE || this.#batch.length === MOST_IN_BATCH) return this.#flush();
    if (this.#isDue) return;
    this.#isDue = true;
    if (settings.batchMs > 0) this.#link.keepAwake(scheduler.wait(settings.batchMs).then(this.#due));
    else void SENT.then(this.#tick);
  }

  readonly #tick = (): void => (this.#quiet++ < QUIET ? void SENT.then(this.#tick) : this.#due());

  readonly #due = (): void => {
    this.#isDue = false;
    this.#flush();
  };

  #flush(): void {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batchLength = 0;
    const { session, keep } = this.#link;
    for (let start = 0, end = 1; start < batch.length; start = end++) {
      while (end < batch.length && isRun(batch[end - 1]!, batch[end]!)) end++;
      const frame = frameOfRun(batch.length === end - start ? batch : batch.slice(start, end), this.#link.uncounted);
      attempt("a message was not sent", () => this.transmit(frame), session);
    }
    keep();
  }

  #watch(milliseconds: number): void {
    this.#stall = setTimeout(() => {
      const rest = this.#since + this.#link.settings.stallTimeoutMs - Date.now();
      if (rest > 0) this.#watch(rest);
      else this.#link.stalled();
    }, milliseconds);
  }
}
