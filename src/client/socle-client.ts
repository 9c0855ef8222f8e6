// A client that comes back: one connection after the other, what waits to be sent, and where each topic is.
import { PLAIN } from "../wire/frame.ts";
import type { ClientStatus, SocleClientEvents } from "./client-events.ts";
import type { Asked, SocleClientOptions } from "./client-options.ts";
import { ClientTopics, type ClientTopic } from "./client-topic.ts";
import { connect, LOST, SILENT, type Closing, type Connection } from "./connection.ts";
import { emit, eventOf, report, Target, type TargetOf } from "./events.ts";
import { Inbox } from "./inbox.ts";
import { Outbox, type Sendable } from "./outbox.ts";
import { now, type Timer } from "./timer.ts";
import type { Message } from "./web-socket.ts";

const DEFAULTS = {
  minDelayMs: 500,
  maxDelayMs: 30_000,
  heartbeatMs: 25_000,
  heartbeatTimeoutMs: 10_000,
  maxOutboxMessages: 1000,
  maxOutboxBytes: 1_048_576,
};

/** 1000, and what stands for the application's last word, are one. */
const isNoWord = ({ code }: Closing): boolean => code !== 1000 && !(code >= 4000 && code < 4500);

const closed = () => new Error("The client is closed.");

const asked = <Value>(one: Asked<Value>): Value | Promise<Value> =>
  typeof one === "function" ? (one as () => Value | Promise<Value>)() : one;

/** What browsers have, and what is missing elsewhere. */
const page = globalThis as {
  readonly navigator?: { readonly onLine?: boolean };
  readonly document?: Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> & {
    readonly hidden?: boolean;
  };
} & Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">>;

/**
 * A client that comes back. It connects, and again after each loss; what it is given meanwhile waits; and of a topic it goes on
 * where it was.
 *
 * ```ts
 * const client = new SocleClient(async () => `wss://example.com/chat/lobby?token=${await freshToken()}`);
 * client.topic("lines").onmessage = ({ data }) => show(data);
 * client.send("hello");
 * ```
 *
 * @see partysocket; {@link SocleWebSocket} for one connection
 */
