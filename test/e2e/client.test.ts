// `socle/client` over TCP: against Workers, and against servers that send frames that no Worker sends.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";

import * as fc from "fast-check";
import { WebSocket as PartyWebSocket } from "partysocket";
import ReconnectingWebSocket from "reconnecting-websocket";
import { afterAll, assert, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket as Ws, WebSocketServer } from "ws";

import { SocleWebSocket, type ClientData, type ClientOptions } from "../../src/client/index.ts";
import { readPositions } from "../../src/wire/positions.ts";
import type { Command, Made, State } from "./client-worker.ts";
import { memory, MIB } from "./memory.ts";
import { clientWith, clientWithout, PLATFORM } from "./realm.ts";
import { Client, Disk, workerd, type Server } from "./server.ts";

type Platform = NonNullable<ClientOptions["WebSocket"]>;

const platforms: { name: string; WebSocket: Platform }[] = [
  { name: "the WebSocket of Node", WebSocket: globalThis.WebSocket },
  { name: "that of ws", WebSocket: Ws },
];

let server: Server;

beforeAll(async () => {
  server = await workerd("test/e2e/client-worker.ts");
});

afterAll(() => server?.stop());

/** Gives each test a room of its own. */
let rooms = 0;
const room = (kind: string) => `/${kind}/${++rooms}`;

/** The events of a socket, in order. */
function eventsOf(socket: SocleWebSocket): string[] {
  const events: string[] = [];
  socket.addEventListener("open", () => events.push("open"));
  socket.addEventListener("message", ({ data }) => events.push(`message ${typeof data === "string" ? data : "bytes"}`));
  socket.addEventListener("recovery", () => events.push("recovery"));
  socket.addEventListener("error", () => events.push("error"));
  socket.addEventListener("close", ({ code }) => events.push(`close ${code}`));
  return events;
}

const opened = (socket: Pick<SocleWebSocket, "addEventListener">) =>
  new Promise<void>((resolve) => socket.addEventListener("open", () => resolve(), { once: true }));

const closed = (socket: SocleWebSocket) =>
  new Promise<{ code: number; reason: string; wasClean: boolean }>((resolve) =>
    socket.addEventListener("close", ({ code, reason, wasClean }) => resolve({ code, reason, wasClean })),
  );

/** Opens a socket to a path of the Worker or to an address. */
async function open(
  where: string,
  WebSocket: Platform = Ws,
  protocols: string | string[] = [],
): Promise<SocleWebSocket> {
  const socket = new SocleWebSocket(where.startsWith("/") ? `ws://${server.host}${where}` : where, protocols, {
    WebSocket,
  });
  onTestFinished(() => socket.close());
  const isOpen = opened(socket);
  await Promise.race([isOpen, closed(socket).then(({ code }) => Promise.reject(new Error(`Closed with ${code}`)))]);
  return socket;
}

/** Takes messages of an iteration, each as a text or as its bytes. */
async function take(iterator: AsyncIterator<ClientData>, count: number): Promise<(string | number[])[]> {
  const taken = [];
  while (taken.length < count) {
    const { done, value } = await iterator.next();
    if (done) throw new Error(`It has ended after ${taken.length}`);
    taken.push(await plain(value));
  }
  return taken;
}

async function plain(data: ClientData): Promise<string | number[]> {
  if (typeof data === "string") return data;
  return [...new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data)];
}

/** Tells an object what to send to whom, by a session without `socle.v1`. */
class Control {
  private constructor(private readonly client: Client) {}

  static async of(path: string, host = server): Promise<Control> {
    const client = await host.connect(`${path}?name=control`);
    onTestFinished(() => client.socket.terminate());
    return new Control(client);
  }

  async tell(what: Command["what"], to: string, more: Partial<Command> = {}): Promise<State> {
    this.client.send(JSON.stringify({ what, to, ...more }));
    return (await this.client.json()) as State;
  }

  state(to: string): Promise<State> {
    return this.tell("state", to);
  }
}

/** The window of a server that names none. */
const WINDOW = 262_144;

/**
 * A text that gets no answer. workerd keeps the connection of a client that has sent nothing for 10 seconds after the
 * Close frames.
 */
const HUSH = "hush";

/** A raw client that speaks `socle.v1`, and acknowledges only what the test says. */
async function raw(path: string, host = server): Promise<Client> {
  const client = new Client(new Ws(`ws://${host.host}${path}`, ["socle.v1"], { perMessageDeflate: false }));
  onTestFinished(() => client.socket.terminate());
  await once(client.socket, "open");
  client.send(HUSH);
  return client;
}

const utf8 = new TextEncoder();

/** Encodes a number with seven bits a byte, the lowest first. The high bit is set in all bytes but the last. */
function number(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))];
}

const frame = (...parts: (number | Iterable<number>)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "number" ? [part] : Array.from(part))));

function item(data: string | Uint8Array): number[] {
  const bytes = typeof data === "string" ? utf8.encode(data) : data;
  return [...number(bytes.length * 2 + (typeof data === "string" ? 0 : 1)), ...bytes];
}

const batch = (...items: (string | Uint8Array)[]): Uint8Array => frame(1, ...items.map(item));

/** A frame with the publications on a topic, from an offset on. */
const publications = (topic: string, epoch: string, offset: number, ...items: (string | Uint8Array)[]): Uint8Array =>
  frame(4, number(offset), ...[topic, epoch, ...items].map(item));

/** A frame with the position that the next publications follow. */
const place = (recovered: number, offset: number, topic: string, epoch: string): Uint8Array =>
  frame(5, recovered, number(offset), item(topic), item(epoch));

const settings = (window: number, uncounted?: string): Uint8Array =>
  frame(3, number(window), uncounted === undefined ? [] : item(uncounted));

/** How many messages a client's frame acknowledges. */
function acknowledged(message: string | Uint8Array): number {
  const [type, ...bytes] = message as Uint8Array;
  expect(type).toBe(2);
  return bytes.reduce((value, byte, index) => value + (byte % 128) * 128 ** index, 0);
}

async function acknowledgements(peer: Client, count: number): Promise<number[]> {
  return (await peer.take(count)).map(acknowledged);
}

/** A server of `ws`, which answers with a subprotocol, or with none. */
async function serve(protocol: string | false = "socle.v1") {
  /** The subprotocols that each connection offered. */
  const offers: string[][] = [];
  const peers: Client[] = [];
  const sockets = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => protocol });
  sockets.on("headers", (_, { headers }: IncomingMessage) => {
    offers.push(headers["sec-websocket-protocol"]?.split(/\s*,\s*/) ?? []);
  });
  let arrived = () => {};
  sockets.on("connection", (socket) => {
    peers.push(new Client(socket));
    arrived();
  });
  await once(sockets, "listening");
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
  });
  return {
    url: `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}/`,
    offers,
    peer: async (): Promise<Client> => {
      while (peers.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
      return peers.shift()!;
    },
  };
}

