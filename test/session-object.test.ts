// The session object: Socle saves it, compares it, and refuses what hibernation would change.
import {
  onOpenStartWsConnection,
  SessionObjectError,
  startWsConnection,
  WebSocketSendAsync,
  type SendChannel,
  type Session,
} from "socle";
import { describe, expect, it, vi } from "vitest";

import { Log, serve } from "./support/endpoint.ts";

describe("kept", () => {
  it("R20: changes that callbacks make in it survive any number of evictions, with nothing to call", async () => {
    const endpoint = serve({
      onOpen: () => ({ n: 0, deep: { list: [] as number[] } }),
      async onText(object, _, session) {
        object.n++;
        if (object.n % 2) object.deep.list.push(object.n);
        await session.asyncRemote.sendText(JSON.stringify(object));
      },
    });
    const client = await endpoint.connect();
    for (const list of [[1], [1], [1, 3], [1, 3], [1, 3, 5]]) {
      const { n, deep } = JSON.parse((await client.ask("")) as string);
      expect(deep.list).toEqual(list);
      expect(n).toBeGreaterThanOrEqual(list.length);
      await endpoint.hibernate();
    }
  });

  it("R20: it is the same object each time while the Durable Object lives, and an equal one after", async () => {
    const log = new Log();
    const first = { id: 1 };
    const endpoint = serve({
      onOpen: () => first,
      onText: (object, text, session) =>
        log.add(text, object === first, session.sessionObject === object, { ...object }),
    });
    const client = await endpoint.connect();
    client.send("a", "b");
    await log.has(["b", true, true, { id: 1 }]);
    await endpoint.hibernate();
    client.send("c");
    await log.has(["c", false, true, { id: 1 }]);
    expect(log.entries[0]).toEqual(["a", true, true, { id: 1 }]);
  });

  it("R20: an unchanged object costs no serialisation, a changed one costs one", async () => {
    const serialize = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    const endpoint = serve({
      onOpen: () => ({ n: 0, when: new Date(0), seen: new Map([["a", new Set([1])]]), bytes: new Uint8Array(3) }),
      async onText(object, text, session) {
        if (text === "n") object.n++;
        if (text === "when") object.when.setTime(1);
        if (text === "seen") object.seen.get("a")!.add(2);
        if (text === "bytes") object.bytes[1] = 7;
        if (text === "gone") delete (object as Partial<typeof object>).when;
        await session.asyncRemote.sendText("");
      },
    });
    const client = await endpoint.connect();
    for (const [change, calls] of Object.entries({ none: 0, n: 1, when: 1, seen: 1, bytes: 1, gone: 1, nothing: 0 })) {
      serialize.mockClear();
      await client.ask(change);
      expect(serialize.mock.calls, change).toHaveLength(calls);
    }
    serialize.mockRestore();
  });

  const values: Record<string, unknown> = {
    undefined: undefined,
    null: null,
    text: "text",
    number: Number.NaN,
    bigint: 10n,
    array: [1, [2], { three: 3 }],
    sparse: Object.assign([], { 2: "c" }),
    match: "xay".match(/a/),
    map: new Map<unknown, unknown>([[{ key: 1 }, new Map()]]),
    set: new Set([[1], "b"]),
    date: new Date(5),
    bytes: new Uint8Array([1, 2, 3]).subarray(1),
    buffer: new Uint8Array([4, 5]).buffer,
    view: new DataView(new ArrayBuffer(4), 1, 2),
    pattern: /a+/gi,
    headers: new Headers({ a: "b" }),
    proto: JSON.parse('{"__proto__":{"a":1},"b":2}'),
    odd: { "": 1, "a b": 2, constructor: 3 },
  };
  for (const [kind, value] of Object.entries(values)) {
    it(`R20: comes back equal: ${kind}`, async () => {
      let found: unknown;
      const endpoint = serve({
        onOpen: () => ({ value }),
        async onText(object, text, session) {
          found = object.value;
          await session.asyncRemote.sendText(text);
        },
      });
      const client = await endpoint.connect();
      await endpoint.hibernate();
      await client.ask("");
      expect(found).toEqual(value);
      expect(Object.is(found, value)).toBe(typeof value !== "object" || value === null);
    });
  }

  it("R20: an Error of the language's own comes back as one", async () => {
    const endpoint = serve({
      onOpen: () => ({ error: new RangeError("out") }),
      onText: ({ error }, _, session) =>
        session.asyncRemote.sendText(`${error instanceof RangeError} ${error.message}`),
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("true out");
  });

  it("R20: an object met twice, or in itself, comes back so", async () => {
    interface Node {
      self?: Node;
      twice: object[];
    }
    const endpoint = serve({
      onOpen() {
        const shared = {};
        const node: Node = { twice: [shared, shared] };
        node.self = node;
        return node;
      },
      async onText(node, _, session) {
        await session.asyncRemote.sendText(String([node.self === node, node.twice[0] === node.twice[1]]));
      },
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("true,true");
  });

  it("R20: what a callback changes in another session's object is kept, also after an await", async () => {
    const endpoint = serve({
      onOpen: (session) => ({ name: session.queryString, marks: [] as string[] }),
      async onText(object, text, session: Session<string, { name: string; marks: string[] }>) {
        if (text === "read") return session.asyncRemote.sendText(object.marks.join());
        const others = [...session.openSessions]
          .filter((other) => other !== session)
          .map((other) => other.sessionObject);
        for (const other of others) other.marks.push(`${text} 1`);
        await new Promise((resolve) => setTimeout(resolve, 10));
        for (const other of others) other.marks.push(`${text} 2`);
        return session.asyncRemote.sendText("");
      },
    });
    const marked = await endpoint.connect("?marked");
    const marking = await endpoint.connect("?marking");
    marking.send("x");
    expect(await marked.ask("read")).toMatch(/^(x 1)?$/);
    await marking.next();
    await endpoint.hibernate();
    expect(await marked.ask("read")).toBe("x 1,x 2");
  });

  it("R20: a session that only reads another's object does not judge it in the middle of its callback", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: (session) => ({ who: session.queryString, timer: undefined as unknown, done: false }),
      async onText(object, text, session) {
        if (text === "names") {
          const others = [...session.openSessions].map((other) => (other.sessionObject as { who: string }).who);
          return session.asyncRemote.sendText(others.toSorted().join());
        }
        object.timer = () => {};
        log.add("working");
        await new Promise((resolve) => setTimeout(resolve, 30));
        object.timer = undefined;
        object.done = true;
        return session.asyncRemote.sendText(JSON.stringify(session.sessionObject));
      },
      onError: (_, __, error) => log.add(error.message),
    });
    const worker = await endpoint.connect("?worker");
    const reader = await endpoint.connect("?reader");
    worker.send("work");
    await log.has("working");
    expect(await reader.ask("names")).toBe("reader,worker");
    expect(await worker.next()).toBe('{"who":"worker","done":true}');
    expect(log.entries).toEqual(["working"]);
  });

  it("R20: who changes another's object badly is told, and not who ends meanwhile", async () => {
    const log = new Log();
    let release = () => {};
    const endpoint = serve({
      onOpen: (session) => ({ who: session.queryString, bad: undefined as unknown }),
      async onText(_, text, session) {
        const victim = [...session.openSessions].find(({ queryString }) => queryString === "victim")!;
        const theirs = victim.sessionObject;
        if (text === "spoil") {
          theirs.bad = () => {};
          log.add("spoilt");
          await new Promise<void>((resolve) => (release = resolve));
        } else release();
        await session.asyncRemote.sendText(theirs.who);
      },
      onError: (object, _, error) => log.add("error", object?.who, error.message.includes(".bad (function)")),
    });
    const victim = await endpoint.connect("?victim");
    const spoiler = await endpoint.connect("?spoiler");
    const reader = await endpoint.connect("?reader");
    spoiler.send("spoil");
    await log.has("spoilt");
    expect(await reader.ask("read")).toBe("victim");
    expect(await spoiler.next()).toBe("victim");
    await log.has(["error", "spoiler", true]);
    expect(await victim.ask("read")).toBe("victim");
    expect(log.entries).toEqual(["spoilt", ["error", "spoiler", true]]);
  });

  it("R20: a callback that never settles doesn't make the others look at what was read before them", async () => {
    const log = new Log();
    const objects: object[] = [];
    const endpoint = serve({
      onOpen: (session) => ({ who: session.queryString }),
      async onText(object, text, session) {
        objects.push(object);
        if (text === "hang") log.add("hanging");
        if (text === "hang") await new Promise(() => {});
        if (text === "read") for (const other of session.openSessions) objects.push(other.sessionObject as object);
        await session.asyncRemote.sendText(text);
      },
    });
    const hung = await endpoint.connect("?hung");
    const client = await endpoint.connect("?client");
    hung.send("hang");
    await log.has("hanging");
    await client.ask("read");
    const looked = vi.spyOn(Object, "getOwnPropertySymbols");
    await client.ask("plain");
    const others = new Set(looked.mock.calls.map(([object]) => object).filter((object) => objects.includes(object)));
    looked.mockRestore();
    expect([...others]).toEqual([{ who: "client" }]);
  });

  it("R20: what replaces an equal value, or is no longer shared, counts as changed", async () => {
    const kinds: Record<string, [() => unknown, (o: { v: unknown }) => void, (v: unknown) => unknown]> = {
      shared: [
        () => {
          const one = { n: 0 };
          return [one, one];
        },
        (o) => (o.v = [{ n: 0 }, { n: 0 }]),
        (v) => (v as unknown[])[0] === (v as unknown[])[1],
      ],
      view: [
        () => new DataView(new ArrayBuffer(8), 0, 2),
        (o) => (o.v = new DataView((o.v as DataView).buffer, 4, 4)),
        (v) => [(v as DataView).byteOffset, (v as DataView).byteLength],
      ],
      array: [
        () => new Uint8Array(new ArrayBuffer(8), 0, 2),
        (o) => (o.v = new Uint8Array((o.v as Uint8Array).buffer, 2, 2)),
        (v) => (v as Uint8Array).byteOffset,
      ],
      renamed: [() => ({ a: undefined }), (o) => (o.v = { b: undefined }), (v) => Object.keys(v as object)],
      blob: [() => new Blob(["old"]), (o) => (o.v = new Blob(["new!"])), (v) => (v as Blob).size],
      request: [
        () => new Request("https://old.test/"),
        (o) => (o.v = new Request("https://new.test/")),
        (v) => (v as Request).url,
      ],
    };
    for (const [kind, [first, change, seen]] of Object.entries(kinds)) {
      const endpoint = serve({
        onOpen: () => ({ v: first() }),
        async onText(object, text, session) {
          if (text === "change") change(object);
          await session.asyncRemote.sendText(JSON.stringify(seen(object.v)));
        },
      });
      const client = await endpoint.connect();
      const changed = await client.ask("change");
      await endpoint.hibernate();
      expect(await client.ask(""), kind).toBe(changed);
    }
  });

  it("R20: what onOpen assigns stays if it returns nothing", async () => {
    const endpoint = serve({
      onOpen(session) {
        session.sessionObject = { assigned: true };
      },
      onText: (object, _, session) => session.asyncRemote.sendText(JSON.stringify(object)),
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await client.ask("")).toBe('{"assigned":true}');
  });

  it("R20: an assignment replaces it, and keeps it, anywhere", async () => {
    const endpoint = serve<{ v: string }>({
      onOpen: () => ({ v: "first" }),
      async onText(object, text, session) {
        if (text === "later") {
          await session.asyncRemote.sendText("");
          session.ctx.waitUntil(Promise.resolve().then(() => (session.sessionObject = { v: "later" })));
        } else await session.asyncRemote.sendText(object.v);
      },
    });
    const client = await endpoint.connect();
    await client.ask("later");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("later");
  });

  it("R20: what a callback changed before it threw is kept too", async () => {
    const endpoint = serve({
      onOpen: () => ({ n: 0 }),
      onText(object) {
        object.n++;
        throw new Error("expected");
      },
      onError: (object, session) => session.asyncRemote.sendText(String(object?.n)),
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe("1");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("2");
  });
});

describe("refused", () => {
  class User {
    name = "x";
  }
  const cases: [path: string, what: string, object: () => unknown][] = [
    ["", "User", () => new User()],
    [".user", "User", () => ({ user: new User() })],
    [".list.1.user", "User", () => ({ list: [1, { user: new User() }] })],
    [".map.0.1", "User", () => ({ map: new Map([["k", new User()]]) })],
    [".set.1", "User", () => ({ set: new Set([1, new User()]) })],
    [".later", "function", () => ({ a: 1, later: () => {} })],
    [".deep.call", "function", () => ({ deep: { call() {} } })],
    [".symbol", "symbol", () => ({ symbol: Symbol("s") })],
    [".Symbol(key)", "number", () => ({ [Symbol("key")]: 1 })],
    [".promise", "Promise", () => ({ promise: Promise.resolve() })],
    [".url", "URL", () => ({ url: new URL("https://x.test") })],
    [".query", "URLSearchParams", () => ({ query: new URLSearchParams() })],
    [".socket", "WebSocket", () => ({ socket: new WebSocketPair()[0] })],
    [".bare", "no prototype", () => ({ bare: Object.create(null) as object })],
    [
      ".computed",
      "function",
      () => ({
        get computed() {
          return 1;
        },
      }),
    ],
    [".writable", "function", () => ({ set writable(_: number) {} })],
    [
      ".parts.0.call",
      "function",
      () => {
        const whole = { parts: [] as unknown[] };
        whole.parts.push({ whole, call: () => {} });
        return whole;
      },
    ],
    [".hidden", "number", () => Object.defineProperty({}, "hidden", { value: 1 })],
    [".weak", "WeakMap", () => ({ weak: new WeakMap() })],
    [".error", "Failure", () => ({ error: new (class Failure extends Error {})() })],
    [".channel", "SessionSendChannel", () => ({ channel: foreign })],
  ];
  let foreign: unknown;
  const logged = new Log();
  const endpoint = serve({
    onOpen(session: Session) {
      foreign ??= startWsConnection(session);
      return { n: 1 };
    },
    async onText(object, index, session: Session) {
      try {
        session.sessionObject = cases[Number(index)]![2]();
        logged.add("kept");
      } catch (error) {
        logged.add(error instanceof SessionObjectError, (error as Error).message);
      }
      await session.asyncRemote.sendText(JSON.stringify(session.sessionObject === object));
    },
  });
  for (const [index, [path, what]] of cases.entries()) {
    it(`R22: ${what} at sessionObject${path}, with an error that says so; the former stays`, async () => {
      await endpoint.connect();
      const client = await endpoint.connect();
      expect(await client.ask(String(index))).toBe("true");
      await endpoint.hibernate();
      expect(logged.entries.at(-1)).toEqual([
        true,
        `Hibernation would change sessionObject${path} (${what}): keep plain data there, or use serializeSession and deserializeSession, or hibernate: false.`,
      ]);
      expect(await client.ask(String(index))).toBe("true");
    });
  }

  it("R22: from onOpen it fails the session with 1011", async () => {
    const log = new Log();
    const refusing = serve({
      onOpen: () => ({ user: new User() }),
      onError: (object, _, error) => log.add(object, error.message),
    });
    expect(await (await refusing.connect()).closed).toMatchObject({ code: 1011 });
    expect(log.entries).toEqual([[undefined, expect.stringContaining("sessionObject.user (User)")]]);
  });

  it("R22, R29: its channels stay the same where it becomes what it was before, and nothing waits for ever", async () => {
    const log = new Log();
    let former: SendChannel | undefined;
    const spoiling = serve<{ send: SendChannel; bad?: unknown }>({
      onOpen: (session) => ({ send: startWsConnection(session) }),
      onText(object) {
        former = object.send;
        const never = { [WebSocketSendAsync]: () => new Promise<void>(() => {}) };
        for (const payload of [never, "behind it"]) {
          void former.send(payload).then((result) => log.add((result as Error).name));
        }
        object.bad = () => {};
      },
      onError: (object, session, error) => {
        log.add(error.name, object?.send === former);
        session.close(4000);
      },
    });
    (await spoiling.connect()).send("go");
    await log.has(["SessionObjectError", true]);
    await expect.poll(() => log.entries.slice(1)).toEqual(["SessionClosedError", "SessionClosedError"]);
  });

  it("R23: an object over 2 MiB is refused with both sizes", async () => {
    const log = new Log();
    const large = serve({
      onOpen: () => ({ text: "" }),
      onText: (object) => void (object.text += "x".repeat(1_500_000)),
      onError: (object, _, error) => log.add(error instanceof SessionObjectError, error.message, object?.text.length),
    });
    const client = await large.connect();
    client.send("", "");
    await expect.poll(() => log.entries.length).toBe(1);
    expect(log.entries).toEqual([
      [true, expect.stringMatching(/too large.* has 3000\d{3} bytes.* takes 2097152/), 1_500_000],
    ]);
  });
});

describe("serializeSession and deserializeSession", () => {
  class Counter {
    constructor(
      public n: number,
      readonly tag = "counter",
    ) {}
    next = () => ++this.n;
  }
  const codec = {
    serializeSession: ({ n }: Counter) => ({ n }),
    deserializeSession: (data: unknown) => new Counter((data as Counter).n),
  };

  it("R22: keep a session object that is no plain data", async () => {
    const endpoint = serve<Counter>({
      ...codec,
      onOpen: () => new Counter(0),
      onText: (counter, _, session) => session.asyncRemote.sendText(`${counter.tag} ${counter.next()}`),
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe("counter 1");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("counter 2");
    expect(await client.ask("")).toBe("counter 3");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("counter 4");
  });

  it("R22: what serializeSession returns must be plain data itself", async () => {
    const log = new Log();
    const endpoint = serve<Counter>({
      serializeSession: (counter) => counter,
      deserializeSession: codec.deserializeSession,
      onOpen: () => new Counter(0),
      onError: (_, __, error) => log.add(error.message),
    });
    expect(await (await endpoint.connect()).closed).toMatchObject({ code: 1011 });
    expect(log.entries).toEqual([expect.stringContaining("sessionObject.next (function)")]);
  });

  it("R22: if deserializeSession fails there is nothing to go on with: onError, then 1011", async () => {
    const log = new Log();
    const endpoint = serve<Counter>({
      serializeSession: codec.serializeSession,
      deserializeSession() {
        throw new Error("an older version wrote this");
      },
      onOpen: () => new Counter(0),
      onText: () => log.add("never"),
      onError: (object, _, error) => log.add(object, error.message),
      onClose: (object, _, reason) => log.add("close", object, reason.closeCode),
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    client.send("x");
    expect(await client.closed).toMatchObject({ code: 1011 });
    await log.has(["close", undefined, 1011]);
    expect(log.entries).toEqual([
      [undefined, "an older version wrote this"],
      ["close", undefined, 1011],
    ]);
  });

  it("R21: a channel may stand in what serializeSession returns", async () => {
    const endpoint = serve<{ channel: ReturnType<typeof startWsConnection>; helper: () => void }>({
      serializeSession: ({ channel }) => ({ channel }),
      deserializeSession: (data) => ({ ...(data as { channel: ReturnType<typeof startWsConnection> }), helper() {} }),
      onOpen: (session) => ({ channel: onOpenStartWsConnection()(session), helper() {} }),
      onText: ({ channel }, text) => channel.put(text),
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    expect(await client.ask("through")).toBe("through");
  });
});
