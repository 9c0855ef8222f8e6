// What a session has in addition to its object: tags, user properties, limits.
import { createExecutionContext, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  addEndpoint,
  DeploymentError,
  LimitError,
  ServerContainer,
  SessionObjectError,
  type EndpointConfig,
  type EndpointOptions,
  type ServerContainerOptions,
  type Session,
} from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { Client, connect } from "./support/client.ts";
import { freshPath, Log, recorded, serve, type Served } from "./support/endpoint.ts";
import { container, Room } from "./support/worker.ts";

const ask = async (client: Client, text = ""): Promise<unknown> => JSON.parse((await client.ask(text)) as string);
const tell = (session: Session, what: unknown) => session.asyncRemote.sendText(JSON.stringify(what));

let logged: MockInstance<typeof console.error>;
beforeEach(() => {
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => logged.mockRestore());

describe("tags", () => {
  const telling = {
    onOpen: ({ tags, queryString }: Session) => ({ name: queryString, opened: [...tags] }),
    onText: (object: { opened: string[] }, _: string, session: Session) => tell(session, [object.opened, session.tags]),
  };
  /** The names of the open sessions with a tag, from inside the object. */
  const named = ({ stub }: Served, tag?: string): Promise<string[]> =>
    runInDurableObject(stub, (instance) =>
      [...instance.openSessions(tag)].map(({ sessionObject }) => (sessionObject as { name: string }).name).toSorted(),
    );

  it("R24: of a list are the session's, in onOpen and after evictions", async () => {
    const endpoint = serve({ tags: ["staff", "de"], ...telling });
    const client = await endpoint.connect();
    const tags = ["staff", "de"];
    expect(await ask(client)).toEqual([tags, tags]);
    await endpoint.hibernate();
    expect(await ask(client)).toEqual([tags, tags]);
    await endpoint.hibernate();
    expect(await ask(client)).toEqual([tags, tags]);
  });

  for (const when of ["at once", "later"]) {
    it(`R24: of a function that returns ${when} are made once, of the session, before onOpen`, async () => {
      const log = new Log();
      const endpoint = serve({
        onHandshake: () => ({ userPrincipal: "ann", userProperties: { lang: "de" } }),
        tags(session) {
          log.add("tags", session.tags);
          const { userPrincipal, userProperties, queryString, isOpen } = session;
          const tags = [String(userPrincipal), String(userProperties.lang), queryString, String(isOpen)];
          return when === "later" ? scheduler.wait(1).then(() => tags) : tags;
        },
        ...telling,
      });
      const client = await endpoint.connect("?room");
      const tags = ["ann", "de", "room", "true"];
      expect(await ask(client)).toEqual([tags, tags]);
      await endpoint.hibernate();
      expect(await ask(client)).toEqual([tags, tags]);
      expect(await named(endpoint, "room")).toEqual(["room"]);
      expect(log.entries).toEqual([["tags", []]]);
    });
  }

  it("R24: absent, of an empty list or of a function that makes none are none", async () => {
    for (const map of [{}, { tags: [] }, { tags: () => [] }, { tags: async () => [] }]) {
      const endpoint = serve({ ...map, ...telling });
      const client = await endpoint.connect();
      expect(await ask(client)).toEqual([[], []]);
      await endpoint.hibernate();
      expect(await ask(client)).toEqual([[], []]);
      expect(await named(endpoint, "")).toEqual([]);
      expect(await named(endpoint)).toEqual([""]);
    }
  });

  it("R31: find the open sessions, and reach them by broadcast, with and without except", async () => {
    const endpoint = serve({ tags: ({ queryString }) => queryString.split(""), ...telling });
    const clients = new Map<string, Client>();
    for (const name of ["ab", "b", "c"]) clients.set(name, await endpoint.connect(`?${name}`));
    await endpoint.hibernate();
    expect(await named(endpoint, "b")).toEqual(["ab", "b"]);
    expect(await named(endpoint, "a")).toEqual(["ab"]);
    expect(await named(endpoint, "x")).toEqual([]);
    expect(await named(endpoint, "ab")).toEqual([]);

    const stub = container.stub(env, endpoint.path);
    expect(await stub.broadcast("to b", { tag: "b" })).toBe(2);
    expect(await stub.broadcast("to x", { tag: "x" })).toBe(0);
    const [b] = await runInDurableObject(endpoint.stub, (instance) =>
      [...instance.openSessions("b")].filter((one) => one.queryString === "b").map(({ id }) => id),
    );
    expect(await stub.broadcast("to b but b", { tag: "b", except: b! })).toBe(1);
    expect(await stub.broadcast("to c but b", { tag: "c", except: [b!] })).toBe(1);
    expect(await stub.broadcast("to all")).toBe(3);
    expect(await stub.openSessionCount("b")).toBe(2);
    expect(await clients.get("ab")!.take(3)).toEqual(["to b", "to b but b", "to all"]);
    expect(await clients.get("b")!.take(2)).toEqual(["to b", "to all"]);
    expect(await clients.get("c")!.take(2)).toEqual(["to c but b", "to all"]);
  });

  it("R31: find no session that is still in onOpen, nor one that is closing", async () => {
    const log = new Log();
    let release = () => {};
    const endpoint = serve({
      tags: ({ queryString }) => [queryString],
      onOpen({ queryString }) {
        if (queryString !== "slow") return undefined;
        log.add("opening");
        return new Promise<void>((resolve) => (release = resolve));
      },
      onText: (_, text, session) => (text === "release" ? release() : session.close()),
      onClose: (_, session) => log.add("closed", session.openSessions.size, session.tags),
    });
    const stub = container.stub(env, endpoint.path);
    const other = await endpoint.connect("?other");
    const opening = endpoint.connect("?slow");
    await log.has("opening");
    expect(await stub.openSessionCount("slow")).toBe(0);
    expect(await stub.broadcast("none", { tag: "slow" })).toBe(0);
    other.send("release");
    const client = await opening;
    expect(await stub.openSessionCount("slow")).toBe(1);
    client.send("close");
    await log.has(["closed", 1, ["slow"]]);
    expect(await stub.openSessionCount("slow")).toBe(0);
    expect(await stub.broadcast("none", { tag: "slow" })).toBe(0);
    expect(client.unread).toEqual([]);
  });

  it("R31: find the sessions of a class, and those that don't hibernate", async () => {
    const path = freshPath();
    addEndpoint(container, path, {
      durableObject: Room,
      tags: ({ requestParameterMap }) => requestParameterMap.getAll("tag"),
    });
    const stub = env.Room.getByName(path);
    const [ann, bob] = [await connect(`${path}?name=Ann&tag=a`), await connect(`${path}?name=Bob&tag=a&tag=b`)];
    await evictDurableObject(stub);
    const reached = await runInDurableObject(stub, (room) => {
      const [one] = room.openSessions("b");
      return [
        one!.tags,
        room.openSessions("a").size,
        room.broadcast("to a", { tag: "a" }),
        room.broadcast("to a but b", { tag: "a", except: one! }),
        room.broadcast("to b but b", { tag: "b", except: [one!] }),
      ];
    });
    expect(reached).toEqual([["a", "b"], 2, 2, 1, 0]);
    expect(await ann.take(2)).toEqual(["to a", "to a but b"]);
    expect(await bob.take(1)).toEqual(["to a"]);

    const awake = serve({ hibernate: false, tags: ({ queryString }) => queryString.split(""), ...telling });
    const client = await awake.connect("?ab");
    await awake.connect("?c");
    expect(await ask(client)).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
    expect(await named(awake, "b")).toEqual(["ab"]);
    expect(await named(awake, "x")).toEqual([]);
    expect(await container.stub(env, awake.path).broadcast("x", { tag: "c" })).toBe(1);
  });

  it("R31: are up to 10 strings of up to 256 bytes of UTF-8, and each of them finds the session", async () => {
    const most = Array.from({ length: 10 }, (_, i) => String(i).repeat(256));
    most[9] = "é".repeat(128);
    for (const tags of [most, () => most]) {
      const endpoint = serve({ tags, ...telling });
      const client = await endpoint.connect("?most");
      await endpoint.hibernate();
      expect(await ask(client)).toEqual([most, most]);
      for (const tag of most) expect(await named(endpoint, tag)).toEqual(["most"]);
    }
  });

  it("R31: that are given twice, or empty, find the session once", async () => {
    for (const tags of [["a", "a", ""], () => ["a", "a", ""]]) {
      const endpoint = serve({ tags, ...telling });
      const client = await endpoint.connect("?twice");
      await endpoint.hibernate();
      expect(await ask(client)).toEqual([
        ["a", "a", ""],
        ["a", "a", ""],
      ]);
      expect(await named(endpoint, "a")).toEqual(["twice"]);
      expect(await named(endpoint, "")).toEqual(["twice"]);
      expect(await container.stub(env, endpoint.path).broadcast("once", { tag: "a" })).toBe(1);
    }
  });

  const bad: [what: string, tags: unknown][] = [
    ["an 11th", Array.from({ length: 11 }, String)],
    ["a 257th character", ["a".repeat(257)]],
    ["a 257th byte", ["a", "é".repeat(129)]],
    ["a number among them", ["a", 1]],
    ["one that is undefined", [undefined]],
    ["a text instead of a list", "staff"],
    ["a Set instead of a list", new Set(["staff"])],
    ["null instead of a list", null],
  ];
  for (const [what, tags] of bad) {
    it(`R1: ${what} is refused at registration, and fails onOpen if a function returns it`, async () => {
      const wrong = { tags } as EndpointOptions;
      expect(() => new ServerContainer().addEndpoint("/a", wrong)).toThrow(DeploymentError);
      expect(() => new ServerContainer().addEndpoint("/a", { durableObject: Room, ...wrong })).toThrow(
        'The endpoint at "/a" has an invalid tags: it must be a function, or an array of at most 10 strings of at most 256',
      );
      const log = new Log();
      const onOpen = vi.fn<() => void>();
      const functions = [() => tags, async () => tags] as (() => string[])[];
      for (const made of functions) {
        log.entries.length = 0;
        const endpoint = serve({ tags: made, onOpen, ...recorded(log) });
        const client = await endpoint.connect();
        expect(await client.closed).toEqual({ code: 1011, reason: "", wasClean: true });
        await log.has(["close", undefined, 1011, ""]);
        expect(log.entries[0]).toEqual([
          "error",
          undefined,
          expect.stringMatching(new RegExp(`^The option tags of ${endpoint.path} must return at most 10 strings of`)),
        ]);
        expect(log.entries).toHaveLength(2);
      }
      expect(onOpen).not.toHaveBeenCalled();
    });
  }

  it("R16: a function that returns nothing, throws or rejects fails onOpen; the client is not told why", async () => {
    const functions = {
      must: () => undefined as never,
      thrown() {
        throw new Error("thrown");
      },
      rejected: () => Promise.reject(new Error("rejected")),
    };
    for (const [message, tags] of Object.entries(functions)) {
      const log = new Log();
      const client = await serve({ tags, ...recorded(log) }).connect();
      expect(await client.closed).toEqual({ code: 1011, reason: "", wasClean: true });
      await log.has(["close", undefined, 1011, ""]);
      expect(String(log.entries)).toContain(message);
    }
  });
});

describe("userProperties", () => {
  it("R20, R24: what any callback changes in them is kept over evictions, with nothing to call", async () => {
    const log = new Log();
    const endpoint = serve({
      onHandshake: () => ({ userProperties: { seen: ["hook"] } }),
      tags: ({ userProperties }) => (list(userProperties).push("tags"), []),
      onOpen({ userProperties }) {
        list(userProperties).push("open");
      },
      async onText(_, text, session) {
        const { userProperties } = session;
        await scheduler.wait(1);
        list(userProperties).push(text);
        if (text === "fail") throw new Error("after the change");
        await tell(session, userProperties);
      },
      onBinary(_, data, session) {
        list(session.userProperties).push(`${data.byteLength} bytes`);
        session.userProperties.last = data;
        return tell(session, session.userProperties);
      },
      onError(_, session, { message }) {
        list(session.userProperties).push(message);
        return tell(session, session.userProperties);
      },
      onClose: (_, { userProperties }) => log.add(list(userProperties)),
    });
    const list = ({ seen }: Record<string, unknown>) => seen as string[];
    const client = await endpoint.connect();
    const seen = ["hook", "tags", "open"];
    for (const [message, adds] of [
      ["text", "text"],
      [new ArrayBuffer(3), "3 bytes"],
      ["fail", "fail", "after the change"],
      ["again", "again"],
    ] as const) {
      await endpoint.hibernate();
      client.send(message);
      seen.push(...[adds].flat());
      if (message === "fail") seen.push("after the change");
      expect(JSON.parse((await client.next()) as string)).toMatchObject({ seen });
    }
    await endpoint.hibernate();
    client.socket.close();
    await log.has(seen);
  });

  it("R20: are the same object each time while the object lives, whatever the session object is", async () => {
    const log = new Log();
    let first: unknown;
    const endpoint = serve({
      onOpen(session) {
        first = session.userProperties;
        session.userProperties.n = 1;
        return "object";
      },
      onText: (object, _, session) => log.add(object, session.userProperties === first, session.userProperties),
    });
    const client = await endpoint.connect();
    client.send("x");
    await log.has(["object", true, { n: 1 }]);
    await endpoint.hibernate();
    client.send("x");
    await log.has(["object", false, { n: 1 }]);
    expect(log.entries).toHaveLength(2);
  });

  it("R20: an assignment replaces them and keeps that, in a callback and outside", async () => {
    const endpoint = serve({
      onHandshake: () => ({ userProperties: { from: "hook" } }),
      onOpen(session) {
        session.userProperties = { from: "onOpen", map: new Map([["a", new Date(1)]]) };
      },
      async onText(_, text, session) {
        if (text) session.userProperties = { from: text };
        const { from, map } = session.userProperties;
        await tell(session, map instanceof Map ? [from, ...map] : [from]);
      },
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await ask(client)).toEqual(["onOpen", ["a", "1970-01-01T00:00:00.001Z"]]);
    await ask(client, "onText");
    await endpoint.hibernate();
    expect(await ask(client)).toEqual(["onText"]);
    await runInDurableObject(endpoint.stub, (instance) => {
      for (const session of instance.openSessions()) session.userProperties = { from: "outside" };
    });
    await endpoint.hibernate();
    expect(await ask(client)).toEqual(["outside"]);
  });

  const bad: [what: string, value: unknown, message: string][] = [
    ["a function", { a: { can: () => true } }, "Hibernation would change userProperties.a.can (function): keep plain"],
    ["an instance of a class", { by: new (class User {})() }, "Hibernation would change userProperties.by (User)"],
    ["a promise", { later: Promise.resolve() }, "Hibernation would change userProperties.later (Promise)"],
    ["a list", [], "session.userProperties must be a plain object."],
    ["nothing", undefined, "session.userProperties must be a plain object."],
    ["null", null, "session.userProperties must be a plain object."],
    ["a text", "text", "session.userProperties must be a plain object."],
    ["a Map", new Map(), "session.userProperties must be a plain object."],
    ["an instance", new (class User {})(), "session.userProperties must be a plain object."],
  ];
  for (const [what, value, message] of bad) {
    it(`R22: ${what} is refused when it is assigned, with what is wrong, and the former stay`, async () => {
      const log = new Log();
      const endpoint = serve({
        onOpen(session) {
          session.userProperties.n = 1;
        },
        async onText(_, text, session) {
          if (text === "assign") {
            try {
              session.userProperties = value as Record<string, unknown>;
            } catch (error) {
              log.add(error instanceof SessionObjectError, (error as Error).message);
            }
          }
          await tell(session, session.userProperties);
        },
      });
      const client = await endpoint.connect();
      expect(await ask(client, "assign")).toEqual({ n: 1 });
      expect(log.entries).toEqual([[true, expect.stringContaining(message)]]);
      expect(await ask(client)).toEqual({ n: 1 });
      await endpoint.hibernate();
      await runInDurableObject(endpoint.stub, (instance) => {
        const [session] = instance.openSessions();
        expect(() => (session!.userProperties = value as Record<string, unknown>)).toThrow(message);
      });
      await endpoint.hibernate();
      expect(await ask(client)).toEqual({ n: 1 });
    });
  }

  it("R16, R22: what a callback left in them that can't be kept is its exception, and the last good copy stays", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => ({ texts: 0 }),
      async onText(object, text, session) {
        object.texts++;
        session.userProperties.text = text;
        if (text === "bad") session.userProperties.deep = { list: [0, () => {}] };
        await tell(session, [object.texts, session.userProperties]);
      },
      onError: (object, session, error) =>
        log.add(object, session.userProperties, error instanceof SessionObjectError, error.message),
    });
    const client = await endpoint.connect();
    await ask(client, "good");
    await ask(client, "bad");
    const message =
      "Hibernation would change userProperties.deep.list.1 (function): keep plain data there, or use hibernate: false.";
    await log.has([{ texts: 2 }, { text: "good" }, true, message]);
    await endpoint.hibernate();
    expect(await ask(client, "next")).toEqual([3, { text: "next" }]);
    expect(log.entries).toHaveLength(1);
  });

  it("R16: without onError that closes the session with 1011, and the log names the property", async () => {
    const endpoint = serve({
      onText: (_, __, session) => void (session.userProperties.when = Promise.resolve()),
    });
    const client = await endpoint.connect();
    client.send("x");
    expect(await client.closed).toEqual({ code: 1011, reason: "", wasClean: true });
    expect(String(logged.mock.lastCall![1])).toContain("userProperties.when (Promise)");
  });

  it("R22: may be anything in a plain object under hibernate: false", async () => {
    const endpoint = serve({
      hibernate: false,
      onOpen(session) {
        session.userProperties = { square: (n: number) => n * n };
      },
      onText: (_, text, session) =>
        tell(session, (session.userProperties as { square(n: number): number }).square(Number(text))),
    });
    const client = await endpoint.connect();
    expect(await ask(client, "7")).toBe(49);
    expect(await ask(client, "8")).toBe(64);
  });

  it("R24: are never another session's: not those of the same hook, of the same configuration, or of none", async () => {
    const shared = { list: [] as string[] };
    const endpoints = [
      serve({ onHandshake: () => ({ userProperties: { own: shared } }), onText }),
      serve({ configure: (config) => void (config.userProperties.own = shared), onText }),
      serve({ onText, hibernate: false, configure: (config) => void (config.userProperties.own = shared) }),
    ];
    function onText(_: unknown, text: string, session: Session) {
      const { own } = session.userProperties as { own: typeof shared };
      own.list.push(text);
      session.userProperties.text ??= text;
      return tell(session, session.userProperties);
    }
    for (const endpoint of endpoints) {
      const [ann, bob] = [await endpoint.connect(), await endpoint.connect()];
      expect(await ask(ann, "a")).toEqual({ own: { list: ["a"] }, text: "a" });
      expect(await ask(bob, "b")).toEqual({ own: { list: ["b"] }, text: "b" });
      expect(await ask(ann, "c")).toEqual({ own: { list: ["a", "c"] }, text: "a" });
    }
    expect(shared).toEqual({ list: [] });
  });

  it("R23: and the principal are kept when they are too large for the attachment", async () => {
    const large = { text: "x".repeat(20_000) };
    const endpoint = serve({
      onHandshake: ({ url }) => (url.endsWith("principal") ? { userPrincipal: large } : { userProperties: large }),
      onText: (_, __, { userPrincipal, userProperties, asyncRemote }) =>
        asyncRemote.sendText(JSON.stringify([userPrincipal, userProperties])),
    });
    const clients = [await endpoint.connect("?principal"), await endpoint.connect()];
    await endpoint.hibernate();
    expect(await ask(clients[0]!)).toEqual([large, {}]);
    expect(await ask(clients[1]!)).toEqual([null, large]);
  });

  it("R20: of another session that a callback changes are kept too, and no third one's", async () => {
    const endpoint = serve({
      onOpen: ({ queryString }) => queryString,
      async onText(_, text, session) {
        for (const other of session.openSessions) if (other.sessionObject === text) other.userProperties.by = _;
        await tell(session, session.userProperties);
      },
    });
    const names = ["ann", "bob", "cid"];
    const clients = await Promise.all(names.map((name) => endpoint.connect(`?${name}`)));
    expect(await ask(clients[0]!, "bob")).toEqual({});
    await endpoint.hibernate();
    expect(await Promise.all(clients.map((client) => ask(client)))).toEqual([{}, { by: "ann" }, {}]);
  });

  it("R20: to read them costs no serialisation, to change them one", async () => {
    const serialize = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    const endpoint = serve({
      onHandshake: () => ({ userProperties: { deep: { list: [1] } } }),
      onOpen: () => ({ n: 0 }),
      async onText(object, text, session) {
        const { userProperties } = session;
        if (text === "properties") userProperties.n = 1;
        if (text === "deep") (userProperties.deep as { list: number[] }).list.push(2);
        if (text === "object") object.n++;
        await tell(session, userProperties);
      },
    });
    const client = await endpoint.connect();
    for (const [change, calls] of Object.entries({ none: 0, properties: 1, nothing: 0, deep: 1, object: 1 })) {
      for (const evicted of [false, true]) {
        if (evicted && calls === 0) await endpoint.hibernate();
        else if (evicted) continue;
        serialize.mockClear();
        await ask(client, change);
        expect(serialize.mock.calls, change).toHaveLength(calls);
      }
    }
    serialize.mockRestore();
  });
});

