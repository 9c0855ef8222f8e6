// A client that reconnects: one connection after the other, the queued messages, and the position of each topic.
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

type Sendable = string | ArrayBuffer | ArrayBufferView;

/** The message was not queued, because it would exceed `maxOutboxMessages` or `maxOutboxBytes`. The queued messages stay. */
export class OutboxFullError extends Error {
  override readonly name = "OutboxFullError";
}

/** What the client needs of its current connection. */
interface Connection {
  readonly socket: SocleWebSocket;
  /** @returns false if the server can't take a message now */
  give(data: Sendable): boolean;
  /** Sends a heartbeat immediately. */
  beat(): void;
  /** Abandons the connection. @returns how many messages may be lost if it ended this way */
  drop(closing: Closing): number;
}

/**
 * A client that reconnects after each loss of the connection. It detects dead connections, queues the messages that you
 * send meanwhile, and resumes each topic at its last position.
 *
 * ```ts
 * const client = new SocleClient(async () => `wss://example.com/chat/lobby?token=${await freshToken()}`);
 * client.topic("lines").addEventListener("message", ({ data }) => show(data));
 * client.send("hello");
 * ```
 *
 * @see partysocket, which is similar; {@link SocleWebSocket} for one connection
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

  /** Events of an earlier attempt, or of its connection, are ignored by this number. */
  #attempt = 0;
  /** How many attempts have failed in a row. */
  #failed = 0;
  /** One timer for four times: to give up the attempt, the next heartbeat, its missing answer, the next attempt. */
  #timer: ReturnType<typeof setTimeout> = 0 as never;

  #connection: Connection | undefined;

  /** Binary messages are copied at the call. */
  #outbox: (string | Uint8Array)[] = [];
  #outboxBytes = 0;
  readonly #inbox = new Inbox<string | ArrayBuffer>();
  readonly #topics = new Map<string, readonly [Topic, Inbox<ClientTopicMessage>]>();
  /** The position of each topic's newest message, the newest of all first. */
  #positions: readonly (readonly [topic: string, position: string])[];

  /**
   * Connects.
   *
   * @param url where to connect, or a function that is called before each attempt, for example to get a fresh token
   * @throws a TypeError for an invalid option, and if there is no WebSocket; for a `url` that is not a function, what
   * the platform's WebSocket throws
   */
  constructor(url: Asked<string | URL>, options: SocleClientOptions = {}) {
    super();
    const { WebSocket = globalThis.WebSocket, protocols = [], positions = [] } = options;
    if (!WebSocket) throw new TypeError("No WebSocket: set the option WebSocket.");
    this.#options = settled(options);
    this.#url = url;
    // Read once: an iterator can be read only once.
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

  /** Resolves when the client is connected; rejects if it is closed for good. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** The position of each topic's newest message, the newest first. Pass it as the option `positions` of another client. */
  get positions(): Map<string, string> {
    return new Map(this.#positions);
  }

  /** The messages of a topic. The same name gives the same object. */
  topic(name: string): ClientTopic {
    const known = this.#topics.get(name);
    if (known) return known[0];
    const inbox = new Inbox<ClientTopicMessage>();
    const topic = new Topic(name, inbox);
    this.#topics.set(name, [topic, inbox]);
    return topic;
  }

  /**
   * Sends a message: immediately, or as soon as there is a connection and the server can take it.
   *
   * @throws {@link OutboxFullError} if too much is queued; an Error after the end; a TypeError for anything but a text
   * or bytes
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
   * Closes the client for good.
   *
   * @throws what the platform's `close` throws, if there is a connection
   */
  close(code = 1000, reason = ""): void {
    if (this.#status === "closed") return;
    this.#connection?.socket.close(code, reason);
    this.#end({ code, reason, wasClean: true }, this.#leave(LOST));
  }

  /**
   * Takes the messages from now on, over all connections, until the client is closed. From now on the server waits
   * until each is taken here, also after a `break`. A second iteration continues where the first one stopped.
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
   * Opens one connection. Everything in this method belongs to that connection alone and is forgotten with it.
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
    /** How many messages the connection was given, how many of them have arrived, and how many the next answer confirms. */
    let sent = 0;
    let arrived = 0;
    let arriving: number | undefined;
    /** How many messages may be queued at the server, how many may be sent to it at once, and after how many milliseconds one more. */
    let most = Infinity;
    let burst: number;
    let each: number;
    let spentUntil = 0;
    let pause: ReturnType<typeof setTimeout>;
    /** Messages that arrived, from the first on that is not taken. */
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
      // A heartbeat without an answer is still waiting: don't send another.
      if (arriving === undefined) {
        arriving = sent;
        socket.send(request);
      }
      // In two halves: after a sleep, or a script that blocks, messages that arrived meanwhile are read before the second half is over.
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
        // Half of what the server accepts, because messages catch up with each other on the way. The speed of the
        // callbacks is unknown: the client assumes a quarter of a second for as many as may be queued.
        burst = Math.min(messages || most, most) / 2;
        each = Math.max((perMs / messages) * 2 || 0, 500 / most);
        openedAt = sentAt = receivedAt = now();
        watch();
        this.#settle[0]();
        // Messages that listeners send go before the queued ones.
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
          // Cleared before the next heartbeat, which may be due immediately.
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
          // An acknowledgement also covers all messages before it.
          while (untaken[0]?.queues === 0) untaken.shift()!.take();
        };
        inbox?.give(message, taken, () => this.#emit("message", message, "MessageEvent", target));
        // A listener of the topic may have closed the client.
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
        // Recovered messages follow those that the client has.
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
      // A server that drops each client soon is no better than one that is down: the delays don't start over.
      if (now() - openedAt! >= Math.min(maxDelayMs, minDelayMs * 2 ** this.#failed)) this.#failed = 0;
      clearTimeout(pause);
      socket.close();
      // A server that closes drops queued messages that have arrived; after an exceeded limit it drops all of them.
      const dropped = [1008, 1009, 1013].includes(code) ? sent : most;
      return Math.min(sent, sent - arrived + (wasClean ? dropped : 0));
    };
    this.#connection = { socket, give, beat, drop };
  }

  #flush(): void {
    while (this.#outbox.length > 0 && this.#connection?.give(this.#outbox[0]!))
      this.#outboxBytes -= this.#outbox.shift()!.length;
  }

  /** A server that closes drops arrived messages that wait for a callback, at most `most`; after an exceeded limit it may drop all. */
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
    // shouldReconnect may have closed the client.
    if (this.#status === "closed") return;
    if (!isBack) return this.#end({ ...closing, error }, mayBeLost);
    this.#wait(Math.random() * Math.min(maxDelayMs, minDelayMs * 2 ** this.#failed++), this.#retry);
    this.#become("waiting", { ...closing, error, mayBeLost });
  }

  /** Abandons the connection, if there is one. @returns how many messages may be lost with it */
  #leave(closing: Closing): number {
    if (this.#status === "open") this.#renew();
    this.#attempt++;
    clearTimeout(this.#timer);
    const lost = this.#connection?.drop(closing) ?? 0;
    this.#connection = undefined;
    return lost;
  }

  readonly #retry = (): void => {
    // The client doesn't try while offline: the event "online" follows.
    if (page.navigator?.onLine === false) return;
    this.#become("connecting");
    if (this.#status === "connecting") void this.#connect();
  };

  /** The network may have changed. */
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
    // A rejection that nobody awaits is not reported.
    this.#ready.catch(() => {});
  }

  #end(closing: Closing & { readonly error?: unknown }, lost: number): void {
    this.#status = "closed";
    this.#listen("removeEventListener");
    this.#settle[1](new Error("The client is closed."));
    // A listener that is added right after `close()` is still called, as with a WebSocket.
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
