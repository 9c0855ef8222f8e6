// `socle/client` in workerd, connected to a session of its own endpoint.
import { runInDurableObject } from "cloudflare:test";
import { onOpenStartWsConnection, type Session } from "socle";
import { SocleWebSocket, type ClientOptions } from "socle/client";
import { describe, expect, it, onTestFinished, vi } from "vitest";

import { connect, type Client } from "./support/client.ts";
import { serve, type Served } from "./support/endpoint.ts";
import { acknowledgement, batch, bytes, item, number, type Data } from "./support/flow-client.ts";

// Some tests remove these globals.
const [Close, Message] = [CloseEvent, MessageEvent];

/** The platform's WebSocket, connected to an object without a network. */
class LocalWebSocket extends EventTarget {
  readonly extensions = "";
  protocol = "";
  #client: Client | undefined;

  constructor(
    readonly url: string,
    protocols: string[],
  ) {
    super();
    void this.#connect(protocols);
  }

  get readyState(): number {
    return this.#client?.socket.readyState ?? WebSocket.CONNECTING;
  }

  send(data: string | Uint8Array): void {
    this.#client!.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#client!.socket.close(code, reason);
  }

  async #connect(protocols: string[]): Promise<void> {
    this.#client = await connect(this.url, { "Sec-WebSocket-Protocol": protocols.join(", ") });
    const { socket, protocol } = this.#client;
    this.protocol = protocol;
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      this.dispatchEvent(new Close("close", { code, reason, wasClean }));
    });
    this.dispatchEvent(new Event("open"));
    // Messages that arrived with the 101. No other message can arrive meanwhile.
    for (const data of this.#client.unread) this.dispatchEvent(new Message("message", { data }));
    socket.addEventListener("message", ({ data }) => this.dispatchEvent(new Message("message", { data })));
  }
}

const open = ({ path }: Served) => new SocleWebSocket(path, [], { WebSocket: LocalWebSocket });

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, index) => String(from + index));

/** The size of the messages that still wait for credit. */
const untold = (endpoint: Served) =>
  runInDurableObject(endpoint.stub, (object) => {
    const [session] = (object as never as { openSessions(): Set<Session> }).openSessions();
    return session!.asyncRemote.bufferedAmount;
  });

/** A message's data; for bytes, their numbers. */
function shown(data: unknown): string {
  if (typeof data === "string") return data;
  return data instanceof ArrayBuffer ? new Uint8Array(data).join() : "a Blob";
}

/** An endpoint whose window lets one message go at a time. */
const counting = () =>
  serve({
    flowControl: { window: 1 },
    onOpen: onOpenStartWsConnection(),
    onText: async (_, count, { asyncRemote }) => {
      await Promise.all(numbers(Number(count)).map((text) => asyncRemote.sendText(text)));
    },
  });