export class SocleClient
  extends (Target as new () => TargetOf<SocleClientEvents>)
  implements AsyncIterable<Message["data"]>
{
  readonly #url: Asked<string | URL>;
  readonly #options: SocleClientOptions & typeof DEFAULTS;
  #status: ClientStatus = "connecting";
  #ready!: Promise<void>;
  #settle!: [resolve: () => void, reject: (error: Error) => void];

  #connection: Connection | undefined;
  /** What is asked for an attempt that was given up comes too late. */
  #attempt = 0;
  /** Until an attempt is given up, or until the next. */
  #timer: Timer = 0 as never;
  /** How many attempts have failed. */
  #failed = 0;
  #openedAt = 0;

  readonly #outbox = new Outbox();
  readonly #inbox = new Inbox<Message["data"]>();
  readonly #topics: ClientTopics;

  /**
   * Connects.
   *
   * @throws a TypeError for an option that is wrong, and where there is no WebSocket; for a `url` that is no function what the
   * platform's WebSocket throws
   */
  constructor(url: Asked<string | URL>, options: SocleClientOptions = {}) {
    super();
    const given: Record<string, unknown> = { ...options };
    for (const [name, absent] of Object.entries(DEFAULTS)) {
      const value = (given[name] = Number(given[name] ?? absent));
      // A timer takes no longer time.
      if (!(value >= 0 && value < 2 ** 31))
        throw new TypeError(`The option ${name} takes a number from 0 to 2147483647.`);
    }
    const { WebSocket = globalThis.WebSocket, protocols = [], positions = [] } = options;
    if (!WebSocket) throw new TypeError("No WebSocket: give the option WebSocket.");
    this.#options = given as unknown as SocleClientOptions & typeof DEFAULTS;
    this.#url = url;
    this.#topics = new ClientTopics(positions);
    this.#renew();
    if (typeof url === "function" || typeof protocols === "function") void this.#connect();
    else {
      this.#open(url, protocols);
      this.#limit();
    }
    this.#listen("addEventListener");
  }

  get status(): ClientStatus {
    return this.#status;
  }

  /** Resolves when there is a connection; rejects if there will be none. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** The application's subprotocol that was agreed on, "" if none. */
  get protocol(): string {
    return this.#connection?.socket.protocol.replace(PLAIN, "") ?? "";
  }

  /** Of each topic that of its newest message, those of the newest first: the option `positions` of another client. */
  get positions(): Map<string, string> {
    return this.#topics.positions;
  }

  /** What comes of a topic. The same name has the same object. */
  topic(name: string): ClientTopic {
    return this.#topics.at(name);
  }

  /**
   * Sends a message: at once, or as soon as there is a connection and the server takes it.
   *
   * @throws {@link OutboxFullError} if too much waits; an Error; a TypeError for what is no text and no bytes
   */
  send(data: Sendable): void {
    if (typeof data !== "string" && data?.byteLength === undefined) throw new TypeError("Send a text or bytes.");
    if (this.#status === "closed") throw closed();
    const { maxOutboxMessages, maxOutboxBytes } = this.#options;
    if (this.#outbox.length > 0 || !this.#connection?.give(data))
      this.#outbox.add(data, maxOutboxMessages, maxOutboxBytes);
  }

  /**
   * Ends it for good.
   *
   * @throws what the platform's `close` throws, where there is a connection
   */
  close(code = 1000, reason = ""): void {
    if (this.#status === "closed") return;
    this.#connection?.socket.close(code, reason);
    this.#end({ code, reason, wasClean: true }, this.#drop());
  }

  /**
   * The messages from now on, over all connections, until the client is closed. The server waits until each is taken from here,
   * also after a `break`; another iteration goes on where that was left.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Message["data"], void, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    const { protocols = [] } = this.#options;
    this.#limit();
    try {
      const url = await asked(this.#url);
      const names = await asked(protocols);
      if (attempt === this.#attempt) this.#open(url, names);
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(LOST, error);
    }
  }

  /** @throws what the platform's WebSocket throws */
  #open(url: string | URL, protocols: string | readonly string[]): void {
    this.#connection = connect(url, protocols, {
      options: { ...this.#options, positions: this.positions },
      begun: () => this.#begin(),
      message: (message, take) =>
        this.#inbox.give(message.data, this.#topics.give(message, take), () =>
          this.#emit("message", message, "MessageEvent"),
        ),
      recovery: (recovery) => this.#topics.recover(recovery),
      goOn: () => this.#flush(),
      ended: (closing, error) => this.#lose(closing, error),
    });
  }

  /** What lets it wait is given up. */
  #limit(): void {
    this.#timer = setTimeout(() => this.#lose(LOST, SILENT), this.#options.heartbeatTimeoutMs);
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#openedAt = now();
    this.#settle[0]();
    this.#outbox.before(() => {
      this.#become("open");
      if (this.#status === "open") this.#emit("open");
    });
    this.#flush();
  }

  #flush(): void {
    this.#outbox.empty((data) => this.#connection?.give(data) ?? false);
  }

  #lose(closing: Closing, error?: unknown): void {
    const lived = this.#status === "open" ? now() - this.#openedAt : -1;
    const mayBeLost = this.#drop(closing);
    const { minDelayMs, maxDelayMs, shouldReconnect = isNoWord } = this.#options;
    let isBack = true;
    report(() => (isBack = shouldReconnect(eventOf("close", closing, "CloseEvent"))));
    // That may have closed it.
    if (this.#status === "closed") return;
    if (!isBack) return this.#end(closing, mayBeLost);
    const longest = () => Math.min(maxDelayMs, minDelayMs * 2 ** this.#failed);
    // A server that lets go of whoever comes is no better than one that takes nobody.
    if (lived >= longest()) this.#failed = 0;
    this.#timer = setTimeout(this.#retry, Math.random() * longest());
    this.#failed++;
    this.#become("waiting", { ...closing, error, mayBeLost });
  }

  readonly #retry = (): void => {
    // The browser says when there is a network again.
    if (page.navigator?.onLine === false) return;
    clearTimeout(this.#timer);
    this.#become("connecting");
    if (this.#status === "connecting") void this.#connect();
  };

  /** Something has changed about the network. */
  readonly #look = (): void => {
    if (this.#status === "waiting") this.#retry();
    else if (this.#status === "open") this.#connection!.beat();
  };

  readonly #show = (): void => {
    if (!page.document!.hidden) this.#look();
  };

  #listen(method: "addEventListener" | "removeEventListener"): void {
    page[method]?.("online", this.#look);
    page[method]?.("offline", this.#look);
    page.document?.[method]?.("visibilitychange", this.#show);
  }

  #renew(): void {
    this.#ready = new Promise((resolve, reject) => (this.#settle = [resolve, reject]));
    // Who doesn't wait for it is not told of a fault.
    this.#ready.catch(() => {});
  }

  /** Nothing is left of a connection. @returns how many messages may be lost with it */
  #drop(closing?: Closing): number {
    const connection = this.#connection;
    if (this.#status === "open") this.#renew();
    this.#attempt++;
    clearTimeout(this.#timer);
    this.#connection = undefined;
    return connection?.drop(closing) ?? 0;
  }

  #end(closing: Closing, lost: number): void {
    this.#status = "closed";
    this.#listen("removeEventListener");
    this.#settle[1](closed());
    // A listener that is added behind `close()` is called, as that of a WebSocket.
    queueMicrotask(() => {
      const end = { ...closing, mayBeLost: lost + this.#outbox.length };
      this.#become("closed", end);
      this.#emit("close", end, "CloseEvent");
      this.#inbox.end();
      this.#topics.end();
    });
  }

  #become(status: ClientStatus, more?: object): void {
    this.#status = status;
    this.#emit("status", { mayBeLost: 0, ...more, status });
  }

  #emit(type: string, properties?: object, name?: string): void {
    emit(this, eventOf(type, properties, name));
  }
}
