// Data of hostile clients that an endpoint keeps: it costs no more than its size, and becomes nothing else.
import { runInDurableObject } from "cloudflare:test";
import {
  onOpenStartWsConnection,
  SessionObjectError,
  startWsConnection,
  type SendChannel,
  type Session,
  type WsEndpointMap,
} from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { difference } from "../src/hibernation/difference.ts";
import { SessionObject } from "../src/session/session-object.ts";
import { Turns } from "../src/session/turns.ts";
import { upgrade } from "./support/client.ts";
import { Log, recorded, serve } from "./support/endpoint.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => vi.restoreAllMocks());

describe("bytes in the session object", () => {
  it("P16: are compared and come back without a name or an element of each", async () => {
    const endpoint = serve({
      onOpen: () => ({ kept: {} as Record<string, unknown>, n: 0 }),
      onBinary(object, data, session) {
        object.kept = { buffer: data, view: new Uint8Array(data, 1), other: new DataView(data, 2, 8) };
        return session.asyncRemote.sendText("kept");
      },
      onText({ kept }, _, session) {
        const { buffer, view, other } = kept as { buffer: ArrayBuffer; view: Uint8Array; other: DataView };
        const isShared = view.buffer === buffer && other.buffer === buffer;
        return session.asyncRemote.sendText(`${isShared} ${buffer.byteLength} ${view[0]} ${other.byteOffset}`);
      },
    });
    const client = await endpoint.connect();
    const bytes = new Uint8Array(300_000).fill(7);
    const named: number[] = [];
    const { getOwnPropertyNames, entries } = Object;
    vi.spyOn(Object, "getOwnPropertyNames").mockImplementation((object: unknown) => {
      const names = getOwnPropertyNames(object);
      named.push(names.length);
      return names;
    });
    vi.spyOn(Object, "entries").mockImplementation((object: object) => {
      const found = entries(object) as [string, unknown][];
      named.push(found.length);
      return found;
    });
    const iterated = vi.spyOn(Uint8Array.prototype, Symbol.iterator);
    expect(await client.ask(bytes)).toBe("kept");
    for (let round = 0; round < 3; round++) {
      expect(await client.ask("")).toBe("true 300000 7 2");
      await endpoint.hibernate();
    }
    expect(named.length).toBeGreaterThan(0);
    expect(Math.max(...named)).toBeLessThan(100);
    expect(iterated.mock.contexts.filter((one) => (one as Uint8Array).length > 1000)).toEqual([]);
  });

  const lengths = [0, 1, 3, 4, 5, 7, 8, 63, 64, 65, 66, 1027];

  it.each(lengths)("P16: of %i each that changes is found", (length) => {
    const bytes = Uint8Array.from({ length }, (_, index) => index);
    const kinds = [bytes, bytes.buffer, new DataView(bytes.buffer), { in: [bytes, bytes.subarray(length >> 1)] }];
    for (const live of kinds) {
      const copy = structuredClone(live);
      expect(difference(live, copy)).toBeUndefined();
      for (let index = 0; index < length; index++) {
        bytes[index]! ^= 128;
        expect(difference(live, copy), `at ${index}`).toBeDefined();
        bytes[index]! ^= 128;
      }
    }
    expect(difference(bytes, new Uint8Array([...bytes, 0]))).toBeDefined();
    expect(difference(bytes, new Int8Array(bytes))).toBeDefined();
    const two = [bytes, bytes.subarray(0)];
    expect(difference(two, [bytes.slice(), bytes.slice()])).toBeDefined();
  });

  it("P16: that were given away count as changed, and are refused", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => ({ bytes: new Uint8Array([1, 2, 3]) }),
      onText(object, text, session) {
        if (text === "transfer") object.bytes.buffer.transfer();
        return session.asyncRemote.sendText(`${object.bytes.length}`);
      },
      onError: (object, _, error) => log.add(error instanceof SessionObjectError, error.message, object!.bytes.length),
    });
    const client = await endpoint.connect();
    await client.ask("transfer");
    expect(await client.ask("")).toBe("3");
    expect(log.entries).toEqual([[true, expect.stringContaining("sessionObject.bytes (Uint8Array)"), 3]]);
  });
});

