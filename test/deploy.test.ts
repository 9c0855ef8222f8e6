// Sessions that outlive a deploy: the new code gets their data in a form that it knows, or they end with 1012.
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  DeploymentError,
  SessionVersionError,
  startWsConnection,
  type CloseReason,
  type ContainerEvent,
  type SendChannel,
  type Session,
  type WsEndpointMap,
} from "socle";
import { connect, drop, hibernate, redeploy, type Client } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { freshPath, Log, recorded } from "./support/endpoint.ts";
import { nextSettings } from "./support/flow-client.ts";
import { container, listener, Room, watched } from "./support/worker.ts";

type Map = WsEndpointMap<Cloudflare.Env, never>;

const timeoutMs = 50_000;
const worker = { fetch: (request: Request) => watched.fetch(request, env, createExecutionContext()) };

let events: ContainerEvent[] = [];
let logged: MockInstance<typeof console.error>;
const silent = listener.onEvent;

beforeEach(() => {
  events = [];
  listener.onEvent = (event) => void events.push(event);
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  listener.onEvent = silent;
  vi.restoreAllMocks();
});

/** The log entries with their errors. */
const entries = () => logged.mock.calls.map(([entry, error]) => [String(entry), error as Error] as const);

/** An endpoint whose next version is deployed by {@link deploy}. */
class Deployed {
  readonly path: string;

  constructor(map: object, path = freshPath()) {
    this.path = path;
    watched.addEndpoint(path as `/${string}`, map);
  }

  get stub() {
    return watched.stub(env, this.path);
  }

  connect(query = "", protocols: string[] = []): Promise<Client> {
    return connect(worker, this.path + query, { timeoutMs, protocols });
  }

  /** A deferred update: the object hibernates with its sockets, and wakes on the new code. */
  async deploy(map: object | undefined): Promise<void> {
    redeploy(watched, this.path as `/${string}`, map as Map);
    await hibernate(this.stub, { timeoutMs });
  }
}

interface User {
  name: string;
}

/** Version 0, which keeps a name. */
const first = (log = new Log()) => ({
  ...recorded(log),
  onOpen: (session: Session): User => ({ name: session.queryString }),
  onText: (user: User, text: string, session: Session) => session.asyncRemote.sendText(`0 ${user.name}: ${text}`),
});

/** Later versions, which keep a list of names. */
const second = (log = new Log(), version = 1) => ({
  ...recorded(log),
  version,
  migrateSession: (data: unknown, from: number) => {
    log.add("migrate", data, from);
    return { names: [(data as User).name] };
  },
  onOpen: (session: Session) => ({ names: [session.queryString] }),
  onText: ({ names }: { names: string[] }, text: string, session: Session) => {
    if (text.startsWith("+")) names.push(text);
    return session.asyncRemote.sendText(`${version} ${names.join(" ")}: ${text}`);
  },
});

/** The second version, which can't migrate one of the sessions. */
const withoutBob = (log: Log) => ({
  ...second(log),
  migrateSession: ({ name }: User) => {
    if (name === "bob") throw new Error("no way");
    return { names: [name] };
  },
});

