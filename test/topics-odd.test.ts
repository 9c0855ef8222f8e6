// Topics at odd moments: application code that runs during a delivery, rollbacks, deleteAll, callbacks that hang, and
// deploys.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type Endpoint, type HistorySettings, type Session, type TopicSettings } from "socle";
import { connect, drop, hibernate, redeploy } from "socle/testing";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { alone, freshPath, serve, type Served } from "./support/endpoint.ts";
import { FlowClient } from "./support/flow-client.ts";
import { failure, within, type Inside } from "./support/inside.ts";
import { TopicClient } from "./support/topic-client.ts";
import { TopicsClient } from "./support/topics-client.ts";
import { Clock, container, listener, watched } from "./support/worker.ts";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

const room = (history?: HistorySettings, more: TopicSettings = {}, options: object = {}): Served =>
  serve({
    topics: { ...(history && { history }), ...more },
    onOpen: (session: Session) => ({ name: session.queryString }),
    ...options,
  });
const numbers = (all: { position: string; payload: unknown }[]) =>
  all.map(({ position, payload }) => `${position.split(".")[1]}=${String(payload)}`);

it("T3: who publishes, unsubscribes and subscribes again in one turn gets what comes (no history)", async () => {
  const served = room();
  const client = await served.connect("?ann");
  await within(served, async ({ ann }, object) => {
    await ann!.subscribe("a");
    void ann!.publish("a", "bye");
    ann!.unsubscribe("a");
    await ann!.subscribe("a");
    expect([...ann!.topics]).toEqual(["a"]);
    expect((await object.topic("a")).subscribers).toBe(1);
    await object.publish("a", "1");
    object.broadcast("end");
  });
  expect(await client.take(3)).toEqual(["bye", "1", "end"]);
});

it("T3: the last subscriber's leaving takes no other's subscription along", async () => {
  const served = room();
  await served.connect("?ann");
  const ben = await served.connect("?ben");
  await within(served, async ({ ann, ben: other }, object) => {
    void ann!.subscribe("a");
    ann!.close();
    await other!.subscribe("a");
    await Promise.resolve();
    await object.publish("a", "1");
    object.broadcast("end");
  });
  expect(await ben.next()).toBe("1");
});

it.each(["transaction", "transactionSync"])("T6: a subscribe in a %s that rolls back breaks no topic", async (kind) => {
  const served = room({});
  const client = await served.connect("?ann");
  const seen = await within(served, async ({ ann }, object) => {
    const { storage } = object.ctx;
    try {
      if (kind === "transaction") {
        await storage.transaction(async () => {
          await ann!.subscribe("a");
          throw new Error("expected");
        });
      } else {
        storage.transactionSync(() => {
          void ann!.subscribe("a");
          throw new Error("expected");
        });
      }
    } catch {}
    await Promise.resolve();
    return [await failure(object.publish("a", "1")), await failure(object.publish("b", "1"))];
  });
  expect(seen).toEqual(["nothing", "nothing"]);
  expect(await client.next()).toBe("1");
});

it.each([false, true])(
  "T6: nested transactions that roll back take no publication along (async inner: %s)",
  async (isAsync) => {
    const served = room({});
    await within(served, async (_, object) => {
      const { storage } = object.ctx;
      await storage
        .transaction(async () => {
          await object.publish("a", "1");
          await object.publish("a", "2");
          try {
            if (isAsync) {
              await storage.transaction(async () => {
                await object.publish("a", "3");
                throw new Error("inner");
              });
            } else {
              storage.transactionSync(() => {
                void object.publish("a", "3");
                object.broadcast("flush");
                throw new Error("inner");
              });
            }
          } catch {}
          throw new Error("outer");
        })
        .catch(() => {});
      await object.publish("a", "4");
    });
    expect(numbers(await served.stub.publications("a"))).toEqual(["1=1", "2=2", "3=3", "4=4"]);
  },
);

/** A room in which a session has subscribed, and stays in its `onOpen` until `go` is called. */
async function roomInOpening(...[query, headers]: Parameters<Served["connect"]>) {
  let go!: () => void;
  const gate = new Promise<void>((resolve) => (go = resolve));
  let subscribed!: () => void;
  const isSubscribed = new Promise<void>((resolve) => (subscribed = resolve));
  const served = room(
    {},
    {},
    {
      onOpen: async (session: Session) => {
        await session.subscribe("a");
        subscribed();
        await gate;
      },
    },
  );
  await served.stub.publish("a", "0");
  const connecting = served.connect(query, headers);
  await isSubscribed;
  return { served, go, connecting };
}