describe("what nests", () => {
  const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
  const depthOf = (value: unknown): number => {
    let depth = 0;
    for (let inner = value; Array.isArray(inner); [inner] = inner as unknown[]) depth++;
    return depth;
  };

  it("P16: is kept and comes back up to 1,000 levels deep, and is refused beyond", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => ({ deep: [] as unknown }),
      async onText(object, text, session) {
        if (text) object.deep = nested(Number(text));
        await session.asyncRemote.sendText(String(depthOf(object.deep)));
      },
      onError: (_, __, error) => log.add(error instanceof SessionObjectError, error.message),
    });
    const client = await endpoint.connect();
    const refusal =
      "Hibernation would change sessionObject (over 1000 levels): keep plain data there, or use serializeSession and deserializeSession, or hibernate: false.";
    for (const levels of [1001, 2500, 3000, 3500, 5000, 20_000, 100_000]) {
      log.entries.length = 0;
      expect(await client.ask("999")).toBe("999");
      expect(await client.ask(String(levels))).toBe(String(levels));
      expect(await client.ask("")).toBe("999");
      expect(log.entries, String(levels)).toEqual([[true, refusal]]);
      await endpoint.hibernate();
      expect(await client.ask(""), String(levels)).toBe("999");
    }
    expect(log.entries).toHaveLength(1);
  });

  it.each([1500, 20_000])("P16: is refused at an assignment too, and from onOpen (%i levels)", async (levels) => {
    const log = new Log();
    const endpoint = serve<unknown>({
      onOpen: ({ queryString }) => (queryString ? nested(levels) : [1]),
      async onText(_, __, session) {
        const refused: string[] = [];
        for (const set of [
          () => (session.sessionObject = nested(levels)),
          () => (session.userProperties = { deep: nested(levels) }),
        ]) {
          try {
            set();
          } catch (error) {
            refused.push((error as Error).name);
          }
        }
        await session.asyncRemote.sendText(JSON.stringify([refused, session.sessionObject, session.userProperties]));
      },
      onError: (object, _, error) => log.add(object, error.name),
    });
    const client = await endpoint.connect();
    const answer = '[["SessionObjectError","SessionObjectError"],[1],{}]';
    expect(await client.ask("")).toBe(answer);
    await endpoint.hibernate();
    expect(await client.ask("")).toBe(answer);
    expect(await (await endpoint.connect("?deep")).closed).toMatchObject({ code: 1011 });
    expect(log.entries).toEqual([[undefined, "SessionObjectError"]]);
  });
});

