// Socle sends a message after the change is durable. After a crash it finishes what was cut off, but not forever. It
// reads only what somebody asks for.
import { createExecutionContext, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { startWsConnection, type ContainerEvent, type SendChannel, type Session, type WsEndpointMap } from "socle";
import { connect } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { freshPath, Log, serve, type Served } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { listener, watched } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => vi.restoreAllMocks());

const ROW = "socle:session:";
const crash = (endpoint: Pick<Served, "stub">): Promise<void> =>
  evictDurableObject(endpoint.stub, { webSockets: "close" });

/** The rows of sessions that are written and the messages that are sent, in order. */
async function writing(): Promise<unknown[]> {
  const entries: unknown[] = [];
  const kv = await runInDurableObject(
    env.Endpoints.getByName("kv"),
    (_, { storage }) => Object.getPrototypeOf(storage.kv) as SyncKvStorage,
  );
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the `this` of each
  const { put } = kv;
  vi.spyOn(kv, "put").mockImplementation(function (this: SyncKvStorage, key: string, value: unknown) {
    if (key.startsWith(ROW)) entries.push(["row", structuredClone((value as [string, unknown])[1])]);
    put.call(this, key, value);
  });
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the `this` of each
  const { send } = WebSocket.prototype;
  vi.spyOn(WebSocket.prototype, "send").mockImplementation(function (this: WebSocket, data) {
    // The test runner also uses a socket, with JSON.
    if (typeof data === "string" && data !== "go" && !data.startsWith("[{")) entries.push(data);
    send.call(this, data as string);
  });
  return entries;
}

interface Counted {
  n: number;
}