describe("a changed version", () => {
  it("D2: migrateSession gets what was kept and its version, before any callback, once", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const client = await endpoint.connect("?ann");
    expect(await client.ask("a")).toBe("0 ann: a");
    await endpoint.deploy(second(log));
    expect(await client.ask("+b")).toBe("1 ann +b: +b");
    expect(log.entries).toEqual([["migrate", { name: "ann" }, 0]]);
    await hibernate(endpoint.stub, { timeoutMs });
    expect(await client.ask("c")).toBe("1 ann +b: c");
    expect(log.entries).toHaveLength(1);
    await client.close(4001);
    await log.has(["close", { names: ["ann", "+b"] }, 4001, ""]);
    expect(entries()).toEqual([]);
  });

  it("D2: what it returns is kept at once, though no callback changes it", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const client = await endpoint.connect("?ann");
    await endpoint.deploy(second(log));
    await client.ask("a");
    await hibernate(endpoint.stub, { timeoutMs });
    expect(await client.ask("b")).toBe("1 ann: b");
    expect(log.entries).toHaveLength(1);
  });

  it("D2: a rollback works like a deploy: from is the higher version", async () => {
    const log = new Log();
    const endpoint = new Deployed(second());
    const client = await endpoint.connect("?ann");
    expect(await client.ask("a")).toBe("1 ann: a");
    await endpoint.deploy({
      ...first(log),
      migrateSession: (data: unknown, from: number) => {
        log.add("migrate", data, from);
        return { name: (data as { names: string[] }).names[0]! };
      },
    });
    expect(await client.ask("b")).toBe("0 ann: b");
    expect(log.entries).toEqual([["migrate", { names: ["ann"] }, 1]]);
  });

  it("D2: of several versions between each session is told its own", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const old = await endpoint.connect("?old");
    await endpoint.deploy(second(new Log(), 3));
    const newer = await endpoint.connect("?newer");
    await endpoint.deploy({
      ...second(log, 7),
      migrateSession: (data: unknown, from: number) => {
        log.add(from);
        return from === 3 ? data : { names: [(data as User).name] };
      },
    });
    expect(await newer.ask("a")).toBe("7 newer: a");
    expect(await old.ask("a")).toBe("7 old: a");
    expect(log.entries).toEqual([3, 0]);
  });

  it.each<[string, (data: unknown) => unknown, string]>([
    [
      "throws",
      () => {
        throw new Error("no way");
      },
      "no way",
    ],
    ["returns a promise", () => Promise.resolve({ names: [] }), "synchronous"],
    ["rejects", () => Promise.reject(new Error("later")), "synchronous"],
    ["returns what can't be kept", () => ({ names: [() => {}] }), "sessionObject.names.0"],
  ])("D2: one that %s ends its session with 1012, and onClose gets undefined", async (_, migrateSession, cause) => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const client = await endpoint.connect("?ann");
    const other = await endpoint.connect("?bob");
    await endpoint.deploy({
      ...second(log),
      migrateSession: (data: User) => (data.name === "ann" ? migrateSession(data) : { names: [data.name] }),
    });
    client.send("a", "b");
    expect(await client.closed).toMatchObject({ code: 1012, reason: "" });
    await log.has(["close", null, 1012, ""]);
    expect(await other.ask("a")).toBe("1 bob: a");
    expect(log.entries).toEqual([["close", undefined, 1012, ""]]);
    const [[entry, error]] = entries() as [[string, Error]];
    expect(entry).toBe(`socle: sessions saved by other code can't continue at ${endpoint.path}:`);
    expect(error).toBeInstanceOf(SessionVersionError);
    expect((error.cause as Error).message).toContain(cause);
    expect(entries()).toHaveLength(1);
    const told = events.filter(({ type }) => type === "error") as Extract<ContainerEvent, { type: "error" }>[];
    expect(told.map(({ error: { name } }) => name)).toEqual(["SessionVersionError"]);
  });

  it("D2: without a migrateSession its sessions end with 1012, with one entry per object, and onEvent is told of each", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const clients = [await endpoint.connect("?a"), await endpoint.connect("?b"), await endpoint.connect("?c")];
    const { migrateSession: _, ...map } = second(log);
    await endpoint.deploy(map);
    // A broadcast touches all sessions.
    expect(await endpoint.stub.broadcast("hello")).toBe(0);
    for (const client of clients) expect(await client.closed).toMatchObject({ code: 1012 });
    for (const client of clients) expect(client.messages).toEqual([]);
    await expect.poll(() => log.entries).toEqual(Array.from({ length: 3 }, () => ["close", undefined, 1012, ""]));
    expect(entries().map(([entry, { message }]) => [entry, message])).toEqual([
      [
        `socle: sessions saved by other code can't continue at ${endpoint.path}:`,
        "Other code saved the session: its version is 0, the endpoint's is 1, and migrateSession is missing.",
      ],
    ]);
    expect(events.filter(({ type }) => type === "error")).toHaveLength(3);
    expect(events.filter(({ type }) => type === "close")).toHaveLength(3);
    expect(await (await endpoint.connect("?new")).ask("a")).toBe("1 new: a");
  });

  it("D2: a session that ends while it hibernates has its object migrated for onClose, or undefined where that fails", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const [ann, bob] = [await endpoint.connect("?ann"), await endpoint.connect("?bob")];
    await endpoint.deploy(withoutBob(log));
    expect(await endpoint.stub.closeAll(4005)).toBe(2);
    expect([(await ann.closed).code, (await bob.closed).code]).toEqual([4005, 4005]);
    await log.has(["close", { names: ["ann"] }, 4005, ""]);
    await log.has(["close", null, 4005, ""]);
    expect(log.entries).toHaveLength(2);
  });

  it("D2: a client that closes has its object migrated, or undefined", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const [ann, bob] = [await endpoint.connect("?ann"), await endpoint.connect("?bob")];
    await endpoint.deploy(withoutBob(log));
    expect([(await ann.close(4001)).code, (await bob.close(4002)).code]).toEqual([4001, expect.any(Number)]);
    await log.has(["close", { names: ["ann"] }, 4001, ""]);
    await expect.poll(() => log.entries.length).toBe(2);
    expect(log.entries[1]).toEqual(["close", undefined, expect.any(Number), ""]);
  });

  it("D2: a broadcast reads and migrates no object, and another's callback that reads one migrates it", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const [ann, bob] = [await endpoint.connect("?ann"), await endpoint.connect("?bob")];
    await endpoint.deploy({
      ...second(log),
      onText: (_: unknown, __: string, session: Session<string, { names: string[] }>) => {
        const all = [...session.openSessions].map(({ sessionObject }) => sessionObject.names);
        return session.asyncRemote.sendText(all.flat().toSorted().join());
      },
    });
    await endpoint.stub.broadcast("hello");
    expect([await ann.next(), await bob.next()]).toEqual(["hello", "hello"]);
    expect(log.entries).toEqual([]);
    expect(await ann.ask("who")).toBe("ann,bob");
    expect(log.entries).toHaveLength(2);
  });

  it("D2: under a codec it gets what was serialised, and returns what deserializeSession gets", async () => {
    class Name {
      constructor(readonly text: string) {}
    }
    const codec = {
      onOpen: (session: Session) => new Name(session.queryString),
      onText: ({ text }: Name, message: string, session: Session) =>
        session.asyncRemote.sendText(`${text}: ${message}`),
    };
    const seen: unknown[] = [];
    const endpoint = new Deployed({
      ...codec,
      serializeSession: ({ text }: Name) => text,
      deserializeSession: (data: string) => new Name(data),
    });
    const client = await endpoint.connect("?ann");
    await endpoint.deploy({
      ...codec,
      version: 1,
      migrateSession: (data: unknown) => {
        seen.push(data);
        return [data];
      },
      serializeSession: ({ text }: Name) => [text],
      deserializeSession: ([text]: [string]) => new Name(`${text}!`),
    });
    expect(await client.ask("a")).toBe("ann!: a");
    expect(seen).toEqual(["ann"]);
  });

  it("D2: what is in a row is migrated and stays in it, or goes back into the attachment", async () => {
    const log = new Log();
    const endpoint = new Deployed({
      ...first(),
      trackSessions: true,
      onOpen: (session: Session) => ({ name: session.queryString.padEnd(20_000, ".") }),
    });
    const client = await endpoint.connect("?ann");
    const rows = () =>
      runInDurableObject(endpoint.stub, (_, { storage }) => [...storage.kv.list({ prefix: "socle:" })]);
    expect(await rows()).toHaveLength(1);
    await endpoint.deploy({ ...second(log), migrateSession: () => ({ names: ["a".repeat(30_000)] }) });
    expect(await client.ask("b")).toHaveLength(30_005);
    expect(await rows()).toHaveLength(1);
    await endpoint.deploy({ ...second(log, 2), migrateSession: () => ({ names: ["short"] }) });
    expect(await client.ask("b")).toBe("2 short: b");
    expect(await rows()).toEqual([]);
    await hibernate(endpoint.stub, { timeoutMs });
    expect(await client.ask("c")).toBe("2 short: c");
    expect(entries()).toEqual([]);
  });

  it("D2: a send channel in it goes on", async () => {
    const endpoint = new Deployed({
      onOpen: (session: Session) => startWsConnection(session),
      onText: (send: SendChannel, text: string) => send.put(text),
    });
    const client = await endpoint.connect();
    expect(await client.ask("a")).toBe("a");
    await endpoint.deploy({
      version: 1,
      migrateSession: (send: unknown) => ({ send, count: 0 }),
      onText: async (object: { send: SendChannel; count: number }, text: string) => {
        object.count++;
        await object.send.put(`${object.count} ${text}`);
      },
    });
    expect(await client.ask("b")).toBe("1 b");
    await hibernate(endpoint.stub, { timeoutMs });
    expect(await client.ask("c")).toBe("2 c");
  });

  it("D2: sessions that a crash has ended get theirs migrated for onClose", async () => {
    const log = new Log();
    const endpoint = new Deployed({ ...first(), trackSessions: true });
    await endpoint.connect("?ann");
    redeploy(watched, endpoint.path as `/${string}`, { ...second(log), trackSessions: true });
    await drop(endpoint.stub, { timeoutMs });
    await endpoint.connect("?new");
    expect(log.entries).toEqual([
      ["migrate", { name: "ann" }, 0],
      ["close", { names: ["ann"] }, 1006, ""],
    ]);
  });

  it("D2: without a migrateSession onClose gets undefined for one that a crash has ended", async () => {
    const log = new Log();
    const endpoint = new Deployed({ ...first(), trackSessions: true });
    await endpoint.connect("?ann");
    const { migrateSession: _, ...map } = second(log);
    redeploy(watched, endpoint.path as `/${string}`, { ...map, trackSessions: true });
    await drop(endpoint.stub, { timeoutMs });
    await endpoint.connect("?new");
    expect(log.entries).toEqual([["close", undefined, 1006, ""]]);
  });

  it.each([
    ["version", -1],
    ["version", 1.5],
    ["version", "1"],
    ["version", 2 ** 53],
    ["migrateSession", {}],
  ])("D2: %s can't be %o", (name, value) => {
    expect(() => container.addEndpoint(freshPath() as `/${string}`, { [name]: value } as Map)).toThrow(
      new RegExp(`has an invalid ${name}: it must be a`),
    );
  });
});