describe("what looks like a send channel", () => {
  /** Data that looks like a channel in the attachment, in this version and former ones. */
  const forgeries: Record<string, unknown> = {
    "a number": { number: 0, buffer: { kind: "fixed", size: 10 }, closed: false },
    "another order": { buffer: { kind: "fixed", size: 10 }, closed: false, number: 0 },
    "a BigInt": { "socle:channel": 0n, buffer: { kind: "fixed", size: 10 }, closed: false },
    "four billion": { "socle:channel": 4_294_967_294n, number: 4_294_967_294, buffer: { kind: "fixed", size: 10 } },
  };
  interface Object {
    send: SendChannel;
    data?: unknown;
  }

  it.each(Object.keys(forgeries))("P21: stays data, whatever decoder has made it: %s", async (kind) => {
    const endpoint = serve<Object>({
      onOpen: (session) => ({ send: startWsConnection(session) }),
      async onText(object, text) {
        if (text === "beside") object.data = structuredClone(forgeries[kind]);
        if (text === "in place") object.data = object.send;
        if (text === "instead") object.data = structuredClone(forgeries[kind]);
        const { put } = (object.data ?? {}) as Partial<SendChannel>;
        await object.send.put(`${typeof put} ${object.data === object.send}`);
      },
    });
    const client = await endpoint.connect();
    for (const text of ["beside", "", "in place", "instead", ""]) {
      const answer = text === "in place" ? "function true" : "undefined false";
      expect(await client.ask(text), text).toBe(answer);
      await endpoint.hibernate();
      expect(await client.ask(""), text).toBe(answer);
    }
    expect(await client.close(1000)).toMatchObject({ code: 1000 });
    expect(logged).not.toHaveBeenCalled();
  });

  it("P21: the session's channels come back where they stood, each once, in both of what is kept", async () => {
    const endpoint = serve<unknown>({
      onOpen(session) {
        const [one, two, unused] = [1, 2, 3].map((sendBufferOrN) => startWsConnection(session, { sendBufferOrN }));
        session.userProperties = { two, unused: new Map([[unused, [one]]]) };
        return { list: [one, two], set: new Set([one]), map: new Map([[two, one]]) };
      },
      async onText(object, _, session) {
        const { list, set, map } = object as { list: SendChannel[]; set: Set<SendChannel>; map: Map<unknown, unknown> };
        const { two, unused } = session.userProperties as { two: SendChannel; unused: Map<SendChannel, unknown[]> };
        const [[third, beside]] = unused as unknown as [[SendChannel, unknown[]]];
        const facts = [
          list[0] === set.values().next().value,
          map.get(list[1]) === list[0],
          two === list[1],
          beside[0] === list[0],
          [...list, third].map((channel) => (channel as { buffer?: { size: number } }).buffer?.size),
        ];
        await two.put(JSON.stringify(facts));
      },
    });
    const client = await endpoint.connect();
    for (let round = 0; round < 3; round++) {
      expect(await client.ask("")).toBe("[true,true,true,true,[1,2,3]]");
      await endpoint.hibernate();
    }
  });

  it("P21: a channel that leaves the session object and comes again is one, and another's is none", async () => {
    const log = new Log();
    const endpoint = serve<{ send?: SendChannel | undefined; n: number }>({
      onOpen: (session) => ({ send: startWsConnection(session), n: 0 }),
      async onText(object, text, session) {
        const send = object.send ?? startWsConnection(session);
        object.n++;
        if (text === "out") object.send = undefined;
        if (text === "in") object.send = send;
        if (text === "other") {
          for (const other of session.openSessions) if (other !== session) object.send = other.sessionObject.send;
        }
        await send.put(`${object.n} ${typeof object.send}`);
      },
      onError: (_, __, error) => log.add(error.message),
    });
    const other = await endpoint.connect();
    const client = await endpoint.connect();
    const texts = ["out", "", "in", "", "other", "", "out", "in"];
    for (const [index, text] of texts.entries()) {
      const isIn = index === 2 || index === 3 || index === 4 || index === 5 || index === 7;
      // A change that could not be kept is undone.
      const n = index < 5 ? index + 1 : index;
      expect(await client.ask(text), text).toBe(`${n} ${isIn ? "object" : "undefined"}`);
      await endpoint.hibernate();
    }
    expect(log.entries).toEqual([expect.stringContaining("sessionObject.send (SessionSendChannel)")]);
    await other.close(1000);
  });

  it("P21: a connection's channel costs one writing at the opening", async () => {
    const serialize = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    await serve({ onOpen: onOpenStartWsConnection() }).connect();
    expect(serialize).toHaveBeenCalledTimes(1);
  });
});

