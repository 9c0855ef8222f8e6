// What sessions leave in storage: what is too large for the attachment, and what has to outlive a crash.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  addEndpoint,
  DeploymentError,
  ServerContainer,
  SessionObjectError,
  slidingBuffer,
  startWsConnection,
  type SendChannel,
  type Session,
} from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { Client, upgrade } from "./support/client.ts";
import { Log, recorded, serve, Served } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { Endpoints } from "./support/worker.ts";

/** Too large for the attachment's 16,384 bytes. */
const LARGE = "x".repeat(20_000);
const ROW = "socle:session:";

/** The keys in the object's storage. This wakes the object. */
const stored = (endpoint: Served): Promise<string[]> =>
  runInDurableObject(endpoint.stub, (_, { storage }) => [...storage.kv.list()].map(([key]) => key));

/** Runs a function inside the object, where it may settle the object's promises. */
const within = (endpoint: Served, run: () => void): Promise<void> => runInDurableObject(endpoint.stub, () => run());

const isEmpty = (endpoint: Served) => expect.poll(() => stored(endpoint)).toEqual([]);

/** The object loses its memory and its sockets. */
const crash = (endpoint: Served): Promise<void> => evictDurableObject(endpoint.stub, { webSockets: "close" });

/** The platform's `storage.kv`, as all objects have it. */
const kv = (): Promise<SyncKvStorage> =>
  runInDurableObject(
    env.Endpoints.getByName("kv"),
    (_, { storage }) => Object.getPrototypeOf(storage.kv) as SyncKvStorage,
  );

interface Found {
  readonly config: object;
}

/** The router in which the objects look up their endpoints. */
const router = Object.getOwnPropertySymbols(Object.getPrototypeOf(Endpoints)).map(
  (symbol) => (Endpoints as unknown as Record<symbol, { get(path: string): Found | undefined }>)[symbol]!,
)[0]!;

