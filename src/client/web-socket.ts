// The client's end of `socle.v1`, as a WebSocket. What the application took is acknowledged, and nothing else.
import {
  acknowledgement,
  FrameReader,
  lengthOf,
  malformed,
  OVERHEAD,
  PLACE,
  PROTOCOL,
  PUBLICATIONS,
  SETTINGS,
  WINDOW,
} from "../wire/frame.ts";
import { topicsName } from "../wire/positions.ts";
import { type Published, readPublications, readRecovery, type Recovery } from "../wire/publication.ts";
import { binaryFrame, blobOf } from "./blob.ts";
import type {
  ClientCloseEvent,
  ClientData,
  ClientEvents,
  ClientMessageEvent,
  ClientRecoveryEvent,
} from "./client-events.ts";
import { eventOf, report, Target, type TargetOf } from "./events.ts";

/** How long what was taken may stay unacknowledged, in milliseconds. */
const IDLE = 250;

/** For a frame that `socle.v1` doesn't have: a browser sends no 1002. */
const MALFORMED = 4002;

/** A message as it comes. */
type Message = Pick<Published, "data"> & Partial<Published>;

/** A message that is not taken yet, and whether the server counts it. */
type Untaken = readonly [data: ClientData, isCounted: boolean];

/** What a {@link SocleWebSocket} needs of the class under it. */
export interface PlatformWebSocket {
  readonly url: string | null;
  readonly protocol: string | null;
  readonly extensions: string | null;
  readonly readyState: number;
  send(data: never): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: never, listener: never): void;
}

/** The options of a {@link SocleWebSocket}. */
export interface ClientOptions {
  /** The class under it, such as that of `ws`; the global `WebSocket` if absent, which Node has from version 22 on. */
  WebSocket?: new (url: never, protocols: never) => PlatformWebSocket;
  /**
   * The `position` of the last message of each topic, with which the client comes back: a `Map` fits. Give the topics of the
   * newest messages first: the server is told as many as fit in 3,072 bytes of JSON, and uses those of the topics that it
   * subscribes with `since: "client"`.
   */
  positions?: Iterable<readonly [topic: string, position: string]>;
}

/**
 * A WebSocket that tells the server what its application took, so that the server waits for it. Its interface is that of
 * the platform's `WebSocket`, and against a server that doesn't speak `socle.v1` it is one.
 *
 * ```ts
 * const socket = new SocleWebSocket("wss://example.com/prices");
 * for await (const message of socket) await show(message);
 * ```
 *
 * To `partysocket` or `reconnecting-websocket` it is given as their `WebSocket`.
 *
 * @see the browser's `WebSocket`
 */
export class SocleWebSocket extends (Target as new () => TargetOf<ClientEvents>) implements AsyncIterable<ClientData> {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  onopen: ((event: Event) => unknown) | null = null;
  onmessage: ((event: ClientMessageEvent) => unknown) | null = null;
  onrecovery: ((event: ClientRecoveryEvent) => unknown) | null = null;
  onerror: ((event: Event) => unknown) | null = null;
  onclose: ((event: ClientCloseEvent) => unknown) | null = null;

  /** How binary messages are given. Where the platform makes no Blob of bytes, as React Native, each is an ArrayBuffer. */
  binaryType: "blob" | "arraybuffer" = "blob";

  #socket!: PlatformWebSocket;
  /** The server speaks `socle.v1`. */
  #isFlowControlled = false;
  /** By this end. */
  #isClosed = false;
  #isOpened = false;
  #isEnded = false;
  #hasReceived = false;
  #window = WINDOW;
  /** A text frame of it is the answer to a ping, which nobody counts. */
  #uncounted: unknown;
  /** How many messages were taken. */
  #taken = 0;
  /** The size of those that are not acknowledged. */
  #size = 0;
  #timer: ReturnType<typeof setTimeout> = 0 as never;
  /** What the iteration has not taken; undefined until there is one. */
  #untaken: Untaken[] | undefined;
  /** Iterations that wait for a message or the end. */
  readonly #iterations: (() => void)[] = [];