describe("a callback that never settles", () => {
  interface Named {
    who: string;
    n: number;
  }
  /** A room in which one client's callback hangs after it has read everybody's session object. */
  async function room(options: Partial<WsEndpointMap<Cloudflare.Env, Named>> = {}) {
    const log = new Log();
    const released = Promise.withResolvers<void>();
    const endpoint = serve<Named>({
      onOpen: (session) => ({ who: session.queryString, n: 0 }),
      async onText(own, text, session: Session<string, Named>) {
        const others = [...session.openSessions].filter(({ id }) => id !== session.id);
        if (text === "hang") {
          const objects = others.map(({ sessionObject }) => sessionObject);
          log.add("hanging");
          await released.promise;
          own.n = 1;
          for (const object of objects) object.n = 100;
        }
        if (text === "read") for (const { sessionObject } of others) void sessionObject;
        if (text === "tell") {
          await scheduler.wait(1);
          own.n++;
          for (const other of others) if (other.queryString !== "hung") void other.asyncRemote.sendText(`${own.n}`);
        }
        await session.asyncRemote.sendText(`${text} ${own.n}`);
      },
      onClose: ({ who }) => log.add("close", who),
      ...options,
    });
    const hung = await endpoint.connect("?hung");
    const client = await endpoint.connect("?client");
    return { log, endpoint, hung, client, release: released.resolve };
  }
  /** The names of the session objects that are compared during the work. */
  async function compared(work: () => Promise<unknown>): Promise<string[]> {
    const looked = vi.spyOn(Object, "getOwnPropertySymbols");
    await work();
    const names = looked.mock.calls.flatMap(([object]) => (object as Partial<Named>).who ?? []);
    looked.mockRestore();
    return [...new Set(names)].toSorted();
  }
  const later = (milliseconds: number): void => {
    const { now } = Date;
    vi.spyOn(Date, "now").mockImplementation(() => now() + milliseconds);
  };

  it("P23: has none of the objects looked at that it has read, however many, by anybody else's message", () => {
    let looks = 0;
    class Counting {
      #readAt = 0;
      isStored = false;
      turn: unknown;
      earlier: unknown;
      later: unknown;
      keep(): void {}
      get readAt(): number {
        looks++;
        return this.#readAt;
      }
      set readAt(time: number) {
        this.#readAt = time;
      }
    }
    const make = () => new Counting() as unknown as SessionObject;
    const turns = new Turns();
    const hung = turns.begin(make());
    const objects = Array.from({ length: 1000 }, make);
    for (const object of objects) turns.read(object);
    turns.wait(hung);
    const turn = turns.begin(make());
    turns.read(objects[500]!);
    looks = 0;
    turns.end(turn);
    expect(looks).toBeLessThan(10);
  });

  it("P23, R20: nothing that was read is held when all callbacks have settled", () => {
    const make = () => ({ isStored: true, readAt: 0, keep() {} }) as unknown as SessionObject;
    const turns = new Turns();
    const [first, second] = [turns.begin(make()), make()];
    turns.wait(first);
    const other = turns.begin(make());
    turns.read(second);
    turns.end(other);
    expect([second.readAt > 0, turns.isHolding()]).toEqual([true, true]);
    turns.end(first);
    expect([second.readAt, turns.isHolding()]).toEqual([0, false]);
  });

  it("P23: an object that is read after its session's end is held by nobody", () => {
    const make = () => ({ isStored: true, readAt: 0, keep() {} }) as unknown as SessionObject;
    const turns = new Turns();
    turns.wait(turns.begin(make()));
    const [one, gone, other] = [make(), make(), make()];
    for (const object of [one, gone, other]) turns.read(object);
    turns.forget(gone);
    turns.read(gone);
    expect([gone.earlier, gone.later, one.later, other.earlier]).toEqual([undefined, undefined, other, one]);
  });

  it("P23: holds no session that has ended, of those that it has read", async () => {
    const { log, hung, client, endpoint, release } = await room();
    const others = await Promise.all([1, 2, 3].map((index) => endpoint.connect(`?other-${index}`)));
    hung.send("hang");
    await log.has("hanging");
    await others[0]!.close(1000);
    await log.has(["close", "other-1"]);
    const kept: Named[] = [];
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the `this` of each
    const { keep } = SessionObject.prototype;
    vi.spyOn(SessionObject.prototype, "keep").mockImplementation(function (this: SessionObject, isFinal) {
      kept.push(this.value as Named);
      keep.call(this, isFinal);
    });
    await client.ask("?");
    expect(kept.splice(0).map(({ who }) => who)).toEqual(["client"]);
    await runInDurableObject(endpoint.stub, () => release());
    expect(await hung.next()).toBe("hang 1");
    expect(kept.map(({ who }) => who).toSorted()).toEqual(["client", "hung", "other-2", "other-3"]);
  });

  it("P23: holds no user properties of one that has ended either", async () => {
    const log = new Log();
    const released = Promise.withResolvers<void>();
    const endpoint = serve<void>({
      onOpen: ({ userProperties, queryString }) => void (userProperties.who = queryString),
      async onText(_, __, { openSessions, asyncRemote }) {
        for (const { userProperties } of openSessions) log.add("read", userProperties.who);
        await released.promise;
        await asyncRemote.sendText("done");
      },
      onClose: (_, { queryString }) => log.add("close", queryString),
    });
    const [hung, other] = [await endpoint.connect("?hung"), await endpoint.connect("?other")];
    hung.send("hang");
    await log.has(["read", "hung"]);
    await log.has(["read", "other"]);
    await other.close(1000);
    await log.has(["close", "other"]);
    const kept: unknown[] = [];
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the `this` of each
    const { keep } = SessionObject.prototype;
    vi.spyOn(SessionObject.prototype, "keep").mockImplementation(function (this: SessionObject, isFinal) {
      kept.push(this.value);
      keep.call(this, isFinal);
    });
    await runInDurableObject(endpoint.stub, () => released.resolve());
    expect(await hung.next()).toBe("done");
    await expect.poll(() => kept).toEqual([undefined, { who: "hung" }]);
  });

  it("P23: and whose object is in storage has it compared for ten seconds by what others send, then no more", async () => {
    const { log, hung, client, endpoint } = await room({ trackSessions: true });
    hung.send("hang");
    await log.has("hanging");
    const other = await endpoint.connect("?other");
    expect(await compared(() => client.ask("tell"))).toEqual(["client", "hung"]);
    later(10_001);
    expect(await compared(() => client.ask("tell"))).toEqual(["client"]);
    expect(await other.take(2)).toEqual(["1", "2"]);
  });

  it("P7, P23: and goes on after all is kept before what is sent to its own client, and in all that it has read", async () => {
    const { log, endpoint, hung, client, release } = await room({ trackSessions: true });
    hung.send("hang");
    await log.has("hanging");
    later(10_001);
    await client.ask("?");
    const writes: unknown[] = [];
    const write = vi.spyOn(SessionObject.prototype, "keepAhead").mockImplementation(function (this: SessionObject) {
      writes.push({ ...(this.value as Named) });
    });
    await runInDurableObject(endpoint.stub, () => release());
    expect(await hung.next()).toBe("hang 1");
    expect(writes).toContainEqual({ who: "hung", n: 1 });
    write.mockRestore();
    await client.ask("?");
    await endpoint.hibernate();
    expect(await client.ask("?")).toBe("? 100");
  });

  it("P23: keeps at last what it changes in the objects that it has read, whatever others have read meanwhile", async () => {
    const { log, endpoint, hung, client, release } = await room();
    const other = await endpoint.connect("?other");
    hung.send("hang");
    await log.has("hanging");
    later(10_001);
    await client.ask("read");
    await runInDurableObject(endpoint.stub, () => release());
    expect(await hung.next()).toBe("hang 1");
    await endpoint.hibernate();
    expect(await other.ask("?")).toBe("? 100");
  });
});

