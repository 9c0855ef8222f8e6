// A client that comes back: one connection after the other, what waits to be sent, and where each topic is.
import { dataFrame } from "../wire/frame.ts";
import { topicsName } from "../wire/positions.ts";
import type { ClientStatus, SocleClientEvents } from "./client-events.ts";
import { asked, settled, type Asked, type SettledOptions, type SocleClientOptions } from "./client-options.ts";
import { Topic, type ClientTopic, type ClientTopicMessage } from "./client-topic.ts";
import { isNoWord, LOST, type Closing } from "./closing.ts";
import { emit, eventOf, report, Target, type TargetOf } from "./events.ts";
import { Inbox } from "./inbox.ts";
import { now, page } from "./page.ts";
import { SocleWebSocket, type Link } from "./web-socket.ts";

/** What may be sent. */
type Sendable = string | ArrayBuffer | ArrayBufferView;

/** A message was not taken: as much waits as may. */
export class OutboxFullError extends Error {
  override readonly name = "OutboxFullError";
}

/** What there is of a connection. */
interface Connection {
  readonly socket: SocleWebSocket;
  /** @returns false if the server takes no message now */
  give(data: Sendable): boolean;
  /** Asks at once whether somebody is there. */
  beat(): void;
  /** Leaves it. @returns how many messages may be lost, if it has ended so */
  drop(closing: Closing): number;
}

/**
 * A client that comes back. It connects, and again after each loss; what it is given meanwhile waits; and of a topic it goes on
 * where it was.
 *
 * ```ts
 * const client = new SocleClient(async () => `wss://example.com/chat/lobby?token=${await freshToken()}`);
 * client.topic("lines").addEventListener("message", ({ data }) => show(data));
 * client.send("hello");
 * ```
 *
 * @see partysocket; {@link SocleWebSocket} for one connection
 */
