// Histories of topics: which publications are kept, for how long, and how a client that was away catches up.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type Endpoint, type HistorySettings, type Session, type TopicSettings } from "socle";
import { redeploy } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import type { Served } from "./support/endpoint.ts";
import { alone, serve } from "./support/endpoint.ts";
import { failure, within } from "./support/inside.ts";
import { container, Legacy } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => void vi.restoreAllMocks());

/** A room in which all topics have a history. */
const room = (history: HistorySettings = {}, more: TopicSettings = {}): Served =>
  serve({ topics: { history, ...more }, onOpen: (session: Session) => ({ name: session.queryString }) });

/** Publishes texts one after the other, and returns their positions. */
async function publish(served: Served, ...texts: string[]): Promise<string[]> {
  const positions: string[] = [];
  for (const text of texts) positions.push((await served.stub.publish("a", text)).position!);
  return positions;
}

const texts = (count: number, from = 1) => Array.from({ length: count }, (_, n) => `${n + from}`);

const kept = async (served: Served, options = {}): Promise<unknown[]> =>
  (await served.stub.publications("a", options)).map(({ payload }) => payload);

/** What a new session with these options gets. */
async function comesBack(served: Served, options: { since?: string; last?: number }) {
  const client = await served.connect("?back");
  const subscription = await within(served, ({ back }) => back!.subscribe("a", options));
  await within(served, (_, object) => void object.broadcast("end"));
  const got: unknown[] = [];
  for (let one; (one = await client.next()) !== "end";) got.push(one);
  void client.close();
  await client.closed;
  await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
  return { got, ...subscription };
}

