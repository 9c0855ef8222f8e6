// Attachments, rows and alarm rows that former versions of Socle wrote: this version and each later one can read them.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Endpoint, startWsConnection, type SendChannel, type Session } from "socle";
import { drop, hibernate } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import written from "./forms/0.1.0.json" with { type: "json" };
import { decode } from "./forms/graph.ts";
import writtenWithShards from "./forms/shards.json" with { type: "json" };
import writtenWithTopics from "./forms/topics.json" with { type: "json" };
import type { Client } from "./support/client.ts";
import { Log, recorded, serve, type Served } from "./support/endpoint.ts";
import { failure } from "./support/inside.ts";

type Graph = Parameters<typeof decode>[0];
type Attached = unknown[] & { socle?: number };
interface Written {
  attachments: Graph[];
  rows: Record<string, Graph>;
}
interface Tables {
  schema: string[];
  rows: Record<string, (string | number | { base64: string })[][]>;
}
const { history, ...subscribed } = writtenWithTopics as unknown as { history: Tables } & Record<string, Written>;
const forms = { ...(written as unknown as Record<string, Written>), ...(subscribed as Record<string, Written>) };

let logged: MockInstance<typeof console.error>;
beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => vi.restoreAllMocks());

const entries = () => logged.mock.calls.map(([entry]) => String(entry));

/** Replaces the kept data of the endpoint's only session, and makes the session wake from it. */
async function resume(
  endpoint: Served,
  name: string,
  change: (attached: Attached) => void = () => {},
): Promise<Client> {
  const client = await endpoint.connect();
  const { attachments, rows } = forms[name]!;
  await runInDurableObject(endpoint.stub, async (object) => {
    const { ctx } = object as unknown as { ctx: DurableObjectState };
    const [socket] = ctx.getWebSockets() as [WebSocket];
    const attached = decode(attachments[0]!) as Attached;
    // Replaces the path of that time by the test's own.
    const [, facts] = attached;
    const there = (text: string) => {
      const { path } = JSON.parse(text) as { path: string };
      return text.replaceAll(JSON.stringify(path), JSON.stringify(endpoint.path));
    };
    if (typeof facts === "string" && facts.startsWith("{")) attached[1] = there(facts);
    change(attached);
    socket.serializeAttachment(attached);
    for (const [key] of ctx.storage.kv.list({ prefix: "socle:" })) ctx.storage.kv.delete(key);
    for (const [key, graph] of Object.entries(rows)) {
      const row = decode(graph) as unknown[];
      if (Array.isArray(row) && typeof row[0] === "string") row[0] = there(row[0]);
      ctx.storage.kv.put(key, row);
    }
    await ctx.storage.sync();
  });
  await endpoint.hibernate();
  return client;
}

const echo = (object: unknown, text: string, session: Session) =>
  session.asyncRemote.sendText(`${text} ${JSON.stringify(object)}`);
const telling = (log: Log, options: object = {}) => serve({ ...recorded(log), onText: echo, ...options });