export class SocleClient
  extends (Target as new () => TargetOf<SocleClientEvents>)
  implements AsyncIterable<string | ArrayBuffer>
{
  readonly #url: Asked<string | URL>;
  readonly #options: SettledOptions;
  #status: ClientStatus = "connecting";
  #ready!: Promise<void>;
  #settle!: [resolve: () => void, reject: (error: Error) => void];

  /** What is of another attempt, or of its connection, comes too late. */
  #attempt = 0;
  /** How many attempts have failed. */
  #failed = 0;
  /** Until the attempt is given up, the next heartbeat, its answer is missing, or the next attempt. */
  #timer: ReturnType<typeof setTimeout> = 0 as never;

  #connection: Connection | undefined;

  /** Bytes as they were. */
  #outbox: (string | Uint8Array)[] = [];
  #outboxBytes = 0;
  readonly #inbox = new Inbox<string | ArrayBuffer>();
  readonly #topics = new Map<string, readonly [Topic, Inbox<ClientTopicMessage>]>();
  /** Of each topic that of its newest message, the newest of all first. */
  #positions: readonly (readonly [topic: string, position: string])[];

  /**
   * Connects.
   *
   * @throws a TypeError for an option that is wrong, and where there is no WebSocket; for a `url` that is no function what the
   * platform's WebSocket throws
   */
  constructor(url: Asked<string | URL>, options: SocleClientOptions = {}) {
    super();
    const { WebSocket = globalThis.WebSocket, protocols = [], positions = [] } = options;
    if (!WebSocket) throw new TypeError("No WebSocket: set the option WebSocket.");
    this.#options = settled(options);
    this.#url = url;
    // Once: an iterator gives them once.
    topicsName((this.#positions = [...positions]));
    this.#renew();
    if (typeof url === "function" || typeof protocols === "function") void this.#connect();
    else {
      this.#open(url, protocols);
      this.#wait(this.#options.heartbeatTimeoutMs, this.#silent);
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

  /** Of each topic that of its newest message, those of the newest first: the option `positions` of another client. */
  get positions(): Map<string, string> {
    return new Map(this.#positions);
  }

  /** What comes of a topic. The same name has the same object. */
  topic(name: string): ClientTopic {
    const known = this.#topics.get(name);
    if (known) return known[0];
    const inbox = new Inbox<ClientTopicMessage>();
    const topic = new Topic(name, inbox);
    this.#topics.set(name, [topic, inbox]);
    return topic;
  }

  /**
   * Sends a message: at once, or as soon as there is a connection and the server takes it.
   *
   * @throws {@link OutboxFullError} if too much waits; an Error after the end; a TypeError for what is no text and no bytes
   */
  send(data: Sendable): void {
    if (typeof data !== "string" && data?.byteLength === undefined) throw new TypeError("Send a string or bytes.");
    if (this.#status === "closed") throw new Error("The client is closed.");
    if (this.#outbox.length === 0 && this.#connection?.give(data)) return;
    const { maxOutboxMessages, maxOutboxBytes } = this.#options;
    const copy = typeof data === "string" ? data : dataFrame(data).subarray(1);
    const bytes = this.#outboxBytes + copy.length;
    if (this.#outbox.length >= maxOutboxMessages || bytes > maxOutboxBytes)
      throw new OutboxFullError("Outbox full: see maxOutboxMessages and maxOutboxBytes.");
    this.#outbox.push(copy);
    this.#outboxBytes = bytes;
  }

  /**
   * Ends it for good.
   *
   * @throws what the platform's `close` throws, where there is a connection
   */
  close(code = 1000, reason = ""): void {
    if (this.#status === "closed") return;
    this.#connection?.socket.close(code, reason);
    this.#end({ code, reason, wasClean: true }, this.#leave(LOST));
  }

  /**
   * The messages from now on, over all connections, until the client is closed. The server waits until each is taken from here,
   * also after a `break`; another iteration goes on where that was left.
   */
  [Symbol.asyncIterator](): AsyncGenerator<string | ArrayBuffer, void, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#wait(this.#options.heartbeatTimeoutMs, this.#silent);
    try {
      const url = await asked(this.#url);
      const protocols = await asked(this.#options.protocols ?? []);
      if (attempt === this.#attempt) this.#open(url, protocols);
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(LOST, error);
    }
  }

  #wait(milliseconds: number, run: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(run, milliseconds);
  }

  readonly #silent = (): void => this.#lose(LOST, new Error("No answer in heartbeatTimeoutMs."));

  /**
   * One connection, and all that is its alone: it is forgotten with it.
   *
   * @throws what the platform's WebSocket throws
   */
  #open(url: string | URL, protocols: string | readonly string[]): void {
    const { heartbeatMs, heartbeatTimeoutMs, autoResponse, minDelayMs, maxDelayMs } = this.#options;
    const attempt = this.#attempt;
    let openedAt: number | undefined;
    let response: string | undefined;
    let request: string | undefined;
    let isAwaited = false;
    let sentAt: number;
    let receivedAt: number;
    /** How many messages it was given, how many of them have arrived, and how many will have by the next answer. */
    let sent = 0;
    let arrived = 0;
    let arriving: number | undefined;
    /** How many may wait at the server, are given to it at once, and in how many milliseconds it has forgotten one of them. */
    let most = Infinity;
    let burst: number;
    let each: number;
    let spentUntil = 0;
    let pause: ReturnType<typeof setTimeout>;
    /** Messages that came, from the first on that is not taken. */
    const untaken: { queues: number; take: () => void }[] = [];

    const here =
      <Given extends unknown[]>(run: (...given: Given) => void) =>
      (...given: Given) => {
        if (attempt === this.#attempt) run(...given);
      };
    const watch = () => {
      clearTimeout(this.#timer);
      if (!heartbeatMs) return;
      const rest = Math.min(sentAt, receivedAt) + heartbeatMs - now();
      if (rest > 0) this.#wait(rest, watch);
      else beat();
    };
    const beat = () => {
      if (!request || isAwaited) return;
      isAwaited = true;
      sentAt = now();
      // One whose answer hasn't come yet has asked already.
      if (arriving === undefined) {
        arriving = sent;
        socket.send(request);
      }
      // In two halves: behind a sleep, or a script that blocks, what has come meanwhile is read before the second has passed.
      this.#wait(heartbeatTimeoutMs / 2, () => this.#wait(heartbeatTimeoutMs / 2, this.#silent));
    };
    const heard = () => {
      receivedAt = now();
      if (!isAwaited) return;
      isAwaited = false;
      watch();
    };
    const give = (data: Sendable): boolean => {
      if (openedAt === undefined || socket.readyState !== 1) return false;
      const early = spentUntil - now() - Math.max(each * (burst - 1) || 0, 0);
      clearTimeout(pause);
      if (early > 0) {
        pause = setTimeout(() => this.#flush(), early);
        return false;
      }
      spentUntil = Math.max(spentUntil, now()) + each;
      socket.send(data);
      sentAt = now();
      sent++;
      return true;
    };
    const link: Link = {
      ...this.#options,
      positions: this.#positions,
      settled: here(([, answer = autoResponse?.response, question = autoResponse?.request, ...numbers]) => {
        const [waiting, messages, perMs] = numbers.map(Number) as [number, number, number];
        [response, request] = [answer, question];
        most = waiting || most;
        // Half of what it takes: on their way messages catch up with each other. How fast callbacks are nobody tells: as many as
        // may wait are taken to need a quarter of a second.
        burst = Math.min(messages || most, most) / 2;
        each = Math.max((perMs / messages) * 2 || 0, 500 / most);
        openedAt = sentAt = receivedAt = now();
        watch();
        this.#settle[0]();
        // What listeners send goes before what waits.
        const behind = this.#outbox;
        this.#outbox = [];
        this.#become("open");
        if (this.#status === "open") this.#emit("open");
        this.#outbox = [...this.#outbox, ...behind];
        this.#flush();
      }),
      message: here((message, take, isCounted) => {
        const { data, topic, position } = message;
        if (!isCounted && data === response && arriving !== undefined) {
          arrived = arriving;
          // Before the next one, which may be due at once.
          arriving = undefined;
          return heard();
        }
        heard();
        this.#move(topic, position);
        const [target, inbox] = this.#topics.get(topic!) ?? [];
        const one = { queues: inbox ? 2 : 1, take };
        untaken.push(one);
        const taken = () => {
          one.queues--;
          // An acknowledgement stands for all before it too.
          while (untaken[0]?.queues === 0) untaken.shift()!.take();
        };
        inbox?.give(message, taken, () => this.#emit("message", message, "MessageEvent", target));
        // A listener of the topic's may have closed the client.
        this.#inbox.give(
          data,
          taken,
          here(() => this.#emit("message", message, "MessageEvent")),
        );
      }),
    };
    const socket = new SocleWebSocket(url, protocols, link);
    socket.addEventListener(
      "recovery",
      here(({ topic, position, recovered }) => {
        heard();
        // What was recovered follows what the client has.
        if (!recovered) this.#move(topic, position);
        const [target] = this.#topics.get(topic) ?? [];
        if (target) this.#emit("recovery", { topic, position, recovered }, "Event", target);
      }),
    );
    socket.addEventListener(
      "close",
      here(({ code, reason, wasClean }) => this.#lose({ code, reason, wasClean })),
    );
    const drop = ({ code, wasClean }: Closing): number => {
      // A server that lets go of whoever comes is no better than one that takes nobody.
      if (now() - openedAt! >= Math.min(maxDelayMs, minDelayMs * 2 ** this.#failed)) this.#failed = 0;
      clearTimeout(pause);
      socket.close();
      // Of what has arrived a server that closes drops what waits for a callback, and behind a limit all that came.
      const dropped = [1008, 1009, 1013].includes(code) ? sent : most;
      return Math.min(sent, sent - arrived + (wasClean ? dropped : 0));
    };
    this.#connection = { socket, give, beat, drop };
  }

  #flush(): void {
    while (this.#outbox.length > 0 && this.#connection?.give(this.#outbox[0]!))
      this.#outboxBytes -= this.#outbox.shift()!.length;
  }

  /** Of a topic something newer has come. */
  #move(topic: string | undefined, position: string | undefined): void {
    if (!topic) return;
    const others = this.#positions.filter(([one]) => one !== topic);
    this.#positions = position ? [[topic, position], ...others] : others;
  }

  #lose(closing: Closing, error?: unknown): void {
    const mayBeLost = this.#leave(closing);
    const { minDelayMs, maxDelayMs, shouldReconnect = isNoWord } = this.#options;
    let isBack = true;
    report(() => (isBack = shouldReconnect(eventOf("close", closing, "CloseEvent"))));
    // That may have closed it.
    if (this.#status === "closed") return;
    if (!isBack) return this.#end({ ...closing, error }, mayBeLost);
    this.#wait(Math.random() * Math.min(maxDelayMs, minDelayMs * 2 ** this.#failed++), this.#retry);
    this.#become("waiting", { ...closing, error, mayBeLost });
  }

  /** Nothing is left of a connection. @returns how many messages may be lost with it */
  #leave(closing: Closing): number {
    if (this.#status === "open") this.#renew();
    this.#attempt++;
    clearTimeout(this.#timer);
    const lost = this.#connection?.drop(closing) ?? 0;
    this.#connection = undefined;
    return lost;
  }

  readonly #retry = (): void => {
    // The browser says when there is a network again.
    if (page.navigator?.onLine === false) return;
    this.#become("connecting");
    if (this.#status === "connecting") void this.#connect();
  };

  /** Something has changed about the network. */
  readonly #look = (): void => {
    if (this.#status === "waiting") this.#retry();
    else this.#connection?.beat();
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
    this.#ready = new Promise((...settle) => (this.#settle = settle));
    // Who doesn't wait for it is not told of a fault.
    this.#ready.catch(() => {});
  }

  #end(closing: Closing & { readonly error?: unknown }, lost: number): void {
    this.#status = "closed";
    this.#listen("removeEventListener");
    this.#settle[1](new Error("The client is closed."));
    // A listener that is added behind `close()` is called, as that of a WebSocket.
    queueMicrotask(() => {
      const end = { ...closing, mayBeLost: lost + this.#outbox.length };
      this.#become("closed", end);
      this.#emit("close", end, "CloseEvent");
      this.#inbox.end();
      for (const [, inbox] of this.#topics.values()) inbox.end();
    });
  }

  #become(status: ClientStatus, more?: object): void {
    this.#status = status;
    this.#emit("status", { mayBeLost: 0, ...more, status });
  }

  #emit(type: string, properties?: object, name?: string, target: Parameters<typeof emit>[0] = this): void {
    emit(target, eventOf(type, properties, name));
  }
}