let logged: MockInstance<typeof console.error>;
beforeEach(() => {
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** The log entries with the texts of their errors. */
const messages = () => logged.mock.calls.map(([what, error]) => [what, (error as Error).message] as unknown[]);

const inAnyOrder = (list: unknown[]): string[] => list.map((one) => JSON.stringify(one)).toSorted();

describe("a session object that doesn't fit the attachment", () => {
  it("R23: works the same as it grows and shrinks, in memory and across evictions", async () => {
    interface Held {
      n: number;
      text: string;
      deep: { send: SendChannel }[];
      self?: Held;
    }
    let last: Held | undefined;
    const endpoint = serve<Held>({
      onOpen(session) {
        const held: Held = {
          n: 0,
          text: "",
          deep: [{ send: startWsConnection(session, { sendBufferOrN: slidingBuffer(3) }) }],
        };
        return Object.assign(held, { self: held });
      },
      async onText(held, text) {
        const isSame = held === last;
        last = held;
        held.n++;
        if (text) held.text = "x".repeat(Number(text));
        await held.deep[0]!.send.put(`${held.n} ${held.text.length} ${isSame} ${held.self === held}`);
      },
      onBinary: (held, _, session) => held.deep[0]!.send.put(session.id),
    });
    const client = await endpoint.connect();
    const id = (await client.ask(new ArrayBuffer(1))) as string;
    const rows = [ROW + id];
    let n = 0;
    for (const length of [0, 17_000, 20_000, 1_000_000, 18_000, 1, 20_000, 0]) {
      expect(await client.ask(String(length))).toBe(`${++n} ${length} ${n > 1} true`);
      expect(await stored(endpoint)).toEqual(length > 16_384 ? rows : []);
      for (let times = 0; times < 3; times++) {
        expect(await client.ask("")).toBe(`${++n} ${length} true true`);
        await endpoint.hibernate();
        expect(await client.ask("")).toBe(`${++n} ${length} false true`);
      }
    }
  });

  it("R23: is made by the codec, large as it is", async () => {
    class Page {
      constructor(readonly lines: string[]) {}
    }
    const endpoint = serve<Page>({
      serializeSession: ({ lines }) => lines,
      deserializeSession: (lines) => new Page(lines as string[]),
      onOpen: () => new Page([]),
      async onText(page, text, session) {
        if (text) page.lines.push(text);
        await session.asyncRemote.sendText(`${page instanceof Page} ${page.lines.join("").length}`);
      },
    });
    const client = await endpoint.connect();
    expect(await client.ask(LARGE)).toBe("true 20000");
    await endpoint.hibernate();
    expect(await client.ask(LARGE)).toBe("true 40000");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("true 40000");
  });

  it("R23: is kept at an assignment, of its own and of another session's", async () => {
    const endpoint = serve<string>({
      onOpen: () => "",
      async onText(text, size, session) {
        for (const other of session.openSessions) if (size) other.sessionObject = "x".repeat(Number(size));
        await session.asyncRemote.sendText(`${text.length}`);
      },
    });
    const clients = [await endpoint.connect(), await endpoint.connect()];
    await clients[0]!.ask("30000");
    expect(await stored(endpoint)).toHaveLength(2);
    for (let times = 0; times < 2; times++) {
      await endpoint.hibernate();
      for (const client of clients) expect(await client.ask("")).toBe("30000");
    }
    await clients[1]!.ask("10");
    expect(await stored(endpoint)).toEqual([]);
    await endpoint.hibernate();
    for (const client of clients) expect(await client.ask("")).toBe("10");
  });

  it.each(["userProperties", "userProperties set", "URL", "all"])("R23: may be large by its %s", async (what) => {
    const log = new Log();
    const has = (one: string) => what === one || what === "all";
    const endpoint = serve({
      onHandshake: () => ({ userProperties: has("userProperties") ? { text: LARGE } : {} }),
      onOpen(session) {
        if (has("userProperties set")) session.userProperties.set = LARGE;
        return has("all") ? LARGE : "object";
      },
      async onText(object, _, { userProperties, requestURI, asyncRemote }) {
        const { text, set } = userProperties as Record<string, string | undefined>;
        await asyncRemote.sendText(
          JSON.stringify([object.length, text?.length, set?.length, requestURI.search.length]),
        );
      },
      onClose: (object, { userProperties, requestURI }) =>
        log.add("close", object.length, Object.keys(userProperties).length, requestURI.search.length),
    });
    const query = has("URL") ? `?${LARGE}` : "";
    const client = await endpoint.connect(query);
    const [object, properties] = [has("all") ? 20_000 : 6, has("userProperties") ? 20_000 : null];
    const facts = JSON.stringify([object, properties, has("userProperties set") ? 20_000 : null, query.length]);
    expect(await stored(endpoint)).toHaveLength(1);
    for (let times = 0; times < 3; times++) {
      expect(await client.ask("")).toBe(facts);
      await endpoint.hibernate();
    }
    client.socket.close();
    await client.closed;
    await log.has(["close", object, what === "all" ? 2 : what === "URL" ? 0 : 1, query.length]);
    await isEmpty(endpoint);
  });

  it("R23: keeps its limits in the attachment, and its tags in the row", async () => {
    const endpoint = serve({
      onOpen: () => LARGE,
      tags: () => ["a"],
      async onText(_, text, session) {
        if (text) session.maxTextMessageBufferSize = Number(text);
        await session.asyncRemote.sendText(`${session.maxTextMessageBufferSize} ${session.tags.join()}`);
      },
    });
    const client = await endpoint.connect();
    expect(await client.ask("77")).toBe("77 a");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("77 a");
    const put = vi.spyOn(await kv(), "put");
    expect(await client.ask("78")).toBe("78 a");
    expect(put).not.toHaveBeenCalled();
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("78 a");
  });

  it("R23: goes to storage when only its limits no longer fit beside it", async () => {
    const endpoint = serve<string>({
      onOpen: () => "",
      async onText(_, text, session) {
        if (text === "limit") session.maxTextMessageBufferSize = 1_000_000;
        else if (text) session.sessionObject = "x".repeat(Number(text));
        await session.asyncRemote.sendText(`${session.sessionObject.length} ${session.maxTextMessageBufferSize}`);
      },
    });
    const client = await endpoint.connect();
    // Finds the largest size that fits alone.
    let [fits, over] = [15_000, 16_384];
    while (over - fits > 1) {
      const size = (fits + over) >> 1;
      await client.ask(String(size));
      if ((await stored(endpoint)).length === 0) fits = size;
      else over = size;
    }
    await client.ask(String(fits));
    expect(await stored(endpoint)).toEqual([]);
    await client.ask("limit");
    expect(await stored(endpoint)).toHaveLength(1);
    await endpoint.hibernate();
    expect(await client.ask("")).toBe(`${fits} 1000000`);
  });

  it("R25: wakes without reading what other sessions left, in storage or in their sockets", async () => {
    const endpoint = serve<string>({
      onOpen: ({ queryString }) => queryString + LARGE,
      onText: (object, _, session) => session.asyncRemote.sendText(object.slice(0, 2)),
    });
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => endpoint.connect(`?${10 + i}`)));
    const platform = await kv();
    await endpoint.hibernate();
    const get = vi.spyOn(platform, "get");
    const list = vi.spyOn(platform, "list");
    const read = vi.spyOn(WebSocket.prototype, "deserializeAttachment");
    expect(await clients[7]!.ask("")).toBe("17");
    expect(get.mock.calls.filter(([key]) => key.startsWith(ROW))).toHaveLength(1);
    expect(list).not.toHaveBeenCalled();
    expect(new Set(read.mock.contexts).size).toBe(1);
    const reads = get.mock.calls.length;
    expect(await clients[7]!.ask("")).toBe("17");
    expect(get.mock.calls).toHaveLength(reads);
  });
});

it("R23: a row that storage refuses to delete is told to the log, and deleted when the object next wakes", async () => {
  const log = new Log();
  const endpoint = serve({ onOpen: () => LARGE, onClose: () => log.add("close") });
  const client = await endpoint.connect();
  const remove = vi.spyOn(await kv(), "delete").mockImplementationOnce(() => {
    throw new Error("refused");
  });
  client.socket.close(1000);
  await log.has("close");
  await expect.poll(messages).toEqual([[logEntry("the row of an ended session can't be deleted"), "refused"]]);
  remove.mockRestore();
  expect(await stored(endpoint)).toHaveLength(1);
  await crash(endpoint);
  await isEmpty(endpoint);
});