describe("the client", () => {
  it("F9: takes a message by its event, and lets the next come", async () => {
    const endpoint = counting();
    const socket = open(endpoint);
    const seen: unknown[] = [];
    socket.addEventListener("message", ({ data }) => void seen.push(data));
    socket.addEventListener("open", () => socket.send("5"));
    await expect.poll(() => seen).toEqual(numbers(5));
    expect(await untold(endpoint)).toBe(0);
    socket.close();
  });

  it("F9: takes no more than its iteration does", async () => {
    const endpoint = counting();
    const socket = open(endpoint);
    const messages = socket[Symbol.asyncIterator]();
    const seen: unknown[] = [];
    socket.onmessage = ({ data }) => void seen.push(data);
    socket.onopen = () => socket.send("5");
    await expect.poll(() => seen).toEqual(["0"]);
    for (let count = 1; count < 5; count++) {
      expect(await untold(endpoint)).toBe(5 - count);
      expect(seen).toEqual(numbers(count));
      expect(await messages.next()).toEqual({ done: false, value: String(count - 1) });
      await expect.poll(() => seen).toEqual(numbers(count + 1));
    }
    expect(await messages.next()).toEqual({ done: false, value: "4" });
    socket.close();
    expect(await messages.next()).toEqual({ done: true, value: undefined });
  });

  it.each([
    [
      "its events",
      (socket: SocleWebSocket, seen: (data: unknown) => void) => {
        socket.addEventListener("message", ({ data }) => seen(data));
      },
    ],
    [
      "an iteration",
      async (socket: SocleWebSocket, seen: (data: unknown) => void) => {
        for await (const data of socket) seen(data);
      },
    ],
  ])(
    "P19: takes the text of autoResponse in a batch like every other, and the text frame of it for none, by %s",
    async (_, listen) => {
      const endpoint = serve({
        flowControl: { window: 1 },
        autoResponse: { request: "ping", response: "pong" },
        onText: async (__, text, { asyncRemote }) => {
          await Promise.all(["pong", text, "pong"].map((one) => asyncRemote.sendText(one)));
        },
      });
      const socket = open(endpoint);
      const seen: unknown[] = [];
      listen(socket, (data) => void seen.push(data));
      socket.addEventListener("open", () => ["ping", "a", "ping", "b"].forEach((text) => socket.send(text)));
      await expect.poll(() => seen).toHaveLength(8);
      expect(seen.filter((data) => data !== "pong")).toEqual(["a", "b"]);
      expect(await untold(endpoint)).toBe(0);
      // If it counted the pong, it would have acknowledged too much, or have too little credit left.
      socket.send("c");
      await expect.poll(() => seen).toHaveLength(11);
      expect(await untold(endpoint)).toBe(0);
      socket.close();
    },
  );

  it("F9: what a listener throws is reported, and stops nothing", async () => {
    const reported: unknown[] = [];
    const report = (event: Event) => {
      reported.push(((event as ErrorEvent).error as Error).message);
      event.preventDefault();
    };
    const global: EventTarget = globalThis as never;
    global.addEventListener("error", report);
    const endpoint = serve({
      flowControl: { window: 100 },
      onText: async (_, count, { asyncRemote }) => {
        await Promise.all(numbers(Number(count)).map((text) => asyncRemote.sendText(text)));
      },
    });
    const socket = open(endpoint);
    const seen: unknown[] = [];
    socket.addEventListener("open", () => socket.send("7"));
    socket.addEventListener("message", ({ data }) => {
      seen.push(data);
      throw new Error(`no ${String(data)}`);
    });
    await expect.poll(() => seen).toEqual(numbers(7));
    expect(reported).toEqual(numbers(7).map((text) => `no ${text}`));
    expect(await untold(endpoint)).toBe(0);
    global.removeEventListener("error", report);
    socket.close();
  });

  it("F9: loses no message to an iteration that begins while one is delivered", async () => {
    const socket = open(counting());
    const seen: unknown[] = [];
    socket.addEventListener("open", () => socket.send("3"));
    const first = await new Promise<AsyncIterator<unknown>>((resolve) => {
      socket.addEventListener(
        "message",
        ({ data }) => {
          seen.push(data);
          resolve(socket[Symbol.asyncIterator]());
        },
        { once: true },
      );
    });
    for (const text of ["1", "2"]) expect((await first.next()).value).toBe(text);
    expect(seen).toEqual(["0"]);
    socket.close();
  });

  it.each([
    ["a Blob that takes no bytes", "Blob", ["1,2", "", "end"]],
    ["a MessageEvent that can't be made", "MessageEvent", ["a Blob", "a Blob", "end"]],
  ])("F9: with %s a message is told, taken and acknowledged, and nothing closes", async (_, name, expected) => {
    class Broken extends Event {
      constructor(type: string) {
        super(type);
        throw new TypeError("Illegal constructor");
      }
    }
    vi.stubGlobal(name, Broken);
    onTestFinished(() => void vi.unstubAllGlobals());
    const endpoint = serve({
      flowControl: { window: 1 },
      onText: async (__, text, { asyncRemote }) => {
        await Promise.all([
          asyncRemote.sendBinary(Uint8Array.of(1, 2)),
          asyncRemote.sendBinary(new Uint8Array()),
          asyncRemote.sendText(text),
        ]);
      },
    });
    const socket = open(endpoint);
    const seen: unknown[] = [];
    const closes: number[] = [];
    socket.addEventListener("message", ({ data }) => void seen.push(data));
    socket.addEventListener("close", ({ code }) => void closes.push(code));
    socket.addEventListener("open", () => socket.send("end"));
    await expect.poll(() => [closes, seen.map(shown)]).toEqual([[], expected]);
    expect(await untold(endpoint)).toBe(0);
    socket.close();
  });
});