/** A server that leaves the handshakes to the test. */
async function hold() {
  const requests: { request: IncomingMessage; socket: Duplex }[] = [];
  let count = 0;
  let arrived = () => {};
  const http = createServer();
  http.on("upgrade", (request, socket) => {
    socket.on("error", () => {});
    onTestFinished(() => void socket.destroy());
    requests.push({ request, socket });
    count++;
    arrived();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => void http.close());
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`,
    get count() {
      return count;
    },
    async next() {
      while (requests.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
      return requests.shift()!;
    },
  };
}

/** The decoded JSON after `socle.topics.`. */
const offered = (names: string[]): string =>
  Buffer.from(names.at(-1)!.replace("socle.topics.", ""), "base64url").toString();

/** Not 401, after which Node would ask again. */
const REFUSAL = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

describe.each(platforms)("socle/client, with $name under it", ({ WebSocket }) => {
  it("F9: its life is that of a WebSocket, told to listeners and to handlers", async () => {
    const url = `ws://${server.host}${room("usual")}`;
    const socket = new SocleWebSocket(url, [], { WebSocket });
    const events = eventsOf(socket);
    const handled: string[] = [];
    const targets = new Set<unknown>();
    const handle = (event: Event) => {
      handled.push(event.type);
      targets.add(event.target).add(event.currentTarget);
    };
    Object.assign(socket, { onopen: handle, onmessage: handle, onerror: handle, onclose: handle });
    const message = new Promise<Event>((resolve) => socket.addEventListener("message", resolve, { once: true }));
    const end = new Promise<Event>((resolve) => socket.addEventListener("close", resolve, { once: true }));
    expect([socket.readyState, socket.url, socket.protocol]).toEqual([SocleWebSocket.CONNECTING, url, ""]);
    expect(() => socket.send("too early")).toThrow(Error);
    await opened(socket);
    expect([socket.readyState, socket.url, socket.protocol]).toEqual([socket.OPEN, url, ""]);
    expect(socket.extensions).toBeTypeOf("string");
    socket.send("hello");
    expect(await message).toBeInstanceOf(MessageEvent);
    expect(await message).toMatchObject({ type: "message", data: "hello" });
    socket.close(4001, "bye");
    expect(socket.readyState).toBe(socket.CLOSING);
    expect(await end).toBeInstanceOf(CloseEvent);
    expect(await end).toMatchObject({ type: "close", code: 4001, reason: "bye", wasClean: true });
    expect(socket.readyState).toBe(socket.CLOSED);
    expect(events).toEqual(["open", "message hello", "close 4001"]);
    expect(handled).toEqual(["open", "message", "close"]);
    expect([...targets]).toEqual([socket]);
    socket.close();
    expect([SocleWebSocket.CONNECTING, SocleWebSocket.OPEN, SocleWebSocket.CLOSING, SocleWebSocket.CLOSED]).toEqual([
      0, 1, 2, 3,
    ]);
  });

  it("F9: a listener may be for one event, be removed, or be an object, as of any target of events", async () => {
    const socket = await open(room("usual"), WebSocket);
    const calls: string[] = [];
    const removed = () => calls.push("removed");
    socket.addEventListener("message", () => calls.push("once"), { once: true });
    socket.addEventListener("message", removed);
    socket.removeEventListener("message", removed);
    socket.addEventListener("message", () => calls.push("aborted"), { signal: AbortSignal.abort() });
    socket.addEventListener("message", { handleEvent: ({ data }) => calls.push(`object ${data as string}`) });
    const iterator = socket[Symbol.asyncIterator]();
    socket.send("1");
    socket.send("2");
    await take(iterator, 2);
    expect(calls).toEqual(["once", "object 1", "object 2"]);
  });

  it.each([
    ["socle.v1", "/told", [], ""],
    ["chat+socle.v1", "/told", "chat", "chat"],
    ["no subprotocol", "/told/plain", [], ""],
    ["chat alone", "/told/plain", ["chat"], "chat"],
  ])(
    "F9: sends texts, buffers, views and blobs in order, as a WebSocket does, on %s",
    async (_, path, protocols, subprotocol) => {
      const socket = await open(path, WebSocket, protocols);
      expect(socket.protocol).toBe(subprotocol);
      const iterator = socket[Symbol.asyncIterator]();
      const bytes = Uint8Array.of(9, 0, 1, 2, 255, 9);
      socket.send("text");
      socket.send("");
      socket.send("\uFEFF𝕏 \u0000");
      socket.send(bytes.buffer);
      socket.send(bytes.subarray(1, 5));
      socket.send(new DataView(bytes.buffer, 4));
      socket.send(new Blob(["a", Uint8Array.of(1)]));
      socket.send(new Blob());
      socket.send(new ArrayBuffer(0));
      socket.send("end");
      const got = (await take(iterator, 10)).map((text) => JSON.parse(text as string) as unknown);
      expect(got).toEqual(
        [
          { text: "text" },
          { text: "" },
          { text: "\uFEFF𝕏 \u0000" },
          { bytes: [9, 0, 1, 2, 255, 9] },
          { bytes: [0, 1, 2, 255] },
          { bytes: [255, 9] },
          { bytes: [97, 1] },
          { bytes: [] },
          { bytes: [] },
          { text: "end" },
        ].map((one) => Object.assign(one, { subprotocol })),
      );
    },
  );

  it.each(["usual", "plain"])("F9: gives binary messages by binaryType, from an endpoint that is %s", async (kind) => {
    const socket = await open(room(kind), WebSocket);
    const iterator = socket[Symbol.asyncIterator]();
    expect(socket.binaryType).toBe("blob");
    socket.send(Uint8Array.of(0, 1, 2));
    const { value: blob } = await iterator.next();
    expect(blob).toBeInstanceOf(Blob);
    expect(await plain(blob!)).toEqual([0, 1, 2]);
    socket.binaryType = "arraybuffer";
    socket.send(Uint8Array.of(3, 4));
    const { value: buffer } = await iterator.next();
    expect(buffer).toBeInstanceOf(ArrayBuffer);
    expect(await plain(buffer!)).toEqual([3, 4]);
  });

  it("F1: offers each subprotocol with socle.v1 and without, and protocol is the application's", async () => {
    const path = room("usual");
    expect((await open(path, WebSocket)).protocol).toBe("");
    expect((await open(path, WebSocket, "news")).protocol).toBe("news");
    expect((await open(path, WebSocket, ["news", "chat"])).protocol).toBe("chat");
    const { url, offers } = await serve("news+socle.v1");
    expect((await open(url, WebSocket, ["chat", "news"])).protocol).toBe("news");
    expect(offers).toEqual([["chat+socle.v1", "chat", "news+socle.v1", "news", "socle.topics."]]);
  });

  it("F9: a close without a code is 1005, one with a code that may not be sent throws and closes nothing", async () => {
    const path = room("usual");
    const socket = await open(path, WebSocket);
    const iterator = socket[Symbol.asyncIterator]();
    expect(() => socket.close(1006)).toThrow(Error);
    expect(() => socket.close(1000, "x".repeat(124))).toThrow(Error);
    socket.send("still open");
    expect(await take(iterator, 1)).toEqual(["still open"]);
    const end = closed(socket);
    socket.close();
    expect(await end).toEqual({ code: 1005, reason: "", wasClean: true });
  });

  it("F9: the server's close comes with its code and reason, after the messages before it", async () => {
    const path = room("usual");
    const control = await Control.of(path);
    const socket = await open(`${path}?name=${path}`, WebSocket);
    socket.send(HUSH);
    const events = eventsOf(socket);
    const end = closed(socket);
    await control.tell("send", path, {
      messages: [
        ["text", 1, "a"],
        ["binary", 2, 1],
        ["text", 1, "b"],
      ],
    });
    await control.tell("close", path, { code: 4002 });
    expect(await end).toEqual({ code: 4002, reason: "as told", wasClean: true });
    expect(events).toEqual(["message a", "message bytes", "message b", "close 4002"]);
    await expect.poll(() => control.state(path)).toMatchObject({ isOpen: false, closes: [4002], errors: [] });
  });

  it("F9: a client that closes is told to the server once, with its code", async () => {
    const path = room("usual");
    const control = await Control.of(path);
    const socket = await open(`${path}?name=${path}`, WebSocket);
    socket.close(4003, "enough");
    await expect.poll(() => control.state(path)).toMatchObject({ closes: [4003], errors: [] });
  });

  it("F9: bufferedAmount is what has not left yet", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const connection = await peer();
    expect(socket.bufferedAmount).toBe(0);
    connection.socket.pause();
    socket.send(new Uint8Array(16 * MIB));
    expect(socket.bufferedAmount).toBeGreaterThan(0);
    connection.socket.resume();
    await expect.poll(() => socket.bufferedAmount).toBe(0);
    expect((await connection.next()).length).toBe(16 * MIB + 1);
  });

  it("F9: a connection that can't be made is one error and one close", async () => {
    for (const url of ["ws://127.0.0.1:1/", `ws://${server.host}/nothing`]) {
      const socket = new SocleWebSocket(url, [], { WebSocket });
      const events = eventsOf(socket);
      expect(await closed(socket)).toMatchObject({ code: 1006, wasClean: false });
      expect(events).toEqual(["error", "close 1006"]);
      expect(socket.readyState).toBe(socket.CLOSED);
      expect(() => socket.close()).not.toThrow();
    }
  });

  it("F9: the class under it throws for what is no URL or no subprotocol", () => {
    for (const [url, protocol] of [
      ["nonsense:", "chat"],
      ["ws://127.0.0.1:1/", "no protocol"],
      ["ws://127.0.0.1:1/", ""],
    ] as const) {
      expect(() => new SocleWebSocket(url, protocol, { WebSocket })).toThrow(
        expect.objectContaining({ name: "SyntaxError" }),
      );
    }
  });

  describe("against a server without socle.v1", () => {
    it("F9: is a plain WebSocket, whose events are told once", async () => {
      const path = room("plain");
      const socket = new SocleWebSocket(`ws://${server.host}${path}`, [], { WebSocket });
      const events = eventsOf(socket);
      await opened(socket);
      expect(socket.protocol).toBe("");
      const iterator = socket[Symbol.asyncIterator]();
      socket.send("text");
      socket.send(Uint8Array.of(1, 2));
      expect(await take(iterator, 2)).toEqual(["text", [1, 2]]);
      socket.close(1000);
      expect((await iterator.next()).done).toBe(true);
      expect(events).toEqual(["open", "message text", "message bytes", "close 1000"]);
    });

    it("F9: sends nothing of socle.v1 to it, and reads no frame of it", async () => {
      const { url, offers, peer } = await serve(false);
      const socket = await open(url, WebSocket);
      expect(socket.protocol).toBe("");
      expect(offers[0]).toEqual(["socle.v1", "socle.topics."]);
      const iterator = socket[Symbol.asyncIterator]();
      // A connection that was accepted without the subprotocol, and that its client then failed, may have come before.
      let connection = await peer();
      for (let left = offers.length - 1; left > 0; left--) connection = await peer();
      connection.send(batch("a", "b"), new Uint8Array(), "text");
      expect(await take(iterator, 3)).toEqual([[...batch("a", "b")], [], "text"]);
      socket.send(Uint8Array.of(2, 3));
      socket.send("last");
      expect(await connection.take(2)).toEqual([Uint8Array.of(2, 3), "last"]);
    });

    it("F9: speaks the application's own subprotocol, at the first attempt", async () => {
      const { url, offers, peer } = await serve("chat");
      const socket = await open(url, WebSocket, ["chat"]);
      expect(socket.protocol).toBe("chat");
      expect(offers).toEqual([["chat+socle.v1", "chat", "socle.topics."]]);
      const connection = await peer();
      socket.send(Uint8Array.of(7));
      expect(await connection.next()).toEqual(Uint8Array.of(7));
    });

    it("F9: doesn't try without the application's own subprotocols", async () => {
      const { url, offers } = await serve(false);
      const socket = new SocleWebSocket(url, ["chat"], { WebSocket });
      await Promise.race([closed(socket), opened(socket)]);
      // If the class did anything, it did so before this one opened.
      await open(url, WebSocket);
      expect(offers.filter((names) => names[0] === "chat+socle.v1")).toHaveLength(1);
      expect(offers[1]).toEqual(["socle.v1", "socle.topics."]);
      socket.close();
    });

    it("F9: close() during the first attempt makes no second", async () => {
      const held = await hold();
      const socket = new SocleWebSocket(held.url, [], { WebSocket });
      const events = eventsOf(socket);
      await held.next();
      const end = closed(socket);
      socket.close();
      // Node's class reports the end before its close() returns.
      expect(socket.readyState).not.toBe(socket.CONNECTING);
      expect(await end).toMatchObject({ code: 1006, wasClean: false });
      expect(events.at(-1)).toBe("close 1006");
      expect(events.filter((event) => event.startsWith("close"))).toHaveLength(1);
      expect(socket.readyState).toBe(socket.CLOSED);
      // If the class did anything, it did so before this one opened.
      const other = new SocleWebSocket(`${held.url}other`, [], { WebSocket });
      expect((await held.next()).request.url).toBe("/other");
      expect(held.count).toBe(2);
      other.close();
    });

    it("F9: close() during the second attempt ends it, and readyState says so", async () => {
      const held = await hold();
      const socket = new SocleWebSocket(held.url, [], { WebSocket });
      const events = eventsOf(socket);
      (await held.next()).socket.end(REFUSAL);
      const { request } = await held.next();
      expect(request.headers["sec-websocket-protocol"]).toBeUndefined();
      expect(socket.readyState).toBe(socket.CONNECTING);
      expect(events).toEqual([]);
      const end = closed(socket);
      socket.close();
      expect(socket.readyState).not.toBe(socket.CONNECTING);
      await end;
      expect(socket.readyState).toBe(socket.CLOSED);
      expect(events.filter((event) => event.startsWith("close"))).toEqual(["close 1006"]);
    });

    it("F9: a server that refuses is asked twice, and told as one error and one close", async () => {
      const held = await hold();
      const socket = new SocleWebSocket(held.url, [], { WebSocket });
      const events = eventsOf(socket);
      const end = closed(socket);
      (await held.next()).socket.end(REFUSAL);
      (await held.next()).socket.end(REFUSAL);
      expect(await end).toMatchObject({ code: 1006 });
      expect(events).toEqual(["error", "close 1006"]);
      expect(held.count).toBe(2);
      const refused = new SocleWebSocket(`ws://${server.host}/refused`, [], { WebSocket });
      const told = eventsOf(refused);
      await closed(refused);
      expect(told).toEqual(["error", "close 1006"]);
    });
  });

  describe("as an async iterable", () => {
    it("F9: acknowledges only what the consumer took, so that the server waits", async () => {
      const path = room("narrow");
      const control = await Control.of(path);
      const socket = await open(`${path}?name=${path}`, WebSocket);
      const iterator = socket[Symbol.asyncIterator]();
      // Each message counts 1,024 bytes: four fill the window, and each is a quarter of it.
      await control.tell("send", path, { messages: [["text", 992, "x"]], times: 10 });
      expect(await control.state(path)).toMatchObject({ sent: 4, bufferedAmount: 6 * 992, failed: [] });
      for (let taken = 1; taken <= 6; taken++) {
        expect(await take(iterator, 1)).toEqual(["x".repeat(992)]);
        await expect
          .poll(() => control.state(path))
          .toMatchObject({ sent: 4 + taken, bufferedAmount: (6 - taken) * 992 });
      }
      await take(iterator, 4);
      expect(await control.state(path)).toMatchObject({ errors: [], isOpen: true });
    });

    it("F9: a break leaves the rest unacknowledged, and the next iteration goes on there", async () => {
      const { url, peer } = await serve();
      const socket = await open(url, WebSocket);
      const connection = await peer();
      const got: string[] = [];
      connection.send(settings(32));
      // The window is so small that each message is a quarter of it, so the client acknowledges each one that is taken.
      const first = (async () => {
        for await (const message of socket) {
          got.push(message as string);
          if (got.length === 2) break;
        }
      })();
      connection.send(batch("a", "b", "c", "d"));
      await first;
      expect(await acknowledgements(connection, 2)).toEqual([1, 2]);
      connection.send("e");
      for await (const message of socket) {
        got.push(message as string);
        if (message === "e") break;
      }
      expect(got).toEqual(["a", "b", "c", "d", "e"]);
      expect(await acknowledgements(connection, 3)).toEqual([3, 4, 5]);
      expect(connection.unread).toEqual([]);
    });

    it("F9: a throw in the loop takes what was given, and no more", async () => {
      const { url, peer } = await serve();
      const socket = await open(url, WebSocket);
      const connection = await peer();
      const loop = (async () => {
        for await (const message of socket) throw new Error(message as string);
      })();
      connection.send(settings(32), batch("a", "b"));
      await expect(loop).rejects.toThrow("a");
      expect(await acknowledgements(connection, 1)).toEqual([1]);
      expect(await take(socket[Symbol.asyncIterator](), 1)).toEqual(["b"]);
      expect(await acknowledgements(connection, 1)).toEqual([2]);
    });

    it("F9: ends at the close, after what is left", async () => {
      const path = room("usual");
      const control = await Control.of(path);
      const socket = await open(`${path}?name=${path}`, WebSocket);
      socket.send(HUSH);
      const iterator = socket[Symbol.asyncIterator]();
      const end = closed(socket);
      const messages: Made[] = [
        ["text", 1, "a"],
        ["text", 0, ""],
        ["binary", 2, 7],
      ];
      await control.tell("send", path, { messages });
      await control.tell("close", path);
      await end;
      expect(await take(iterator, 3)).toEqual(["a", "", [7, 7]]);
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
      for await (const message of socket) expect.unreachable(`${message as string} was taken before`);
    });

    it("F9: ends when the end comes while it waits, whoever closes", async () => {
      for (const isOurs of [true, false]) {
        const { url, peer } = await serve();
        const socket = await open(url, WebSocket);
        const connection = await peer();
        const loops = [1, 2].map(async () => {
          const got = [];
          for await (const message of socket) got.push(message);
          return got;
        });
        connection.send("a", "b");
        const end = closed(socket);
        expect(await connection.next()).toEqual(frame(2, 2));
        if (isOurs) socket.close();
        else connection.socket.terminate();
        expect(new Set((await Promise.all(loops)).flat())).toEqual(new Set(["a", "b"]));
        await end;
      }
    });

    it("F9: two iterations share the messages, each of which goes to one", async () => {
      const { url, peer } = await serve();
      const socket = await open(url, WebSocket);
      const connection = await peer();
      const [one, two] = [socket[Symbol.asyncIterator](), socket[Symbol.asyncIterator]()];
      const asked = [one.next(), two.next(), one.next(), two.next()];
      connection.send(batch("a", "b"), "c", "d");
      const got = (await Promise.all(asked)).map(({ value }) => value as string);
      expect(got.toSorted()).toEqual(["a", "b", "c", "d"]);
      expect(got.indexOf("a") % 2 === got.indexOf("c") % 2 || got.indexOf("a") % 2 === got.indexOf("d") % 2).toBe(true);
      expect(await acknowledgements(connection, 1)).toEqual([4]);
    });

    it("F9: tells listeners of each message too", async () => {
      const { url, peer } = await serve();
      const socket = await open(url, WebSocket);
      const events = eventsOf(socket);
      const iterator = socket[Symbol.asyncIterator]();
      (await peer()).send(batch("a", "b"));
      expect(await take(iterator, 2)).toEqual(["a", "b"]);
      expect(events).toEqual(["message a", "message b"]);
    });

    it("F9: one that begins in a listener leaves no message uncounted, and gives none twice", async () => {
      const { url, peer } = await serve();
      const socket = await open(url, WebSocket);
      const connection = await peer();
      const got: string[] = [];
      let iterator: AsyncIterator<ClientData> | undefined;
      socket.addEventListener("message", ({ data }) => {
        if (iterator) return;
        got.push(data as string);
        iterator = socket[Symbol.asyncIterator]();
      });
      connection.send(settings(32), batch("a", "b", "c"));
      expect(await acknowledgements(connection, 1)).toEqual([1]);
      expect(await take(iterator!, 2)).toEqual(["b", "c"]);
      expect(await acknowledgements(connection, 2)).toEqual([2, 3]);
      expect(got).toEqual(["a"]);
    });
  });

  it("F3: acknowledges at a quarter of the window and when idle, not each message", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const connection = await peer();
    let count = 0;
    socket.addEventListener("message", () => count++);
    connection.send(batch(...Array.from({ length: 100 }, String)));
    expect(await acknowledgements(connection, 1)).toEqual([100]);
    // Each message counts 8,192 bytes: eight are a quarter.
    connection.send(batch(...Array<string>(20).fill("x".repeat(8160))));
    expect(await acknowledgements(connection, 3)).toEqual([108, 116, 120]);
    connection.send(batch(...Array.from({ length: 17 }, () => new Uint8Array(8160))));
    expect(await acknowledgements(connection, 3)).toEqual([128, 136, 137]);
    connection.send("x".repeat(2 * MIB));
    expect(await acknowledgements(connection, 1)).toEqual([138]);
    expect(count).toBe(138);
    expect(connection.unread).toEqual([]);
  });

  it("F2, P19: a quarter of the server's window is acknowledged; the text it tells counts in a batch, not as a frame", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const events = eventsOf(socket);
    const connection = await peer();
    // Each message counts 64 bytes: four are a quarter.
    connection.send(
      settings(1024, "pong"),
      "pong",
      batch("pong", ..."abcdefgh".split("").map((one) => one.repeat(32))),
    );
    // The pong counts 36 bytes, so the first quarter is four messages and the pong.
    expect(await acknowledgements(connection, 2)).toEqual([5, 9]);
    connection.send(batch("pong", "last", utf8.encode("pong")), "pong");
    expect(await acknowledgements(connection, 1)).toEqual([12]);
    expect(events.filter((event) => event === "message pong")).toHaveLength(4);
  });

  it("F2, P19: the answer of the platform is no message to either end, and the same text of the server's is one", async () => {
    const path = room("answering");
    const control = await Control.of(path);
    const socket = await open(`${path}?name=${path}`, WebSocket);
    const events = eventsOf(socket);
    for (let round = 0; round < 50; round++) socket.send("ping");
    await expect.poll(() => events).toHaveLength(50);
    const sent = await control.tell("put", path, { messages: [["text", 992, "x"]], times: 20 });
    expect(sent.errors).toEqual([]);
    await expect.poll(() => control.state(path)).toMatchObject({ taken: 20, isOpen: true, errors: [], closes: [] });
    // Each goes alone. Together they exceed the window, so the server would be stuck if the client did not count them.
    for (let round = 1; round <= 8; round++) {
      await control.tell("send", path, { messages: [["text", 1, "pong"], ["turn"]], times: 10 });
      await expect.poll(() => events.filter((event) => event === "message pong")).toHaveLength(50 + 10 * round);
    }
    expect(await control.state(path)).toMatchObject({ isOpen: true, errors: [], closes: [] });
  });

  it("F2: batches hold empty messages, texts with a BOM, and both kinds in any order", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const iterator = socket[Symbol.asyncIterator]();
    const connection = await peer();
    const messages = ["", new Uint8Array(), "\uFEFF", "\uFEFFa\uFEFF", Uint8Array.of(0), "\u0000", "𝕏", ""];
    connection.send(batch(...messages), frame(0), frame(0, 0), "", batch(""), batch("\uFEFF".repeat(100), "é"));
    const all = [...messages, new Uint8Array(), Uint8Array.of(0), "", "", "\uFEFF".repeat(100), "é"];
    expect(await take(iterator, all.length)).toEqual(all.map((one) => (typeof one === "string" ? one : [...one])));
    expect(await acknowledgements(connection, 1)).toEqual([all.length]);
  });

  it.each([
    ["no type", frame()],
    ["a type that isn't", frame(6, 1)],
    ["an acknowledgement", frame(2, 1)],
    ["a batch of nothing", frame(1)],
    ["a batch that ends within a number", frame(1, 0x80)],
    ["a batch that ends within a text", frame(1, 4, 65)],
    ["a batch that ends within bytes", frame(1, 5, 65)],
    ["a batch of a number over 53 bits", frame(1, Array<number>(7).fill(0xff), 0x7f)],
    ["a batch of a number without an end", frame(1, Array<number>(1000).fill(0x80))],
    ["a batch of a text not in UTF-8", frame(1, 4, 0xc3, 0x28)],
    ["a batch of half a surrogate pair", frame(1, 6, 0xed, 0xa0, 0x80)],
    ["settings that don't come first", settings(WINDOW)],
    ["publications of nothing", publications("chat", "e1", 7)],
    ["publications without an epoch", frame(4, 7, item("chat"))],
    ["publications of no topic", publications("", "e1", 7, "a")],
    ["publications of a topic of bytes", frame(4, 7, item(utf8.encode("chat")), item("e1"), item("a"))],
    ["publications of an epoch of bytes", frame(4, 7, item("chat"), item(utf8.encode("e1")), item("a"))],
    ["publications with an offset and no epoch", publications("chat", "", 7, "a")],
    ["publications that end within a text", frame(publications("chat", "e1", 7), 4, 65)],
    ["publications of an offset over 53 bits", publications("chat", "e1", 2 ** 53, "a")],
    ["a place of no topic", place(1, 7, "", "e1")],
    ["a place without an epoch", frame(5, 1, 7, item("chat"))],
    ["a place of an epoch of bytes", frame(5, 1, 7, item("chat"), item(utf8.encode("e1")))],
    ["a place with an offset and no epoch", place(0, 7, "chat", "")],
    ["a place that is neither recovered nor not", place(2, 7, "chat", "e1")],
    ["a place with something behind it", frame(place(1, 7, "chat", "e1"), item("a"))],
  ])("F2: closes with 4002 for %s, and delivers what came before, not what comes after", async (_, malformed) => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const events = eventsOf(socket);
    const iterator = socket[Symbol.asyncIterator]();
    const connection = await peer();
    connection.send("before", malformed, "after", batch("after"));
    const { code, reason } = await connection.closed;
    expect([code, reason]).toEqual([4002, expect.stringContaining("socle.v1")]);
    expect(await take(iterator, 1)).toEqual(["before"]);
    expect((await iterator.next()).done).toBe(true);
    expect(events.filter((event) => !event.startsWith("close"))).toEqual(["message before"]);
    expect(events.at(-1)).toBe("close 4002");
    expect(socket.readyState).toBe(socket.CLOSED);
  });

  it.each([
    ["without a window", frame(3)],
    ["that end within the window", frame(3, 0x80)],
    ["that end within the text", frame(3, 1, 8, 65)],
    ["of a window of 0 that hold bytes", frame(settings(0), item(new Uint8Array()))],
    ["that hold bytes", frame(settings(1024), item(Uint8Array.of(1)))],
    ["that hold bytes behind the text", frame(settings(1024, "pong"), item(new Uint8Array()))],
    ["that end within what stands behind the text", frame(settings(1024, "pong"), 8, 65)],
  ])("F2: closes with 4002 for settings %s", async (_, malformed) => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const events = eventsOf(socket);
    const connection = await peer();
    connection.send(malformed, "after");
    const { code, reason } = await connection.closed;
    expect([code, reason]).toEqual([4002, expect.stringContaining("socle.v1")]);
    await expect.poll(() => events).toEqual(["close 4002"]);
  });

  it("F2: ignores the texts of settings behind the first, which is the one that isn't counted", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const events = eventsOf(socket);
    const connection = await peer();
    connection.send(frame(settings(128, "pong"), item("ping"), item("")), "pong", "ping");
    expect(await acknowledgements(connection, 1)).toEqual([1]);
    expect(events).toEqual(["message pong", "message ping"]);
  });

  it("F2: delivers what comes before the malformed in a batch", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const iterator = socket[Symbol.asyncIterator]();
    const connection = await peer();
    connection.send(frame(batch("a", Uint8Array.of(1)), 0x80));
    expect((await connection.closed).code).toBe(4002);
    expect(await take(iterator, 2)).toEqual(["a", [1]]);
    expect((await iterator.next()).done).toBe(true);
  });

  it("F9: a listener that closes gets nothing more of the batch, as of no other frame", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const events = eventsOf(socket);
    const connection = await peer();
    socket.addEventListener("message", () => socket.close(4000), { once: true });
    connection.send(batch("a", "b", "c"));
    expect((await connection.closed).code).toBe(4000);
    await expect.poll(() => socket.readyState).toBe(socket.CLOSED);
    expect(events).toEqual(["message a", "close 4000"]);
  });

  it("F9: a listener that throws stops no message, no acknowledgement and no other listener", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const connection = await peer();
    const uncaught: string[] = [];
    const others = process.rawListeners("uncaughtException") as ((error: Error) => void)[];
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", ({ message }) => uncaught.push(message));
    onTestFinished(() => {
      process.removeAllListeners("uncaughtException");
      for (const other of others) process.on("uncaughtException", other);
    });
    const onmessage: typeof socket.onmessage = ({ data }) => {
      throw new Error(`handler ${data as string}`);
    };
    Object.assign(socket, { onmessage });
    socket.addEventListener("message", ({ data }) => {
      throw new Error(`listener ${data as string}`);
    });
    const events = eventsOf(socket);
    connection.send(batch("a", "b"), "c");
    expect(await acknowledgements(connection, 1)).toEqual([3]);
    expect(events).toEqual(["message a", "message b", "message c"]);
    expect(uncaught).toEqual(["handler a", "listener a", "handler b", "listener b", "handler c", "listener c"]);
    expect(socket.readyState).toBe(socket.OPEN);
  });

  it("T9: publications have their topic and position, others none, and a place is a recovery", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    socket.binaryType = "arraybuffer";
    const seen: unknown[] = [];
    socket.addEventListener("message", ({ data, topic, position }) => seen.push([data, topic, position]));
    socket.addEventListener("recovery", ({ topic, position, recovered }) => seen.push([recovered, topic, position]));
    const handled: Event[] = [];
    const onrecovery: typeof socket.onrecovery = (event) => handled.push(event);
    Object.assign(socket, { onrecovery });
    const connection = await peer();
    connection.send(
      place(1, 2 ** 40, "chat", "e1"),
      publications("chat", "e1", 2 ** 40 + 1, "a", "", Uint8Array.of(1, 2)),
      "plain",
      batch("of", "a batch"),
      place(0, 0, "é😀", ""),
      publications("é😀", "", 0, "b", "c"),
      place(0, 9, "chat", "e2"),
      "end",
    );
    await expect
      .poll(() => seen)
      .toEqual([
        [true, "chat", "e1.1099511627776"],
        ["a", "chat", "e1.1099511627777"],
        ["", "chat", "e1.1099511627778"],
        [Uint8Array.of(1, 2).buffer, "chat", "e1.1099511627779"],
        ["plain", undefined, undefined],
        ["of", undefined, undefined],
        ["a batch", undefined, undefined],
        [false, "é😀", undefined],
        ["b", "é😀", undefined],
        ["c", "é😀", undefined],
        [false, "chat", "e2.9"],
        ["end", undefined, undefined],
      ]);
    expect(handled).toHaveLength(3);
    expect(handled[0]).toMatchObject({ type: "recovery", target: socket, recovered: true, topic: "chat" });
    expect(handled[0]).toBeInstanceOf(Event);
  });

  it("T9: publications are messages to an iteration and to credit, by their payloads, and places are none", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const iterator = socket[Symbol.asyncIterator]();
    const connection = await peer();
    const x = "x".repeat(32);
    const topic = "t".repeat(256);
    // Each message counts 64 bytes, so four are a quarter, whatever the length of the topic.
    connection.send(
      settings(1024, "pong"),
      place(1, 0, topic, "e1"),
      publications(topic, "e1", 1, x, x, x),
      place(0, 3, topic, "e1"),
      publications(topic, "e1", 4, utf8.encode(x), x),
      publications(topic, "", 0, x, x, x, "pong"),
    );
    const bytes = [...utf8.encode(x)];
    expect(await take(iterator, 9)).toEqual([x, x, x, bytes, x, x, x, x, "pong"]);
    expect(await acknowledgements(connection, 3)).toEqual([4, 8, 9]);
  });

  it("T9: with a window of 0 it acknowledges nothing, of no kind, by events and by an iteration", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const connection = await peer();
    const large = "x".repeat(WINDOW);
    connection.send(
      settings(0),
      "a",
      large,
      batch("b"),
      Uint8Array.of(0, 1),
      publications("chat", "e1", 7, "c", large),
    );
    const events = eventsOf(socket);
    await expect.poll(() => events).toHaveLength(6);
    const iterator = socket[Symbol.asyncIterator]();
    connection.send("d", large);
    await take(iterator, 2);
    socket.send("last");
    expect(await connection.next()).toBe("last");
  });

  it("T9: delivers the publications before the malformed part, and none after", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const connection = await peer();
    const seen: unknown[] = [];
    socket.addEventListener("message", ({ data, position }) => seen.push([data, position]));
    const end = closed(socket);
    connection.send(publications("chat", "e1", Number.MAX_SAFE_INTEGER - 1, "a", "b", "c"), "after");
    expect(await end).toMatchObject({ code: 4002 });
    expect(seen).toEqual([
      ["a", "e1.9007199254740990"],
      ["b", "e1.9007199254740991"],
    ]);
  });

  it("T9: a listener that closes gets no recovery any more", async () => {
    const { url, peer } = await serve();
    const socket = await open(url, WebSocket);
    const events = eventsOf(socket);
    socket.addEventListener("message", () => socket.close(4000), { once: true });
    const connection = await peer();
    connection.send(publications("chat", "e1", 7, "a", "b"), place(0, 9, "chat", "e1"));
    expect((await connection.closed).code).toBe(4000);
    await expect.poll(() => events).toEqual(["message a", "close 4000"]);
  });

  it("T9: offers its positions behind all else, once, and never those that don't fit", async () => {
    const { url, offers, peer } = await serve("chat+socle.v1");
    const positions = new Map([
      ["chat", "e1.300"],
      ["a/é😀", "f.2"],
      ["__proto__", "e1.1"],
      ["10", "e1.2"],
    ]);
    const given = [...positions, ["chat", "e1.200"]] as [string, string][];
    const socket = new SocleWebSocket(url, "chat", { WebSocket, positions: given });
    onTestFinished(() => socket.close());
    await peer();
    expect(offers[0]!.slice(0, -1)).toEqual(["chat+socle.v1", "chat"]);
    expect(offers[0]!.at(-1)).toMatch(/^socle\.topics\.[\w-]+$/);
    expect(offered(offers[0]!)).toBe('{"chat":"e1.300","a/é😀":"f.2","__proto__":"e1.1","10":"e1.2"}');
  });

  it("T9: the retry without socle.v1 offers no positions either", async () => {
    const { url, offers, peer } = await serve(false);
    const socket = new SocleWebSocket(url, [], { WebSocket, positions: [["chat", "e1.300"]] });
    onTestFinished(() => socket.close());
    await opened(socket);
    // A connection that was accepted without the subprotocol, and that its client then failed, may have come before.
    let connection = await peer();
    for (let left = offers.length - 1; left > 0; left--) connection = await peer();
    connection.send(publications("chat", "e1", 7, "a"));
    expect(offered(offers[0]!)).toBe('{"chat":"e1.300"}');
    expect(offers.at(-1)).toEqual([]);
    expect(await take(socket[Symbol.asyncIterator](), 1)).toEqual([[...publications("chat", "e1", 7, "a")]]);
  });

  it("F9: 10,000 messages of all kinds and sizes come in order and once, to listeners and to an iteration", async () => {
    const length = fc.oneof({ weight: 15, arbitrary: fc.nat(40) }, { weight: 2, arbitrary: fc.nat(5000) });
    const unit = fc.constantFrom("x", "é", "𝕏", "x\uFEFF", "");
    const made: fc.Arbitrary<Made> = fc.oneof(
      { weight: 20, arbitrary: fc.tuple(fc.constant("text" as const), length, unit) },
      { weight: 10, arbitrary: fc.tuple(fc.constant("binary" as const), length, fc.nat(255)) },
      { weight: 3, arbitrary: fc.constant(["turn"] as const) },
    );
    const TIMES = 100;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("usual", "narrow"),
        fc.array(made, { minLength: 100, maxLength: 110 }),
        fc.boolean(),
        fc.nat(50),
        async (kind, given, iterates, slowness) => {
          // A message of more than a quarter of the window may wait each time until the client is idle.
          const most = kind === "narrow" ? 240 : 5000;
          const messages = given.map((one): Made =>
            one[0] === "turn" ? one : (one.with(1, Math.min(one[1], most)) as never),
          );
          const expected = messages.filter((one) => one[0] !== "turn");
          const total = TIMES * expected.length;
          const path = room(kind);
          const control = await Control.of(path);
          const socket = await open(`${path}?name=${path}`, WebSocket);
          socket.binaryType = "arraybuffer";
          let count = 0;
          const check = (data: ClientData) => {
            const [what, repeats, one] = expected[count++ % expected.length]!;
            const isSame =
              what === "text" ? data === one.repeat(repeats) : Buffer.from(data).equals(Buffer.alloc(repeats, one));
            assert(isSame, `message ${count} is not ${what} of ${repeats}`);
          };
          const iterate = async () => {
            for await (const data of socket) {
              check(data);
              if (count === total) return;
              if (count % 100 < slowness) await turn();
            }
          };
          const listen = () =>
            new Promise<void>((resolve, reject) => {
              socket.addEventListener("message", ({ data }) => {
                try {
                  check(data);
                } catch (error) {
                  reject(error);
                }
                if (count === total) resolve();
              });
            });
          const end = closed(socket).then(({ code }) => assert.equal(code, 1005));
          const all = iterates ? iterate() : listen();
          await Promise.all([control.tell("put", path, { messages, times: TIMES }), Promise.race([all, end])]);
          assert.equal(count, total);
          await expect
            .poll(() => control.state(path))
            .toMatchObject({ taken: total, results: [], errors: [], bufferedAmount: 0, isOpen: true });
          socket.close();
        },
      ),
      { numRuns: 5, endOnFailure: true },
    );
  });

  it("F9: what is sent comes in order and once, whatever its kind", async () => {
    const socket = await open(room("usual"), WebSocket);
    const iterator = socket[Symbol.asyncIterator]();
    const sent: (string | number[])[] = [];
    for (let index = 0; index < 2000; index++) {
      const bytes = utf8.encode(String(index));
      if (index % 7 === 0) socket.send(new Blob([bytes]));
      else if (index % 3 === 0) socket.send(bytes);
      else socket.send(String(index));
      sent.push(index % 7 === 0 || index % 3 === 0 ? [...bytes] : String(index));
    }
    expect(await take(iterator, sent.length)).toEqual(sent);
  });
});