  /**
   * Connects.
   *
   * @param protocols the application's subprotocols, the preferred first. The server is offered each with `socle.v1` and
   * without
   * @throws what the class under it throws; a TypeError if there is none, and for positions that are no pairs of texts
   */
  constructor(
    url: string | URL,
    protocols: string | readonly string[] = [],
    { WebSocket = (globalThis as unknown as Required<ClientOptions>).WebSocket, positions = [] }: ClientOptions = {},
  ) {
    super();
    if (!WebSocket) throw new TypeError("There is no global WebSocket: give a class as the option WebSocket.");
    // The EventTarget of Workers calls what stands under `on…` by itself, others don't. It is asked by an event of which nobody
    // else can know yet.
    let isCalled = false;
    /* oxlint-disable unicorn/prefer-add-event-listener -- it is about the other way */
    this.onopen = () => (isCalled = true);
    super.dispatchEvent(eventOf("open"));
    this.onopen = null;
    /* oxlint-enable unicorn/prefer-add-event-listener */
    for (const type of ["open", "message", "recovery", "error", "close"] as const) {
      if (!isCalled) this.addEventListener(type, (event: Event) => this[`on${type}`]?.(event as never));
    }
    const names = [protocols].flat();
    const offered = names.length > 0 ? names.flatMap((name) => [`${name}+${PROTOCOL}`, name]) : [PROTOCOL];
    this.#connect((offers) => new WebSocket(url as never, offers as never), [...offered, topicsName(positions)]);
  }

  get url(): string {
    return this.#socket.url ?? "";
  }