describe("an endpoint that has changed", () => {
  const kept = (log = new Log()) => ({
    ...recorded(log),
    onOpen: (session: Session): User => ({ name: session.queryString }),
    onText: ({ name }: User, text: string, session: Session) => session.asyncRemote.sendText(`${name}: ${text}`),
  });
  const codec = { serializeSession: (user: User) => [user], deserializeSession: ([user]: [User]) => user };

  it.each<[string, object, object, string, string[]?]>([
    ["hibernate is now false", {}, { hibernate: false }, "hibernate is now false"],
    ["a codec was added", {}, codec, "serializeSession was added, but version is the same"],
    ["a codec was removed", codec, {}, "serializeSession was removed, but version is the same"],
    ["flowControl was added", {}, { flowControl: true }, "flowControl was added"],
    ["flowControl was removed", { flowControl: true }, {}, "flowControl was removed"],
    [
      "flowControl was removed, for its clients too",
      { flowControl: true },
      {},
      "flowControl was removed",
      ["socle.v1"],
    ],
  ])(
    "D3: where %s its sessions end with 1012, once, and nothing is misread",
    async (_, before, after, why, offered) => {
      const log = new Log();
      const endpoint = new Deployed({ ...kept(), ...before });
      const [ann, bob] = [await endpoint.connect("?ann", offered), await endpoint.connect("?bob")];
      if (offered) await nextSettings(ann);
      await endpoint.deploy({
        ...kept(log),
        ...after,
        onBinary: () => log.add("bytes"),
        onClose: (object: unknown, session: Session, { closeCode, reasonPhrase }: CloseReason) => {
          expect(session.negotiatedSubprotocol).toBe("");
          log.add("close", object, closeCode, reasonPhrase);
        },
      });
      const cat = await endpoint.connect("?cat");
      // One session is touched by its own message, the other by a broadcast.
      ann.send(offered ? new Uint8Array([0, 1]) : "a");
      expect(await endpoint.stub.broadcast("hello")).toBe(1);
      expect([(await ann.closed).code, (await bob.closed).code]).toEqual([1012, 1012]);
      expect([await cat.next(), cat.unread]).toEqual(["hello", []]);
      expect(await endpoint.stub.openSessionCount()).toBe(1);
      await expect.poll(() => log.entries).toEqual(Array.from({ length: 2 }, () => ["close", undefined, 1012, ""]));
      expect(entries().map(([, { message }]) => message)).toEqual([`Other code saved the session: ${why}.`]);
      expect([...ann.unread, ...bob.unread]).toEqual([]);
      // An end is not reported twice either, after hibernation.
      if (!("hibernate" in after)) await hibernate(endpoint.stub, { timeoutMs });
      expect(await endpoint.stub.openSessionCount()).toBe(1);
      expect(log.entries).toHaveLength(2);
    },
  );

  it("D3: a codec that comes with a version and a migrateSession goes on, and one that goes", async () => {
    const endpoint = new Deployed(kept());
    const client = await endpoint.connect("?ann");
    await endpoint.deploy({ ...kept(), ...codec, version: 1, migrateSession: (user: unknown) => [user] });
    expect(await client.ask("a")).toBe("ann: a");
    await endpoint.deploy({ ...kept(), version: 2, migrateSession: ([user]: [User]) => user });
    expect(await client.ask("b")).toBe("ann: b");
    expect(entries()).toEqual([]);
  });

  it("D3: where its path is gone its sessions end with 1012, and the containers' onEvent is told", async () => {
    const endpoint = new Deployed(kept());
    const [ann, bob] = [await endpoint.connect("?ann"), await endpoint.connect("?bob")];
    const { stub } = endpoint;
    redeploy(watched, endpoint.path as `/${string}`, undefined);
    await hibernate(stub, { timeoutMs });
    events = [];
    ann.send("a");
    bob.send("a");
    expect([(await ann.closed).code, (await bob.closed).code]).toEqual([1012, 1012]);
    expect(entries().map(([entry, { message }]) => [entry, message])).toEqual([
      [
        `socle: sessions saved by other code can't continue at ${endpoint.path}:`,
        "Other code saved the session: its path is not registered: register it while the Worker's module loads.",
      ],
    ]);
    await expect.poll(() => events.filter(({ type }) => type === "close")).toHaveLength(2);
    expect(events.map(({ type }) => type).toSorted()).toEqual(["close", "close", "error", "error", "wake"]);
    expect((await worker.fetch(new Request(`https://socle.test${endpoint.path}`))).status).toBe(404);
  });

  it("D3: where a map gives way to a class its sessions end with 1012", async () => {
    const endpoint = new Deployed(kept());
    const ann = await endpoint.connect("?ann");
    const { stub } = endpoint;
    redeploy(watched, endpoint.path as `/${string}`, Room as never);
    await hibernate(stub, { timeoutMs });
    ann.send("a");
    expect((await ann.closed).code).toBe(1012);
    expect(await (await endpoint.connect("?name=bob")).ask("a")).toBe("reached 0");
  });

  it("D3: limits and timeouts that a session did not set itself are those of the new code", async () => {
    const limits = ({ maxIdleTimeout, maxTextMessageBufferSize, maxBinaryMessageBufferSize }: Session) => [
      maxIdleTimeout,
      maxTextMessageBufferSize,
      maxBinaryMessageBufferSize,
    ];
    const map = (options: object) => ({
      onOpen: (session: Session) => {
        if (session.queryString === "own") session.maxTextMessageBufferSize = 99;
      },
      onText: (_: unknown, __: string, session: Session) => session.asyncRemote.sendText(limits(session).join()),
      ...options,
    });
    const endpoint = new Deployed(map({ idleTimeoutMs: 60_000, maxTextMessageBufferSize: 50 }));
    const [own, plain] = [await endpoint.connect("?own"), await endpoint.connect("?plain")];
    expect([await own.ask("a"), await plain.ask("a")]).toEqual(["60000,99,33554432", "60000,50,33554432"]);
    await endpoint.deploy(
      map({ idleTimeoutMs: 120_000, maxTextMessageBufferSize: 70, maxBinaryMessageBufferSize: 10 }),
    );
    expect([await own.ask("a"), await plain.ask("a")]).toEqual(["120000,99,10", "120000,70,10"]);
    plain.send("a".repeat(71));
    expect((await plain.closed).code).toBe(1009);
    await endpoint.deploy(map({}));
    expect(await own.ask("a")).toBe("0,99,33554432");
  });

  it("D3: a timeout that has come begins with the first look at a session, and one that has gone ends none", async () => {
    const endpoint = new Deployed(kept());
    const [ann, bob] = [await endpoint.connect("?ann"), await endpoint.connect("?bob")];
    await endpoint.deploy({ ...kept(), idleTimeoutMs: 2000 });
    // An event of the object sets its alarm. When it rings, ann's time is over, and bob's begins.
    expect(await ann.ask("a")).toBe("ann: a");
    expect((await ann.closed).code).toBe(1001);
    expect(await endpoint.stub.openSessionCount()).toBe(1);
    expect((await bob.closed).code).toBe(1001);
    const gone = new Deployed({ ...kept(), idleTimeoutMs: 1000 });
    const [cat, dan] = [await gone.connect("?cat"), await gone.connect("?dan")];
    await gone.deploy(kept());
    expect(await cat.ask("a")).toBe("cat: a");
    await runInDurableObject(gone.stub, async (object) => object.alarm?.());
    expect(await dan.ask("a")).toBe("dan: a");
  });

  it("D3: trackSessions may come and go", async () => {
    const log = new Log();
    const rows = ({ stub }: Deployed) =>
      runInDurableObject(stub, (_, { storage }) => [...storage.kv.list({ prefix: "socle:" })].length);
    const endpoint = new Deployed(kept());
    const client = await endpoint.connect("?ann");
    await endpoint.deploy({ ...kept(log), trackSessions: true });
    await client.ask("a");
    expect(await rows(endpoint)).toBe(1);
    redeploy(watched, endpoint.path as `/${string}`, { ...kept(log), trackSessions: true });
    await drop(endpoint.stub, { timeoutMs });
    const next = await endpoint.connect("?next");
    expect(log.entries).toEqual([["close", { name: "ann" }, 1006, ""]]);
    await endpoint.deploy(kept());
    await next.ask("a");
    expect(await rows(endpoint)).toBe(0);
    await next.close();
  });

  it("D3: of many with large objects each row is read as its session ends, never before", async () => {
    const read: string[] = [];
    const endpoint = new Deployed({ ...kept(), onOpen: () => ({ name: "x".repeat(20_000) }) });
    const clients = [await endpoint.connect("?a"), await endpoint.connect("?b"), await endpoint.connect("?c")];
    await endpoint.deploy({ ...kept(), version: 1, onClose: () => read.push("close") });
    await runInDurableObject(endpoint.stub, (object) => {
      const { ctx } = object as unknown as { ctx: DurableObjectState };
      const { kv } = ctx.storage;
      const get = kv.get.bind(kv);
      vi.spyOn(kv, "get").mockImplementation((key: string) => {
        if (key.startsWith("socle:session:")) read.push("read");
        return get(key);
      });
      (object as Room).broadcast("a");
      expect(read).toEqual([]);
    });
    for (const client of clients) expect((await client.closed).code).toBe(1012);
    expect(read).toEqual(["read", "close", "read", "close", "read", "close"]);
  });

  it("D3: the same endpoint anew ends nothing, and writes nothing", async () => {
    const endpoint = new Deployed(kept());
    const client = await endpoint.connect("?ann");
    await endpoint.deploy(kept());
    const write = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    expect(await client.ask("a")).toBe("ann: a");
    expect(write).not.toHaveBeenCalled();
    expect(entries()).toEqual([]);
  });
});