describe("what 0.1.0 wrote", () => {
  it.each<[string, object, unknown]>([
    ["plain", {}, { name: "ann" }],
    ["nothing", {}, undefined],
    ["facts", {}, { n: 1, list: [1, { deep: true }] }],
    ["limits", { idleTimeoutMs: 60_000 }, { n: 1 }],
    ["timeouts", { clientTimeoutMs: 60_000 }, { n: 1 }],
    ["large", {}, { name: "ann".padEnd(17_000, ".") }],
    ["tracked", { trackSessions: true }, { name: "ann" }],
    ["large facts", {}, { name: "ann" }],
    [
      "codec",
      {
        onOpen: () => ({ name: "now" }),
        serializeSession: ({ name }: { name: string }) => [name],
        deserializeSession: ([name]: [string]) => ({ name }),
      },
      { name: "ann" },
    ],
  ])("D1: %s: the session goes on with its object, and is kept anew", async (name, options, object) => {
    const log = new Log();
    const endpoint = telling(log, options);
    const client = await resume(endpoint, name);
    expect(await client.ask("a")).toBe(`a ${JSON.stringify(object)}`);
    await endpoint.hibernate();
    expect(await client.ask("b")).toBe(`b ${JSON.stringify(object)}`);
    await client.close(4001);
    await log.has(["close", object ?? null, 4001, ""]);
    expect(entries()).toEqual([]);
    const rows = await runInDurableObject(endpoint.stub, (_, { storage }) => [
      ...storage.kv.list({ prefix: "socle:session:" }),
    ]);
    expect(rows).toEqual([]);
  });

  it("D1: facts: what was settled when it opened is what it was", async () => {
    const endpoint = telling(new Log(), {
      onText: (_: unknown, __: string, session: Session) => {
        const { requestURI, pathParameters, negotiatedSubprotocol, userPrincipal, userProperties, tags, id } = session;
        const told = [pathParameters, negotiatedSubprotocol, userPrincipal, userProperties, tags, requestURI.search];
        return session.asyncRemote.sendText(JSON.stringify([...told, id.length]));
      },
    });
    const client = await resume(endpoint, "facts");
    expect(JSON.parse((await client.ask("?")) as string)).toEqual([
      { room: "a b" },
      "v2",
      { name: "ann" },
      { seen: 1 },
      ["staff"],
      "?x=1",
      36,
    ]);
  });

  it("D1: limits: those of then hold, which did not say whose they are", async () => {
    const endpoint = telling(new Log(), {
      idleTimeoutMs: 120_000,
      onText: (_: unknown, __: string, { maxIdleTimeout, maxTextMessageBufferSize, asyncRemote }: Session) =>
        asyncRemote.sendText(`${maxIdleTimeout} ${maxTextMessageBufferSize}`),
    });
    expect(await (await resume(endpoint, "limits")).ask("?")).toBe("60000 99");
  });

  it.each([
    ["channel", ({ send }: { send: SendChannel }) => send],
    ["channel alone", (send: SendChannel) => send],
  ] as [string, (object: unknown) => SendChannel][])("D1: %s: it sends", async (name, sendOf) => {
    const endpoint = serve({
      onOpen: (session: Session): unknown => startWsConnection(session),
      onText: (object, text) => sendOf(object).put(text),
    });
    const client = await resume(endpoint, name);
    expect(await client.ask("a")).toBe("a");
    await endpoint.hibernate();
    expect(await client.ask("b")).toBe("b");
  });

  it("D1: flowControl: a session whose client speaks it goes on, and ends with 1012 where it is gone", async () => {
    const log = new Log();
    const client = await resume(telling(log, { flowControl: true }), "flowControl");
    client.send("a");
    expect(await client.next()).toBeDefined();
    const gone = await resume(telling(log), "flowControl");
    gone.send("a");
    expect((await gone.closed).code).toBe(1012);
  });

  it("D1: limits: the row of the alarm is read, and the timeouts of then hold", async () => {
    const client = await resume(telling(new Log(), { idleTimeoutMs: 1000 }), "limits");
    expect((await client.closed).code).toBe(1001);
    expect(entries()).toEqual([]);
  });

  it("D1: ended: nothing runs for it", async () => {
    const log = new Log();
    const endpoint = telling(log);
    const client = await resume(endpoint, "ended");
    client.send("a");
    expect(await endpoint.stub.openSessionCount()).toBe(0);
    expect(log.entries).toEqual([]);
  });

  it("D2: its version is 0", async () => {
    const seen: unknown[] = [];
    const endpoint = telling(new Log(), {
      version: 1,
      migrateSession: (data: unknown, from: number) => {
        seen.push(data, from);
        return { names: ["ann"] };
      },
    });
    expect(await (await resume(endpoint, "plain")).ask("a")).toBe('a {"names":["ann"]}');
    expect(seen).toEqual([{ name: "ann" }, 0]);
  });
});