it.each(["2024-04-03", "2026-09-15"])(
  "F9: what a listener throws in a Worker is reported and stops nothing, whether its dispatch throws it or not: %s",
  async (date) => {
    const dated = await workerd("test/e2e/client-worker.ts", { compatibilityDate: date });
    try {
      expect(await (await dated.fetch(`/throwing${room("plain")}`)).json()).toEqual({
        seen: ["a", "b", "c"],
        reported: ["thrown at a", "thrown at b", "thrown at c"],
      });
    } finally {
      await dated.stop();
    }
  },
);

it("F9: runs in a Worker too, where it is given what any client is", async () => {
  for (const path of ["/usual/worker", "/plain/worker"]) {
    expect(await (await server.fetch(`/from${path}`)).json()).toEqual({
      text: "text",
      bytes: [0, 1, 2],
      protocol: "",
      path,
      rest: { done: true },
    });
  }
});

describe("T9: positions", () => {
  /** The subprotocols that a client with these positions offers. Its class connects to nobody. */
  function offer(positions: unknown, Socket = SocleWebSocket): string[] {
    let names: string[] = [];
    class Offered extends EventTarget {
      readonly url = "";
      readonly protocol = "";
      readonly extensions = "";
      readonly readyState = 0;
      constructor(_: string, protocols: string[]) {
        super();
        names = protocols;
      }
      send() {}
      close() {}
    }
    const socket = new Socket("ws://nobody/", [], { WebSocket: Offered, positions: positions as [string, string][] });
    expect(socket.readyState).toBe(socket.CONNECTING);
    return names;
  }

  it("T9: as many as fit are offered in the order that they have, and no part of one", () => {
    const many = Array.from({ length: 1000 }, (_, index) => [`topic ${index} é`, `e${index}.${index}`] as const);
    const names = offer(new Map(many));
    const kept = Object.entries(JSON.parse(offered(names)) as Record<string, string>);
    expect(names.at(-1)!.length).toBeLessThanOrEqual("socle.topics.".length + 4096);
    expect(kept.length).toBeGreaterThan(50);
    expect(kept).toEqual(many.slice(0, kept.length));
    expect(utf8.encode(JSON.stringify(Object.fromEntries(many.slice(0, kept.length + 1)))).length).toBeGreaterThan(
      3072,
    );
  });

  it.each([0, 1])("T9: the first that is %i bytes too long is left out, and so are those behind it", (more) => {
    const names = offer([
      ["a", "1"],
      ["é", "x".repeat(3072 - '{"a":"1","é":""}'.length - 1 + more)],
      ["c", "3"],
    ]);
    expect(names.at(-1)).toHaveLength("socle.topics.".length + (more ? 12 : 4096));
    expect(Object.keys(JSON.parse(offered(names)) as object)).toEqual(more ? ["a"] : ["a", "é"]);
  });

  it("T9: what is behind those that fit is not asked for", () => {
    function* endless(): Generator<[string, string]> {
      for (let index = 0; ; index++) yield [`topic ${index}`, `e1.${index}`];
    }
    expect(offered(offer(endless()))).toMatch(/^\{"topic 0":"e1.0",.*"\}$/);
  });

  it("T9: every text comes through, a lone surrogate too", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), { maxKeys: 5 }),
        (given) => {
          expect(readPositions(offer(Object.entries(given)).at(-1)!)).toEqual(new Map(Object.entries(given)));
        },
      ),
    );
    expect(readPositions(offer([["\ud800", "\udc00"]]).at(-1)!)).toEqual(new Map([["\ud800", "\udc00"]]));
  });

  it.each([
    ["null", null],
    ["a number", 5],
    ["an object", { chat: "e1.1" }],
    ["a text", "chat"],
    ["texts", ["chat"]],
    ["a pair that is none", [["chat"]]],
    ["a position that is no text", [["chat", 300]]],
    ["a topic that is no text", new Map([[{}, "e1.300"]])],
    [
      "a position that is undefined, behind another",
      [
        ["a", "e1.1"],
        ["chat", undefined],
      ],
    ],
    ["null among them", [null]],
  ])("T9: %s is a TypeError that says what to give", (_, positions) => {
    expect(() => offer(positions)).toThrow(new TypeError("positions must be a Map of strings."));
  });

  it("T9: what throws in the iterable is thrown", () => {
    const positions = {
      *[Symbol.iterator]() {
        yield ["chat", "e1.1"];
        throw new RangeError("broken");
      },
    };
    expect(() => offer(positions)).toThrow(new RangeError("broken"));
  });

  it("T9: none are offered where there is no btoa, and without a TextEncoder they are", async () => {
    const positions = [["é", "e1.300"]];
    const names = offer(positions, await clientWithout("btoa"));
    expect(names).toEqual(["socle.v1", "socle.topics."]);
    expect(offered(offer(positions, await clientWithout("TextEncoder", "TextDecoder")))).toBe('{"é":"e1.300"}');
  });
});