it.each(["clearTopic", "deleteAll"])("T11: %s while a session is in onOpen leaves it subscribed", async (what) => {
  const { served, go, connecting } = await roomInOpening("?ann");
  await within(served, (_, object) =>
    what === "clearTopic" ? object.clearTopic("a") : object.ctx.storage.deleteAll(),
  );
  await served.stub.publish("a", "1");
  go();
  const client = await connecting;
  await served.stub.publish("a", "2");
  const got = await Promise.race([client.take(2), client.closed]);
  expect(got).toEqual(["1", "2"]);
});

it("T11: a client whose topic was published on and cleared during its onOpen is told that something is gone", async () => {
  const { served, go, connecting } = await roomInOpening("?ann", {
    "Sec-WebSocket-Protocol": "socle.v1, socle.topics.",
  });
  await served.stub.publish("a", "1");
  await served.stub.clearTopic("a");
  go();
  const read = new TopicsClient(await connecting, "topics");
  const come = (count: number) =>
    vi.waitUntil(() => (read.read(), read.events.length >= count), { timeout: 30_000, interval: 1 });
  await come(2);
  await served.stub.publish("a", "2");
  await come(3);
  expect(read.events.map((event) => [event.type, event.position?.split(".")[1]])).toEqual([
    ["place", "1"],
    ["place", "0"],
    ["message", "1"],
  ]);
});

it("T1: the replay keeps its place among what onOpen sends, while another tracked session's callback is under way", async () => {
  let go!: () => void;
  const gate = new Promise<void>((resolve) => (go = resolve));
  const served = room(
    {},
    {},
    {
      trackSessions: true,
      onOpen: async (session: Session) => {
        if (session.queryString !== "back") return { name: "" };
        await session.subscribe("a", { last: 2 });
        void session.asyncRemote.sendText("ready");
        return { name: "" };
      },
      onText: () => gate,
    },
  );
  await served.stub.publish("a", "1");
  await served.stub.publish("a", "2");
  const other = await served.connect("?other");
  other.send("hold");
  await served.stub.topic("a");
  const client = await served.connect("?back");
  const got = await client.take(3);
  go();
  expect(got).toEqual(["1", "2", "ready"]);
});

it("T1: many subscriptions survive deleteAll and hibernation", async () => {
  const served = room();
  const client = await served.connect("?ann");
  const names = Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(256, "x"));
  await within(served, async ({ ann }, { ctx }) => {
    await Promise.all(names.map((name) => ann!.subscribe(name)));
    await ctx.storage.deleteAll();
  });
  await served.hibernate();
  await served.stub.publish(names[0]!, "1");
  await within(served, (_, object) => void object.broadcast("end"));
  expect(await client.take(1)).toEqual(["1"]);
});

it("T10: a slow client gets something of each of its topics", async () => {
  const served = room({}, {}, { flowControl: { window: 500, maxBufferedAmount: 2000, stallTimeoutMs: 40_000 } });
  const slow = await TopicClient.connect(served, "?slow");
  await within(served, async ({ slow: session }, object) => {
    await session!.subscribe("a");
    await session!.subscribe("b");
    for (let n = 0; n < 20; n++) await object.publish("a", `a${n}`.padEnd(100, "x"));
    await object.publish("b", "b");
  });
  // The client takes everything of the one topic, which never stops.
  let taken = 0;
  for (let n = 20; n < 80; n++) {
    await served.stub.publish("a", `a${n}`.padEnd(100, "x"));
    while (slow.texts.length === taken) await slow.client.next();
    slow.acknowledge(++taken);
  }
  expect(slow.texts).toContain("b");
});

alone("T1: what waits for an onOpen without a history is bounded by number too", async () => {
  let subscribed!: () => void;
  const isSubscribed = new Promise<void>((resolve) => (subscribed = resolve));
  let opening!: Session;
  const served = room(
    undefined,
    {},
    {
      onOpen: async (session: Session) => {
        await session.subscribe("a");
        opening = session;
        subscribed();
        await new Promise(() => {});
      },
    },
  );
  void served.connect("?ann").catch(() => {});
  await isSubscribed;
  const before = await within(served, async (_, object) => {
    // Each counts 32 bytes more, so together they are more than a megabyte.
    for (let n = 0; n < 40_000; n++) {
      void object.publish("a", "");
      if (!opening.isOpen) return n;
    }
    return "all";
  });
  expect(before).not.toBe("all");
});