describe("what a callback sends", () => {
  const tracked = (onText: WsEndpointMap<Cloudflare.Env, Counted>["onText"]) =>
    serve<Counted>({ trackSessions: true, onOpen: () => ({ n: 0 }), onText: onText! });

  it("P7: leaves behind the write of what it had changed before, each time", async () => {
    const endpoint = tracked(async (counted, _, { asyncRemote }) => {
      counted.n++;
      void asyncRemote.sendText(String(counted.n));
      await scheduler.wait(1);
      counted.n++;
      await asyncRemote.sendText(String(counted.n));
      void asyncRemote.sendText("no change");
    });
    const client = await endpoint.connect();
    const entries = await writing();
    client.send("go");
    await client.take(3);
    expect(entries).toEqual([["row", { n: 1 }], "1", ["row", { n: 2 }], "2", "no change"]);
  });

  it("P7: is compared once in each turn that sends, however much it sends", async () => {
    const endpoint = tracked(async (counted, _, { asyncRemote }) => {
      for (let part = 0; part < 50; part++) {
        counted.n++;
        void asyncRemote.sendText(String(counted.n));
      }
      await scheduler.wait(1);
    });
    const client = await endpoint.connect();
    const entries = await writing();
    client.send("go");
    await client.take(50);
    expect(entries.slice(0, 2)).toEqual([["row", { n: 50 }], "1"]);
    expect(entries.filter((entry) => Array.isArray(entry))).toHaveLength(1);
  });

  it("P7: waits in the same way by a channel, in a broadcast, to another session, and in its Close frame", async () => {
    const endpoint = serve<{ n: number; send: SendChannel }>({
      trackSessions: true,
      onOpen: (session) => ({ n: 0, send: startWsConnection(session) }),
      async onText(counted, text, session) {
        if (text === "later") await scheduler.wait(1);
        counted.n++;
        await counted.send.put(`channel ${counted.n}`);
        counted.n++;
        for (const { asyncRemote } of session.openSessions) void asyncRemote.sendText(`all ${counted.n}`);
        await scheduler.wait(1);
        counted.n++;
        session.close(4001, String(counted.n));
      },
    });
    for (const text of ["now", "later"]) {
      const [ann, bob] = [await endpoint.connect(), await endpoint.connect()];
      const entries = await writing();
      ann.send(text);
      expect(await ann.take(2)).toEqual(["channel 1", "all 2"]);
      expect(await bob.next()).toBe("all 2");
      expect(await ann.closed).toMatchObject({ code: 4001, reason: "3" });
      const rows = entries.flatMap((entry) => (Array.isArray(entry) ? [(entry[1] as Counted).n] : []));
      const before = (sent: string, n: number) =>
        entries.findIndex((entry) => Array.isArray(entry) && (entry[1] as Counted).n >= n) < entries.indexOf(sent);
      expect([before("channel 1", 1), before("all 2", 2), rows.at(-1)]).toEqual([true, true, 3]);
      await bob.close(1000);
      vi.restoreAllMocks();
    }
  });

  it("P7: waits for what it changed in the object of another session", async () => {
    const endpoint = tracked(async (_own, _text, session: Session<string, Counted>) => {
      for (const other of session.openSessions) other.sessionObject.n += 10;
      await session.asyncRemote.sendText("told");
    });
    const [ann, bob] = [await endpoint.connect(), await endpoint.connect()];
    const entries = await writing();
    ann.send("go");
    await ann.next();
    expect(entries.indexOf("told")).toBe(2);
    expect(entries.slice(0, 2)).toEqual([
      ["row", { n: 10 }],
      ["row", { n: 10 }],
    ]);
    await bob.close(1000);
  });

  it("P7: is sent all the same where the object can't be kept, and then all that the callback changed is undone", async () => {
    const endpoint = serve<{ n: number; bad?: unknown }>({
      trackSessions: true,
      onOpen: () => ({ n: 0 }),
      async onText(counted, text, session) {
        if (text === "?") return session.asyncRemote.sendText(String(counted.n));
        counted.n++;
        await session.asyncRemote.sendText("kept");
        await scheduler.wait(1);
        counted.bad = () => {};
        await session.asyncRemote.sendText("sent");
      },
      onError: (_, session, error) => session.asyncRemote.sendText(error.name),
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(3)).toEqual(["kept", "sent", "SessionObjectError"]);
    expect(await client.ask("?")).toBe("0");
    await endpoint.hibernate();
    expect(await client.ask("?")).toBe("0");
  });

  it.each([
    ["nothing", 1],
    ["something more", 2],
  ])(
    "P7: what is undone is all of one callback and nothing of that before it, which changed %s when it had sent",
    async (what, n) => {
      const endpoint = serve<{ n: number; bad?: unknown }>({
        trackSessions: true,
        onOpen: () => ({ n: 0 }),
        async onText(counted, text, session) {
          if (text === "?") return session.asyncRemote.sendText(String(counted.n));
          for (let round = text === "fail" ? 2 : 1; round > 0; round--) {
            counted.n++;
            await session.asyncRemote.sendText("kept");
            await scheduler.wait(1);
          }
          if (text === "something more") counted.n++;
          if (text === "fail") counted.bad = () => {};
        },
        onError: (_, session, error) => session.asyncRemote.sendText(error.name),
      });
      const client = await endpoint.connect();
      client.send(what, "fail");
      expect(await client.take(4)).toEqual(["kept", "kept", "kept", "SessionObjectError"]);
      expect(await client.ask("?")).toBe(String(n));
    },
  );

  it("P7: waits for the sender's object, also where it goes to a session whose own callback is under way", async () => {
    const endpoint = tracked(async (counted, text, session: Session<string, Counted>) => {
      await scheduler.wait(text === "go" ? 60_000 : 1);
      counted.n = 7;
      for (const { id, asyncRemote } of session.openSessions) if (id !== session.id) void asyncRemote.sendText("7");
      await scheduler.wait(5);
    });
    const [ann, bob] = [await endpoint.connect(), await endpoint.connect()];
    bob.send("go");
    const entries = await writing();
    ann.send("tell");
    expect(await bob.next()).toBe("7");
    expect(entries.slice(-2)).toEqual([["row", { n: 7 }], "7"]);
  });

  it("P7: still waits when a callback that was given up has settled", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let settle = () => {};
    const endpoint = serve<Counted>({
      trackSessions: true,
      maxPendingMessages: 1,
      onOpen: () => ({ n: 0 }),
      async onText(counted, text, { asyncRemote }) {
        if (text === "hang") return new Promise<void>((resolve) => (settle = resolve));
        counted.n++;
        await asyncRemote.sendText(String(counted.n));
        return scheduler.wait(1);
      },
      onError: () => {},
    });
    const [ann, bob] = [await endpoint.connect(), await endpoint.connect()];
    ann.send("hang", "waits", "one too many");
    // Runs in the object that set the timer.
    await runInDurableObject(endpoint.stub, async () => {
      while (vi.getTimerCount() === 0) await scheduler.wait(1);
      vi.advanceTimersByTime(30_000);
    });
    vi.useRealTimers();
    expect((await ann.closed).code).toBe(1013);
    await runInDurableObject(endpoint.stub, () => settle());
    const entries = await writing();
    bob.send("go");
    expect(await bob.next()).toBe("1");
    expect(entries).toEqual([["row", { n: 1 }], "1"]);
  });

  it("P7, P23: still waits when a callback that was silent for ten seconds has settled", async () => {
    const log = new Log();
    const released = Promise.withResolvers<void>();
    const endpoint = tracked(async (counted, text, session) => {
      if (text === "hang") {
        log.add("hanging");
        return released.promise;
      }
      await scheduler.wait(1);
      counted.n++;
      for (const { id, asyncRemote } of session.openSessions) {
        if (id !== session.id) void asyncRemote.sendText(String(counted.n));
      }
    });
    const [ann, bob] = [await endpoint.connect(), await endpoint.connect()];
    ann.send("hang", "go");
    await log.has("hanging");
    const { now } = Date;
    vi.spyOn(Date, "now").mockImplementation(() => now() + 10_001);
    bob.send("go");
    expect(await ann.next()).toBe("1");
    const entries = await writing();
    await runInDurableObject(endpoint.stub, () => released.resolve());
    expect(await bob.next()).toBe("1");
    expect(entries).toEqual([["row", { n: 1 }], "1"]);
  });

  it("P7: writes nothing for a codec that gives the same again, and sends no more of a view than its bytes", async () => {
    const endpoint = serve<Map<string, number>>({
      trackSessions: true,
      serializeSession: (map) => [...map],
      deserializeSession: (data) => new Map(data as [string, number][]),
      onOpen: () => new Map([["n", 1]]),
      async onText(_, __, { asyncRemote }) {
        for (let part = 0; part < 5; part++) {
          void asyncRemote.sendText(String(part));
          await scheduler.wait(0);
        }
        const large = new Uint8Array(2 ** 20).fill(7);
        await asyncRemote.sendBinary(large.subarray(0, 3));
        large.fill(0);
      },
    });
    const client = await endpoint.connect();
    const entries = await writing();
    client.send("go");
    expect(await client.take(6)).toEqual(["0", "1", "2", "3", "4", new Uint8Array([7, 7, 7]).buffer]);
    // The row of the callback's end comes after them.
    expect(entries.slice(0, 5)).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("P7: copies the bytes of a broadcast once, however many sessions there are", async () => {
    const endpoint = tracked(async (counted, _, { asyncRemote }) => {
      counted.n++;
      const bytes = new Uint8Array([1, 2, 3]);
      broadcast(bytes);
      bytes.fill(0);
      await asyncRemote.sendText("done");
    });
    let broadcast: (bytes: Uint8Array) => void = () => {};
    const clients = await Promise.all([0, 1, 2].map(() => endpoint.connect()));
    await runInDurableObject(endpoint.stub, (object: { broadcast(bytes: Uint8Array): number }) => {
      broadcast = (bytes) => void object.broadcast(bytes);
    });
    const sent = new Set<unknown>();
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the `this` of each
    const { send } = WebSocket.prototype;
    vi.spyOn(WebSocket.prototype, "send").mockImplementation(function (this: WebSocket, data) {
      if (typeof data !== "string") sent.add(data);
      send.call(this, data as string);
    });
    clients[0]!.send("go");
    for (const client of clients) expect(await client.next()).toEqual(new Uint8Array([1, 2, 3]).buffer);
    expect(sent.size).toBe(1);
  });

  it("P7: fails where something else has closed the socket, as without it", async () => {
    const results: string[] = [];
    const endpoint = tracked(async (_, __, { asyncRemote, webSocket }) => {
      webSocket.close(4002);
      await asyncRemote.sendText("late").then(
        () => results.push("sent"),
        () => results.push("not sent"),
      );
    });
    const client = await endpoint.connect();
    client.send("go");
    expect((await client.closed).code).toBe(4002);
    await expect.poll(() => results).toEqual(["not sent"]);
  });

  it("P7: goes at once where the session object is in the attachment only", async () => {
    const endpoint = serve<Counted>({
      onOpen: () => ({ n: 0 }),
      onText(counted, _, { asyncRemote, webSocket }) {
        counted.n++;
        void asyncRemote.sendText("through");
        webSocket.send("native");
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(2)).toEqual(["through", "native"]);
  });
});

describe("the recovery after a crash", () => {
  it("P8: gives a session up after three tries, with an entry in the log and an event, and serves", async () => {
    const log = new Log();
    const path = freshPath();
    const events: ContainerEvent[] = [];
    watched.addEndpoint(path, {
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      async onClose(name, { ctx }) {
        log.add(name);
        if (name === "bad") ctx.abort("reset");
        await scheduler.wait(1);
      },
    });
    const worker = { fetch: (request: Request) => watched.fetch(request, env, createExecutionContext()) };
    const open = (query: string) => connect(worker, path + query, { timeoutMs: 50_000 });
    const object = {
      get stub() {
        return watched.stub(env, path) as unknown as Served["stub"];
      },
    };
    await open("?bad");
    listener.onEvent = (event) => void events.push(event);
    await crash(object);
    const answers: string[] = [];
    while (answers.at(-1) !== "open" && answers.length < 6) {
      answers.push(
        await open("?new").then(
          () => "open",
          () => "failed",
        ),
      );
    }
    listener.onEvent = () => {};
    expect(answers).toEqual(["failed", "failed", "failed", "open"]);
    expect(log.entries).toEqual(["bad", "bad", "bad"]);
    const given = [
      logEntry("a lost session was given up"),
      expect.objectContaining({ message: expect.stringContaining("3 times") }),
    ];
    expect(logged.mock.calls).toContainEqual(given);
    const ended = events.filter((event) => "session" in event && event.session.requestParameterMap.has("bad"));
    expect(ended.map(({ type }) => type)).toEqual(["error", "close"]);
    await crash(object);
    await vi.waitUntil(() => open("?last").then(Boolean, () => false), 30_000);
    expect(log.entries.filter((name) => name === "bad")).toHaveLength(3);
  });

  it("P8: has a few rows read at a time, each when its turn comes", async () => {
    const log = new Log();
    let running = 0;
    const endpoint = serve({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      async onClose() {
        log.add(++running);
        await scheduler.wait(5);
        running--;
      },
    });
    await Promise.all(Array.from({ length: 30 }, (_, n) => endpoint.connect(`?${n}`)));
    await crash(endpoint);
    await endpoint.connect("?new");
    expect(log.entries).toHaveLength(30);
    expect(Math.max(...(log.entries as number[]))).toBeLessThanOrEqual(8);
    expect(Math.max(...(log.entries as number[]))).toBeGreaterThan(1);
  });

  it("P8: gives up those alone that reset the object, however many there are", async () => {
    const log = new Log();
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      async onClose(name, { ctx }) {
        await scheduler.wait(1);
        if (name.startsWith("bad")) ctx.abort("reset");
        log.add(name);
      },
    });
    for (const name of ["bad-1", "good-1", "good-2", "bad-2", "good-3"]) await endpoint.connect(`?${name}`);
    await crash(endpoint);
    let failures = 0;
    while (!(await endpoint.connect("?new").then(Boolean, () => false)) && failures < 10) failures++;
    // Each bad session gets three tries. They share the first one if both had begun by then.
    expect(failures).toBeGreaterThanOrEqual(5);
    expect(failures).toBeLessThanOrEqual(6);
    expect(new Set(log.entries)).toEqual(new Set(["good-1", "good-2", "good-3"]));
    expect(log.entries).toHaveLength(3);
  });

  it("P8: runs alone, the next time, each onClose that was under way at a crash, and then the others", async () => {
    const log = new Log();
    let crashes = 1;
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      async onClose(name, { ctx }) {
        log.add(`${name} begins`);
        // However busy the machine is, the crash comes when all three callbacks are running.
        while (log.entries.length < 3) await scheduler.wait(1);
        await scheduler.wait(5);
        if (crashes-- > 0) ctx.abort("reset");
        log.add(`${name} ends`);
      },
    });
    for (let n = 0; n < 3; n++) await endpoint.connect(`?${n}`);
    await crash(endpoint);
    await vi.waitUntil(() => endpoint.connect("?new").then(Boolean, () => false), 30_000);
    const entries = log.entries as string[];
    expect(entries.slice(0, 3).every((entry) => entry.endsWith("begins"))).toBe(true);
    // Each begins when the one before it has ended.
    const after = entries.slice(3);
    expect(after.filter((_, index) => index % 2 === 0).every((entry) => entry.endsWith("begins"))).toBe(true);
    expect(after.filter((_, index) => index % 2 === 1).every((entry) => entry.endsWith("ends"))).toBe(true);
    expect(after).toHaveLength(6);
  });

  it("P8: takes the least tried first, of those that a reset has cut off", async () => {
    const log = new Log();
    let resets = 2;
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      async onClose(name, { ctx }) {
        log.add(name);
        while (log.entries.length < 2) await scheduler.wait(1);
        if (resets-- > 0) ctx.abort("reset");
        await scheduler.wait(1);
      },
    });
    for (const name of ["a", "b"]) await endpoint.connect(`?${name}`);
    await crash(endpoint);
    await vi.waitUntil(() => endpoint.connect("?new").then(Boolean, () => false), 30_000);
    // Both together; one, which is reset again; the other; then the first again.
    const [, , one, other, last] = log.entries;
    expect(log.entries).toHaveLength(5);
    expect([other !== one, last]).toEqual([true, one]);
  });
});