describe("F9: with a class under it that tells events apart", () => {
  /** A class whose events the test dispatches. */
  class Told extends EventTarget {
    static made: Told[] = [];
    readonly extensions = "";
    readonly closes: unknown[][] = [];
    protocol = "";
    readyState = 0;
    constructor(
      readonly url: string,
      readonly protocols: string[],
    ) {
      super();
      Told.made.push(this);
    }
    send() {}
    close(...given: unknown[]) {
      this.closes.push(given);
    }
    tell(type: string, more: object = {}) {
      this.dispatchEvent(Object.assign(new Event(type), more));
    }
    fail() {
      this.readyState = 3;
      this.tell("error");
    }
    end() {
      this.readyState = 3;
      this.tell("close", { code: 1006, reason: "", wasClean: false });
    }
  }
  const made = (): { socket: SocleWebSocket; attempts: Told[]; events: string[] } => {
    Told.made = [];
    const socket = new SocleWebSocket("ws://told/", [], { WebSocket: Told as unknown as Platform });
    return { socket, attempts: Told.made, events: eventsOf(socket) };
  };

  it("F9: close() between the first attempt's error and its close makes no second", () => {
    const { socket, attempts, events } = made();
    attempts[0]!.fail();
    expect(socket.readyState).toBe(socket.CONNECTING);
    socket.close();
    attempts[0]!.end();
    expect(attempts).toHaveLength(1);
    expect(events.at(-1)).toBe("close 1006");
    expect(socket.readyState).toBe(socket.CLOSED);
  });

  it("F9: a second attempt that ends without an error is CLOSED", () => {
    const { socket, attempts, events } = made();
    attempts[0]!.fail();
    attempts[0]!.end();
    expect(attempts.map(({ protocols }) => protocols)).toEqual([["socle.v1", "socle.topics."], []]);
    attempts[1]!.end();
    expect(events).toEqual(["close 1006"]);
    expect(socket.readyState).toBe(socket.CLOSED);
  });

  it("F9: an error event has what the class under it says of it", () => {
    const { socket, attempts } = made();
    const errors: Event[] = [];
    socket.addEventListener("error", (event) => errors.push(event));
    Object.assign(attempts[0]!, { protocol: "socle.v1", readyState: 1 }).tell("open");
    attempts[0]!.tell("error");
    attempts[0]!.tell("error", { error: new Error("broken"), message: "broken" });
    expect(errors[0]).toMatchObject({ type: "error", target: socket });
    expect(errors[1]).toMatchObject({ error: new Error("broken"), message: "broken" });
  });
});