it("T3: an envelope that subscribes gets nothing twice", async () => {
  let ben: Session | undefined;
  const served = room(
    {},
    {
      envelope: ({ payload }) => {
        const one = ben;
        ben = undefined;
        if (one) void one.subscribe("a", { last: 5 });
        return payload;
      },
    },
  );
  await served.connect("?ann");
  const other = await served.connect("?ben");
  await within(served, async (all, object) => {
    await all["ann"]!.subscribe("a");
    ben = all["ben"];
    await Promise.all(["1", "2"].map((text) => object.publish("a", text)));
    object.broadcast("end");
  });
  const got: unknown[] = [];
  for (let one; (one = await other.next()) !== "end";) got.push(one);
  expect(got).toEqual(["1", "2"]);
});

it("T3: a signal's listener that subscribes while a publication is delivered gets nothing twice", async () => {
  const served = room(
    {},
    {
      envelope: ({ payload }) => {
        if (payload === "1") throw new Error("odd");
        return payload;
      },
    },
  );
  await served.connect("?ann");
  const other = await served.connect("?ben");
  await within(served, async ({ ann, ben }, object) => {
    await ann!.subscribe("a");
    ann!.signal.addEventListener("abort", () => void ben!.subscribe("a", { last: 1 }));
    await Promise.all(["1", "2"].map((text) => object.publish("a", text)));
    object.broadcast("end");
  });
  const got: unknown[] = [];
  for (let one; (one = await other.next()) !== "end";) got.push(one);
  expect(got).toEqual(["2"]);
});

it("P10: a second instance on the same ctx gives no offset twice", async () => {
  const served = room({});
  await within(served, async (_, object) => {
    const type = object.constructor as new (ctx: DurableObjectState, env: unknown) => Inside;
    await object.publish("a", "1");
    const second = new type(object.ctx, {});
    await second.publish("a", "2");
    await object.publish("a", "3");
    await second.publish("a", "4");
  });
  expect(numbers(await served.stub.publications("a"))).toEqual(["1=1", "2=2", "3=3", "4=4"]);
});

it("T3: bytes that have a property isBinary are bytes", async () => {
  const served = room();
  const client = await served.connect("?ann");
  await within(served, async ({ ann }, object) => {
    await ann!.subscribe("a");
    await object.publish("a", Object.assign(new Uint8Array([7]), { isBinary: true }));
  });
  const got = await Promise.race([client.next(), client.closed]);
  expect(got).toEqual(new Uint8Array([7]).buffer);
});

it("T6: a session that a publication ends has the reason that its client got", async () => {
  const closed: number[] = [];
  const served = room(
    {},
    { envelope: () => 7 as never },
    {
      onClose: (_: unknown, __: Session, { closeCode }: { closeCode: number }) => void closed.push(closeCode),
    },
  );
  const client = await served.connect("?ann");
  await within(served, async ({ ann }, object) => {
    await ann!.subscribe("a");
    void object.publish("a", "1");
    ann!.close(4000);
  });
  const { code } = await client.closed;
  await vi.waitUntil(() => closed.length > 0);
  expect(closed).toEqual([code]);
});

alone("T6: an onOpen that hangs has the alarm of histories not ring each second", async () => {
  let subscribed!: () => void;
  const isSubscribed = new Promise<void>((resolve) => (subscribed = resolve));
  const served = room(
    { ageMs: 60_000, messages: 3 },
    {},
    {
      onOpen: async (session: Session) => {
        await session.subscribe("a");
        subscribed();
        await new Promise(() => {});
      },
    },
  );
  void served.connect("?ann").catch(() => {});
  await isSubscribed;
  await within(served, async (_, object) => {
    for (let n = 0; n < 40; n++) await object.publish("a", "x".repeat(16_000));
  });
  const rows = await within(served, (_, { ctx }) =>
    ctx.storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM socle_blocks").one(),
  );
  // The history keeps the bytes of one replay, and no more.
  expect(rows.n).toBe(40);
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + 80_000);
  await runDurableObjectAlarm(served.stub);
  const alarm = await within(served, (_, { ctx }) => ctx.storage.getAlarm());
  expect(alarm! - Date.now()).toBeGreaterThan(2000);
});