describe("a migration that fails", () => {
  const large = () => ({ names: ["x".repeat(3_000_000)] });

  it("D2: leaves the row as it was, also for a crash in the onClose that follows", async () => {
    const log = new Log();
    const endpoint = new Deployed({ ...first(), trackSessions: true });
    const client = await endpoint.connect("?ann");
    const map = { ...second(log), trackSessions: true, migrateSession: large };
    await endpoint.deploy({ ...map, onClose: () => new Promise(() => {}) });
    client.send("a");
    expect((await client.closed).code).toBe(1012);
    const rows = await runInDurableObject(endpoint.stub, (_, { storage }) =>
      Array.from(storage.kv.list<[string, unknown]>({ prefix: "socle:" }), ([, [facts, object]]) => [facts, object]),
    );
    expect(rows).toEqual([[expect.stringContaining('"made":"0t"'), { name: "ann" }]]);
  });

  it("D2: leaves no row of an endpoint that tracks no more, and onClose runs once", async () => {
    const log = new Log();
    const endpoint = new Deployed({ ...first(), trackSessions: true });
    const client = await endpoint.connect("?ann");
    await endpoint.deploy({ ...second(log), migrateSession: large });
    client.send("a");
    expect((await client.closed).code).toBe(1012);
    await log.has(["close", null, 1012, ""]);
    redeploy(watched, endpoint.path as `/${string}`, { ...second(log), trackSessions: true });
    await drop(endpoint.stub, { timeoutMs });
    await endpoint.connect("?bob");
    expect(log.entries).toEqual([["close", undefined, 1012, ""]]);
  });

  it("D2: what is assigned then is not what onClose gets", async () => {
    const log = new Log();
    const endpoint = new Deployed(first());
    const client = await endpoint.connect("?ann");
    await endpoint.deploy({ ...second(log), migrateSession: large });
    await runInDurableObject(endpoint.stub, (object) => {
      for (const session of (object as unknown as { openSessions(): Set<Session> }).openSessions()) {
        session.sessionObject = { names: ["assigned"] };
      }
    });
    expect((await client.closed).code).toBe(1012);
    await log.has(["close", null, 1012, ""]);
  });
});

