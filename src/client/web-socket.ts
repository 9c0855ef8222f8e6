// The client's end of `socle.v1`, as a WebSocket. It acknowledges only messages that the application has taken.
import {
  acknowledgement,
  FrameReader,
  malformed,
  OVERHEAD,
  PLACE,
  PLAIN,
  PROTOCOL,
  PUBLICATIONS,
  SETTINGS,
  WINDOW,
} from "../wire/frame.ts";
import { topicsName } from "../wire/positions.ts";
import { type Published, readPublications, readRecovery, type Recovery } from "../wire/publication.ts";
import { readSettings, type Settings } from "../wire/settings.ts";
import { binaryFrame, blobOf } from "./blob.ts";
import type {
  ClientCloseEvent,
  ClientData,
  ClientEvents,
  ClientMessageEvent,
  ClientRecoveryEvent,
} from "./client-events.ts";
import type { ClientOptions, PlatformWebSocket } from "./client-options.ts";
import { emit, eventOf, Target, type TargetOf } from "./events.ts";
import { Inbox } from "./inbox.ts";

/** The suffix that `socle.v1` adds to the application's subprotocol on the wire. */
const WIRE = /(^|\+)socle\.v1$/;

/** How long a taken message may stay unacknowledged, in milliseconds. */
const IDLE = 250;

/** The close code for a malformed frame: a browser can't send 1002. */
const MALFORMED = 4002;

/** A message as it arrives. */
export type Message = Pick<Published, "data"> & Partial<Published>;

/** The hooks of a SocleClient, for which this is one of many connections. */
export interface Link extends ClientOptions {
  /** The server knows none of Socle's subprotocols. */
  readonly plain?: boolean | undefined;
  /** The server accepts messages, and has sent these settings. */
  settled(settings: Settings): void;
  /**
   * Called instead of dispatching the event.
   *
   * @param take marks the message as taken by the application
   * @param isCounted false for a text frame with the answer to a heartbeat, and for all messages of a plain connection
   */
  message(message: Message, take: () => unknown, isCounted: boolean): void;
}