describe("the limits of a session", () => {
  const NAMES = ["maxIdleTimeout", "maxTextMessageBufferSize", "maxBinaryMessageBufferSize"] as const;
  const limits = (session: Session) => NAMES.map((name) => session[name]);
  const PLATFORM = 33_554_432;

  it("R24: are the endpoint's options at first, and the built-in ones without", async () => {
    const log = new Log();
    const onOpen = (session: Session) => log.add(limits(session));
    await serve({ onOpen }).connect();
    const options = { idleTimeoutMs: 60_000, maxTextMessageBufferSize: 10, maxBinaryMessageBufferSize: 20 };
    const endpoint = serve({ ...options, onOpen, onText: (_, __, session) => tell(session, limits(session)) });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await ask(client)).toEqual([60_000, 10, 20]);
    expect(log.entries).toEqual([
      [0, PLATFORM, PLATFORM],
      [60_000, 10, 20],
    ]);
  });

  it("R24: can be set in any callback and outside, each for itself, and are the same after evictions", async () => {
    const endpoint = serve({
      onOpen(session) {
        session.maxIdleTimeout = 120_000;
      },
      async onText(_, text, session) {
        const [name, value] = text.split(" ");
        if (name) session[name as (typeof NAMES)[number]] = Number(value);
        await tell(session, limits(session));
      },
    });
    const client = await endpoint.connect();
    const other = await endpoint.connect();
    expect(await ask(client)).toEqual([120_000, PLATFORM, PLATFORM]);
    for (const [change, now] of [
      ["", [120_000, PLATFORM, PLATFORM]],
      ["maxTextMessageBufferSize 100", [120_000, 100, PLATFORM]],
      ["maxBinaryMessageBufferSize 50", [120_000, 100, 50]],
      ["maxIdleTimeout 0", [0, 100, 50]],
    ] as const) {
      await endpoint.hibernate();
      expect(await ask(client, change)).toEqual(now);
    }
    await runInDurableObject(endpoint.stub, (instance) => {
      for (const session of instance.openSessions()) session.maxTextMessageBufferSize = 60;
    });
    await endpoint.hibernate();
    expect(await ask(client)).toEqual([0, 60, 50]);
    expect(await ask(other)).toEqual([120_000, 60, PLATFORM]);
  });

  it("R19: take effect at once and after an eviction, on this session only", async () => {
    const log = new Log();
    const endpoint = serve({
      async onText(_, text, session) {
        if (text === "limit") {
          session.maxTextMessageBufferSize = 5;
          session.maxBinaryMessageBufferSize = 2;
        }
        await session.asyncRemote.sendText(text);
      },
      onBinary: (_, data, session) => session.asyncRemote.sendText(`${data.byteLength} bytes`),
      onError: (_, __, error) => log.add(error.message),
    });
    for (const evicted of [false, true]) {
      for (const [message, name] of [
        ["sechs!", "maxTextMessageBufferSize"],
        ["€€", "maxTextMessageBufferSize"],
        [new ArrayBuffer(3), "maxBinaryMessageBufferSize"],
      ] as const) {
        log.entries.length = 0;
        const [client, other] = [await endpoint.connect(), await endpoint.connect()];
        await client.ask("limit");
        if (evicted) await endpoint.hibernate();
        expect(await client.ask("fünf")).toBe("fünf");
        expect(await client.ask(new ArrayBuffer(2))).toBe("2 bytes");
        client.send(message);
        expect(await client.closed).toEqual({ code: 1009, reason: "", wasClean: true });
        await log.has(`The client sent a message of over ${name.includes("Text") ? 5 : 2} bytes: see ${name}.`);
        expect(await other.ask("unlimited")).toBe("unlimited");
        expect(await other.ask(new ArrayBuffer(9))).toBe("9 bytes");
      }
    }
  });

  it("R24: that can't be are LimitErrors that name the property, and the former stay", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen(session) {
        for (const name of NAMES) {
          const bad = [-1, 1.5, Number.NaN, Infinity, 2 ** 53, "5", null, undefined, {}, 5n];
          if (name !== "maxIdleTimeout") bad.push(0);
          for (const value of bad) {
            try {
              session[name] = value as number;
              log.add("taken", name, String(value));
            } catch (error) {
              const least = name === "maxIdleTimeout" ? 0 : 1;
              const message = `A session's ${name} must be a whole number from ${least}, not ${String(value)}.`;
              if (error instanceof LimitError && error.message === message) log.add(name);
              else log.add("other", String(error));
            }
          }
        }
        log.add(limits(session));
      },
      onText: (_, __, session) => tell(session, limits(session)),
    });
    const client = await endpoint.connect();
    const refused = NAMES.flatMap((name) => Array.from({ length: name === "maxIdleTimeout" ? 10 : 11 }, () => name));
    expect(log.entries).toEqual([...refused, [0, PLATFORM, PLATFORM]]);
    await endpoint.hibernate();
    expect(await ask(client)).toEqual([0, PLATFORM, PLATFORM]);
  });
});