it("T1: a since: client whose subscribe failed is not used up", async () => {
  const served = room({});
  const { position } = await served.stub.publish("a", "1");
  const [epoch] = position!.split(".");
  await TopicClient.connect(served, "?ann", { a: `${epoch}.0` });
  const again = await within(served, async ({ ann }) => {
    const spy = vi.spyOn(WebSocket.prototype, "serializeAttachment").mockImplementation(() => {
      throw new Error("once");
    });
    const first = await failure(ann!.subscribe("a", { since: "client" }));
    spy.mockRestore();
    return [first, (await ann!.subscribe("a", { since: "client" })).recovered];
  });
  expect(again).toEqual(["Error: once", true]);
});

alone("T1: an envelope or history that closes the session leaves no subscriber behind", async () => {
  let one: Session | undefined;
  const served = serve({
    topics: {
      history: () => {
        one?.close();
        return {};
      },
    },
    onOpen: (session: Session) => ({ name: session.queryString }),
  });
  const client = await served.connect("?ann");
  const seen = await within(served, async ({ ann }) => {
    one = ann;
    return failure(ann!.subscribe("a"));
  });
  await client.closed;
  expect(seen).toMatch(/^SessionClosedError/);
  expect((await served.stub.topic("a")).subscribers).toBe(0);
});

for (const ticks of [0, 1, 2, 3, 4, 6, 8]) {
  alone(`T6: what is published ${ticks} microtasks after a deleteAll has an alarm`, async () => {
    const served = room({ ageMs: 60_000 });
    await served.stub.publish("a", "1");
    await served.stub.topic("a");
    await within(served, async (_, object) => {
      const deleting = object.ctx.storage.deleteAll();
      for (let n = 0; n < ticks; n++) await Promise.resolve();
      await object.publish("a", "2");
      await deleting;
    });
    await served.stub.topic("a");
    expect(await within(served, (_, { ctx }) => ctx.storage.getAlarm())).not.toBeNull();
  });
}

alone("T7: a clearTopic in the midst of a delivery gives no position past the newest", async () => {
  let object: Inside | undefined;
  const served = room(
    {},
    {
      envelope: ({ payload }) => {
        if (payload === "1") void object?.clearTopic("a");
        return payload;
      },
    },
  );
  await served.connect("?ann");
  const seen = await within(served, async ({ ann }, one) => {
    object = one;
    await ann!.subscribe("a");
    const [first, second] = await Promise.all(["1", "2"].map((text) => one.publish("a", text)));
    const { position } = await one.topic("a");
    return [first!.position, second!.position, position].map((text) => text!.split("."));
  });
  object = undefined;
  // The two publications have their places in the epoch before the clear.
  expect(seen[1]![0]).toBe(seen[0]![0]);
  expect(seen[2]![0]).not.toBe(seen[1]![0]);
});

it("T2: publish in blockConcurrencyWhile", async () => {
  const served = room({});
  const seen = await within(served, (_, object) =>
    object.ctx.blockConcurrencyWhile(async () => (await object.publish("a", "1")).position),
  );
  expect(seen).toMatch(/\.1$/);
});

it("T1: under flowControl what waits for the 101 is bounded by maxBufferedAmount, as behaviour.md says", async () => {
  let go!: () => void;
  const gate = new Promise<void>((resolve) => (go = resolve));
  let subscribed!: () => void;
  const isSubscribed = new Promise<void>((resolve) => (subscribed = resolve));
  const served = room(
    undefined,
    {},
    {
      flowControl: { window: 8_000_000, maxBufferedAmount: 8_000_000 },
      onOpen: async (session: Session) => {
        await session.subscribe("a");
        subscribed();
        await gate;
      },
    },
  );
  const connecting = FlowClient.connect(served);
  await isSubscribed;
  for (let n = 0; n < 3; n++) await served.stub.publish("a", "x".repeat(500_000));
  go();
  const client = await connecting;
  const got = await Promise.race([client.has(3).then((all) => all.length), client.client.closed]);
  expect(got).toBe(3);
});

it("T3: many topics of which each publication ends a session in one turn", async () => {
  const served = room({}, { envelope: () => 7 as never });
  const count = 300;
  await Promise.all(Array.from({ length: count }, (_, n) => served.connect(`?${n}`)));
  const seen = await within(served, async (all, object) => {
    await Promise.all(Object.values(all).map((one, n) => one.subscribe(`${n}`)));
    return Promise.all(Array.from({ length: count }, (_, n) => failure(object.publish(`${n}`, "1"))));
  });
  expect(new Set(seen)).toEqual(new Set(["nothing"]));
  // In a shard the sessions end after the answer.
  await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
});