/** Like React Native's Blob: made of texts and Blobs only. */
class BlobOfTexts extends Blob {
  constructor(parts: (string | Blob | ArrayBuffer)[]) {
    if (parts.some((part) => typeof part !== "string" && !(part instanceof Blob))) {
      throw new Error("Creating blobs from 'ArrayBuffer' and 'ArrayBufferView' are not supported");
    }
    super(parts);
  }
}

/** Makes a text of anything that is neither a text nor a Blob. */
class BlobOfNames extends Blob {
  constructor(parts: (string | Blob | ArrayBuffer)[]) {
    super(parts.map((part) => (part instanceof Blob ? part : String(part))));
  }
}

class Broken {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}

class BrokenEvent extends Event {
  constructor(type: string) {
    super(type);
    throw new TypeError("Illegal constructor");
  }
}

/** Like the decoder of a polyfill without the option `fatal`. */
class LenientDecoder {
  constructor(_: string, { fatal }: { fatal?: boolean }) {
    if (fatal) throw new TypeError("Failed to construct 'TextDecoder': the 'fatal' option is unsupported.");
  }
}

const EVENTS = ["Event", "EventTarget", "MessageEvent", "CloseEvent"];

describe.each([
  ...Object.keys(PLATFORM)
    .filter((name) => name !== "WebSocket")
    .map((name) => ({ what: `no ${name}`, client: () => clientWithout(name) })),
  { what: "no class of events", client: () => clientWithout(...EVENTS) },
  { what: "nothing but WebSocket and timers", client: () => clientWith({ WebSocket: Ws }) },
  {
    what: "what older React Native has",
    client: () => clientWith({ WebSocket: Ws, TextEncoder, Blob: BlobOfTexts }),
  },
  { what: "a Blob that takes no bytes", client: () => clientWith({ ...PLATFORM, Blob: BlobOfTexts }) },
  { what: "a Blob that makes texts of bytes", client: () => clientWith({ ...PLATFORM, Blob: BlobOfNames }) },
  {
    what: "a MessageEvent that can't be made, and a CloseEvent of another platform",
    client: () => clientWith({ ...PLATFORM, MessageEvent: BrokenEvent, CloseEvent: Broken }),
  },
  {
    what: "a TextDecoder that refuses to be fatal",
    client: () => clientWith({ ...PLATFORM, TextDecoder: LenientDecoder }),
  },
])("F9: where there is $what", ({ client }) => {
  it.each(["usual", "plain"])(
    "F9: gives and takes messages of all kinds, from an endpoint that is %s",
    async (kind) => {
      const Socket = await client();
      const path = room(kind);
      const control = await Control.of(path);
      const socket = new Socket(`ws://${server.host}${path}?name=${path}`);
      onTestFinished(() => socket.close());
      const seen: unknown[] = [];
      const log: string[] = [];
      const onmessage: typeof socket.onmessage = ({ type, data, target, currentTarget }) => {
        seen.push(data);
        log.push(`${type} ${String(target === socket && currentTarget === socket)}`);
      };
      Object.assign(socket, { onmessage, onopen: () => log.push("open"), onerror: () => log.push("error") });
      const end = closed(socket);
      await opened(socket);
      socket.send(HUSH);
      socket.send("\uFEFFé𝕏%41");
      socket.send(Uint8Array.of(0, 200, 255));
      socket.send(new ArrayBuffer(0));
      await expect.poll(() => seen).toHaveLength(3);
      const messages: Made[] = [
        ["text", 3, "\uFEFFé𝕏%41 \u0000"],
        ["text", 0, ""],
        ["binary", 3, 200],
        ["binary", 0, 0],
        ["text", 100, "%"],
      ];
      await control.tell("send", path, { messages });
      await expect.poll(() => seen).toHaveLength(8);
      expect(await Promise.all((seen as ClientData[]).map(plain))).toEqual([
        "\uFEFFé𝕏%41",
        [0, 200, 255],
        [],
        "\uFEFFé𝕏%41 \u0000".repeat(3),
        "",
        [200, 200, 200],
        [],
        "%".repeat(100),
      ]);
      expect(await control.state(path)).toMatchObject({ isOpen: true, errors: [], failed: [] });
      socket.close(4001, "bye");
      expect(await end).toEqual({ code: 4001, reason: "bye", wasClean: true });
      expect(log).toEqual(["open", ...Array<string>(8).fill("message true")]);
    },
  );

  it("F9: acknowledges, and can be iterated", async () => {
    const Socket = await client();
    const { url, peer } = await serve();
    const socket = new Socket(url);
    onTestFinished(() => socket.close());
    await opened(socket);
    const connection = await peer();
    const iterator = socket[Symbol.asyncIterator]();
    // Each message counts more than a quarter of the window.
    connection.send(settings(128, "pong"), batch("a", Uint8Array.of(1, 255), "é"), "pong", Uint8Array.of(0, 7));
    expect(await take(iterator, 5)).toEqual(["a", [1, 255], "é", "pong", [7]]);
    expect(await acknowledgements(connection, 4)).toEqual([1, 2, 3, 4]);
    connection.socket.close(1001);
    expect((await iterator.next()).done).toBe(true);
  });

  it("T9: gives topics, positions and recoveries", async () => {
    const Socket = await client();
    const { url, peer } = await serve();
    const socket = new Socket(url, [], { positions: [["chat", "e1.6"]] });
    onTestFinished(() => socket.close());
    await opened(socket);
    const seen: unknown[] = [];
    socket.addEventListener("message", ({ data, topic, position }) => seen.push([data, topic, position]));
    const onrecovery: typeof socket.onrecovery = ({ type, target, topic, position, recovered }) =>
      seen.push([type, target === socket, recovered, topic, position]);
    Object.assign(socket, { onrecovery });
    (await peer()).send(place(1, 6, "chat", "e1"), publications("chat", "e1", 7, "a", "é"), "b");
    await expect
      .poll(() => seen)
      .toEqual([
        ["recovery", true, true, "chat", "e1.6"],
        ["a", "chat", "e1.7"],
        ["é", "chat", "e1.8"],
        ["b", undefined, undefined],
      ]);
  });

  it("F9: listeners are called as by any target of events", async () => {
    const Socket = await client();
    const { url, peer } = await serve();
    const socket = new Socket(url);
    onTestFinished(() => socket.close());
    await opened(socket);
    const connection = await peer();
    const calls: string[] = [];
    const note = (what: string) => () => void calls.push(what);
    const [removed, twice, late] = [note("removed"), note("twice"), note("late")];
    const abort = new AbortController();
    socket.addEventListener("message", note("once"), { once: true });
    socket.addEventListener("message", removed);
    socket.removeEventListener("message", removed);
    socket.removeEventListener("message", note("nobody"));
    socket.addEventListener("message", twice);
    socket.addEventListener("message", twice);
    socket.addEventListener("message", note("aborted"), { signal: AbortSignal.abort() });
    socket.addEventListener("message", note("until it is aborted"), { signal: abort.signal });
    socket.addEventListener("message", { handleEvent: ({ data }) => void calls.push(`object ${data as string}`) });
    socket.addEventListener(
      "message",
      () => {
        socket.removeEventListener("message", late);
        socket.addEventListener("message", () => calls.push("added"), { once: true });
      },
      { once: true },
    );
    socket.addEventListener("message", late);
    connection.send("1");
    await expect.poll(() => calls).toEqual(["once", "twice", "until it is aborted", "object 1"]);
    abort.abort();
    calls.length = 0;
    connection.send("2");
    await expect.poll(() => calls).toEqual(["twice", "object 2", "added"]);
  });

  it("F2: closes with 4002 for what is malformed, and for nothing else", async () => {
    const Socket = await client();
    for (const malformed of [batch(), frame(1, 4, 0xc3, 0x28), frame(1, 6, 0xed, 0xa0, 0x80), frame(1, 4, 0xc3, 65)]) {
      const { url, peer } = await serve();
      const socket = new Socket(url);
      await opened(socket);
      const connection = await peer();
      connection.send(batch(Uint8Array.of(1)), malformed);
      expect((await connection.closed).code).toBe(4002);
    }
  });
});