describe("a session that ends in onOpen", () => {
  it.each([true, false])("P17: is accepted by the API that hibernates, hibernate: %s", async (hibernate) => {
    const log = new Log();
    const endpoint = serve<void>({
      hibernate,
      onOpen(session) {
        void session.asyncRemote.sendText("sorry");
        session.close(4401);
      },
      ...recorded(log),
    });
    const sockets = () => runInDurableObject(endpoint.stub, (_, ctx) => ctx.getWebSockets().length);
    const request = new Request(`https://socle.test${endpoint.path}`, { headers: { Upgrade: "websocket" } });
    // A request that bypasses the router.
    const { webSocket } = await endpoint.stub.fetch(request);
    expect(await sockets()).toBe(1);
    const messages: unknown[] = [];
    const closed = new Promise<number>((resolve) => webSocket!.addEventListener("close", ({ code }) => resolve(code)));
    webSocket!.addEventListener("message", ({ data }) => void messages.push(data));
    // The client does not answer its Close frame.
    webSocket!.accept({ allowHalfOpen: true });
    expect(await closed).toBe(4401);
    await log.has(["close", null, 4401, ""]);
    webSocket!.send("still here?");
    webSocket!.close();
    await expect.poll(sockets).toBe(0);
    expect([messages, log.entries.length]).toEqual([["sorry"], 1]);
    expect(logged).not.toHaveBeenCalled();
  });

  it("P17: is let go by its object, whether its client answers the Close frame or not", async () => {
    const endpoint = serve({ onOpen: (session) => session.close(4401) });
    const { webSocket } = await upgrade(endpoint.path);
    const closed = new Promise<number>((resolve) => webSocket!.addEventListener("close", ({ code }) => resolve(code)));
    webSocket!.accept({ allowHalfOpen: true });
    expect(await closed).toBe(4401);
    await expect.poll(() => runInDurableObject(endpoint.stub, (_, ctx) => ctx.getWebSockets().length)).toBe(0);
  });

  it("P17: is held by the Worker for a client of the router, that gets what was sent", async () => {
    const client = await serve({
      subprotocols: ["chat"],
      onHandshake: () => ({ headers: { "X-Given": "by the hook" } }),
      onOpen(session) {
        void session.asyncRemote.sendText("sorry");
        void session.asyncRemote.sendBinary(new Uint8Array([1]));
        throw new Error("expected");
      },
    }).connect("", { "Sec-WebSocket-Protocol": "chat" });
    expect(Object.fromEntries(client.response.headers)).toEqual({
      "sec-websocket-protocol": "chat",
      "x-given": "by the hook",
    });
    expect(await client.take(2)).toEqual(["sorry", new Uint8Array([1]).buffer]);
    expect(await client.closed).toMatchObject({ code: 1011 });
  });
});