describe("the container's defaults", () => {
  const DEFAULTS = {
    defaultMaxSessionIdleTimeout: "idleTimeoutMs",
    defaultMaxTextMessageBufferSize: "maxTextMessageBufferSize",
    defaultMaxBinaryMessageBufferSize: "maxBinaryMessageBufferSize",
  } as const;
  const configOf = (defaults: ServerContainerOptions, options: EndpointOptions = {}, isClass = false) => {
    let found!: EndpointConfig;
    const configure = (config: EndpointConfig) => void (found = { ...config });
    const map = { ...options, configure };
    new ServerContainer(defaults).addEndpoint(freshPath(), isClass ? { durableObject: Room, ...map } : map);
    return found;
  };

  for (const [name, option] of Object.entries(DEFAULTS) as [keyof typeof DEFAULTS, keyof EndpointConfig][]) {
    it(`R1: ${name} is the ${option} of endpoints without one, before the built-in`, () => {
      for (const isClass of [false, true]) {
        expect(configOf({ [name]: 7 }, {}, isClass)[option]).toBe(7);
        expect(configOf({ [name]: 7 }, { [option]: 8 }, isClass)[option]).toBe(8);
        expect(configOf({ [name]: 7 }, { [option]: undefined }, isClass)[option]).toBe(7);
        expect(configOf({ [name]: undefined }, {}, isClass)[option]).toBe(configOf({})[option]);
        expect(configOf({}, { [option]: 8 }, isClass)[option]).toBe(8);
      }
    });

    it(`R1: a wrong ${name} is refused with what it must be`, () => {
      for (const wrong of [-1, 1.5, Number.NaN, "5", null, Infinity]) {
        const making = () => new ServerContainer({ [name]: wrong });
        expect(making).toThrow(DeploymentError);
        expect(making).toThrow(`A ServerContainer has an invalid ${name}: it must be a whole number of`);
      }
    });
  }

  it("R1: 0 is no timeout, but no size", () => {
    expect(configOf({ defaultMaxSessionIdleTimeout: 0 }).idleTimeoutMs).toBe(0);
    expect(() => new ServerContainer({ defaultMaxTextMessageBufferSize: 0 })).toThrow("a whole number of bytes from 1");
    expect(() => new ServerContainer({ defaultMaxBinaryMessageBufferSize: 0 })).toThrow(
      "a whole number of bytes from 1",
    );
  });

  it("R1: an option of another name is refused with those that there are", () => {
    expect(() => new ServerContainer({ defaultIdleTimeout: 5 } as {})).toThrow(
      `the unknown option defaultIdleTimeout: use endpoint, ${Object.keys(DEFAULTS).join(", ")}, onEvent.`,
    );
  });

  it("R1: take the place of what a configure leaves undefined", async () => {
    const path = freshPath();
    const other = new ServerContainer({ defaultMaxTextMessageBufferSize: 5 }).addEndpoint(path, {
      durableObject: Room,
      maxTextMessageBufferSize: 100,
      configure: (config) => void Object.assign(config, { maxTextMessageBufferSize: undefined }),
    });
    const upgrading = new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket" } });
    const client = new Client(await other.fetch(upgrading, env, createExecutionContext()));
    client.send("123456");
    expect(await client.closed).toMatchObject({ code: 1009 });
  });

  it("R24: are the limits of the sessions, after an eviction too, until a session has its own", async () => {
    const path = freshPath();
    const defaults = { defaultMaxTextMessageBufferSize: 5, defaultMaxSessionIdleTimeout: 60_000 };
    const other = new ServerContainer(defaults).addEndpoint(path, Room);
    const open = async () => {
      const upgrading = new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket" } });
      const response = await other.fetch(upgrading, env, createExecutionContext());
      return new Client(response);
    };
    const stub = env.Room.getByName(path);
    const limits = () =>
      runInDurableObject(stub, (room) =>
        Array.from(room.openSessions(), ({ maxIdleTimeout, maxTextMessageBufferSize, maxBinaryMessageBufferSize }) => [
          maxIdleTimeout,
          maxTextMessageBufferSize,
          maxBinaryMessageBufferSize,
        ]),
      );
    const client = await open();
    expect(await limits()).toEqual([[60_000, 5, 33_554_432]]);
    await evictDurableObject(stub);
    expect(await limits()).toEqual([[60_000, 5, 33_554_432]]);
    await runInDurableObject(stub, (room) => {
      for (const session of room.openSessions()) session.maxTextMessageBufferSize = 6;
    });
    await evictDurableObject(stub);
    expect(await client.ask("123456")).toBe("reached 0");
    const without = await open();
    without.send("123456");
    expect(await without.closed).toMatchObject({ code: 1009 });
  });
});