describe("the client, with a class under it of which the test tells the events", () => {
  class Told extends EventTarget {
    static last: Told;
    readonly extensions = "";
    readonly protocol = "socle.v1";
    readonly sent: Uint8Array[] = [];
    readonly closes: unknown[] = [];
    readyState: number = WebSocket.CONNECTING;

    constructor(
      readonly url: string,
      readonly protocols: string[],
    ) {
      super();
      Told.last = this;
    }

    send(data: Uint8Array): void {
      if (this.readyState !== WebSocket.OPEN) throw new TypeError("It is closed.");
      this.sent.push(data);
    }

    close(code?: number): void {
      this.closes.push(code);
      this.readyState = WebSocket.CLOSING;
    }

    receive(data: string | Uint8Array): void {
      this.dispatchEvent(new Message("message", { data: typeof data === "string" ? data : data.buffer }));
    }
  }

  function opened(options: ClientOptions = {}): { socket: SocleWebSocket; told: Told } {
    const socket = new SocleWebSocket("wss://told/", [], { WebSocket: Told, ...options });
    Told.last.readyState = WebSocket.OPEN;
    Told.last.dispatchEvent(new Event("open"));
    return { socket, told: Told.last };
  }

  it("F9: an iteration gives what has come before the close, of which nothing is acknowledged any more", async () => {
    const { socket, told } = opened();
    const messages = socket[Symbol.asyncIterator]();
    // With a window of 1, the client acknowledges each message at once.
    for (const frame of [bytes(3, 1), "a", "b", "c"]) told.receive(frame);
    expect(await messages.next()).toEqual({ done: false, value: "a" });
    socket.close();
    expect(await messages.next()).toEqual({ done: false, value: "b" });
    told.readyState = WebSocket.CLOSED;
    told.dispatchEvent(new Close("close", { code: 1000 }));
    expect(await messages.next()).toEqual({ done: false, value: "c" });
    expect(await messages.next()).toEqual({ done: true, value: undefined });
    expect(told.sent).toEqual([acknowledgement(1)]);
  });

  it("F2: a number has 53 bits: one of more is malformed, though it would have done as a window", () => {
    const most = opened().told;
    most.receive(bytes(3, number(Number.MAX_SAFE_INTEGER)));
    expect(most.closes).toEqual([]);
    const more = opened().told;
    more.receive(bytes(3, number(2 ** 53)));
    expect(more.closes).toEqual([4002]);
  });

  const publications = (offset: number, ...items: readonly Data[]) =>
    bytes(4, number(offset), ...["chat", "e1", ...items].map(item));
  const place = (recovered: number, offset: number) => bytes(5, recovered, number(offset), ...["chat", "e1"].map(item));

  it("T9: publications have a topic, and positions that go up by one; a place is told, and not acknowledged", () => {
    const { socket, told } = opened();
    socket.binaryType = "arraybuffer";
    const seen: unknown[] = [];
    socket.addEventListener("message", ({ data, topic, position }) => void seen.push([shown(data), topic, position]));
    socket.onrecovery = ({ topic, position, recovered }) => void seen.push([recovered, topic, position]);
    for (const frame of [
      bytes(3, 1),
      place(1, 299),
      publications(300, "a", Uint8Array.of(1, 2), ""),
      "plain",
      place(0, 400),
    ]) {
      told.receive(frame);
    }
    expect(seen).toEqual([
      [true, "chat", "e1.299"],
      ["a", "chat", "e1.300"],
      ["1,2", "chat", "e1.301"],
      ["", "chat", "e1.302"],
      ["plain", undefined, undefined],
      [false, "chat", "e1.400"],
    ]);
    expect(told.sent).toEqual([1, 2, 3, 4].map(acknowledgement));
    expect(told.closes).toEqual([]);
  });

  it.each([
    ["publications of no message", publications(1)],
    ["an offset over 53 bits", publications(2 ** 53, "a")],
    ["a place that is neither recovered nor not", place(2, 1)],
    ["a place with something behind it", bytes([...place(1, 1)], 0)],
    ["an offset without an epoch", bytes(5, 0, 1, item("chat"), item(""))],
    ["a topic of bytes", bytes(5, 0, 1, item(Uint8Array.of(1)), item("e1"))],
  ])("T9: %s is malformed", (_, frame) => {
    const { socket, told } = opened();
    const seen: unknown[] = [];
    socket.addEventListener("message", (event) => void seen.push(event));
    socket.addEventListener("recovery", (event) => void seen.push(event));
    told.receive(frame);
    expect(told.closes).toEqual([4002]);
    expect(seen).toEqual([]);
  });

  it("T9: with a window of 0 nothing is acknowledged", async () => {
    const { socket, told } = opened();
    const messages = socket[Symbol.asyncIterator]();
    for (const frame of [bytes(3, 0), "a", batch("b"), publications(1, "c")]) told.receive(frame);
    for (const value of ["a", "b", "c"]) expect(await messages.next()).toEqual({ done: false, value });
    expect(told.sent).toEqual([]);
  });

  it("T9: positions are offered behind socle.v1 as far as they fit, of each topic the first", () => {
    const positions = [
      ["chat", "e1.300"],
      ["é", "x".repeat(3030)],
      ["chat", "e1.1"],
      ["much too long", "e2.1"],
      ["b", "1"],
    ] as const;
    const [name, offer, ...rest] = opened({ positions }).told.protocols;
    expect([name, rest]).toEqual(["socle.v1", []]);
    expect(atob(offer!.replace("socle.topics.", ""))).toBe(`{"chat":"e1.300","\u00c3\u00a9":"${"x".repeat(3030)}"}`);
    expect(opened().told.protocols).toEqual(["socle.v1", "socle.topics."]);
  });
});
