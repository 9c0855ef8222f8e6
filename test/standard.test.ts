// hibernate: false, where the object stays in memory. The other files test what holds for both modes.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  DeploymentError,
  LimitExceededError,
  onOpenStartWsConnection,
  startWsConnection,
  WebSocketSendAsync,
  type SendChannel,
  type Session,
} from "socle";
import { describe, expect, it, vi } from "vitest";

import { connect, upgrade } from "./support/client.ts";
import { freshPath, hibernating, Log, recorded, standard, type Served } from "./support/endpoint.ts";
import { container } from "./support/worker.ts";

const { serve } = standard;

/** Dispatches events as the platform does. */
const dispatch = (endpoint: Served, ...events: Event[]) =>
  runInDurableObject(endpoint.stub, (object) => {
    const [session] = object.openSessions();
    for (const event of events) session!.webSocket.dispatchEvent(event);
  });

describe("the session object", () => {
  class Tally {
    #count = 0;
    readonly next = () => ++this.#count;
  }

  it("R22: may be an instance of a class, hold functions and promises, and stays the same", async () => {
    const made = { tally: new Tally(), upper: (text: string) => text.toUpperCase(), ready: Promise.resolve("ready") };
    const log = new Log();
    const endpoint = serve({
      onOpen: () => made,
      async onText(object, text, session) {
        log.add(object === made, session.sessionObject === made);
        await session.asyncRemote.sendText(`${object.upper(text)} ${object.tally.next()} ${await object.ready}`);
      },
      onClose: (object) => log.add("close", object === made),
    });
    const client = await endpoint.connect();
    client.send("a", "b");
    expect(await client.take(2)).toEqual(["A 1 ready", "B 2 ready"]);
    client.socket.close();
    await log.has(["close", true]);
    expect(log.entries).toEqual([
      [true, true],
      [true, true],
      ["close", true],
    ]);
  });

  it("R22: may be assigned, whatever it is, and be left as anything by a callback", async () => {
    const log = new Log();
    const endpoint = serve<unknown>({
      onOpen(session) {
        session.sessionObject = new Tally();
      },
      onText(object, text, session) {
        log.add((object as Tally).next());
        if (text === "assign") session.sessionObject = Object.assign(new Tally(), { self: session });
        session.userProperties.callback = () => text;
        log.add((session.userProperties.callback as () => string)());
      },
    });
    const client = await endpoint.connect();
    client.send("keep", "assign", "again");
    await log.has("again");
    expect(log.entries).toEqual([1, "keep", 2, "assign", 1, "again"]);
  });

  it("R22: may hold a timer, which sends through the channel until onClose clears it", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen(session) {
        const send = startWsConnection(session);
        let ticks = 0;
        return { send, timer: setInterval(() => void send.put(String(++ticks)), 5) };
      },
      onClose({ timer, send }: { timer: ReturnType<typeof setInterval>; send: SendChannel }) {
        clearInterval(timer);
        log.add("cleared", send.closed);
      },
    });
    const client = await endpoint.connect();
    expect(await client.take(3)).toEqual(["1", "2", "3"]);
    client.socket.close();
    expect(await client.closed).toMatchObject({ code: 1005 });
    await log.has(["cleared", true]);
  });

  it("R22: may hold a socket to elsewhere, and close it in onClose", async () => {
    const log = new Log();
    const upstream = serve({
      onOpen: onOpenStartWsConnection(),
      onText: (send, text) => send.put(`upstream: ${text}`),
      onClose: (_, __, { closeCode }) => log.add("upstream ends", closeCode),
    });
    const relay = serve({
      async onOpen(session) {
        const { webSocket } = await upgrade(upstream.path);
        webSocket!.accept();
        webSocket!.addEventListener("message", ({ data }) => void session.asyncRemote.sendText(data as string));
        return { socket: webSocket! };
      },
      onText: ({ socket }, text) => socket.send(text),
      onClose: ({ socket }) => socket.close(4000),
    });
    const client = await relay.connect();
    expect(await client.ask("hello")).toBe("upstream: hello");
    client.socket.close();
    await log.has(["upstream ends", 4000]);
  });

  it("R22: is never written, nor is anything else of the session", async () => {
    const written = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    const log = new Log();
    const endpoint = serve({
      tags: ["tag"],
      rateLimit: { messages: 100, perMs: 1000 },
      onOpen: (session) => ({ n: 0, send: startWsConnection(session) }),
      onText(object, text, session) {
        object.n++;
        session.sessionObject = { ...object, n: object.n + 1 };
        session.userProperties = { text };
        session.maxIdleTimeout = 60_000;
        session.maxTextMessageBufferSize = 100;
        return object.send.put(text);
      },
      onClose: ({ n }) => log.add("close", n),
    });
    const client = await endpoint.connect();
    expect(await client.ask("a")).toBe("a");
    client.socket.close();
    await log.has(["close", 2]);
    expect(written).not.toHaveBeenCalled();
    written.mockRestore();
    const rows = await runInDurableObject(endpoint.stub, (_, { storage }) => [...storage.kv.list()]);
    expect(rows.map(([key]) => key).filter((key) => key.startsWith("socle:session"))).toEqual([]);
  });

  it("R22: keeps the object in memory: it hibernates no sooner than its last session has ended", async () => {
    const endpoint = serve({
      onOpen: (session) => ({ tally: new Tally(), send: startWsConnection(session) }),
      async onText({ tally, send }, text) {
        if (text === "stuck") void send.send({ [WebSocketSendAsync]: () => new Promise<void>(() => {}) });
        else await send.put(String(tally.next()));
      },
    });
    const instance = () => runInDurableObject(endpoint.stub, (object) => new WeakRef(object));
    const clients = [await endpoint.connect(), await endpoint.connect()] as const;
    const before = await instance();
    let hibernated = false;
    const hibernates = endpoint.hibernate().then(() => (hibernated = true));
    clients[0].socket.close();
    await clients[0].closed;
    expect([await clients[1].ask(""), await clients[1].ask("")]).toEqual(["1", "2"]);
    expect(hibernated).toBe(false);
    clients[1].send("stuck");
    clients[1].socket.close();
    await hibernates;
    expect((await instance()).deref() === before.deref()).toBe(false);
  });
});