alone("T6: the topics of which nothing is left are not kept in memory (no bound by maxTopics)", async () => {
  const served = room({ ageMs: 1000 });
  const { now } = Date;
  let ahead = 0;
  vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
  const spy = vi.spyOn(Map.prototype, "delete");
  for (let n = 0; n < 3; n++) {
    await served.stub.publish(`game ${n}`, "1");
    ahead += 5000;
    await runDurableObjectAlarm(served.stub);
  }
  const forgotten = spy.mock.calls.filter(([key]) => String(key).startsWith("game")).length;
  spy.mockRestore();
  expect(forgotten).toBeGreaterThanOrEqual(3);
});

// ---- third batch ----

const rows = (served: Served) =>
  within(served, (_, { ctx }) => Array.from(ctx.storage.kv.list(), ([key]) => key.replace(/[\da-f-]{36}/, "id")));
const many = Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(256, "x"));

alone("T1: an unsubscribe in a transaction that rolls back leaves no row behind", async () => {
  const served = room();
  const client = await served.connect("?ann");
  await within(served, async ({ ann }, object) => {
    await Promise.all(many.map((name) => ann!.subscribe(name)));
    await object.ctx.storage
      .transaction(async () => {
        for (const name of many) ann!.unsubscribe(name);
        await ann!.subscribe("a");
        throw new Error("expected");
      })
      .catch(() => {});
  });
  void client.close();
  await client.closed;
  await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
  expect(await rows(served)).toEqual([]);
});

it("T1: after a crash onClose knows many topics, publishes on one, and nothing is left", async () => {
  const closed: number[] = [];
  const served = room(
    {},
    {},
    {
      trackSessions: true,
      onClose: async (_: unknown, session: Session) => {
        closed.push(session.topics.size);
        await session.publish("news", `left ${session.queryString}`);
      },
    },
  );
  await served.connect("?ann");
  await served.connect("?ben");
  await within(served, async ({ ann, ben }) => {
    await Promise.all([...many.map((name) => ann!.subscribe(name)), ben!.subscribe("a")]);
  });
  await drop(served.stub);
  // The runner creates the object within an event, which the object's blockConcurrencyWhile does not hold.
  await vi.waitUntil(async () => (await served.stub.publications("news")).length === 2);
  const news = await served.stub.publications("news");
  expect(news.map(({ payload }) => String(payload)).toSorted()).toEqual(["left ann", "left ben"]);
  expect(closed.toSorted((one, other) => one - other)).toEqual([1, 40]);
  expect((await rows(served)).filter((key) => key.includes("session"))).toEqual([]);
});

it("R1: a history that may have more bytes than all may have is refused", () => {
  expect(() => room({ bytes: 2_000_000 }, { maxBytes: 1_000_000 })).toThrow(/maxBytes/);
});

alone("T6: what a shorter ageMs of a deploy makes too old is deleted, not only hidden", async () => {
  const served = room({ ageMs: 3_600_000 });
  await served.stub.publish("a", "1");
  redeploy(container, served.path as `/${string}`, { topics: { history: { ageMs: 60_000 } } });
  await served.hibernate().catch(() => {});
  const { now } = Date;
  const later = vi.spyOn(Date, "now").mockImplementation(() => now() + 200_000);
  await served.stub.publish("b", "1");
  expect(await served.stub.publications("a")).toEqual([]);
  later.mockImplementation(() => now() + 300_000);
  await runDurableObjectAlarm(served.stub);
  const left = await within(served, (_, { ctx }) =>
    ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'socle_blocks'").toArray(),
  );
  expect(left).toEqual([]);
});

alone("T7: a longer ageMs of a deploy holds for a topic that is quiet", async () => {
  const served = room({ ageMs: 60_000 });
  const client = await served.connect("?ann");
  const { position } = await within(served, ({ ann }) => ann!.subscribe("a"));
  void client.close();
  await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
  redeploy(container, served.path as `/${string}`, { topics: { history: { ageMs: 86_400_000 } } });
  await served.hibernate().catch(() => {});
  await served.stub.publish("b", "1");
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + 100_000);
  await runDurableObjectAlarm(served.stub);
  expect((await served.stub.topic("a")).position).toBe(position);
});