describe("what can't be kept", () => {
  const sizes = /it has (\d+) bytes, and a row takes 2097152\./;

  it.each([0, 20_000])("R23: past 2 MiB is refused with both sizes, and the %i before it stay", async (size) => {
    const log = new Log();
    const endpoint = serve<{ text: string }>({
      onOpen: () => ({ text: "x".repeat(size) }),
      async onText(object, text, session) {
        if (text) object.text = "x".repeat(2 ** 21);
        await session.asyncRemote.sendText(`${object.text.length}`);
      },
      async onBinary(object, _, session) {
        try {
          session.sessionObject = { text: "x".repeat(2 ** 21) };
        } catch (error) {
          log.add("thrown", sizes.exec(String(error))![1]);
        }
        await session.asyncRemote.sendText(`${object.text.length}`);
      },
      onError: (object, _, error) =>
        log.add(error instanceof SessionObjectError, sizes.exec(error.message)![1], object!.text.length),
    });
    const client = await endpoint.connect();
    expect(await client.ask("large")).toBe("2097152");
    expect(await client.ask("")).toBe(String(size));
    expect(await client.ask(new ArrayBuffer(0))).toBe(String(size));
    await endpoint.hibernate();
    expect(await client.ask("")).toBe(String(size));
    const [[, bytes]] = log.entries as [[boolean, string]];
    expect(Number(bytes)).toBeGreaterThan(2 ** 21);
    expect(log.entries).toEqual([
      [true, bytes, size],
      ["thrown", bytes],
    ]);
    expect(await stored(endpoint)).toHaveLength(size && 1);
  });

  it.each(["awake", "hibernated"])("R21, R23: send channels in the former still send, %s", async (state) => {
    const log = new Log();
    const endpoint = serve<{ text?: string; send: SendChannel }>({
      onOpen: (session) => ({ send: startWsConnection(session) }),
      onText(object, text) {
        if (text === "large") object.text = "x".repeat(2 ** 21);
        else void object.send.put(text);
      },
      onError: (_, __, error) => log.add(error.name),
    });
    const client = await endpoint.connect();
    client.send("large");
    await log.has("SessionObjectError");
    if (state === "hibernated") await endpoint.hibernate();
    expect(await client.ask("small")).toBe("small");
    expect(log.entries).toEqual(["SessionObjectError"]);
  });

  it("R23: what fits into a row by a little is kept", async () => {
    const size = 2 ** 21 - 1000;
    const endpoint = serve({
      onOpen: () => "x".repeat(size),
      onText: (object, _, session) => session.asyncRemote.sendText(`${object.length}`),
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await client.ask("")).toBe(String(size));
  });

  it("R23: from onOpen is a failed onOpen, and leaves nothing", async () => {
    const log = new Log();
    const endpoint = serve({ onOpen: () => "x".repeat(2 ** 21), onClose: recorded(log).onClose });
    expect(await (await endpoint.connect()).closed).toMatchObject({ code: 1011 });
    await log.has(["close", undefined, 1011, ""]);
    expect(messages()).toEqual([[logEntry("onOpen failed"), expect.stringMatching(sizes)]]);
    expect(await stored(endpoint)).toEqual([]);
  });

  it("R22, R23: a large object that would come back changed is refused, and leaves no row", async () => {
    class Odd {}
    const log = new Log();
    const endpoint = serve<{ text: string; bad?: unknown }>({
      onOpen: () => ({ text: "good" }),
      async onText(object, text, session) {
        if (text) Object.assign(object, { text: LARGE, bad: text === "function" ? () => {} : new Odd() });
        await session.asyncRemote.sendText(object.text.slice(0, 4));
      },
      onError: (object, _, error) => log.add(/sessionObject\.bad \(\w+\)/.exec(error.message)?.[0], { ...object }),
    });
    const client = await endpoint.connect();
    for (const bad of ["function", "instance"]) {
      expect(await client.ask(bad)).toBe("xxxx");
      expect(await client.ask("")).toBe("good");
      expect(await stored(endpoint)).toEqual([]);
    }
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("good");
    expect(log.entries).toEqual([
      ["sessionObject.bad (function)", { text: "good" }],
      ["sessionObject.bad (Odd)", { text: "good" }],
    ]);
  });

  for (const trackSessions of [false, true]) {
    for (const [before, after] of [
      [10, 20_000],
      [20_000, 30_000],
      [10, 11],
    ] as const) {
      if (after === 11 && !trackSessions) continue;
      const what = `${trackSessions ? "tracked, " : ""}from ${before} to ${after} bytes`;
      it(`R16, R23: a put that fails (${what}) counts as the callback's exception`, async () => {
        const log = new Log();
        const endpoint = serve<{ text: string }>({
          trackSessions,
          onOpen: () => ({ text: "x".repeat(before) }),
          async onText(object, text, session) {
            if (text) object.text = "y".repeat(after);
            await session.asyncRemote.sendText(`${object.text.length}`);
          },
          onClose: ({ text }) => log.add("close", text.length),
          onError: (object, _, error) => log.add("error", object!.text.length, error.message),
        });
        const client = await endpoint.connect();
        const rows = await stored(endpoint);
        const platform = await kv();
        // oxlint-disable-next-line typescript/unbound-method -- called with its object below
        const { put } = platform;
        const failed = vi.spyOn(platform, "put").mockImplementation(function (this: SyncKvStorage, key, value) {
          if (key.startsWith(ROW)) throw new Error("disk full");
          put.call(this, key, value);
        });
        expect(await client.ask("grow")).toBe(String(after));
        await log.has(["error", before, "disk full"]);
        failed.mockRestore();
        expect(await client.ask("")).toBe(String(before));
        await endpoint.hibernate();
        expect(await client.ask("")).toBe(String(before));
        expect((await stored(endpoint)).filter((key) => key.startsWith(ROW))).toEqual(
          rows.filter((key) => key.startsWith(ROW)),
        );
        expect(await client.ask("grow")).toBe(String(after));
        await endpoint.hibernate();
        expect(await client.ask("")).toBe(String(after));
        client.socket.close();
        await client.closed;
        await log.has(["close", after]);
        await isEmpty(endpoint);
      });
    }
  }
});

describe("rows that the user deleted", () => {
  const wiping = (log: Log) =>
    serve<string>({
      onOpen: ({ queryString }) => queryString || LARGE,
      async onText(_, text, session) {
        if (text === "wipe") await session.ctx.storage.deleteAll();
        else if (text) session.sessionObject = text + LARGE;
        await session.asyncRemote.sendText(session.sessionObject.slice(0, 5));
      },
      ...recorded(log),
    });

  it("R23: end a large session with 1011 after hibernation, and the log says why, once", async () => {
    const log = new Log();
    const endpoint = wiping(log);
    const client = await endpoint.connect();
    const small = await endpoint.connect("?small");
    await client.ask("wipe");
    expect(await client.ask("")).toBe("xxxxx");
    await endpoint.hibernate();
    client.send("text");
    expect(await client.closed).toMatchObject({ code: 1011, reason: "" });
    expect(await small.ask("")).toBe("small");
    await endpoint.hibernate();
    expect(await small.ask("")).toBe("small");
    expect(messages()).toEqual([
      [
        logEntry("a session is closed with 1011"),
        "The session's row in storage is gone: delete no key that begins with socle.",
      ],
    ]);
    expect(log.entries).toEqual([]);
    expect(await stored(endpoint)).toEqual([]);
  });

  it("R23: are written again by the next change", async () => {
    const endpoint = wiping(new Log());
    const client = await endpoint.connect();
    await client.ask("wipe");
    expect(await client.ask("again")).toBe("again");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("again");
  });
});

/** The ways in which a session may end. `more` has the options that its endpoint needs for that. */
const ENDS: Record<string, { code: number; query?: string; text?: string; closes?: number | null }> = {
  "the client's Close frame": { code: 4001, closes: 4001 },
  "the client's Close frame without a code": { code: 1005, closes: null },
  "session.close": { code: 4002, text: "close" },
  "an exception": { code: 1011, text: "throw" },
  "an exceeded limit": { code: 1009, text: "y".repeat(2000) },
  "a failed onOpen": { code: 1011, query: "?throw" },
  "session.close in onOpen": { code: 4003, query: "?close" },
  "a changed object at the end": { code: 4002, text: "change" },
};

describe("at the end of a session", () => {
  for (const trackSessions of [false, true]) {
    for (const length of trackSessions ? [10, 20_000] : [20_000]) {
      for (const hibernates of [false, true]) {
        for (const [how, { code, query = "", text, closes }] of Object.entries(ENDS)) {
          if (hibernates && query) continue;
          const what = `${length} bytes${trackSessions ? ", tracked" : ""}${hibernates ? ", after hibernation" : ""}`;
          it(`R14, R23, R26: ${how} leaves nothing in storage (${what})`, async () => {
            const log = new Log();
            let settle = () => {};
            const endpoint = serve<{ text: string }>({
              trackSessions,
              maxTextMessageBufferSize: 1000,
              onOpen(session) {
                session.sessionObject = { text: "x".repeat(length) };
                if (query === "?throw") throw new Error("failed");
                if (query) session.close(code);
                return session.sessionObject as { text: string };
              },
              onText(object, asked, session) {
                if (asked === "throw") throw new Error("failed");
                if (asked === "change") object.text += LARGE;
                session.close(code);
              },
              onClose: (object, _, reason) =>
                new Promise<void>((resolve) => {
                  settle = resolve;
                  log.add("close", object?.text.length, reason.closeCode);
                }),
            });
            const client = await endpoint.connect(query);
            if (hibernates) await endpoint.hibernate();
            if (text) client.send(text);
            if (closes !== undefined) client.socket.close(closes ?? undefined);
            expect(await client.closed).toMatchObject({ code });
            const left = how === "a failed onOpen" ? undefined : how.startsWith("a changed") ? length + 20_000 : length;
            await log.has(["close", left, code]);
            // The row stays until onClose has settled.
            expect(await stored(endpoint)).toHaveLength(1);
            await within(endpoint, settle);
            await isEmpty(endpoint);
            await crash(endpoint);
            await isEmpty(endpoint);
            expect(log.entries).toHaveLength(1);
          });
        }
      }
    }
  }

  it("R23: leaves the rows of the other sessions", async () => {
    const endpoint = serve({
      onOpen: ({ id }) => ({ id, LARGE }),
      onText: ({ id }, _, session) => session.asyncRemote.sendText(id),
    });
    const [client, other] = [await endpoint.connect(), await endpoint.connect()];
    const id = await other.ask("");
    client.socket.close();
    await client.closed;
    await expect.poll(() => stored(endpoint)).toEqual([ROW + String(id)]);
    await endpoint.hibernate();
    expect(await other.ask("")).toBe(id);
  });
});

describe("after a crash", () => {
  it("R23: a large session's row goes when the object wakes, and without trackSessions nothing runs", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: ({ queryString }) => `${queryString}${LARGE}`,
      onText: (object, _, session) => session.asyncRemote.sendText(object.slice(0, 3)),
      onClose: (object) => log.add("close", object.slice(0, 3)),
    });
    await Promise.all(["?one", "?two"].map((query) => endpoint.connect(query)));
    expect(await stored(endpoint)).toHaveLength(2);
    await crash(endpoint);
    const client = await endpoint.connect("?new");
    await expect.poll(() => stored(endpoint)).toHaveLength(1);
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("new");
    expect(log.entries).toEqual([]);
    expect(logged).not.toHaveBeenCalled();
  });

  it("R26: without trackSessions a small session leaves nothing, and nothing runs", async () => {
    const log = new Log();
    const endpoint = serve({ onOpen: () => "small", ...recorded(log) });
    await endpoint.connect();
    expect(await stored(endpoint)).toEqual([]);
    await crash(endpoint);
    await endpoint.connect();
    expect(await stored(endpoint)).toEqual([]);
    expect(log.entries).toEqual([]);
  });

  for (const length of [10, 20_000]) {
    it(`R26: onClose runs with 1006 and all of the session as it was last (${length} bytes), once`, async () => {
      interface Held {
        n: number;
        text: string;
        send: SendChannel;
      }
      const log = new Log();
      const told: unknown[] = [];
      const tell = (session: Session) => {
        const { id, requestURI, pathParameters, negotiatedSubprotocol, userPrincipal, tags } = session;
        told.push([id, requestURI.href, pathParameters, negotiatedSubprotocol, userPrincipal, [...tags]]);
      };
      const endpoint = serve<Held>({
        trackSessions: true,
        subprotocols: ["chat"],
        tags: ["a", "b"],
        onHandshake: () => ({ userProperties: { from: "hook" }, userPrincipal: { name: "Ann" } }),
        onOpen: (session) => ({ n: 0, text: "x".repeat(length), send: startWsConnection(session) }),
        async onText(object, text, session) {
          object.n++;
          if (text === "change") session.userProperties.set = "by a callback";
          if (text === "facts") tell(session);
          await object.send.put(`${object.n}`);
        },
        async onClose({ n, text, send }, session, { closeCode, reasonPhrase }) {
          tell(session);
          log.add("close", n, text.length, closeCode, reasonPhrase, session.userProperties);
          log.add(session.isOpen, session.openSessions.size, await send.put("x"), String(await send.send("x")));
        },
      });
      const client = await endpoint.connect("?q=1", { "Sec-WebSocket-Protocol": "chat" });
      expect(await client.ask("change")).toBe("1");
      await endpoint.hibernate();
      expect(await client.ask("facts")).toBe("2");
      for (let times = 0; times < 3; times++) {
        await crash(endpoint);
        expect(await client.closed).toMatchObject({ code: 1006 });
        await isEmpty(endpoint);
      }
      expect(log.entries).toEqual([
        ["close", 2, length, 1006, "", { from: "hook", set: "by a callback" }],
        [false, 0, false, expect.stringContaining("SessionClosedError")],
      ]);
      const [facts] = told;
      const uri = `https://socle.test${endpoint.path}?q=1`;
      expect(facts).toEqual([expect.any(String), uri, {}, "chat", { name: "Ann" }, ["a", "b"]]);
      expect(told).toEqual([facts, facts]);
    });
  }

  it("R26: onClose gets what was assigned last, and a session without an object has none", async () => {
    const log = new Log();
    const endpoint = serve<unknown>({
      trackSessions: true,
      onText: (_, text, session) => {
        session.sessionObject = text;
        log.add("kept");
      },
      onClose: (object, _, { closeCode }) => log.add("close", object, closeCode),
    });
    const client = await endpoint.connect();
    client.send("assigned");
    await log.has("kept");
    await endpoint.connect();
    await crash(endpoint);
    await isEmpty(endpoint);
    expect(log.entries).toHaveLength(3);
    expect(log.entries).toContainEqual(["close", "assigned", 1006]);
    expect(log.entries).toContainEqual(["close", undefined, 1006]);
  });

  it("R26: comes before a new session's onOpen, which waits for every onClose", async () => {
    const log = new Log();
    const released = new Set<string>();
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => (log.add("open", queryString), queryString),
      async onClose(name, { ctx }) {
        log.add("close", name);
        while (!released.has(name)) await scheduler.wait(5);
        log.add("closed", name, [...ctx.storage.kv.list({ prefix: ROW })].length);
      },
    });
    await endpoint.connect("?a");
    await endpoint.connect("?b");
    await crash(endpoint);
    log.entries.length = 0;
    const connecting = endpoint.connect("?c");
    await log.has(["close", "a"]);
    await log.has(["close", "b"]);
    released.add("b");
    await log.has(["closed", "b", 2]);
    expect(log.entries).not.toContainEqual(["open", "c"]);
    released.add("a");
    await connecting;
    expect(log.entries.slice(-2)).toEqual([
      ["closed", "a", 1],
      ["open", "c"],
    ]);
    expect(await stored(endpoint)).toHaveLength(1);
  });

  it("R26: an onClose that doesn't settle holds what is new for 10 s, and no other onClose", async () => {
    const log = new Log();
    let settle = () => {};
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      onText: (name, _, session) => session.asyncRemote.sendText(name),
      onClose(name, _, { closeCode }) {
        log.add("close", name, closeCode);
        return name === "stuck" ? new Promise<void>((resolve) => (settle = resolve)) : undefined;
      },
    });
    await endpoint.connect("?stuck");
    await endpoint.connect("?other");
    await crash(endpoint);
    const before = Date.now();
    const client = await endpoint.connect("?new");
    expect(Date.now() - before).toBeGreaterThanOrEqual(10_000);
    expect(inAnyOrder(log.entries)).toEqual(
      inAnyOrder([
        ["close", "other", 1006],
        ["close", "stuck", 1006],
      ]),
    );
    expect(await client.ask("")).toBe("new");
    // The old row is still there, next to the new session's.
    expect(await stored(endpoint)).toHaveLength(2);
    await within(endpoint, settle);
    await expect.poll(() => stored(endpoint)).toHaveLength(1);
    client.socket.close(4000);
    await log.has(["close", "new", 4000]);
    await isEmpty(endpoint);
    expect(log.entries).toHaveLength(3);
  }, 20_000);

  it("R26: a session that opens while lost ones are still to come is not taken for one of them", async () => {
    const log = new Log();
    const released = new Set<string>();
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      onText: (name, _, session) => session.asyncRemote.sendText(name),
      async onClose(name) {
        log.add("close", name);
        while (!released.has(name)) await scheduler.wait(5);
      },
    });
    // The first eight hold up new sessions, the next eight don't, and the last one ends when these have settled.
    for (let one = 0; one < 17; one++) await endpoint.connect("?lost");
    await crash(endpoint);
    // Rows are listed by their ids, so this one comes last.
    const uuid = vi.spyOn(crypto, "randomUUID").mockReturnValue("ffffffff-ffff-4fff-bfff-ffffffffffff");
    const client = await endpoint.connect("?new");
    uuid.mockRestore();
    await vi.waitUntil(() => log.entries.length === 16, 30_000);
    released.add("lost");
    await expect.poll(() => stored(endpoint)).toHaveLength(1);
    expect(await client.ask("")).toBe("new");
    expect(log.entries).toEqual(Array.from({ length: 17 }, () => ["close", "lost"]));
  }, 30_000);

  it("R26: an onClose under way runs again after another crash, and nobody else's", async () => {
    const log = new Log();
    let crashes = 2;
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      onClose(name, { ctx }, { closeCode }) {
        log.add("close", name, closeCode);
        if (name === "crash" && crashes-- > 0) ctx.abort("crash");
      },
    });
    const client = await endpoint.connect("?crash");
    const other = await endpoint.connect("?other");
    other.socket.close(4001);
    await log.has(["close", "other", 4001]);
    client.socket.close(4002);
    await log.has(["close", "crash", 4002]);
    await expect.poll(() => stored(endpoint).catch(() => "crashed")).toEqual([]);
    expect(log.entries).toEqual([
      ["close", "other", 4001],
      ["close", "crash", 4002],
      ["close", "crash", 1006],
      ["close", "crash", 1006],
    ]);
  });

  it("R16, R26: an onClose that throws is logged; its row goes, and the others' run", async () => {
    const log = new Log();
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      onClose(name) {
        log.add("close", name);
        if (name === "throws") throw new Error("thrown");
        return name === "rejects" ? Promise.reject(new Error("rejected")) : undefined;
      },
    });
    for (const query of ["?throws", "?rejects", "?good"]) await endpoint.connect(query);
    await crash(endpoint);
    await endpoint.connect("?new");
    expect(await stored(endpoint)).toHaveLength(1);
    expect(inAnyOrder(log.entries)).toEqual(
      inAnyOrder([
        ["close", "good"],
        ["close", "rejects"],
        ["close", "throws"],
      ]),
    );
    expect(messages()).toHaveLength(2);
    for (const error of ["rejected", "thrown"]) expect(messages()).toContainEqual([logEntry("onClose failed"), error]);
  });

  it("R14, R26: a session object that can't be made again is onError's; onClose runs without it", async () => {
    const log = new Log();
    class Name {
      constructor(readonly name: string) {}
    }
    const endpoint = serve<Name>({
      trackSessions: true,
      serializeSession: ({ name }) => name,
      deserializeSession(name) {
        if (name === "bad") throw new Error("no such name");
        return new Name(name as string);
      },
      onOpen: ({ queryString }) => new Name(queryString),
      onClose: (object, _, { closeCode }) => log.add("close", object?.name, closeCode),
      onError: (object, _, error) => log.add("error", object, error.message),
    });
    await endpoint.connect("?bad");
    await endpoint.connect("?good");
    await crash(endpoint);
    await isEmpty(endpoint);
    expect(log.entries).toHaveLength(3);
    expect(log.entries).toContainEqual(["close", "good", 1006]);
    expect(log.entries.filter((entry) => (entry as unknown[])[1] === undefined)).toEqual([
      ["error", undefined, "no such name"],
      ["close", undefined, 1006],
    ]);
  });

  it("R26: a session of an endpoint that is gone, or tracks no more, leaves nothing", async () => {
    const log = new Log();
    const map = { onOpen: () => "object", onClose: (object: string) => log.add("close", object) };
    const gone = serve({ ...map, trackSessions: true });
    const untracked = serve({ ...map, trackSessions: true });
    const config = (found: Found | undefined) =>
      found && { ...found, config: { ...found.config, trackSessions: false } };
    for (const [endpoint, lookUp] of [
      [gone, () => undefined],
      [untracked, config],
    ] as const) {
      await endpoint.connect();
      await crash(endpoint);
      const found = lookUp(router.get(endpoint.path));
      const find = vi.spyOn(router, "get").mockReturnValue(found);
      await isEmpty(endpoint);
      find.mockRestore();
      await crash(endpoint);
      await isEmpty(endpoint);
    }
    expect(log.entries).toEqual([]);
    expect(messages()).toEqual([
      [
        logEntry("sessions saved by other code can't continue"),
        "Other code saved the session: its path is not registered: register it while the Worker's module loads.",
      ],
    ]);
  });

  it("R26: in an object of several endpoints only those that are tracked are told", async () => {
    const log = new Log();
    const together = { instance: () => "together", onOpen: () => LARGE };
    const tracked = serve({ ...together, trackSessions: true, onClose: () => log.add("tracked") });
    const other = serve({ ...together, onClose: () => log.add("never") });
    await tracked.connect();
    await other.connect();
    const object = new (class extends Served {
      override get stub() {
        return env.Endpoints.getByName("together");
      }
    })("");
    expect(await stored(object)).toHaveLength(2);
    await crash(object);
    await isEmpty(object);
    expect(log.entries).toEqual(["tracked"]);
  });

  it("R26: is told of many sessions, each once", async () => {
    const log = new Log();
    const endpoint = serve({
      trackSessions: true,
      onOpen: ({ queryString }) => Number(queryString),
      onClose: async (n) => {
        await scheduler.wait(1);
        log.add(n);
      },
    });
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    await Promise.all(numbers.map((n) => endpoint.connect(`?${n}`)));
    await endpoint.hibernate();
    await stored(endpoint);
    await crash(endpoint);
    await isEmpty(endpoint);
    expect(log.entries.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
  });
});