it("R1: contradictions are refused: there is nothing to serialise, and nothing to track", () => {
  const codec = { serializeSession: () => null, deserializeSession: () => null };
  for (const option of [{ trackSessions: true }, codec]) {
    const add = (hibernate: boolean) => container.addEndpoint(freshPath(), { ...option, hibernate });
    expect(() => add(false)).toThrow(DeploymentError);
    expect(() => add(false)).toThrow(/hibernate: false: remove trackSessions and serializeSession/);
    expect(() => add(true)).not.toThrow();
  }
});

it("R24: a session has the facts of its handshake, and none of them is another session's", async () => {
  const path = freshPath();
  container.addEndpoint(`${path}/{room}`, {
    hibernate: false,
    subprotocols: ["chat"],
    tags: (session) => [session.queryString],
    configure: (config) => void (config.userProperties = { of: { all: 1 } }),
    onHandshake: (request) => ({
      headers: { "X-Hook": "asked" },
      userProperties: { query: new URL(request.url).search },
      userPrincipal: { name: "Ann" },
    }),
    onText(_, text, session) {
      (session.userProperties.of as Record<string, unknown>)[text] = true;
      const { id, requestURI, pathParameters, negotiatedSubprotocol, tags, userProperties, userPrincipal } = session;
      const facts = [requestURI.href, pathParameters, negotiatedSubprotocol, tags, userProperties, userPrincipal];
      return session.asyncRemote.sendText(JSON.stringify([id, ...facts]));
    },
  });
  const [one, two] = [
    await connect(`${path}/a%20b?1`, { "Sec-WebSocket-Protocol": "chat" }),
    await connect(`${path}/a%20b?2`),
  ];
  expect(one.response.headers.get("X-Hook")).toBe("asked");
  expect(one.response.headers.get("Sec-WebSocket-Protocol")).toBe("chat");
  const facts = async (client: typeof one, text: string) => JSON.parse((await client.ask(text)) as string) as unknown[];
  const [id, ...first] = await facts(one, "x");
  const url = `https://socle.test${path}/a%20b`;
  const ann = { name: "Ann" };
  expect(first).toEqual([`${url}?1`, { room: "a b" }, "chat", ["1"], { of: { all: 1, x: true }, query: "?1" }, ann]);
  const [other, ...second] = await facts(two, "y");
  expect(second).toEqual([`${url}?2`, { room: "a b" }, "", ["2"], { of: { all: 1, y: true }, query: "?2" }, ann]);
  expect(other).not.toBe(id);
  expect((await facts(one, "z"))[5]).toEqual({ of: { all: 1, x: true, z: true }, query: "?1" });
});