describe("F9: where the platform can't", () => {
  it.each([
    ["makes no Blob of bytes", BlobOfTexts],
    ["makes another Blob of bytes", BlobOfNames],
    ["has no Blob", undefined],
  ])("F9: a binary message is an ArrayBuffer where it %s, whatever the binaryType", async (_, Blob) => {
    const Socket = await clientWith({ ...PLATFORM, Blob });
    for (const path of ["/usual/bytes", "/plain/bytes"]) {
      const socket = new Socket(`ws://${server.host}${path}`);
      socket.binaryType = "blob";
      await opened(socket);
      const iterator = socket[Symbol.asyncIterator]();
      socket.send(Uint8Array.of(1, 200));
      const { value } = await iterator.next();
      // An ArrayBuffer of that realm.
      expect(Object.prototype.toString.call(value)).toBe("[object ArrayBuffer]");
      expect(await plain(value!)).toEqual([1, 200]);
      const end = closed(socket);
      socket.close();
      expect(await end).toMatchObject({ code: 1005 });
    }
  });

  it.each([
    ["takes no bytes", BlobOfTexts],
    ["makes texts of bytes", BlobOfNames],
  ])("F9: to send a Blob throws where Blob %s, and the connection goes on", async (_, Blob) => {
    const Socket = await clientWith({ ...PLATFORM, Blob });
    const socket = new Socket(`ws://${server.host}/told`);
    onTestFinished(() => socket.close());
    await opened(socket);
    const iterator = socket[Symbol.asyncIterator]();
    expect(() => socket.send(new Blob(["a"]))).toThrow("Blobs can't hold bytes here: send an ArrayBuffer.");
    socket.send(Uint8Array.of(1));
    expect(await take(iterator, 1)).toEqual([JSON.stringify({ subprotocol: "", bytes: [1] })]);
  });

  it("F9: a listener that throws stops no other, where there are no events", async () => {
    const uncaught: string[] = [];
    const Socket = await clientWith({
      WebSocket: Ws,
      queueMicrotask: (call: () => void) => {
        try {
          call();
        } catch (error) {
          uncaught.push((error as Error).message);
        }
      },
    });
    const { url, peer } = await serve();
    const socket = new Socket(url);
    onTestFinished(() => socket.close());
    await opened(socket);
    const connection = await peer();
    socket.addEventListener("message", ({ data }) => {
      throw new Error(`listener ${data as string}`);
    });
    socket.addEventListener("message", null);
    const events = eventsOf(socket);
    connection.send(batch("a", "b"));
    expect(await acknowledgements(connection, 1)).toEqual([2]);
    expect(events).toEqual(["message a", "message b"]);
    expect(uncaught).toEqual(["listener a", "listener b"]);
  });

  it("F9: without a WebSocket the import does nothing, and the constructor says what to give", async () => {
    const Socket = await clientWithout("WebSocket");
    expect(() => new Socket("ws://127.0.0.1:1/")).toThrow("No WebSocket: set the option WebSocket.");
    const socket = new Socket(`ws://${server.host}${room("usual")}`, [], { WebSocket: Ws });
    await opened(socket);
    socket.close();
  });

  it("F2: a text of a batch is read, or refused, as by a TextDecoder that is fatal", async () => {
    const Socket = await clientWithout("TextDecoder");
    const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const unit = fc.oneof(
      fc.constantFrom(0x00, 0x25, 0x34, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff),
      fc.nat(255),
    );
    const bytes = fc.oneof(
      fc.array(unit, { maxLength: 6 }),
      fc.string({ unit: "binary", maxLength: 20 }).map((text) => Array.from(utf8.encode(text))),
    );
    const { url, peer } = await serve();
    let told: ((what: string) => void) | undefined;
    let connection: Client | undefined;
    await fc.assert(
      fc.asyncProperty(bytes, async (given) => {
        if (!connection) {
          const socket = new Socket(url);
          onTestFinished(() => socket.close());
          socket.addEventListener("message", ({ data }) => told?.(data as string));
          socket.addEventListener("close", ({ code }) => told?.(`closed with ${code}`));
          await opened(socket);
          connection = await peer();
        }
        let expected = "closed with 4002";
        try {
          expected = fatal.decode(Uint8Array.from(given));
        } catch {
          // The bytes are not UTF-8, so the client has to refuse them.
        }
        const got = new Promise<string>((resolve) => (told = resolve));
        connection.send(frame(1, number(given.length * 2), given));
        assert.equal(await got, expected);
        if (expected === "closed with 4002") connection = undefined;
      }),
      { numRuns: 1000, endOnFailure: true },
    );
  });
});