it("D3: neither onEvent nor onClose sees the object of one that can't go on, and onClose its properties", async () => {
  const log = new Log();
  const endpoint = new Deployed({
    ...first(),
    onOpen: (session: Session) => {
      session.userProperties.seen = 1;
      return { name: "ann" };
    },
  });
  const clients = [await endpoint.connect("?ann"), await endpoint.connect("?bob")];
  const { migrateSession: _, ...map } = second();
  listener.onEvent = (event) => {
    if (event.type === "error") log.add("told", event.session.sessionObject);
  };
  await endpoint.deploy({
    ...map,
    onClose: (object: unknown, { userProperties }: Session) => log.add("close", object, userProperties),
  });
  clients[0]!.send("a");
  await clients[0]!.closed;
  await endpoint.stub.broadcast("b");
  await clients[1]!.closed;
  await expect.poll(() => log.entries.length).toBe(4);
  expect(log.entries).toEqual([
    ["told", undefined],
    ["close", undefined, { seen: 1 }],
    ["told", undefined],
    ["close", undefined, { seen: 1 }],
  ]);
});

describe("options that change", () => {
  const echo = (options: object = {}) => ({
    onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text),
    ...options,
  });

  it("D3: a rate limit of before is not held against a session", async () => {
    const endpoint = new Deployed(echo({ rateLimit: { messages: 10, perMs: 3_600_000 } }));
    const client = await endpoint.connect();
    expect([await client.ask("a"), await client.ask("b")]).toEqual(["a", "b"]);
    await endpoint.deploy(echo({ rateLimit: { messages: 1000, perMs: 1000 } }));
    expect([await client.ask("c"), await client.ask("d")]).toEqual(["c", "d"]);
  });

  it.each(["idleTimeoutMs", "clientTimeoutMs"])("D3: a shorter %s holds from the next message on", async (name) => {
    const endpoint = new Deployed(echo({ [name]: 3_600_000 }));
    const client = await endpoint.connect();
    await client.ask("a");
    await endpoint.deploy(echo({ [name]: 1000 }));
    await client.ask("b");
    expect((await client.closed).code).toBe(1001);
  });

  it("D3: trackSessions that came and went before a session was read leaves no row", async () => {
    const log = new Log();
    const endpoint = new Deployed(first(log));
    await endpoint.connect("?ann");
    await endpoint.deploy({ ...first(log), trackSessions: true });
    await runInDurableObject(endpoint.stub, (object) => {
      for (const session of (object as unknown as { openSessions(): Set<Session> }).openSessions()) {
        session.userProperties = { seen: 1 };
      }
    });
    await endpoint.deploy(first(log));
    await endpoint.stub.closeAll(4000);
    await log.has(["close", { name: "ann" }, 4000, ""]);
    const rows = await runInDurableObject(endpoint.stub, (_, { storage }) => [
      ...storage.kv.list({ prefix: "socle:" }),
    ]);
    expect(rows).toEqual([]);
  });

  it("D3: the platform answers by the autoResponse of now, once a session of before is touched", async () => {
    const endpoint = new Deployed(echo({ autoResponse: { request: "ping", response: "pong" } }));
    const client = await endpoint.connect();
    expect(await client.ask("ping")).toBe("pong");
    await endpoint.deploy(echo({ autoResponse: { request: "ping", response: "alive" } }));
    expect([await client.ask("a"), await client.ask("ping")]).toEqual(["a", "alive"]);
    await endpoint.deploy(echo());
    expect([await client.ask("a"), await client.ask("ping")]).toEqual(["a", "ping"]);
  });

  it("D3: a client of socle.v1 that counts by another autoResponse ends with 1012, and a plain one goes on", async () => {
    const pair = (response: string) => ({ flowControl: true, autoResponse: { request: "ping", response } });
    const endpoint = new Deployed(echo(pair("pong")));
    const [flow, plain] = [await endpoint.connect("", ["socle.v1"]), await endpoint.connect()];
    await endpoint.deploy(echo(pair("alive")));
    expect([await plain.ask("a"), await plain.ask("ping")]).toEqual(["a", "alive"]);
    await endpoint.stub.broadcast("b");
    expect((await flow.closed).code).toBe(1012);
  });

  const ping = { request: "ping", response: "pong" };

  it.each<[string, object, object, object]>([
    ["comes", {}, { autoResponse: ping }, ping],
    ["goes", { autoResponse: ping }, {}, { request: "socle:ping", response: "socle:pong" }],
    ["changes", { autoResponse: ping }, { autoResponse: { ...ping, request: "hi" } }, { ...ping, request: "hi" }],
  ])(
    "C3: where a pair %s on an endpoint with topics alone clients of socle.v1 end with 1012 too, and plain ones go on",
    async (_, before, after, pair) => {
      const { request, response } = pair as typeof ping;
      const endpoint = new Deployed(echo({ topics: {}, ...before }));
      const [flow, plain] = [await endpoint.connect("", ["socle.v1"]), await endpoint.connect()];
      await endpoint.deploy(echo({ topics: {}, ...after }));
      expect([await plain.ask("a"), await plain.ask(request)]).toEqual(["a", response]);
      await endpoint.stub.broadcast("b");
      expect((await flow.closed).code).toBe(1012);
      expect(entries().map(([, { message }]) => message)).toEqual([expect.stringContaining("another autoResponse")]);
    },
  );

  it.each([
    [{ flowControl: true }, "0f"],
    [{ topics: {} }, "0p"],
  ])("C3: with %o a session goes on that was kept by code without a pair", async (options, made) => {
    const endpoint = new Deployed(echo(options));
    const client = await endpoint.connect("", ["socle.v1"]);
    await nextSettings(client);
    await runInDurableObject(endpoint.stub, (_, ctx) => {
      ctx.setWebSocketAutoResponse();
      const [socket] = ctx.getWebSockets() as [WebSocket];
      const attached = socket.deserializeAttachment() as [unknown, string];
      attached[1] = JSON.stringify({ ...(JSON.parse(attached[1]) as object), made });
      socket.serializeAttachment(attached);
    });
    await endpoint.deploy(echo(options));
    expect([await client.ask("a"), await client.ask("socle:ping")]).toEqual(["a", "socle:pong"]);
    expect(entries()).toEqual([]);
  });
});