it("R11: a binary message is an ArrayBuffer, though the platform's default is a Blob", async () => {
  const log = new Log();
  const endpoint = serve({
    onOpen: ({ webSocket }) => log.add(webSocket.binaryType),
    onBinary: (_, data) => log.add(data instanceof ArrayBuffer, [...new Uint8Array(data)]),
  });
  const client = await endpoint.connect();
  client.send(new Uint8Array([1, 2, 3]).buffer, new ArrayBuffer(0));
  await log.has([true, []]);
  expect(log.entries).toEqual(["blob", [true, [1, 2, 3]], [true, []]]);
});

describe("beside sessions that hibernate, in one object", () => {
  /** Two endpoints: one with the sessions a (tagged) and b, the other with c (tagged) and d. */
  async function both() {
    const log = new Log();
    const name = freshPath();
    const map = {
      instance: () => name,
      tags: ({ queryString }: Session) => (queryString === "a" || queryString === "c" ? ["tagged"] : []),
      onOpen: ({ queryString }: Session) => queryString,
      onText: (_: string, __: string, { openSessions, asyncRemote }: Session) =>
        asyncRemote.sendText([...openSessions].map((session) => session.queryString).join()),
      ...recorded(log),
    };
    const [kept, asleep] = [serve(map), hibernating.serve(map)];
    const clients = {
      a: await kept.connect("?a"),
      b: await kept.connect("?b"),
      c: await asleep.connect("?c"),
      d: await asleep.connect("?d"),
    };
    return { clients, stub: container.stub(env, kept.path), name, log };
  }

  it("R31: openSessions are those of the endpoint", async () => {
    const { clients } = await both();
    expect(((await clients.a.ask("")) as string).split(",").toSorted()).toEqual(["a", "b"]);
    expect(((await clients.d.ask("")) as string).split(",").toSorted()).toEqual(["c", "d"]);
  });

  it("R9: openSessionCount and broadcast reach both kinds, by their tags and but for those excepted", async () => {
    const { clients, stub, name, log } = await both();
    expect([await stub.openSessionCount(), await stub.openSessionCount("tagged")]).toEqual([4, 2]);
    expect(await stub.openSessionCount("nobody")).toBe(0);
    expect(await stub.broadcast("all")).toBe(4);
    expect(await stub.broadcast("tagged", { tag: "tagged" })).toBe(2);
    await runInDurableObject(env.Endpoints.getByName(name), (object) => {
      const except = [...object.openSessions()].filter(({ queryString }) => queryString === "b" || queryString === "c");
      expect(object.broadcast("a and d", { except })).toBe(2);
      expect([...object.openSessions("tagged")].map(({ queryString }) => queryString).toSorted()).toEqual(["a", "c"]);
    });
    clients.b.socket.close();
    await log.has(["close", "b", 1005, ""]);
    expect(await stub.broadcast("last")).toBe(3);
    expect(await clients.a.take(4)).toEqual(["all", "tagged", "a and d", "last"]);
    expect(await clients.b.take(1)).toEqual(["all"]);
    expect(await clients.c.take(3)).toEqual(["all", "tagged", "last"]);
    expect(await clients.d.take(3)).toEqual(["all", "a and d", "last"]);
    expect(clients.b.unread).toEqual([]);
  });

  it("R9: closeAll closes both kinds, and onClose runs once for each", async () => {
    const { clients, stub, log } = await both();
    expect(await stub.closeAll({ closeCode: 1012, reasonPhrase: "new version" })).toBe(4);
    for (const client of Object.values(clients)) {
      expect(await client.closed).toEqual({ code: 1012, reason: "new version", wasClean: true });
    }
    for (const query of ["a", "b", "c", "d"]) await log.has(["close", query, 1012, "new version"]);
    expect(await stub.openSessionCount()).toBe(0);
    expect(log.entries).toHaveLength(4);
  });

  it("R20: the object hibernates once those are gone that don't, and the others come back", async () => {
    const { clients, name, log } = await both();
    const hibernates = evictDurableObject(env.Endpoints.getByName(name));
    clients.a.socket.close(4001);
    clients.b.socket.close(4002);
    await hibernates;
    expect(((await clients.c.ask("")) as string).split(",").toSorted()).toEqual(["c", "d"]);
    clients.c.socket.close(4003);
    await log.has(["close", "c", 4003, ""]);
    expect(log.entries).toEqual([
      ["close", "a", 4001, ""],
      ["close", "b", 4002, ""],
      ["close", "c", 4003, ""],
    ]);
  });
});