describe("a client that takes nothing", () => {
  it("F3, F5: is sent no more than the window, and no more than maxBufferedAmount waits for it", async () => {
    const path = room("narrow");
    const control = await Control.of(path);
    const client = await raw(`${path}?name=${path}`);
    expect((await client.settings())[0]).toBe(4096);
    // Each message counts 1,024 bytes.
    const told = await control.tell("send", path, { messages: [["text", 992, "x"]], times: 40 });
    expect(told).toMatchObject({ sent: 4, bufferedAmount: 16 * 992, failed: Array(20).fill("BufferFullError") });
    const [first] = await client.take(1);
    expect(first).toEqual(batch(...Array<string>(4).fill("x".repeat(992))));
    client.send(frame(2, 2));
    expect(await client.next()).toEqual(batch(...Array<string>(2).fill("x".repeat(992))));
    expect(await control.state(path)).toMatchObject({ sent: 6, bufferedAmount: 14 * 992 });
    expect(client.unread).toEqual([]);
  });

  it("F4: is put no more than the window, and puts wait, of a sliding buffer for the newest alone", async () => {
    const path = room("narrow");
    const control = await Control.of(path);
    const client = await raw(`${path}?name=${path}`);
    await client.next();
    await control.tell("put", path, { messages: [["text", 992, "x"]], times: 20 });
    // Four messages are sent, one waits for credit, and four are in the buffer.
    const waiting = (taken: number) =>
      expect.poll(() => control.state(path)).toMatchObject({ taken, put: taken + 5, failed: [] });
    await waiting(4);
    client.send(frame(2, 4));
    await waiting(8);
    const sliding = await raw(`${path}?name=${path}-sliding`);
    await sliding.next();
    const letters = "abcdefghijklmnopqrst".split("");
    await control.tell("slide", `${path}-sliding`, { messages: letters.map((letter) => ["text", 992, letter]) });
    await expect
      .poll(() => control.state(`${path}-sliding`))
      .toMatchObject({ taken: 4, put: 20, results: Array(15).fill("MessageDroppedError") });
    await sliding.next();
    sliding.send(frame(2, 4));
    expect(await sliding.next()).toBe("t".repeat(992));
  });

  it("F6: is ended with 1008 though it doesn't read, and the others of its object go on", async () => {
    const path = room("strict");
    const control = await Control.of(path);
    const other = await open(`${path}?name=${path}-other`);
    const iterator = other[Symbol.asyncIterator]();
    const stalled = await raw(`${path}?name=${path}`);
    stalled.socket.pause();
    const told = await control.tell("send", path, { messages: [["binary", 992, 1]], times: 40 });
    expect(told).toMatchObject({ sent: 4, bufferedAmount: 16 * 992, failed: Array(20).fill("BufferFullError") });
    await expect
      .poll(async () => {
        other.send("go on");
        expect(await take(iterator, 1)).toEqual(["go on"]);
        return control.state(path);
      })
      .toMatchObject({ isOpen: false, errors: ["LimitExceededError"], closes: [1008], bufferedAmount: 0 });
    const { failed } = await control.state(path);
    expect(failed.slice(20)).toEqual(Array(16).fill("SessionClosedError"));
    stalled.socket.resume();
    expect(await stalled.closed).toEqual({ code: 1008, reason: "" });
    expect((await stalled.settings())[0]).toBe(4096);
    expect(stalled.unread).toEqual([batch(...Array.from({ length: 4 }, () => new Uint8Array(992).fill(1)))]);
  });

  it("F6: is not ended while it takes, however slowly, nor when nothing waits", async () => {
    const path = room("strict");
    const control = await Control.of(path);
    const idle = await raw(`${path}?name=${path}-idle`);
    await control.tell("send", `${path}-idle`, { messages: [["text", 992, "x"]], times: 4 });
    const slow = await raw(`${path}?name=${path}`);
    await raw(`${path}?name=${path}-stalled`);
    await control.tell("send", path, { messages: [["text", 992, "x"]], times: 20 });
    await control.tell("send", `${path}-stalled`, { messages: [["text", 992, "x"]], times: 20 });
    // By the time that the stalled session is closed, the slow one has waited longer in all.
    let count = 0;
    await expect
      .poll(
        async () => {
          if (count < 12) slow.send(frame(2, ++count));
          return control.state(`${path}-stalled`);
        },
        { interval: 100 },
      )
      .toMatchObject({ closes: [1008] });
    for (; count < 16;) slow.send(frame(2, ++count));
    await expect.poll(() => control.state(path)).toMatchObject({ sent: 20, errors: [], closes: [], isOpen: true });
    expect(await control.state(`${path}-idle`)).toMatchObject({ errors: [], closes: [], isOpen: true });
    idle.send(frame(2, 4));
    await idle.close(1000);
  });

  it.each([
    ["ends", (client: Client) => client.connection.destroy()],
    ["resets", (client: Client) => client.connection.resetAndDestroy()],
  ])("F5: that %s its connection is told to onClose once, with 1006, and what waits fails", async (how, go) => {
    const path = room("narrow");
    const name = `${path}-${how}`;
    const control = await Control.of(path);
    const client = await raw(`${path}?name=${name}`);
    await client.next();
    await control.tell("send", name, { messages: [["text", 992, "x"]], times: 10 });
    await control.tell("put", name, { messages: [["text", 992, "x"]], times: 10 });
    await expect.poll(() => control.state(name)).toMatchObject({ sent: 4, put: 5, bufferedAmount: 7 * 992 });
    go(client);
    await expect.poll(() => control.state(name)).toMatchObject({ closes: [1006], isOpen: false, sent: 4, taken: 0 });
    expect(await control.state(name)).toMatchObject({
      failed: Array(6).fill("SessionClosedError"),
      results: Array(6).fill("SessionClosedError"),
      errors: [],
      closes: [1006],
    });
  });

  it.each(["put", "send"] as const)("F5: costs the process no memory when 400 MiB are %s for it", async (what) => {
    const disk = await Disk.create("test/e2e/client-worker.ts");
    onTestFinished(() => disk.remove());
    const own = await disk.start();
    onTestFinished(() => own.stop());
    const id = String(own.pid);
    const control = await Control.of("/usual/memory", own);
    const stalled = await raw("/usual/memory?name=stalled", own);
    const other = await raw("/usual/memory?name=other", own);
    await other.settings();
    // The cost of the first large messages is not part of the stall.
    const messages: Made[] = [["text", MIB, "x"]];
    await control.tell(what, "other", { messages });
    expect(await other.next()).toHaveLength(MIB);
    stalled.socket.pause();
    const before = await memory(id, "VmRSS");
    await control.tell(what, "stalled", { messages, times: 400 });
    // One is sent, four are in the buffer, one waits for a place there, and 394 have not been made.
    const expected =
      what === "put" ? { put: 6, taken: 1 } : { sent: 1, failed: Array<string>(399).fill("BufferFullError") };
    await expect.poll(() => control.state("stalled")).toMatchObject(expected);
    other.send(frame(2, 1));
    other.send("go on");
    expect(await other.next()).toBe("go on");
    expect((await memory(id, "VmHWM")) - before).toBeLessThan(64 * MIB);
  });
});