it("T6: a class's own alarm and the histories' share the object's, and onAlarm publishes", async () => {
  const path = freshPath();
  container.addEndpoint(path as `/${string}`, { durableObject: Clock, topics: { history: { ageMs: 60_000 } } });
  const stub = container.stub<Clock>(env, path);
  const inside = stub as unknown as DurableObjectStub<Inside>;
  let rang = 0;
  vi.spyOn(Clock.prototype, "onAlarm").mockImplementation(async function (this: Clock) {
    rang++;
    await this.publish("a", "rang");
  });
  await stub.publish("a", "1");
  await runInDurableObject(inside, ({ ctx }) => ctx.storage.setAlarm(Date.now() + 10_000));
  const { now } = Date;
  let ahead = 0;
  vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
  ahead = 11_000;
  await runDurableObjectAlarm(inside);
  expect(rang).toBe(1);
  expect((await stub.publications("a")).map(({ payload }) => payload)).toEqual(["1", "rang"]);
  expect(await runInDurableObject(inside, ({ ctx }) => ctx.storage.getAlarm())).toBeNull();
  // The histories' alarm is still there. The runner does not know of it.
  expect(
    await runInDurableObject(inside, ({ ctx }) => ctx.storage.kv.get<[number]>("socle:alarm")![0]),
  ).toBeGreaterThan(0);
});

it("T1: a client that offers positions with trackSessions, and 1,000 topics of 256 bytes of NUL, hibernates", async () => {
  const served = room({}, {}, { trackSessions: true });
  const client = await served.connect("?ann");
  const names = Array.from({ length: 1000 }, (_, n) => `é${n}`.padEnd(250, "\0"));
  await within(served, async ({ ann }) => {
    for (const name of names) void ann!.subscribe(name);
    await ann!.subscribe(names[0]!);
    await Promise.resolve();
  });
  await served.hibernate();
  await served.stub.publish(names[999]!, "1");
  expect(await client.next()).toBe("1");
});

it("T2: publish takes odd payloads as they are, or refuses them", async () => {
  const served = room({});
  const plain = room();
  for (const each of [served, plain]) {
    await each.connect("?ann");
    const seen = await within(each, async ({ ann }, object) => {
      await ann!.subscribe("a");
      const buffer = new ArrayBuffer(8, { maxByteLength: 16 });
      const view = new Uint8Array(buffer);
      const publishing = object.publish("a", view);
      view[0] = 9;
      buffer.resize(2);
      const gone = new ArrayBuffer(4);
      structuredClone(gone, { transfer: [gone] });
      const revoked = Proxy.revocable(new Uint8Array(2), {});
      revoked.revoke();
      return [
        await failure(publishing),
        (await failure(object.publish("a", gone))).slice(0, 9),
        await failure(object.publish("a", revoked.proxy)),
        await failure(object.publish("a", new DataView(new ArrayBuffer(3), 1))),
        (await failure(object.publish("a", "x", null as never))).slice(0, 9),
        (await failure(object.publish("a", "x", { except: null as never }))).slice(0, 9),
        (await failure(object.publish("a", "x", { except: [undefined] as never }))).slice(0, 9),
        (await failure(ann!.subscribe("b", null as never))).slice(0, 9),
        await failure(object.publish("a", "end")),
      ];
    });
    expect(seen.map((one) => one.split(":")[0])).toEqual([
      "nothing",
      "TypeError",
      "PayloadError",
      "nothing",
      "TypeError",
      "TypeError",
      "TypeError",
      "TypeError",
      "nothing",
    ]);
  }
});

it("T6: what a listener publishes for a session whose path is gone takes no history along", async () => {
  const path = freshPath();
  const endpoint = { topics: { history: {} }, onOpen: () => ({ name: "" }) };
  watched.addEndpoint(path as `/${string}`, endpoint);
  const client = await connect({ fetch: (request: Request) => watched.fetch(request, env) }, path);
  const stub = watched.stub<Endpoint>(env, path);
  await stub.publish("a", "1");
  const published: Promise<string>[] = [];
  vi.spyOn(listener, "onEvent").mockImplementation((event) => {
    if (event.type === "close") published.push(failure(event.session.publish("a", "left")));
  });
  redeploy(watched, path as `/${string}`, undefined);
  await hibernate(stub);
  client.send("x");
  await client.closed;
  await vi.waitUntil(() => published.length > 0);
  expect(await published[0]).toContain("DeploymentError: The object's endpoint of the class Watched is unknown");
  redeploy(watched, path as `/${string}`, endpoint);
  await hibernate(stub as unknown as DurableObjectStub).catch(() => {});
  expect((await stub.publications("a")).map(({ payload }) => payload)).toContain("1");
});