it("D2: what is assigned from outside to a session that is not read yet is not migrated later", async () => {
  const log = new Log();
  const endpoint = new Deployed(first());
  const client = await endpoint.connect("?ann");
  await endpoint.deploy(second(log));
  await runInDurableObject(endpoint.stub, (object) => {
    for (const session of (object as unknown as { openSessions(): Set<Session> }).openSessions()) {
      session.sessionObject = { names: ["assigned"] };
    }
  });
  await hibernate(endpoint.stub, { timeoutMs });
  expect(await client.ask("a")).toBe("1 assigned: a");
  expect(log.entries).toEqual([["migrate", { name: "ann" }, 0]]);
});

it("D2: user properties that change before the object is read leave it to be migrated", async () => {
  const log = new Log();
  const endpoint = new Deployed(first());
  const client = await endpoint.connect("?ann");
  await endpoint.deploy(second(log));
  await runInDurableObject(endpoint.stub, (object) => {
    for (const session of (object as unknown as { openSessions(): Set<Session> }).openSessions()) {
      session.userProperties = { seen: 1 };
      session.maxTextMessageBufferSize = 1000;
    }
  });
  await hibernate(endpoint.stub, { timeoutMs });
  expect(await client.ask("a")).toBe("1 ann: a");
  expect(log.entries).toEqual([["migrate", { name: "ann" }, 0]]);
});