/** A class as a wrapper gets it. */
class OverWs extends SocleWebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols, { WebSocket: Ws });
  }
}

const wrappers = [
  { name: "partysocket", Wrapper: PartyWebSocket, WebSocket: SocleWebSocket },
  { name: "partysocket over ws", Wrapper: PartyWebSocket, WebSocket: OverWs },
  { name: "reconnecting-websocket", Wrapper: ReconnectingWebSocket, WebSocket: SocleWebSocket },
  { name: "reconnecting-websocket over ws", Wrapper: ReconnectingWebSocket, WebSocket: OverWs },
];

describe.each(wrappers)("$name, with socle/client as its WebSocket", ({ Wrapper, WebSocket }) => {
  const soon = { WebSocket, minReconnectionDelay: 1, maxReconnectionDelay: 50, connectionTimeout: 30_000 };

  interface Wrapped {
    binaryType: string;
    readonly readyState: number;
    send(data: string | Uint8Array<ArrayBuffer>): unknown;
    close(): void;
    addEventListener(type: string, listener: (event: never) => void): void;
  }

  function wrap(
    url: () => string,
    protocols: string[] = [],
  ): { socket: Wrapped; received: ClientData[]; log: string[] } {
    const socket = new Wrapper(url, protocols, soon) as Wrapped;
    onTestFinished(() => socket.close());
    const received: ClientData[] = [];
    const log: string[] = [];
    socket.addEventListener("open", () => log.push("open"));
    socket.addEventListener("close", ({ code }: { code: number }) => log.push(`close ${code}`));
    socket.addEventListener("message", ({ data }: { data: ClientData }) => received.push(data));
    return { socket, received, log };
  }

  it("F8: connects anew after the server closes and after its process dies, and both ends count anew", async () => {
    const disk = await Disk.create("test/e2e/client-worker.ts");
    onTestFinished(() => disk.remove());
    let own = await disk.start();
    onTestFinished(() => own.stop());
    const path = room("narrow");
    const { received, log, socket } = wrap(() => `ws://${own.host}${path}?name=A`);
    let control = await Control.of(path, own);
    const expected: (string | number[])[] = [];
    // 60 messages of about 300 bytes are more than four windows, so neither end can continue an old count.
    const round = async (letter: string) => {
      await expect.poll(() => control.state("A")).toMatchObject({ isOpen: true });
      const messages = Array.from({ length: 60 }, (_, index): Made =>
        index % 3 === 0 ? ["binary", index * 5, index] : ["text", 300, `${letter}${index}`],
      );
      await control.tell("put", "A", { messages });
      for (const [kind, count, unit] of messages as ["text" | "binary", number, string | number][]) {
        expected.push(kind === "text" ? (unit as string).repeat(count) : Array<number>(count).fill(unit as number));
      }
      await expect.poll(() => received).toHaveLength(expected.length);
      expect(await Promise.all(received.map(plain))).toEqual(expected);
      expect(await control.state("A")).toMatchObject({ errors: [], isOpen: true, failed: [], results: [] });
    };
    await round("a");
    await control.tell("close", "A", { code: 4000 });
    await expect.poll(() => log).toEqual(["open", "close 4000", "open"]);
    await round("b");
    await own.stop();
    await expect.poll(() => log.length).toBeGreaterThan(3);
    own = await disk.start();
    await expect.poll(() => log.at(-1)).toBe("open");
    control = await Control.of(path, own);
    socket.binaryType = "arraybuffer";
    await round("c");
    expect(received.slice(120, 123).map((one) => typeof one === "string" || one instanceof ArrayBuffer)).toEqual([
      true,
      true,
      true,
    ]);
    socket.send("text");
    socket.send(Uint8Array.of(1, 2));
    await expect.poll(() => received).toHaveLength(182);
    expect(await Promise.all(received.slice(180).map(plain))).toEqual(["text", [1, 2]]);
  });

  it("F8: acknowledges of each connection what came by that one", async () => {
    const { url, peer } = await serve();
    const { received, log } = wrap(() => url);
    const first = await peer();
    first.send(batch("a", "b", "c"));
    expect(await acknowledgements(first, 1)).toEqual([3]);
    first.send("d");
    await expect.poll(() => received).toHaveLength(4);
    first.socket.close(1012);
    const second = await peer();
    second.send(batch("e", Uint8Array.of(1)));
    expect(await acknowledgements(second, 1)).toEqual([2]);
    await expect.poll(() => received).toHaveLength(6);
    expect(await Promise.all(received.map(plain))).toEqual(["a", "b", "c", "d", "e", [1]]);
    expect(log).toEqual(["open", "close 1012", "open"]);
  });

  it("F9: connects to a server without socle.v1, and after one that refused", async () => {
    const { url, peer, offers } = await serve(false);
    const held = await hold();
    let where = held.url;
    const { received, log } = wrap(() => where);
    (await held.next()).socket.end(REFUSAL);
    const { socket } = await held.next();
    where = url;
    socket.end(REFUSAL);
    await expect.poll(() => log.at(-1)).toBe("open");
    let connection = await peer();
    for (let left = offers.length - 1; left > 0; left--) connection = await peer();
    connection.send("a", Uint8Array.of(2, 9));
    await expect.poll(() => received).toHaveLength(2);
    expect(await Promise.all(received.map(plain))).toEqual(["a", [2, 9]]);
  });
});