/**
 * A WebSocket that tells the server which messages its application has taken, so that the server can wait for it. Its
 * interface is that of the platform's `WebSocket`, and against a server that doesn't speak `socle.v1` it behaves as
 * one.
 *
 * ```ts
 * const socket = new SocleWebSocket("wss://example.com/prices");
 * for await (const message of socket) await show(message);
 * ```
 *
 * It is one connection; a {@link SocleClient} reconnects. You can also pass this class as `WebSocket` to `partysocket`
 * or `reconnecting-websocket`.
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

  /**
   * The type in which binary messages are delivered. On a platform that can't make a Blob of bytes, such as React
   * Native, each is an ArrayBuffer.
   */
  binaryType: "blob" | "arraybuffer" = "blob";

  #socket!: PlatformWebSocket;
  readonly #link: Link | undefined;
  /** The server speaks `socle.v1`. */
  #isFlowControlled = false;
  /** Closed by this end. */
  #isClosed = false;
  #isOpened = false;
  #isEnded = false;
  /** Set by the first frame. */
  #settings: Settings | undefined;
  /** How many messages were taken. */
  #taken = 0;
  /** The size of the messages that are taken and not acknowledged. */
  #size = 0;
  #timer: ReturnType<typeof setTimeout> = 0 as never;
  readonly #inbox = new Inbox<ClientData>();

  /**
   * Connects.
   *
   * @param protocols the application's subprotocols, the preferred one first. Each is offered with and without
   * `socle.v1`
   * @throws what the underlying class throws; a TypeError if there is no such class, and for `positions` that aren't
   * pairs of texts
   */
  constructor(url: string | URL, protocols: string | readonly string[] = [], options: ClientOptions = {}) {
    super();
    const {
      WebSocket = (globalThis as ClientOptions).WebSocket,
      positions = [],
      plain,
      settled,
    } = options as Partial<Link>;
    if (!WebSocket) throw new TypeError("No WebSocket: set the option WebSocket.");
    this.#link = settled && (options as Link);
    // The EventTarget of Workers calls the properties `on…` by itself, others don't. A test event finds out before
    // anybody else can listen.
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
    const offered = names.length ? names.flatMap((name) => [`${name}+${PROTOCOL}`, name]) : [PROTOCOL];
    // A SocleClient needs to tell a server that agrees on nothing from a network that failed. Not the first: the dev server of
    // Cloudflare's Vite plugin answers with the first, whichever the Worker has chosen.
    if (this.#link) offered.push(PLAIN);
    offered.push(topicsName(positions));
    this.#connect((offers) => new WebSocket(url as never, offers as never), plain ? names : offered);
  }

  get url(): string {
    return this.#socket.url ?? "";
  }

  /** The application's subprotocol that was negotiated; "" if there is none. */
  get protocol(): string {
    return (this.#socket.protocol ?? "").replace(WIRE, "");
  }

  get extensions(): string {
    return this.#socket.extensions ?? "";
  }

  get readyState(): 0 | 1 | 2 | 3 {
    // Node's readyState stays 2 if the socket was closed while it connected. Between two attempts there is no socket.
    if (this.#isEnded) return 3;
    if (this.#isOpened) return this.#socket.readyState as 0;
    return this.#isClosed ? 2 : 0;
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === 1;
  }

  /** How many bytes were sent and have not left this end yet. The server's queue doesn't count. */
  get bufferedAmount(): number {
    return (this.#socket as { bufferedAmount?: number }).bufferedAmount ?? 0;
  }

  /**
   * Sends a message.
   *
   * @throws what the platform's `send` throws while the connection is being established; a TypeError for a Blob if the
   * platform can't make one of bytes
   */
  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void {
    this.#socket.send((this.#isFlowControlled && typeof data !== "string" ? binaryFrame(data) : data) as never);
  }

  /** Closes the connection. @throws what the platform's `close` throws */
  close(code?: number, reason?: string): void {
    this.#isClosed = true;
    this.#socket.close(code, reason);
    clearTimeout(this.#timer);
  }

  /**
   * Takes the messages from now on, until the connection ends. From now on the socket acknowledges only messages taken
   * by an iteration, also after a `break`. A second iteration continues where the first one stopped.
   */
  [Symbol.asyncIterator](): AsyncGenerator<ClientData, void, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  /**
   * If only Socle's subprotocols were offered, it also tries without them: clients don't accept a handshake that agrees
   * on none.
   */
  #connect(open: (protocols: string[]) => PlatformWebSocket, protocols: string[]): void {
    const socket = (this.#socket = open(protocols));
    (socket as { binaryType?: string }).binaryType = "arraybuffer";
    const mayRetry = () => protocols[0] === PROTOCOL && !this.#link && !this.#isOpened && !this.#isClosed;
    const on = (type: string, listener: (event: never) => void) =>
      socket.addEventListener(type as never, listener as never);
    on("open", () => {
      this.#isOpened = true;
      this.#isFlowControlled = WIRE.test(socket.protocol!);
      emit(this, eventOf("open"));
      if (!this.#isFlowControlled) this.#link?.settled([0]);
    });
    on("message", ({ data }: { data: string | ArrayBuffer }) => this.#receive(data));
    on("error", ({ error, message }: { error?: unknown; message?: string }) => {
      if (!mayRetry()) emit(this, eventOf("error", { error, message }));
    });
    on("close", ({ code, reason, wasClean }: ClientCloseEvent) => {
      if (mayRetry()) return this.#connect(open, []);
      this.#isEnded = true;
      clearTimeout(this.#timer);
      emit(this, eventOf("close", { code, reason, wasClean }, "CloseEvent"));
      this.#inbox.end();
    });
  }

  /**
   * Reads a frame completely before it delivers any of it, so that an error of a listener is not taken for the
   * server's.
   */
  #receive(frame: string | ArrayBuffer): void {
    const isFirst = !this.#settings;
    const settings = (this.#settings ??= [WINDOW]);
    const isMessage = !this.#isFlowControlled || typeof frame === "string";
    if (isMessage) return this.#deliver({ data: frame }, this.#isFlowControlled && frame !== settings[1]);
    const messages: Message[] = [];
    let recovery: Recovery | undefined;
    let refusal: string | undefined;
    try {
      const reader = new FrameReader(frame);
      if (reader.type === PUBLICATIONS) for (const message of readPublications(reader)) messages.push(message);
      else if (reader.type === PLACE) recovery = readRecovery(reader);
      else if (reader.type !== SETTINGS) for (const data of reader.messages()) messages.push({ data });
      else if (isFirst) this.#settings = readSettings(reader);
      else malformed("settings must come first");
    } catch (error) {
      refusal = (error as Error).message;
    }
    if (isFirst) this.#link?.settled(this.#settings);
    for (const message of messages) this.#deliver(message, true);
    if (recovery && this.#isOpen) emit(this, eventOf("recovery", recovery));
    if (refusal) this.#socket.close(MALFORMED, refusal);
  }

  #deliver(message: Message, isCounted: boolean): void {
    if (!this.#isOpen) return;
    const { data: given } = message;
    const take = () => isCounted && this.#take(given);
    if (this.#link) return this.#link.message(message, take, isCounted);
    const data = typeof given !== "string" && this.binaryType === "blob" ? (blobOf(given) ?? given) : given;
    this.#inbox.give(data, take, () => emit(this, eventOf("message", { ...message, data }, "MessageEvent")));
  }

  #take(data: string | ArrayBuffer): void {
    const [window] = this.#settings!;
    if (!window) return;
    this.#taken++;
    // The protocol allows a text's UTF-16 units, which need no encoding.
    this.#size += OVERHEAD + ((data as ArrayBuffer).byteLength ?? (data as string).length);
    if (this.#size * 4 >= window) this.#acknowledge();
    else if (this.#isOpen) this.#timer ||= setTimeout(() => this.#acknowledge(), IDLE);
  }

  #acknowledge(): void {
    clearTimeout(this.#timer);
    this.#timer = 0 as never;
    this.#size = 0;
    if (this.#isOpen) this.#socket.send(acknowledgement(this.#taken) as never);
  }
}