describe("what the version with topics wrote", () => {
  it.each<[string, string, object, string[]]>([
    ["a few", "few", {}, ["a", "ü"]],
    ["one, of a session whose object is in its row", "of a large object", {}, ["a"]],
    ["many, in their own row", "many", {}, ["a", ...Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(200, "."))]],
    ["one of a tracked session", "tracked", { trackSessions: true }, ["a"]],
    ["one, and a position that was not used", "positions", {}, ["b"]],
  ])("D1: subscriptions: %s", async (_, name, options, names) => {
    const endpoint = telling(new Log(), { topics: { history: {} }, ...options });
    const client = await resume(endpoint, name);
    const seen = await runInDurableObject(endpoint.stub as unknown as DurableObjectStub<Endpoint>, async (object) => {
      const [session] = [...object.openSessions()];
      return [...session!.topics];
    });
    expect(seen).toEqual(names);
    await endpoint.hibernate();
    await endpoint.stub.publish(names.at(-1)!, "published");
    // The client with a position speaks socle.v1.
    const came = await client.next();
    expect(typeof came === "string" ? came : new TextDecoder().decode(came)).toContain("published");
  });

  it("D1: a position that its client came back with", async () => {
    const endpoint = telling(new Log(), { topics: { history: {} } });
    await resume(endpoint, "positions");
    const subscription = await runInDurableObject(
      endpoint.stub as unknown as DurableObjectStub<Endpoint>,
      async (object, { storage: { sql } }) => {
        await object.publish("a", "1");
        await object.publish("a", "2");
        sql.exec("UPDATE socle_topics SET epoch = '0123456789ab'");
        return sql.exec<{ epoch: string }>("SELECT epoch FROM socle_topics").one().epoch;
      },
    );
    expect(subscription).toBe("0123456789ab");
    await endpoint.hibernate();
    const recovered = await runInDurableObject(endpoint.stub as unknown as DurableObjectStub<Endpoint>, (object) =>
      [...object.openSessions()][0]!.subscribe("a", { since: "client" }),
    );
    expect(recovered).toMatchObject({ recovered: true, replayed: 1 });
  });

  it("D1: a history, with its positions, and its ids", async () => {
    const endpoint = telling(new Log(), { topics: { history: {} } });
    await runInDurableObject(endpoint.stub, (_, { storage: { sql } }) => {
      for (const table of history.schema) sql.exec(table);
      for (const [name, rows] of Object.entries(history.rows)) {
        for (const row of rows) {
          const values = row.map((value) =>
            typeof value === "object" ? Uint8Array.from(atob(value.base64), (one) => one.charCodeAt(0)) : value,
          );
          sql.exec(`INSERT INTO ${name} VALUES (${values.map(() => "?").join()})`, ...values);
        }
      }
    });
    const [[, , epoch]] = history.rows["socle_topics"] as [[number, string, string]];
    const expires = Number(history.rows["socle_blocks"]![0]![4]);
    vi.spyOn(Date, "now").mockReturnValue(expires - 60_000);
    const kept = await endpoint.stub.publications("a");
    expect(kept.map(({ position, payload }) => [position, payload])).toEqual([
      [`${epoch}.1`, "1"],
      [`${epoch}.2`, "ü€"],
      [`${epoch}.3`, new Uint8Array([0, 255]).buffer],
      [`${epoch}.4`, "2".padEnd(17_000, ".")],
    ]);
    expect((await endpoint.stub.publish("a", "again", { id: "x" })).position).toBe(`${epoch}.2`);
    expect((await endpoint.stub.publish("a", "3")).position).toBe(`${epoch}.5`);
  });
});

it("D1: subscriptions are in a form of their own: a version that doesn't know them ends the session", async () => {
  const endpoint = telling(new Log());
  await endpoint.connect();
  const numbers = await runInDurableObject(
    endpoint.stub as unknown as DurableObjectStub<Endpoint>,
    async (object, ctx) => {
      const numberOf = () => (ctx.getWebSockets()[0]!.deserializeAttachment() as Attached).socle;
      const before = numberOf();
      const [session] = [...object.openSessions()];
      await session!.subscribe("a");
      const then = numberOf();
      session!.unsubscribe("a");
      await Promise.resolve();
      await Promise.resolve();
      return [before, then, numberOf()];
    },
  );
  expect(numbers).toEqual([1, 2, 1]);
});

it("D1: what is written now has its number: attachments, rows, the row of the alarm", async () => {
  const endpoint = telling(new Log(), { trackSessions: true, idleTimeoutMs: 60_000 });
  await endpoint.connect();
  const numbers = await runInDurableObject(endpoint.stub, (object) => {
    const { ctx } = object as unknown as { ctx: DurableObjectState };
    const attached = ctx.getWebSockets().map((socket) => socket.deserializeAttachment() as Attached);
    const rows = [...ctx.storage.kv.list<Attached>({ prefix: "socle:" })].map(([, row]) => row);
    return [...attached, ...rows].map(({ socle }) => socle);
  });
  expect(numbers).toEqual([1, 1, 1]);
});