describe("the limits", () => {
  /** Logs how long after its last activity a session ended. */
  const timed = (log: Log, timeout: number) => ({
    onClose: (at: { last: number }, _: Session, { closeCode }: { closeCode: number }) => {
      const silence = Date.now() - at.last;
      log.add(closeCode, silence >= timeout ? "not early" : `${silence} ms after its last message`);
    },
  });

  it("R18: a silent session closes with 1001, by the option or by maxIdleTimeout, and not early", async () => {
    const log = new Log();
    const byOption = serve({ idleTimeoutMs: 500, onOpen: () => ({ last: Date.now() }), ...timed(log, 500) });
    const byCallback = serve({
      onOpen: () => ({ last: 0 }),
      onText(at, _, session) {
        at.last = Date.now();
        session.maxIdleTimeout = 500;
      },
      ...timed(log, 500),
    });
    const clients = [await byOption.connect(), await byCallback.connect()];
    clients[1]!.send("");
    for (const client of clients) expect(await client.closed).toEqual({ code: 1001, reason: "", wasClean: true });
    await expect
      .poll(() => log.entries)
      .toEqual([
        [1001, "not early"],
        [1001, "not early"],
      ]);
  });

  it("R18: an automatic response reaches no callback, and counts as activity", async () => {
    const log = new Log();
    const at = { last: 0 };
    const endpoint = serve({
      idleTimeoutMs: 1000,
      autoResponse: { request: "ping", response: "pong" },
      onOpen: () => at,
      onText: (_, text) => log.add(text),
      ...timed(log, 1000),
    });
    const client = await endpoint.connect();
    // Without activity the session would close within 2 s.
    for (const end = Date.now() + 2200; Date.now() < end; await scheduler.wait(100)) {
      at.last = Date.now();
      expect(await client.ask("ping")).toBe("pong");
    }
    client.send("pinging");
    await log.has("pinging");
    expect(await client.closed).toMatchObject({ code: 1001 });
    expect(log.entries).toEqual(["pinging", [1001, "not early"]]);
  });

  it("R17: there is no automatic response on a session that is closed", async () => {
    const log = new Log();
    const endpoint = serve({
      autoResponse: { request: "ping", response: "pong" },
      onText(_, __, session) {
        session.close(4000);
        const { webSocket } = session;
        vi.spyOn(webSocket, "send").mockImplementation((data) => log.add("sent", data));
        webSocket.addEventListener("message", ({ data }) => log.add("comes", data));
      },
    });
    const client = await endpoint.connect();
    client.send("close", "ping");
    expect(await client.closed).toMatchObject({ code: 4000 });
    await log.has(["comes", "ping"]);
    expect(log.entries).toEqual([["comes", "ping"]]);
  });

  it("R19: a message over its limit closes with 1009, by the options or by the session's properties", async () => {
    const log = new Log();
    const limited = serve({
      maxTextMessageBufferSize: 6,
      maxBinaryMessageBufferSize: 2,
      onText: (_, text) => log.add(text),
      onBinary: (_, data) => log.add(data.byteLength),
      ...recorded(log),
    });
    const limiting = serve({
      onOpen(session) {
        session.maxTextMessageBufferSize = 6;
        session.maxBinaryMessageBufferSize = 2;
      },
      onText: (_, text) => log.add(text),
      onBinary: (_, data) => log.add(data.byteLength),
      ...recorded(log),
    });
    for (const endpoint of [limited, limiting]) {
      for (const [fits, over, name] of [
        ["€€", "€€€", "message of over 6 bytes: see maxTextMessageBufferSize."],
        [new ArrayBuffer(2), new ArrayBuffer(3), "message of over 2 bytes: see maxBinaryMessageBufferSize."],
      ] as const) {
        log.entries.length = 0;
        const client = await endpoint.connect();
        client.send(fits, over, "late");
        expect(await client.closed).toMatchObject({ code: 1009 });
        await log.has(["close", undefined, 1009, ""]);
        const taken = typeof fits === "string" ? fits : 2;
        expect(log.entries).toEqual([
          taken,
          ["error", undefined, `The client sent a ${name}`],
          ["close", undefined, 1009, ""],
        ]);
      }
    }
  });

  it("R12: more messages than may wait close with 1013, once those are answered that were taken", async () => {
    const log = new Log();
    let release = () => {};
    const endpoint = serve({
      maxPendingMessages: 2,
      onOpen: onOpenStartWsConnection(),
      async onText(send, text) {
        log.add(text);
        if (text === "hold") await new Promise<void>((resolve) => (release = resolve));
        if (text === "release") release();
        await send.put(text);
      },
      onError: (_, session, error) => log.add(error instanceof LimitExceededError, session.isOpen, error.message),
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    const other = await endpoint.connect();
    const client = await endpoint.connect();
    client.send("hold", "a", "b", "one too many", "late");
    await log.has("hold");
    expect(await other.ask("release")).toBe("release");
    expect(await client.closed).toMatchObject({ code: 1013 });
    expect(client.unread).toEqual(["hold", "a", "b"]);
    await log.has(1013);
    const message = "2 messages are queued behind slow callbacks: see maxPendingMessages.";
    expect(log.entries).toEqual(["hold", "release", "a", "b", [true, true, message], 1013]);
  });

  it("messages past the rate limit close with 1008, and those before it are answered", async () => {
    const log = new Log();
    const endpoint = serve({
      rateLimit: { messages: 3, perMs: 3_600_000 },
      onOpen: onOpenStartWsConnection(),
      onText: (send, text) => send.put(text),
      onError: (_, __, error) => log.add(error.message),
    });
    const client = await endpoint.connect();
    client.send("a", "b", "c", "d", "e");
    expect(await client.closed).toMatchObject({ code: 1008 });
    expect(client.unread).toEqual(["a", "b", "c"]);
    expect(log.entries).toEqual(["The client sent more than 3 messages in 3600000 ms: see rateLimit."]);
  });
});

describe("the end", () => {
  it("R14: onClose runs once though the platform reports the end twice, and a failure and a message behind it", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => "object",
      onText: (_, text) => log.add(text),
      async onClose(object, _, { closeCode, reasonPhrase }) {
        log.add(object, closeCode, reasonPhrase);
        await Promise.resolve();
      },
      onError: (_, __, error) => log.add(error.message),
    });
    const client = await endpoint.connect();
    await dispatch(
      endpoint,
      new CloseEvent("close", { code: 1001, reason: "going" }),
      new CloseEvent("close", { code: 1006 }),
      new ErrorEvent("error", { error: new Error("late") }),
      new MessageEvent("message", { data: "late" }),
    );
    expect(await client.closed).toMatchObject({ code: 1001, reason: "going" });
    expect(log.entries).toEqual([["object", 1001, "going"]]);
  });

  it("R14: a failed socket goes to onError, and then to onClose with the code in the error's text", async () => {
    for (const [message, code] of [
      ["protocolError.statusCode = 1002; odd", 1002],
      ["Network connection lost.", 1006],
    ] as const) {
      const log = new Log();
      const endpoint = serve({
        onOpen: () => "object",
        onText: (_, text) => new Promise<void>((resolve) => setTimeout(() => resolve(log.add(text)), 10)),
        ...recorded(log),
      });
      await endpoint.connect();
      await dispatch(
        endpoint,
        new MessageEvent("message", { data: "before" }),
        new ErrorEvent("error", { error: new Error(message) }),
        new CloseEvent("close", { code: 1006 }),
      );
      await log.has(["close", "object", code, ""]);
      expect(log.entries).toEqual(["before", ["error", "object", message], ["close", "object", code, ""]]);
    }
  });

  it("R14: a client that has never sent is let go when the session closes, and onClose runs once", async () => {
    const log = new Log();
    const endpoint = serve({ onOpen: () => "object", ...recorded(log) });
    const client = await endpoint.connect();
    await runInDurableObject(endpoint.stub, (object) => {
      const [session] = object.openSessions();
      session!.close(4001, "enough");
      session!.close(4002);
      expect(session!.isOpen).toBe(false);
      expect(object.openSessionCount()).toBe(0);
    });
    expect(await client.closed).toEqual({ code: 4001, reason: "enough", wasClean: true });
    await log.has(["close", "object", 4001, "enough"]);
    await endpoint.hibernate();
    expect(log.entries).toHaveLength(1);
  });

  it("R10: sessions that end in onOpen keep no object in memory", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const log = new Log();
    const endpoint = serve({
      onOpen(session) {
        if (session.queryString === "throw") throw new Error("expected");
        session.close(4001);
      },
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    expect(await (await endpoint.connect()).closed).toMatchObject({ code: 4001 });
    expect(await (await endpoint.connect("?throw")).closed).toMatchObject({ code: 1011 });
    await endpoint.hibernate();
    expect(log.entries).toEqual([4001, 1011]);
    expect(logged).toHaveBeenCalledOnce();
    logged.mockRestore();
  });
});