describe("trackSessions", () => {
  it("R26: records a session from the end of its onOpen to the end of its onClose", async () => {
    const log = new Log();
    let settle = () => {};
    const held = (what: string) =>
      new Promise<void>((resolve) => {
        settle = resolve;
        log.add(what);
      });
    const endpoint = serve({
      trackSessions: true,
      onOpen: async ({ id }) => (await held("open"), id),
      onText: (id, _, session) => session.asyncRemote.sendText(id),
      onClose: () => held("close"),
    });
    const connecting = endpoint.connect();
    await log.has("open");
    expect(await stored(endpoint)).toEqual([]);
    await within(endpoint, settle);
    const client = await connecting;
    const rows = [ROW + String(await client.ask(""))];
    expect(await stored(endpoint)).toEqual(rows);
    client.socket.close();
    await log.has("close");
    await client.closed;
    expect(await stored(endpoint)).toEqual(rows);
    await within(endpoint, settle);
    await isEmpty(endpoint);
  });

  it("R26: takes hibernation for no crash, even if the ends of its last sockets wake the object", async () => {
    const log = new Log();
    const endpoint = serve<string>({
      trackSessions: true,
      onOpen: ({ queryString }) => queryString,
      onText: (name, _, session) => session.asyncRemote.sendText(name),
      ...recorded(log),
    });
    const clients = await Promise.all(["a", "b", "c"].map((name) => endpoint.connect(`?${name}`)));
    for (let times = 0; times < 3; times++) {
      for (const [i, client] of clients.entries()) expect(await client.ask("")).toBe("abc"[i]);
      await endpoint.hibernate();
    }
    for (const client of clients) client.socket.close(4001);
    for (const client of clients) expect(await client.closed).toMatchObject({ code: 4001 });
    await isEmpty(endpoint);
    expect(inAnyOrder(log.entries)).toEqual(inAnyOrder(["a", "b", "c"].map((name) => ["close", name, 4001, ""])));
    expect(logged).not.toHaveBeenCalled();
  });

  it("R26: leaves a limit of its own for events to the user", async () => {
    const log = new Log();
    const endpoint = serve({
      trackSessions: true,
      onOpen: ({ ctx, queryString }) => {
        if (queryString) ctx.setHibernatableWebSocketEventTimeout(60_000);
      },
      onText: (_, __, { ctx, asyncRemote }) => asyncRemote.sendText(`${ctx.getHibernatableWebSocketEventTimeout()}`),
      ...recorded(log),
    });
    const client = await endpoint.connect("?set");
    expect(await client.ask("")).toBe("60000");
    await endpoint.connect();
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("60000");
    await crash(endpoint);
    await isEmpty(endpoint);
    expect(log.entries).toHaveLength(2);
  });

  it("R1, R26: is refused for sessions that don't hibernate, and for what is no boolean", () => {
    const container = new ServerContainer();
    const add = (map: object) => () => addEndpoint(container, "/a", map);
    expect(add({ hibernate: false, trackSessions: true })).toThrow(
      new DeploymentError('The endpoint at "/a" has hibernate: false: remove trackSessions and serializeSession.'),
    );
    for (const trackSessions of ["yes", 1, null, {}]) {
      expect(add({ trackSessions })).toThrow("has an invalid trackSessions: it must be true or false");
    }
    expect(
      add({ configure: (config: { hibernate: boolean }) => (config.hibernate = false), trackSessions: true }),
    ).toThrow("has hibernate: false");
    add({ hibernate: false, trackSessions: false })();
  });

  it("R23, R26: leaves nothing of sessions under hibernate: false, however large", async () => {
    const log = new Log();
    const endpoint = serve({
      hibernate: false,
      onOpen: () => new Map([[LARGE, () => LARGE]]),
      onClose: () => log.add("close"),
    });
    const client = await endpoint.connect();
    expect(await stored(endpoint)).toEqual([]);
    client.socket.close();
    await client.closed;
    await log.has("close");
    expect(await stored(endpoint)).toEqual([]);
  });
});