describe("a form that is not known", () => {
  it("D1: its sessions end with 1012, with one entry in the log, and no callback runs", async () => {
    const log = new Log();
    const endpoint = telling(log);
    const client = await resume(endpoint, "plain", (attached) => (attached.socle = 3));
    const other = await endpoint.connect();
    client.send("a");
    expect((await client.closed).code).toBe(1012);
    expect(await other.ask("b")).toBe("b undefined");
    expect(await endpoint.stub.openSessionCount()).toBe(1);
    expect(log.entries).toEqual([]);
    expect(entries()).toEqual([`socle: sessions saved by other code can't continue at ${endpoint.path}:`]);
    expect(String(logged.mock.calls[0]![1])).toContain(
      "It was saved in form 3, and this version of Socle reads up to 2",
    );
  });

  it("D1: a broadcast, the idle sweep and a count leave them out, and end them", async () => {
    const endpoint = telling(new Log(), { idleTimeoutMs: 60_000 });
    const client = await resume(endpoint, "limits", (attached) => (attached.socle = 3));
    expect(await endpoint.stub.broadcast("a")).toBe(0);
    expect((await client.closed).code).toBe(1012);
    expect(entries()).toHaveLength(1);
  });

  it("D1: a row of one ends its session, and stays for the version that knows it", async () => {
    const log = new Log();
    const endpoint = telling(log);
    const client = await resume(endpoint, "large");
    const rows = (change: (row: Attached) => void) =>
      runInDurableObject(endpoint.stub, (_, { storage }) =>
        [...storage.kv.list<Attached>({ prefix: "socle:session:" })].map(([key, row]) => {
          change(row);
          storage.kv.put(key, row);
          return row.socle;
        }),
      );
    await rows((row) => (row.socle = 2));
    await endpoint.hibernate();
    client.send("a");
    expect((await client.closed).code).toBe(1012);
    expect(entries()).toEqual([`socle: sessions saved by other code can't continue at ${endpoint.path}:`]);
    expect(await rows(() => {})).toEqual([2]);
  });

  it("D1: a row of the alarm in one counts as due: it is logged, and the timeouts hold", async () => {
    const endpoint = telling(new Log(), { idleTimeoutMs: 1000 });
    const client = await endpoint.connect();
    await runInDurableObject(endpoint.stub, async (_, { storage }) => {
      storage.kv.put("socle:alarm", Object.assign([0, null, 0], { socle: 2 }));
      await storage.sync();
    });
    await endpoint.hibernate();
    expect((await client.closed).code).toBe(1001);
    expect(entries()[0]).toContain("the alarm's row can't be read, so all of it counts as due");
  });
});

describe("shards", () => {
  /** A hibernating shard and its root, with the rows in storage as they were written. The root has lost its memory. */
  async function asleep(change: (rows: typeof writtenWithShards) => void = () => {}) {
    const served = serve({
      shards: 8,
      shard: () => 3,
      topics: { history: {} },
      onText: async (_: unknown, topic: string, session: Session) => {
        await session.subscribe(topic);
        await session.asyncRemote.sendText("subscribed");
      },
    });
    const client = await served.connect();
    expect(await client.ask("a")).toBe("subscribed");
    const { position } = await served.root.publish("a", "1");
    expect(await client.next()).toBe("1");
    const shard = env.Endpoints.getByName(`${served.path}#3`);
    await hibernate(shard);
    const rows = structuredClone(writtenWithShards);
    change(rows);
    const { root, shard: row } = rows;
    await runInDurableObject(served.root, (_, { storage }) => {
      for (const table of ["shards", "wants"]) storage.sql.exec(`DROP TABLE socle_${table}`);
      for (const table of root.schema) storage.sql.exec(table);
      for (const one of root.shards) storage.sql.exec("INSERT INTO socle_shards VALUES (?, ?, ?, ?)", ...one);
      for (const one of root.wants) storage.sql.exec("INSERT INTO socle_wants VALUES (?, ?, ?, ?)", ...one);
    });
    await runInDurableObject(shard, (_, { storage }) => {
      const [epoch] = position!.split(".") as [string];
      storage.kv.put("socle:shard", { ...row, places: row.places.replace("5d9f7c1e2b3a", epoch) });
    });
    await hibernate(shard);
    await drop(served.root);
    return [served, client] as const;
  }

  it("D1, S4: a root and a shard read what they had in storage", async () => {
    const [served, client] = await asleep();
    const spy = vi.spyOn(Endpoint.prototype, "socle");
    await served.root.publish("a", "2");
    expect(await client.next()).toBe("2");
    const asked = spy.mock.calls.flatMap(([told]) => (told[0] === "ask" ? told[1].questions : []));
    expect(asked).toEqual([["places", ["a"]]]);
  });

  it("D1: a root that has its shards in a form that it doesn't know publishes nothing, and says so", async () => {
    const [served] = await asleep(({ root }) => void (root.shards[0]![3] = 9));
    const publishing = runInDurableObject(served.root, (object) => failure(object.publish("a", "2")));
    expect(await publishing).toMatch(/^SessionVersionError: It was saved in form 9/);
  });

  it("D1: a shard whose row has a form that is not known asks the root anew", async () => {
    const [served, client] = await asleep(({ shard }) => void (shard.socle = 9));
    await served.root.publish("a", "2");
    expect(await client.next()).toBe("2");
  });
});