describe("what a callback changes of its session", () => {
  it("R24: its facts are the same as after hibernation: what is written to them throws, and its URL is a copy", async () => {
    const endpoint = serve({
      tags: () => given,
      onHandshake: () => ({ userPrincipal: { name: "Ann", roles: ["reader"] } }),
      async onText(_, text, session) {
        const { tags, pathParameters, userPrincipal } = session as Session & {
          tags: string[];
          pathParameters: Record<string, string>;
          userPrincipal: { name: string; roles: string[] };
        };
        const changes = [
          () => tags.push("admin"),
          () => (pathParameters.room = "another"),
          () => userPrincipal.roles.push("admin"),
          () => (userPrincipal.name = "root"),
        ];
        const refused = changes.filter((change) => {
          try {
            change();
            return false;
          } catch (error) {
            return error instanceof TypeError;
          }
        });
        session.requestURI.pathname = "/another";
        session.requestParameterMap.set("admin", "yes");
        const { requestURI, queryString, requestParameterMap } = session;
        const facts = [tags, pathParameters, userPrincipal, requestURI.pathname, queryString, [...requestParameterMap]];
        await session.asyncRemote.sendText(JSON.stringify(text ? facts : refused.length));
      },
    });
    const given = ["user:ann"];
    const client = await endpoint.connect("?a=1");
    expect(await client.ask("")).toBe("4");
    given.push("admin");
    const facts = [["user:ann"], {}, { name: "Ann", roles: ["reader"] }, endpoint.path, "a=1", [["a", "1"]]];
    expect(JSON.parse((await client.ask("facts")) as string)).toEqual(facts);
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("4");
    expect(JSON.parse((await client.ask("facts")) as string)).toEqual(facts);
  });

  it("R10: one that tags have closed has no onOpen, and ends with that reason", async () => {
    const log = new Log();
    const endpoint = serve({
      tags(session) {
        session.close(4001, "full");
        return [];
      },
      onOpen: () => log.add("open"),
      ...recorded(log),
    });
    const client = await endpoint.connect();
    expect(await client.closed).toMatchObject({ code: 4001, reason: "full" });
    await log.has(["close", null, 4001, "full"]);
    expect(log.entries).toHaveLength(1);
  });

  it("R14: what onClose assigns, sends, closes and limits leaves nothing behind", async () => {
    const log = new Log();
    const endpoint = serve<unknown>({
      trackSessions: true,
      idleTimeoutMs: 60_000,
      onOpen: () => ({ n: 0 }),
      async onClose(_, session) {
        session.sessionObject = { text: "x".repeat(20_000) };
        session.userProperties = { text: "x".repeat(20_000) };
        session.userProperties.more = [1];
        session.maxIdleTimeout = 5000;
        session.maxTextMessageBufferSize = 1;
        session.close(4002);
        log.add(await session.asyncRemote.sendText("late").catch(({ name }: Error) => name));
      },
    });
    const client = await endpoint.connect();
    await client.close(1000);
    await log.has("SessionClosedError");
    const left = () =>
      runInDurableObject(endpoint.stub, async (_, { storage }) => [[...storage.kv.list()], await storage.getAlarm()]);
    await expect.poll(left).toEqual([[], null]);
    expect(logged).not.toHaveBeenCalled();
  });
});