describe("positions", () => {
  it("T7: since gives all that came after it, through hibernation, and last the newest where there is no since", async () => {
    const served = room();
    const positions = await publish(served, ...texts(5));
    await served.hibernate().catch(() => {});
    const position = positions[4]!;
    expect(await comesBack(served, { since: positions[1]! })).toEqual({
      got: ["3", "4", "5"],
      recovered: true,
      replayed: 3,
      position,
    });
    expect(await comesBack(served, { since: position })).toEqual({ got: [], recovered: true, replayed: 0, position });
    expect(await comesBack(served, { since: positions[1]!, last: 1 })).toMatchObject({
      got: ["3", "4", "5"],
      recovered: true,
    });
    expect(await comesBack(served, { last: 2 })).toEqual({ got: ["4", "5"], recovered: false, replayed: 2, position });
    expect(await comesBack(served, { last: 99 })).toMatchObject({ got: ["1", "2", "3", "4", "5"], replayed: 5 });
    expect(await comesBack(served, {})).toEqual({ got: [], recovered: false, replayed: 0, position });
  });

  it("T7: a position is a text of at most 64 bytes, safe in a URL, whose offset goes up by one", async () => {
    const served = room();
    const positions = await publish(served, ...texts(3));
    for (const position of positions) expect(position).toMatch(/^[\w.~-]{1,64}$/);
    expect(positions.map((one) => one.split(".")[1])).toEqual(["1", "2", "3"]);
    expect(new Set(positions.map((one) => one.split(".")[0])).size).toBe(1);
  });

  it("T7: the position of a subscription to a topic on which nothing was published recovers what comes", async () => {
    const served = room();
    const { position } = await comesBack(served, {});
    await publish(served, "1", "2");
    expect(await comesBack(served, { since: position! })).toMatchObject({ got: ["1", "2"], recovered: true });
  });

  it.each(["", "junk", ".", "1", "x.1", "../..", "%", "\0", "x".repeat(10_000)])(
    "T7: %j recovers nothing, and last holds",
    async (since) => {
      const served = room();
      await publish(served, "1", "2");
      expect(await comesBack(served, { since })).toMatchObject({ got: [], recovered: false, replayed: 0 });
      expect(await comesBack(served, { since, last: 1 })).toMatchObject({ got: ["2"], recovered: false, replayed: 1 });
    },
  );

  it("T7: one past the newest, of another topic, or not as it was given, recovers nothing", async () => {
    const served = room();
    const [first] = await publish(served, "1", "2");
    const { position } = await served.stub.publish("b", "1");
    const [epoch] = first!.split(".");
    for (const since of [
      `${epoch}.3`,
      `${epoch}.01`,
      `${epoch}.-1`,
      `${epoch}.1e0`,
      `${epoch}.9007199254740993`,
      `${epoch}.`,
      position!,
    ]) {
      expect(await comesBack(served, { since })).toMatchObject({ got: [], recovered: false });
    }
    expect(await comesBack(served, { since: `${epoch}.0` })).toMatchObject({ got: ["1", "2"], recovered: true });
  });

  it("T11: clearTopic begins a new epoch: older positions recover nothing, and who is subscribed stays so", async () => {
    const served = room();
    const [first] = await publish(served, "1", "2");
    const client = await served.connect("?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    await served.stub.clearTopic("a");
    expect(await kept(served)).toEqual([]);
    const [third] = await publish(served, "3");
    expect(await client.next()).toBe("3");
    expect(third!.split(".")[0]).not.toBe(first!.split(".")[0]);
    void client.close();
    await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
    expect(await comesBack(served, { since: first! })).toMatchObject({ got: [], recovered: false });
    await served.stub.clearTopic("never");
    expect((await served.stub.topic("never")).position).toBeUndefined();
  });
});

describe("what is kept", () => {
  it("T11: publications gives payloads, positions and times, all or some of them", async () => {
    const served = room();
    const before = Date.now();
    const positions = await publish(served, ...texts(4));
    const { position } = await within(served, (_, object) => object.publish("a", new Uint8Array([0, 255]), {}));
    const all = await served.stub.publications("a");
    expect(all.map(({ payload }) => payload)).toEqual(["1", "2", "3", "4", new Uint8Array([0, 255]).buffer]);
    expect(all.map((one) => one.position)).toEqual([...positions, position]);
    for (const { time } of all) expect(time >= before && time <= Date.now()).toBe(true);
    expect(await kept(served, { last: 2 })).toEqual(["4", new Uint8Array([0, 255]).buffer]);
    expect(await kept(served, { since: positions[2] })).toEqual(["4", new Uint8Array([0, 255]).buffer]);
    expect(await kept(served, { since: "junk" })).toEqual([]);
    expect(await kept(served, { since: "junk", last: 1 })).toHaveLength(1);
    expect(await kept(served, { last: 0 })).toEqual([]);
    expect(await served.stub.publications("other")).toEqual([]);
  });

  it("T6: history by function: topics for which it returns nothing have none", async () => {
    const asked: string[] = [];
    const served = serve({
      topics: {
        history: (topic) => {
          asked.push(topic);
          return topic.startsWith("kept") ? { messages: 1 } : undefined;
        },
      },
    });
    expect((await served.stub.publish("kept 1", "1")).position).toBeDefined();
    expect((await served.stub.publish("kept 1", "2")).position).toBeDefined();
    expect((await served.stub.publish("plain", "1")).position).toBeUndefined();
    expect(await served.stub.publications("plain")).toEqual([]);
    expect((await served.stub.publications("kept 1")).map(({ payload }) => payload)).toEqual(["2"]);
    expect(asked.filter((topic) => topic === "kept 1")).toHaveLength(1);
  });

  it("T6: by number: exactly so many are given, whatever the blocks have", async () => {
    const served = room({ messages: 3 });
    const positions = await publish(served, ...texts(5));
    expect(await kept(served)).toEqual(["3", "4", "5"]);
    expect(await comesBack(served, { since: positions[1]! })).toMatchObject({ got: ["3", "4", "5"], recovered: true });
    expect(await comesBack(served, { since: positions[0]!, last: 9 })).toMatchObject({
      got: ["3", "4", "5"],
      recovered: false,
    });
  });

  alone("T6: by bytes: no more than so many are given, and storage has a block more at most", async () => {
    const served = room({ bytes: 50_000 });
    for (let n = 0; n < 40; n++) await served.stub.publish("a", `${n}`.padEnd(4000, "x"));
    const all = await served.stub.publications("a");
    expect(all).toHaveLength(12);
    expect(String(all.at(-1)!.payload)).toMatch(/^39x/);
    const rows = await within(served, (_, { ctx }) =>
      ctx.storage.sql.exec<{ size: number }>("SELECT sum(size) AS size FROM socle_blocks").one(),
    );
    expect(rows.size).toBeLessThan(50_000 + 17_000);
  });

  it("T6: by age: what is too old is given to nobody, also before the alarm has deleted it", async () => {
    const served = room({ ageMs: 60_000 });
    const positions = await publish(served, "1", "2");
    const { now } = Date;
    const later = vi.spyOn(Date, "now").mockImplementation(() => now() + 40_000);
    await publish(served, "3");
    expect(await kept(served)).toEqual(["1", "2", "3"]);
    later.mockImplementation(() => now() + 70_000);
    expect(await kept(served)).toEqual(["3"]);
    expect(await comesBack(served, { since: positions[0]! })).toMatchObject({ got: [], recovered: false });
    expect(await comesBack(served, { since: positions[1]! })).toMatchObject({ got: ["3"], recovered: true });
  });

  alone("T6: the object's alarm deletes what is too old, and in the end the tables", async () => {
    const served = room({ ageMs: 60_000 });
    const client = await served.connect("?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    const [first] = await publish(served, "1");
    const tables = () =>
      within(served, (_, { ctx }) =>
        ctx.storage.sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name LIKE 'socle%'").toArray(),
      );
    const blocks = () =>
      within(
        served,
        (_, { ctx }) => ctx.storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM socle_blocks").one().n,
      );
    expect(await blocks()).toBe(1);
    const { now } = Date;
    const later = vi.spyOn(Date, "now").mockImplementation(() => now() + 80_000);
    expect(await runDurableObjectAlarm(served.stub)).toBe(true);
    expect(await blocks()).toBe(0);
    // If a session is subscribed to the topic, the epoch and the offset stay.
    expect((await served.stub.topic("a")).position).toBe(first);
    void client.close();
    await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
    later.mockImplementation(() => now() + 200_000_000);
    expect(await runDurableObjectAlarm(served.stub)).toBe(true);
    expect(await tables()).toEqual([]);
    expect(await within(served, (_, { ctx }) => [...ctx.storage.kv.list()])).toEqual([]);
    // The topic starts again, with a new epoch.
    const [again] = await publish(served, "2");
    expect(again).toMatch(/\.1$/);
    expect(again!.split(".")[0]).not.toBe(first!.split(".")[0]);
  });

  alone(
    "T6: the alarm of histories goes on when the last session with a timeout has gone, and with a subclass's own",
    async () => {
      const served = serve({ idleTimeoutMs: 5000, topics: { history: { ageMs: 60_000 } } });
      const client = await served.connect();
      await served.stub.publish("a", "1");
      void client.close();
      await client.closed;
      await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
      const alarm = await vi.waitUntil(async () => {
        const time = await within(served, (_, { ctx }) => ctx.storage.getAlarm());
        return time !== null && time > Date.now() + 30_000 && time;
      });
      expect(alarm - Date.now()).toBeLessThan(75_000);
    },
  );

  alone("T6: the publications of a turn share one write, and blocks have at most 16 KB", async () => {
    const served = room();
    const written = await within(served, async (_, object) => {
      await object.publish("a", "first");
      const { sql } = object.ctx.storage;
      const exec = sql.exec.bind(sql);
      const writes: number[] = [];
      const spy = vi.spyOn(Object.getPrototypeOf(sql) as SqlStorage, "exec").mockImplementation(((
        ...given: Parameters<typeof exec>
      ) => {
        const cursor = exec(...given);
        const rows = cursor.toArray();
        writes.push(cursor.rowsWritten);
        return { toArray: () => rows };
      }) as never);
      const count = async (publishing: () => unknown) => {
        writes.length = 0;
        await publishing();
        return writes.reduce((sum, one) => sum + one, 0);
      };
      const counts = [
        await count(() => Promise.all(texts(50).map((text) => object.publish("a", text)))),
        await count(() => object.publish("a", "one")),
        await count(() => object.publish("a", "one", { id: "1" })),
        await count(() => object.publish("a", "one", { id: "1" })),
        await count(() => Promise.all(texts(10).map((text) => object.publish("a", text.padEnd(4000, "x"))))),
      ];
      spy.mockRestore();
      return counts;
    });
    expect(written).toEqual([1, 1, 2, 0, 3]);
    const sizes = await within(served, (_, { ctx }) =>
      ctx.storage.sql
        .exec<{ size: number; length: number }>("SELECT size, length(data) AS length FROM socle_blocks")
        .toArray(),
    );
    expect(sizes.length).toBe(4);
    for (const { size, length } of sizes) expect([size, size <= 16_384]).toEqual([length, true]);
    expect(await kept(served)).toHaveLength(1 + 50 + 2 + 10);
  });

  it("T7: more than replayBytes recovers nothing, never a part; last gives the newest that fit", async () => {
    const served = room({ replayBytes: 10_000 });
    const positions = await publish(served, ...texts(20).map((text) => text.padEnd(1000, "x")));
    expect(await comesBack(served, { since: positions[10]! })).toMatchObject({ recovered: true, replayed: 9 });
    expect(await comesBack(served, { since: positions[9]! })).toMatchObject({ recovered: false, replayed: 0, got: [] });
    const { got, replayed } = await comesBack(served, { since: positions[0]!, last: 15 });
    expect([replayed, got.length, String(got[0]).slice(0, 2)]).toEqual([9, 9, "12"]);
    expect(await kept(served)).toHaveLength(20);
  });

  it("T7: of many blocks any part is given", async () => {
    const served = room();
    const all = texts(200).map((text) => text.padEnd(500, "x"));
    const positions = await within(served, async (_, object) => {
      const given = await Promise.all(all.map((text) => object.publish("a", text)));
      return given.map(({ position }) => position!);
    });
    for (const at of [0, 1, 30, 31, 32, 33, 100, 198, 199]) {
      expect((await comesBack(served, { since: positions[at]! })).got).toEqual(all.slice(at + 1));
      expect((await comesBack(served, { last: at })).got).toEqual(at ? all.slice(-at) : []);
    }
  });

  it("T2: a publication with an id that is still there is published once", async () => {
    const served = room({ messages: 3 });
    const client = await served.connect("?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    const publishing = (text: string, id?: string) => served.stub.publish("a", text, id === undefined ? {} : { id });
    const first = await publishing("1", "x");
    expect(await publishing("again", "x")).toEqual(first);
    await served.hibernate();
    expect(await publishing("again", "x")).toEqual(first);
    const [one, two] = await within(served, (_, object) =>
      Promise.all([object.publish("a", "2", { id: "y" }), object.publish("a", "again", { id: "y" })]),
    );
    expect(two).toEqual(one);
    await publish(served, "3", "4");
    // The publication is no longer in the history.
    expect((await publishing("5", "x")).position).not.toBe(first.position);
    expect(await client.take(5)).toEqual(["1", "2", "3", "4", "5"]);
  });
});

alone("T6: a block grows by turns to what fits a page of the database", async () => {
  const served = room();
  await publish(served, ...texts(30).map((text) => text.padEnd(300, "x")));
  const sizes = await within(served, (_, { ctx }) =>
    ctx.storage.sql.exec<{ size: number }>("SELECT size FROM socle_blocks ORDER BY key").toArray(),
  );
  expect(sizes.length).toBe(3);
  for (const { size } of sizes) expect(size).toBeLessThanOrEqual(3900);
});

alone("T7: past the last offset of an epoch another begins, and nothing is lost to who is subscribed", async () => {
  const served = room();
  const client = await served.connect("?ann");
  await within(served, ({ ann }) => ann!.subscribe("a"));
  const [first] = await publish(served, "1");
  await within(served, (_, { ctx }) => {
    const last = 2 ** 34 - 2;
    ctx.storage.sql.exec("UPDATE socle_blocks SET key = key + ?, first = first + ?, last = last + ?", last, last, last);
  });
  await served.hibernate();
  const [second] = await publish(served, "2");
  expect(second).toMatch(/\.1$/);
  expect(second!.split(".")[0]).not.toBe(first!.split(".")[0]);
  expect(await client.take(2)).toEqual(["1", "2"]);
});

alone("T6: topics have ids up to half a million, and behind that those that are free", async () => {
  const served = room();
  await publish(served, "1");
  await within(served, (_, { ctx }) => void ctx.storage.sql.exec("UPDATE socle_topics SET id = ?", 2 ** 19));
  await within(
    served,
    (_, { ctx }) => void ctx.storage.sql.exec("UPDATE socle_blocks SET key = key + ?", (2 ** 19 - 1) * 2 ** 34),
  );
  await served.hibernate().catch(() => {});
  await within(served, async (_, object) => {
    for (const topic of ["b", "c"]) await object.publish(topic, topic);
  });
  expect((await served.stub.publications("c")).map(({ payload }) => payload)).toEqual(["c"]);
  expect(await kept(served)).toEqual(["1"]);
});

alone("T2: what can't be deleted keeps nobody from what was published", async () => {
  const served = room({ bytes: 10_000 });
  const client = await served.connect("?ann");
  await within(served, async ({ ann }, object) => {
    await ann!.subscribe("a");
    const { sql } = object.ctx.storage;
    const exec = sql.exec.bind(sql);
    const spy = vi.spyOn(Object.getPrototypeOf(sql) as SqlStorage, "exec").mockImplementation(((
      query: string,
      ...given: never[]
    ) => {
      if (query.startsWith("DELETE FROM socle_blocks WHERE key = ")) throw new Error("expected");
      return exec(query, ...given);
    }) as never);
    for (let n = 0; n < 10; n++) await object.publish("a", `${n}`.padEnd(3000, "."));
    spy.mockRestore();
  });
  expect((await client.take(10)).map((text) => String(text)[0])).toEqual(texts(10, 0));
  expect(logged.mock.calls.map(([entry]) => String(entry))).toContain(
    `socle: old publications can't be deleted at ${served.path}:`,
  );
  expect(await kept(served)).toHaveLength(3);
});

describe("limits", () => {
  alone(
    "T2: a payload of over 2 MiB is refused with both sizes, and nothing is kept; a large one has a row of its own",
    async () => {
      const served = room({ replayBytes: 4_000_000 });
      const [large, small] = ["x".repeat(2 ** 21 + 1), "x".repeat(2 ** 21 - 150)];
      const seen = await within(served, async (_, object) => [
        await failure(object.publish("a", large)),
        (await object.publications("a")).length,
        (await object.publish("a", small)).position,
        (await object.publications("a"))[0]!.payload === small,
      ]);
      expect(seen).toEqual([
        expect.stringMatching(
          /^PayloadError: Not published: with its id and time it has 2097\d{3} bytes, and a row takes 2097024/,
        ),
        0,
        expect.stringMatching(/\.1$/),
        true,
      ]);
    },
  );

  it("T6: past maxTopics publish and subscribe are refused, and keep nothing", async () => {
    const served = room({}, { maxTopics: 2 });
    await served.connect("?ann");
    const seen = await within(served, async ({ ann }, object) => {
      await object.publish("a", "1");
      await ann!.subscribe("b");
      return [
        await failure(object.publish("c", "1")),
        await failure(ann!.subscribe("d")),
        [...ann!.topics],
        (await object.publish("b", "1")).position,
      ];
    });
    const refused = "TopicLimitError: The object already has histories of 2 topics: see maxTopics.";
    expect(seen).toEqual([refused, refused, ["b"], expect.any(String)]);
    expect(await served.stub.publications("c")).toEqual([]);
  });

  it("T6: past maxBytes publish is refused and keeps nothing, the others of the turn stay", async () => {
    const served = room({}, { maxBytes: 10_000 });
    const client = await served.connect("?ann");
    const seen = await within(served, async ({ ann }, object) => {
      await ann!.subscribe("a");
      return Promise.all(["1", "x".repeat(20_000), "2"].map((text) => failure(object.publish("a", text))));
    });
    expect(seen).toEqual([
      "nothing",
      expect.stringMatching(/^TopicLimitError: The object's histories have \d+ bytes, and 200\d\d more/),
      "nothing",
    ]);
    expect(await client.take(2)).toEqual(["1", "2"]);
    expect(await kept(served)).toEqual(["1", "2"]);
  });

  it("T6: a class without SQLite has topics, and a history is refused as somebody publishes or subscribes", async () => {
    const path = "/legacy/topics";
    container.addEndpoint(path, {
      durableObject: Legacy,
      topics: { history: (topic) => (topic === "kept" ? {} : undefined) },
    });
    const stub = container.stub<Endpoint>(env, path);
    const refused = expect.stringContaining(
      "DeploymentError: A history of topics needs a class with SQLite storage: list it under new_sqlite_classes",
    ) as unknown;
    const publishing = runInDurableObject(stub, (object) => failure(object.publish("kept", "a")));
    expect(await publishing).toEqual(refused);
    expect(await stub.publish("plain", "a")).toEqual({ position: undefined });
    expect(await stub.topic("kept")).toEqual({ name: "kept", position: undefined, subscribers: 0 });
  });
});

describe("storage", () => {
  alone("T6: deleteAll takes histories along, and what comes begins anew", async () => {
    const served = room();
    const client = await served.connect("?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    const [first] = await publish(served, "1");
    await within(served, (_, { ctx }) => ctx.storage.deleteAll());
    const [second] = await publish(served, "2");
    expect(second).not.toBe(first);
    expect(await client.take(2)).toEqual(["1", "2"]);
    expect(await kept(served)).toEqual(["2"]);
  });

  it.each([true, false])(
    "T6: a transaction that rolls back takes no publication along, where the topic was there: %s",
    async (wasThere) => {
      const served = room();
      const client = await served.connect("?ann");
      await within(served, async ({ ann }, object) => {
        if (wasThere) {
          await ann!.subscribe("a");
          await object.publish("a", "1");
        }
        await object.ctx.storage
          .transaction(async () => {
            if (!wasThere) {
              await ann!.subscribe("a");
              await object.publish("a", "1");
            }
            await object.publish("a", "2", { id: "x" });
            await object.publish("a", "3".padEnd(20_000, "x"));
            throw new Error("expected");
          })
          .catch(() => {});
        await object.publish("a", "4");
        await object.publish("a", "2", { id: "x" });
      });
      const got = (await client.take(4)).map((one) => String(one)[0]);
      expect(got).toEqual(["1", "2", "3", "4"]);
      const all = await served.stub.publications("a");
      expect(all.map(({ payload }) => String(payload)[0])).toEqual(got);
      expect(all.map(({ position }) => position.split(".")[1])).toEqual(["1", "2", "3", "4"]);
      await served.hibernate();
      expect(await served.stub.publications("a")).toEqual(all);
    },
  );

  alone("T6: what storage refuses rejects, is sent to nobody, and the next goes on", async () => {
    const served = room();
    const client = await served.connect("?ann");
    const seen = await within(served, async ({ ann }, object) => {
      await ann!.subscribe("a");
      await object.publish("a", "1");
      const { sql } = object.ctx.storage;
      const exec = sql.exec.bind(sql);
      const spy = vi.spyOn(Object.getPrototypeOf(sql) as SqlStorage, "exec").mockImplementation(((
        query: string,
        ...given: never[]
      ) => {
        if (query.startsWith("UPDATE socle_blocks")) throw new Error("full");
        return exec(query, ...given);
      }) as never);
      const failed = await Promise.all(["2", "x".repeat(17_000)].map((text) => failure(object.publish("a", text))));
      spy.mockRestore();
      return [failed, (await object.publish("a", "3")).position?.split(".")[1]];
    });
    expect(seen).toEqual([["Error: full", "Error: full"], "2"]);
    expect(await client.take(2)).toEqual(["1", "3"]);
    expect(await kept(served)).toEqual(["1", "3"]);
  });

  alone("T6: a history in a form that is not known begins anew, and the log says so", async () => {
    const served = room();
    const [first] = await publish(served, "1");
    await within(served, (_, { ctx }) => void ctx.storage.sql.exec("UPDATE socle_topics SET form = 2"));
    await within(served, (_, { ctx }) => ctx.abort("crash")).catch(() => {});
    const [second] = await publish(served, "2");
    expect(second!.split(".")[0]).not.toBe(first!.split(".")[0]);
    expect(logged.mock.calls.map(([entry]) => String(entry))).toContain(
      `socle: the history of "a" is reset at ${served.path}:`,
    );
  });

  alone("T6: a deploy that takes a history away forgets it: what was published without one is missing", async () => {
    const served = room();
    const [first] = await publish(served, "1");
    const client = await served.connect("?ann");
    redeploy(container, served.path as `/${string}`, {});
    await served.hibernate();
    expect((await served.stub.publish("a", "2")).position).toBeUndefined();
    void client.close();
    await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
    await served.connect("?ben");
    redeploy(container, served.path as `/${string}`, {
      topics: { history: {} },
      onOpen: (session: Session) => ({ name: session.queryString }),
    });
    await served.hibernate();
    await within(served, async (all) => {
      for (const one of Object.values(all)) one.close();
    });
    await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
    expect(await comesBack(served, { since: first! })).toMatchObject({ got: [], recovered: false });
  });
});

describe("the envelope", () => {
  const envelope: TopicSettings["envelope"] = ({ topic, position, payload }) =>
    JSON.stringify({ topic, position, payload });

  it("T8: plain clients get what it makes of a publication, replayed ones too", async () => {
    const served = serve({
      topics: { envelope, history: (topic) => (topic === "a" ? {} : undefined) },
      onOpen: (session: Session) => ({ name: session.queryString }),
    });
    const client = await served.connect("?ann");
    await within(served, ({ ann }) => Promise.all([ann!.subscribe("a"), ann!.subscribe("plain")]));
    const [first] = await publish(served, "1");
    await served.stub.publish("plain", "2");
    expect((await client.take(2)).map((one) => JSON.parse(one as string) as unknown)).toEqual([
      { topic: "a", position: first, payload: "1" },
      { topic: "plain", payload: "2" },
    ]);
    void client.close();
    await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
    const { got } = await comesBack(served, { last: 1 });
    expect(got.map((one) => JSON.parse(one as string) as unknown)).toEqual([
      { topic: "a", position: first, payload: "1" },
    ]);
  });

  it.each([
    ["throws", () => JSON.parse("{") as string],
    ["makes no payload", () => 7 as never],
  ])("T8: one that %s ends the sessions that should have got it, and no publish", async (_, wrong) => {
    const served = room({}, { envelope: wrong });
    const client = await served.connect("?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    expect((await served.stub.publish("a", "1")).position).toBeDefined();
    expect((await client.closed).code).toBe(1011);
    expect(await kept(served)).toEqual(["1"]);
  });
});