  /** The application's subprotocol that was agreed on, "" if none. */
  get protocol(): string {
    const { protocol } = this.#socket;
    return (this.#isFlowControlled ? protocol?.slice(0, -PROTOCOL.length - 1) : protocol) ?? "";
  }

  get extensions(): string {
    return this.#socket.extensions ?? "";
  }

  get readyState(): 0 | 1 | 2 | 3 {
    // Node's stays 2 if it was closed while it connected; and between two attempts there is none.
    if (this.#isEnded) return this.CLOSED;
    if (this.#isOpened) return this.#socket.readyState as 0;
    return this.#isClosed ? this.CLOSING : this.CONNECTING;
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.OPEN;
  }

  /** What was sent and has not left yet, in bytes; of this end, not of the server's. */
  get bufferedAmount(): number {
    return (this.#socket as { bufferedAmount?: number }).bufferedAmount ?? 0;
  }

  /**
   * @throws what the platform's `send` throws, while the connection is being made; a TypeError for a Blob where the platform
   * makes none of bytes
   */
  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void {
    this.#socket.send((this.#isFlowControlled && typeof data !== "string" ? binaryFrame(data) : data) as never);
  }

  /** @throws what the platform's `close` throws */
  close(code?: number, reason?: string): void {
    this.#isClosed = true;
    this.#socket.close(code, reason);
  }

  /**
   * The messages from now on, until the connection ends. From now on none is acknowledged that was not taken from here,
   * also after a `break`; another iteration goes on where that was left.
   */
  [Symbol.asyncIterator](): AsyncGenerator<ClientData, void, undefined> {
    return this.#iterate((this.#untaken ??= []));
  }

  async *#iterate(untaken: Untaken[]): AsyncGenerator<ClientData, void, undefined> {
    for (;;) {
      const next = untaken.shift();
      if (next) {
        this.#take(next);
        yield next[0];
      } else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => this.#iterations.push(resolve));
    }
  }

  /** Tries without `socle.v1` too, where nothing else was offered: clients don't accept that none is agreed on. */
  #connect(open: (protocols: string[]) => PlatformWebSocket, protocols: string[]): void {
    const socket = (this.#socket = open(protocols));
    (socket as { binaryType?: string }).binaryType = "arraybuffer";
    const mayRetry = () => protocols[0] === PROTOCOL && !this.#isOpened && !this.#isClosed;
    const on = (type: string, listener: (event: never) => void) =>
      socket.addEventListener(type as never, listener as never);
    on("open", () => {
      this.#isOpened = true;
      this.#isFlowControlled = /(^|\+)socle\.v1$/.test(socket.protocol!);
      this.#emit(eventOf("open"));
    });
    on("message", ({ data }: { data: string | ArrayBuffer }) => this.#receive(data));
    on("error", ({ error, message }: { error?: unknown; message?: string }) => {
      if (!mayRetry()) this.#emit(eventOf("error", error ? { error, message } : {}));
    });
    on("close", ({ code, reason, wasClean }: ClientCloseEvent) => {
      if (mayRetry()) return this.#connect(open, []);
      this.#isEnded = true;
      clearTimeout(this.#timer);
      this.#emit(eventOf("close", { code, reason, wasClean }, "CloseEvent"));
      this.#wake();
    });
  }

  /** Reads all of a frame before any of it is delivered: what a delivery throws is not the server's fault. */
  #receive(frame: string | ArrayBuffer): void {
    const isFirst = !this.#hasReceived;
    this.#hasReceived = true;
    if (!this.#isFlowControlled) return this.#deliver({ data: frame }, false);
    if (typeof frame === "string") return this.#deliver({ data: frame }, frame !== this.#uncounted);
    const messages: Message[] = [];
    let recovery: Recovery | undefined;
    let refusal: string | undefined;
    try {
      const reader = new FrameReader(frame);
      if (reader.type === PUBLICATIONS) for (const message of readPublications(reader)) messages.push(message);
      else if (reader.type === PLACE) recovery = readRecovery(reader);
      else if (reader.type !== SETTINGS) for (const data of reader.messages()) messages.push({ data });
      else {
        if (!isFirst) malformed("settings that are not the first frame");
        this.#window = reader.number();
        const items = [...reader.items()];
        if (items.some((item) => typeof item !== "string")) malformed("settings that hold bytes");
        [this.#uncounted] = items;
      }
    } catch (error) {
      refusal = (error as Error).message;
    }
    for (const message of messages) this.#deliver(message, true);
    if (recovery && this.#isOpen) this.#emit(eventOf("recovery", recovery));
    if (refusal) this.#socket.close(MALFORMED, refusal);
  }

  #deliver(message: Message, isCounted: boolean): void {
    if (!this.#isOpen) return;
    const { data: given } = message;
    const data = typeof given !== "string" && this.binaryType === "blob" ? (blobOf(given) ?? given) : given;
    const untaken = this.#untaken;
    const one: Untaken = [data, isCounted];
    untaken?.push(one);
    this.#emit(eventOf("message", { ...message, data }, "MessageEvent"));
    if (untaken) this.#wake();
    else this.#take(one);
  }

  #take([data, isCounted]: Untaken): void {
    if (!isCounted || this.#window === 0) return;
    this.#taken++;
    this.#size +=
      OVERHEAD +
      (typeof data === "string" ? lengthOf(data) : ((data as Blob).size ?? (data as ArrayBuffer).byteLength));
    if (this.#size * 4 >= this.#window) this.#acknowledge();
    else this.#timer ||= setTimeout(() => this.#acknowledge(), IDLE);
  }

  #acknowledge(): void {
    clearTimeout(this.#timer);
    this.#timer = 0 as never;
    this.#size = 0;
    if (this.#isOpen) this.#socket.send(acknowledgement(this.#taken) as never);
  }

  /** What a listener throws is reported, and stops nothing here: before 2026-09-15 a Worker's dispatch throws it instead. */
  #emit(event: Event): void {
    report(() => this.dispatchEvent(event));
  }

  #wake(): void {
    for (const goOn of this.#iterations.splice(0)) goOn();
  }
}
