// The client's end of `socle.v1`, as a WebSocket. What the application took is acknowledged, and nothing else.
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

/** What stands behind the application's subprotocol on the wire. */
const WIRE = /(^|\+)socle\.v1$/;

/** How long what was taken may stay unacknowledged, in milliseconds. */
const IDLE = 250;

/** For a frame that `socle.v1` doesn't have: a browser sends no 1002. */
const MALFORMED = 4002;

/** A message as it comes. */
export type Message = Pick<Published, "data"> & Partial<Published>;

/** Who has it as one of many connections. */
export interface Link extends ClientOptions {
  /** The server knows none of Socle's subprotocols. */
  readonly plain?: boolean | undefined;
  /** The server takes messages, and has told this. */
  settled(settings: Settings): void;
  /**
   * In place of the event.
   *
   * @param take says that the application has taken it
   * @param isCounted false for a text frame with the answer to a heartbeat, and for all of a plain connection
   */
  message(message: Message, take: () => unknown, isCounted: boolean): void;
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
 * It is one connection: a {@link SocleClient} comes back. To `partysocket` or `reconnecting-websocket` it is given as their
 * `WebSocket`.
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
  readonly #link: Link | undefined;
  /** The server speaks `socle.v1`. */
  #isFlowControlled = false;
  /** By this end. */
  #isClosed = false;
  #isOpened = false;
  #isEnded = false;
  /** Since the first frame. */
  #settings: Settings | undefined;
  /** How many messages were taken. */
  #taken = 0;
  /** The size of those that are not acknowledged. */
  #size = 0;
  #timer: ReturnType<typeof setTimeout> = 0 as never;
  readonly #inbox = new Inbox<ClientData>();

  /**
   * Connects.
   *
   * @param protocols the application's subprotocols, the preferred first. The server is offered each with `socle.v1` and
   * without
   * @throws what the class under it throws; a TypeError if there is none, and for positions that are no pairs of texts
   */
  constructor(url: string | URL, protocols: string | readonly string[] = [], options: ClientOptions = {}) {
    super();
    const {
      WebSocket = (globalThis as ClientOptions).WebSocket,
      positions = [],
      plain,
      settled,
    } = options as Partial<Link>;
    if (!WebSocket) throw new TypeError("No WebSocket: give the option WebSocket.");
    this.#link = settled && (options as Link);
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
    const offered = names.length ? names.flatMap((name) => [`${name}+${PROTOCOL}`, name]) : [PROTOCOL];
    // Who comes back is not to wonder whether it was the network that failed. Not the first: the dev server of Cloudflare's Vite plugin
    // answers with the first, whichever the Worker has chosen.
    if (this.#link) offered.push(PLAIN);
    offered.push(topicsName(positions));
    this.#connect((offers) => new WebSocket(url as never, offers as never), plain ? names : offered);
  }

  get url(): string {
    return this.#socket.url ?? "";
  }

  /** The application's subprotocol that was agreed on, "" if none. */
  get protocol(): string {
    return (this.#socket.protocol ?? "").replace(WIRE, "");
  }

  get extensions(): string {
    return this.#socket.extensions ?? "";
  }

  get readyState(): 0 | 1 | 2 | 3 {
    // Node's stays 2 if it was closed while it connected; and between two attempts there is none.
    if (this.#isEnded) return 3;
    if (this.#isOpened) return this.#socket.readyState as 0;
    return this.#isClosed ? 2 : 0;
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === 1;
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
    clearTimeout(this.#timer);
  }

  /**
   * The messages from now on, until the connection ends. From now on none is acknowledged that was not taken from here,
   * also after a `break`; another iteration goes on where that was left.
   */
  [Symbol.asyncIterator](): AsyncGenerator<ClientData, void, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  /** Tries without `socle.v1` too, where nothing else was offered: clients don't accept that none is agreed on. */
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

  /** Reads all of a frame before any of it is delivered: what a delivery throws is not the server's fault. */
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
      else malformed("settings that are not the first frame");
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
    // Of a text its UTF-16 units, as the protocol allows: they are at hand.
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