describe("what looks at many sessions", () => {
  /** Returns the rows of sessions that are read from now on. */
  async function reading(): Promise<string[]> {
    const keys: string[] = [];
    const kv = await runInDurableObject(
      env.Endpoints.getByName("kv"),
      (_, { storage }) => Object.getPrototypeOf(storage.kv) as SyncKvStorage,
    );
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the `this` of each
    const { get } = kv;
    vi.spyOn(kv, "get").mockImplementation(function (this: SyncKvStorage, key: string) {
      if (key.startsWith(ROW)) keys.push(key);
      return get.call(this, key);
    });
    return keys;
  }

  const large = (log: Log) =>
    serve<{ text: string; n: number }>({
      tags: ["all"],
      idleTimeoutMs: 3_600_000,
      onOpen: ({ queryString }) => ({ text: "x".repeat(20_000), n: Number(queryString) }),
      onText: (object, text, session) => {
        if (text === "others")
          for (const one of session.openSessions) log.add((one as Session<string, { n: number }>).sessionObject.n);
        return session.asyncRemote.sendText(`${object.n} ${object.text.length}`);
      },
      onClose: ({ n }, _, { closeCode }) => log.add("close", n, closeCode),
    });

  it("P9: reads no session object for a count, a broadcast, by tags, and in the list of open sessions", async () => {
    const endpoint = large(new Log());
    const clients = [await endpoint.connect("?0"), await endpoint.connect("?1"), await endpoint.connect("?2")];
    await endpoint.hibernate();
    const keys = await reading();
    expect(await endpoint.stub.openSessionCount()).toBe(3);
    expect(await endpoint.stub.openSessionCount("all")).toBe(3);
    expect(await endpoint.stub.broadcast("news", { except: "nobody" })).toBe(3);
    for (const client of clients) expect(await client.next()).toBe("news");
    const ids = await runInDurableObject(endpoint.stub, (object: { openSessions(): Set<Session> }) =>
      Array.from(object.openSessions(), ({ id, requestURI }) => [id, requestURI.search]),
    );
    expect(new Set(ids.map(([, search]) => search))).toEqual(new Set(["?0", "?1", "?2"]));
    expect(keys).toEqual([]);
  });

  it("P9: reads one when it has a message, or when somebody asks for it, once", async () => {
    const log = new Log();
    const endpoint = large(log);
    const clients = [await endpoint.connect("?0"), await endpoint.connect("?1"), await endpoint.connect("?2")];
    await endpoint.hibernate();
    const keys = await reading();
    await endpoint.stub.openSessionCount();
    expect(await clients[1]!.ask("")).toBe("1 20000");
    expect(await clients[1]!.ask("")).toBe("1 20000");
    expect(keys).toHaveLength(1);
    expect(await clients[1]!.ask("others")).toBe("1 20000");
    expect(new Set(log.entries)).toEqual(new Set([0, 1, 2]));
    expect(new Set(keys).size).toBe(3);
    expect(keys).toHaveLength(3);
  });

  it("P9: reads each for its own onClose, where all are closed", async () => {
    const log = new Log();
    const endpoint = large(log);
    const clients = [await endpoint.connect("?0"), await endpoint.connect("?1")];
    await endpoint.hibernate();
    expect(await endpoint.stub.closeAll(4001)).toBe(2);
    for (const client of clients) expect((await client.closed).code).toBe(4001);
    await log.has(["close", 0, 4001]);
    await log.has(["close", 1, 4001]);
    expect(log.entries).toHaveLength(2);
  });

  /** Sessions whose objects can't be restored. */
  const unreadable = (log: Log) =>
    serve<Map<string, string>>({
      serializeSession: () => "never again",
      deserializeSession: (data) => {
        throw new Error(String(data));
      },
      onOpen: () => new Map(),
      onError: (object, _, error) => log.add("error", object, error.message),
      onClose: (object, _, { closeCode }) => log.add("close", object, closeCode),
    });

  it("P9: tells onError of one that can't be made again, and runs its onClose without it", async () => {
    const log = new Log();
    const endpoint = unreadable(log);
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await endpoint.stub.openSessionCount()).toBe(1);
    expect(await endpoint.stub.closeAll(4001)).toBe(1);
    expect((await client.closed).code).toBe(4001);
    await log.has(["close", undefined, 4001]);
    expect(log.entries).toEqual([
      ["error", undefined, "never again"],
      ["close", undefined, 4001],
    ]);
  });

  it("P9, R22: so it does where the client closes", async () => {
    const log = new Log();
    const endpoint = unreadable(log);
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect((await client.close(4001)).code).toBe(4001);
    await log.has(["close", undefined, 4001]);
    expect(log.entries).toEqual([
      ["error", undefined, "never again"],
      ["close", undefined, 4001],
    ]);
  });

  it.each([
    ["can't be made again", () => {}, "never again"],
    [
      "has no row any more",
      ({ kv }: DurableObjectStorage) => {
        for (const [key] of kv.list({ prefix: ROW })) kv.delete(key);
      },
      expect.stringContaining("row in storage is gone"),
    ],
  ])(
    "P9, R22, R23: so it does, once, of one that %s where somebody asks for it between the close and onClose",
    async (_, spoil, message) => {
      const log = new Log();
      const endpoint = serve<Map<string, string>>({
        serializeSession: () => "x".repeat(20_000),
        deserializeSession: () => {
          throw new Error("never again");
        },
        onOpen: () => new Map(),
        async onError(object, _session, error) {
          log.add("error", object, error.message);
          await scheduler.wait(1);
          log.add("told");
        },
        onClose: (object, _session, { closeCode }) => log.add("close", object, closeCode),
      });
      const client = await endpoint.connect();
      await endpoint.hibernate();
      await runInDurableObject(endpoint.stub, (object: { openSessions(): Set<Session> }, { storage }) => {
        const [session] = object.openSessions();
        spoil(storage);
        session!.close(4001);
        expect(session!.sessionObject).toBeUndefined();
      });
      expect((await client.closed).code).toBe(4001);
      await log.has(["close", undefined, 4001]);
      expect(log.entries).toEqual([["error", undefined, message], "told", ["close", undefined, 4001]]);
      expect(logged).not.toHaveBeenCalled();
    },
  );

  it("P9: reads it for onError and onClose of a client that stalls", async () => {
    const log = new Log();
    const endpoint = serve({
      flowControl: { window: 1, stallTimeoutMs: 50 },
      onOpen: () => ({ n: 7 }),
      onError: (object: { n: number } | undefined, _, { name }) => log.add("error", object, name),
      onClose: (object: { n: number }, _, { closeCode }) => log.add("close", object, closeCode),
    });
    await endpoint.connect("", { "Sec-WebSocket-Protocol": "socle.v1" });
    await endpoint.hibernate();
    await endpoint.stub.broadcast("first");
    await endpoint.stub.broadcast("second");
    await log.has(["close", { n: 7 }, 1008]);
    expect(log.entries[0]).toEqual(["error", { n: 7 }, "LimitExceededError"]);
  });

  it("P9, R23: tells nobody but the log of a client that stalls, whose row is gone", async () => {
    const log = new Log();
    const endpoint = serve({
      flowControl: { window: 1, stallTimeoutMs: 50 },
      onOpen: () => "x".repeat(20_000),
      onError: () => log.add("error"),
      onClose: () => log.add("close"),
    });
    const client = await endpoint.connect("", { "Sec-WebSocket-Protocol": "socle.v1" });
    await endpoint.hibernate();
    await runInDurableObject(endpoint.stub, (_, { storage }) => {
      for (const [key] of storage.kv.list({ prefix: ROW })) storage.kv.delete(key);
    });
    for (const text of ["first", "second"]) await endpoint.stub.broadcast(text);
    expect((await client.closed).code).toBe(1011);
    expect(log.entries).toEqual([]);
    expect(logged.mock.calls).toContainEqual([logEntry("a session is closed with 1011"), expect.any(Error)]);
  });

  it("P9, P11: one whose row is gone has ended for its signal too", async () => {
    const endpoint = large(new Log());
    const client = await endpoint.connect("?0");
    await endpoint.hibernate();
    const state = await runInDurableObject(endpoint.stub, (object: { openSessions(): Set<Session> }, { storage }) => {
      const [session] = object.openSessions();
      const keys = Array.from(storage.kv.list({ prefix: ROW }), ([key]) => key);
      for (const key of keys) storage.kv.delete(key);
      return [session!.sessionObject, session!.isOpen, session!.signal.aborted];
    });
    expect(state).toEqual([undefined, false, true]);
    expect((await client.closed).code).toBe(1011);
  });

  it("P9, R24: has the facts of a session whose URL alone doesn't fit the attachment", async () => {
    const endpoint = serve({
      onOpen: () => "object",
      onText: (object: string, _, session) =>
        session.asyncRemote.sendText(`${object} ${session.requestURI.search.length}`),
    });
    const client = await endpoint.connect(`?${"a".repeat(16_000)}&${"b".repeat(4000)}`);
    await endpoint.hibernate();
    expect(await endpoint.stub.broadcast("news")).toBe(1);
    expect(await client.next()).toBe("news");
    expect(await client.ask("")).toBe("object 20002");
  });
});