describe("many values in the session object", () => {
  it("P16: the elements of a long array are compared without a name for each", async () => {
    const endpoint = serve({
      onOpen: (session) => ({ list: [] as unknown[], n: 0, send: startWsConnection(session) }),
      async onText(object, text) {
        if (text) object.list = [...(JSON.parse(text) as unknown[]), object.send];
        else object.n++;
        await (object.list.at(-1) as SendChannel).put(`${object.list.length} ${object.n}`);
      },
    });
    const client = await endpoint.connect();
    const { getOwnPropertyNames } = Object;
    const named: number[] = [];
    vi.spyOn(Object, "getOwnPropertyNames").mockImplementation((object: unknown) => {
      const names = getOwnPropertyNames(object);
      named.push(names.length);
      return names;
    });
    vi.spyOn(Object, "entries").mockImplementation((object: object) => {
      const names = Object.keys(object);
      named.push(names.length);
      return names.map((name) => [name, Reflect.get(object, name)]);
    });
    expect(await client.ask(JSON.stringify(Array.from({ length: 100_000 }, (_, index) => index)))).toBe("100001 0");
    expect(await client.ask("")).toBe("100001 1");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("100001 2");
    expect(Math.max(...named)).toBeLessThan(100);
  });

  it.each([64, 65, 200])("R20, P16: each change in an array of %i is found", (length) => {
    const make = () => Array.from({ length }, (_, index) => (index % 3 === 0 ? { n: index } : index)) as unknown[];
    const changes: ((list: unknown[], index: number) => void)[] = [
      (list, index) => (list[index] = "another"),
      (list, index) => (list[index] = undefined),
      (list, index) => Reflect.deleteProperty(list, index),
      (list, index) => {
        list.splice(index, 1);
      },
      (list) => list.push(1),
      (list, index) => (list[index] = { n: index, more: 1 }),
      (list) => (list[3] = list[0]),
    ];
    for (const change of changes) {
      for (let index = 0; index < length; index++) {
        const live = make();
        const copy = structuredClone(live);
        expect(difference(live, copy)).toBeUndefined();
        change(live, index);
        expect(difference(live, copy)).toBeDefined();
        expect(difference(copy, live)).toBeDefined();
      }
    }
  });

  it("P16: of an array with holes, however long, are looked at those that are there", () => {
    for (const length of [200, 2 ** 21, 2 ** 32 - 1]) {
      const live: unknown[] = [];
      live.length = length;
      live[length - 1] = { n: 1 };
      // In other runtimes a structured clone of the longest array would fill its holes.
      const copy: unknown[] = [];
      copy.length = length;
      copy[length - 1] = { n: 1 };
      expect(difference(live, copy)).toBeUndefined();
      live[5] = undefined;
      expect(difference(live, copy)).toBeDefined();
      expect(difference(copy, live)).toBeDefined();
    }
  });
});

describe("what doesn't fit", () => {
  it("R21, R23: a session object whose channels make it too large leaves the former as it was", async () => {
    const log = new Log();
    const endpoint = serve<{ v: string; text?: string; send?: SendChannel }>({
      onOpen: () => ({ v: "former" }),
      async onText(object, text, session) {
        if (text) {
          object.v = "new";
          object.text = "x".repeat(Number(text));
          object.send = startWsConnection(session);
        }
        await session.asyncRemote.sendText(JSON.stringify([object.v, typeof object.send?.put, object.text?.length]));
      },
      onError: (_, __, error) => log.add(error.name),
    });
    // Lengths around the limit, with the list of channels and without it.
    for (let length = 2_096_700; length < 2_097_100; length += 7) {
      const client = await endpoint.connect();
      log.entries.length = 0;
      expect(await client.ask(String(length))).toBe(JSON.stringify(["new", "function", length]));
      const found = await client.ask("");
      const isKept = log.entries.length === 0;
      expect(found).toBe(isKept ? JSON.stringify(["new", "function", length]) : '["former","undefined",null]');
      await client.close(1000);
      if (isKept) continue;
      const last = await endpoint.connect();
      await last.ask(String(length));
      await endpoint.hibernate();
      expect(await last.ask("")).toBe('["former","undefined",null]');
      return;
    }
    throw new Error("None was too large");
  });
});