describe("redeploy", () => {
  it("D4: an object that is awake goes on with the former endpoint", async () => {
    const endpoint = new Deployed(first());
    const client = await endpoint.connect("?ann");
    redeploy(watched, endpoint.path as `/${string}`, second() as never);
    expect(await client.ask("a")).toBe("0 ann: a");
    await hibernate(endpoint.stub, { timeoutMs });
    expect(await client.ask("a")).toBe("1 ann: a");
  });

  it("D4: drop ends the sockets", async () => {
    const endpoint = new Deployed(first());
    const client = await endpoint.connect("?ann");
    redeploy(watched, endpoint.path as `/${string}`, second() as never);
    await drop(endpoint.stub, { timeoutMs });
    expect((await client.closed).code).toBe(1006);
    expect(await (await endpoint.connect("?bob")).ask("a")).toBe("1 bob: a");
  });

  it("D4: another class stands in for the exported one, and so do a map's callbacks, on its objects", async () => {
    const path = `${freshPath()}/{name}` as const;
    container.addEndpoint(path, Room);
    const at = path.replace("{name}", "a");
    const fetcher = { fetch: (request: Request) => container.fetch(request, env, createExecutionContext()) };
    const client = await connect(fetcher, `${at}?name=ann`, { timeoutMs });
    const stub = container.stub(env, at);
    expect(await client.ask("a")).toBe("reached 0");
    class Later extends Room {
      override onText(member: { name: string; heard: number }, text: string, session: Session) {
        return session.asyncRemote.sendText(`${member.name} of ${this.openSessionCount()}: ${text}`);
      }
    }
    redeploy(container, path, Later);
    await hibernate(stub, { timeoutMs });
    expect(await client.ask("a")).toBe("ann of 1: a");
    redeploy(container, path, {
      version: 1,
      migrateSession: (data: unknown) => (data as { name: string }).name,
      onText(this: Room, name: string, text: string) {
        this.broadcast(`${name}: ${text}`);
      },
    });
    await hibernate(stub, { timeoutMs });
    expect(await client.ask("a")).toBe("ann: a");
    redeploy(container, path, {
      durableObject: Room,
      version: 2,
      migrateSession: (name) => ({ name: name as string, heard: 5 }),
    });
    await hibernate(stub, { timeoutMs });
    expect(await client.ask("a")).toBe("reached 0");
    // Its onRequest stays, and the path still belongs to the class after it was removed for a while.
    redeploy(container, path, undefined);
    redeploy(container, path, {});
    await hibernate(stub, { timeoutMs });
    expect(await (await fetcher.fetch(new Request(`https://socle.test${at}`))).text()).toBe(`GET ${at}`);
  });

  it("D3: where the path of a class is gone onEvent is told, and no callback runs", async () => {
    const path = freshPath();
    const log = new Log();
    watched.addEndpoint(path as `/${string}`, Room);
    const client = await connect(worker, path, { timeoutMs });
    const stub = watched.stub(env, path);
    Object.assign(Room.prototype, { onClose: () => log.add("close") });
    redeploy(watched, path as `/${string}`, undefined);
    await hibernate(stub, { timeoutMs });
    events = [];
    client.send("a");
    expect((await client.closed).code).toBe(1012);
    await expect.poll(() => events.map(({ type }) => type)).toEqual(["wake", "error", "close"]);
    Reflect.deleteProperty(Room.prototype, "onClose");
    expect(log.entries).toEqual([]);
  });

  it("D4: refuses a path that has no endpoint, and an endpoint that addEndpoint would refuse", () => {
    expect(() => redeploy(watched, "/nothing-here", {})).toThrow(DeploymentError);
    const endpoint = new Deployed(first());
    expect(() => redeploy(watched, endpoint.path as `/${string}`, { version: -1 })).toThrow(/invalid version/);
    expect(watched.stub(env, endpoint.path)).toBeDefined();
  });
});