describe("an object full of sockets", () => {
  const MAX_SOCKETS = 32_768;

  it("R8: answers 503 with Retry-After and ends the session, undisturbed by sockets that aren't Socle's", async () => {
    const log = new Log();
    const endpoint = serve<{ name: string; text: string }>({
      trackSessions: true,
      onOpen: ({ queryString }) => ({ name: queryString, text: LARGE }),
      async onText({ name }, text, session) {
        await session.asyncRemote.sendText(`${name} ${text} ${session.openSessions.size}`);
      },
      onClose: ({ name }, session, { closeCode }) => log.add("close", name, closeCode, session.openSessions.size),
      onError: (object, _, error) => log.add("error", object?.name, error.message),
    });
    const client = await endpoint.connect("?first");
    const ends: WebSocket[] = [];
    await runInDurableObject(endpoint.stub, (_, ctx) => {
      while (ends.length < MAX_SOCKETS - 1) {
        const { 0: end, 1: socket } = new WebSocketPair();
        ctx.acceptWebSocket(socket);
        ends.push(end);
      }
    });
    const response = await upgrade(`${endpoint.path}?refused`);
    expect([response.status, response.headers.get("Retry-After"), response.webSocket]).toEqual([503, "5", null]);
    await log.has(["close", "refused", 1013, 1]);
    expect(log.entries).toEqual([
      ["error", "refused", expect.stringContaining("32768")],
      ["close", "refused", 1013, 1],
    ]);
    await expect.poll(() => stored(endpoint)).toHaveLength(1);

    expect(await client.ask("a")).toBe("first a 1");
    expect(await endpoint.stub.broadcast("to all")).toBe(1);
    expect(await client.next()).toBe("to all");
    let closed: unknown;
    await within(endpoint, () => {
      const [end] = ends;
      end!.accept();
      end!.addEventListener("close", ({ code }) => void (closed = code));
      end!.send("nobody's");
      end!.close(4321);
    });
    await expect.poll(() => closed).toBe(4321);
    const second = await endpoint.connect("?second");
    expect(await second.ask("b")).toBe("second b 2");
    expect(logged).not.toHaveBeenCalled();
    client.socket.close(4001);
    second.socket.close(4001);
    await isEmpty(endpoint);
  }, 20_000);
});

describe("a socket that isn't Socle's", () => {
  it("R26: changes nothing about what a crash is", async () => {
    const log = new Log();
    const endpoint = serve({ trackSessions: true, onOpen: () => "object", ...recorded(log) });
    await endpoint.connect();
    for (const text of ["before", "after"]) {
      vi.spyOn(Endpoints.prototype, "fetch").mockImplementationOnce(function (this: Endpoints) {
        const { 0: webSocket, 1: socket } = new WebSocketPair();
        this.ctx.acceptWebSocket(socket);
        socket.send(text);
        return Promise.resolve(new Response(null, { status: 101, webSocket }));
      });
      const response = await endpoint.stub.fetch("https://socle.test", { headers: { Upgrade: "websocket" } });
      const bare = new Client(response);
      expect(await bare.next()).toBe(text);
      await endpoint.hibernate();
      bare.send("nobody's");
      expect(await stored(endpoint)).toHaveLength(text === "before" ? 1 : 0);
      await crash(endpoint);
      await isEmpty(endpoint);
      expect(log.entries).toEqual([["close", "object", 1006, ""]]);
    }
    expect(logged).not.toHaveBeenCalled();
  });
});
