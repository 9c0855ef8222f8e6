// A path over several objects: one order, one history, all sessions. Also with a root or a shard that dies, hibernates
// or can't be reached.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Endpoint, type Session, type WsEndpointMap } from "socle";
import { drop, hibernate } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import type { Client } from "./support/client.ts";
import { serve, type Served } from "./support/endpoint.ts";
import { failure, within } from "./support/inside.ts";
import { container } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => void vi.restoreAllMocks());

const entries = () => logged.mock.calls.map(([entry]) => String(entry));

/** A path whose clients choose their shard: `?2`, or `?2,name`. */
const divided = (more: WsEndpointMap<Cloudflare.Env, never> = {}) =>
  serve({
    shards: 8,
    shard: (request: Request) => Number(new URL(request.url).search.slice(1).split(",")[0]),
    onOpen: (session: Session) => ({ name: session.queryString }),
    onText: async (_: unknown, text: string, session: Session) => {
      const [what, topic, payload] = text.split(" ");
      if (what === "subscribe") await session.subscribe(topic!);
      else if (what === "publish") await session.publish(topic!, payload!);
      await session.asyncRemote.sendText(`done ${text}`);
    },
    ...more,
  });

const shardOf = ({ path }: Served, shard: number) => ({ stub: env.Endpoints.getByName(`${path}#${shard}`) });

/** As many clients as shards, one in each, subscribed to a topic. */
async function audience(served: Served, count: number, topic = "a"): Promise<Client[]> {
  const clients = await Promise.all(Array.from({ length: count }, (_, shard) => served.connect(`?${shard}`)));
  for (const client of clients) expect(await client.ask(`subscribe ${topic}`)).toBe(`done subscribe ${topic}`);
  return clients;
}

const texts = (count: number, name = "") => Array.from({ length: count }, (_, n) => `${name}${n}`);

const until = async (client: Client, last: string): Promise<string[]> => {
  const got: string[] = [];
  while (got.at(-1) !== last) got.push((await client.next()) as string);
  return got;
};

describe.each([
  ["a history", { history: {} }],
  ["no history", {}],
])("one order, %s", (_, topics) => {
  it("S2, T3: what is published in many shards at once, in the root and by RPC, comes to all in one order", async () => {
    const served = divided({ topics });
    const clients = await audience(served, 4);
    const publishing = clients.map((__, shard) =>
      within(shardOf(served, shard), (___, object) =>
        Promise.all(texts(25, `${shard}-`).map((text) => object.publish("a", text))),
      ),
    );
    const byRpc = Promise.all(texts(25, "rpc-").map((text) => container.stub(env, served.path).publish("a", text)));
    await Promise.all([...publishing, byRpc]);
    await served.root.publish("a", "end");
    const got = await Promise.all(clients.map((client) => until(client, "end")));
    expect(got[0]).toHaveLength(126);
    for (const one of got) expect(one).toEqual(got[0]);
    // The publications of each publisher are in the order of its calls.
    for (const name of ["0-", "1-", "2-", "3-", "rpc-"]) {
      expect(got[0]!.filter((text) => text.startsWith(name))).toEqual(texts(25, name));
    }
  });

  it("S2: broadcasts stand in one order with publications", async () => {
    const served = divided({ topics });
    const clients = await audience(served, 3);
    await within(shardOf(served, 1), async (__, object) => {
      for (let n = 0; n < 10; n++) {
        void object.publish("a", `p${n}`);
        object.broadcast(`b${n}`);
      }
    });
    const got = await Promise.all(clients.map((client) => until(client, "b9")));
    for (const one of got) expect(one).toEqual(texts(10).flatMap((n) => [`p${n}`, `b${n}`]));
  });

  it("S4: the root dies, again and again, and nothing comes twice or is left out", async () => {
    const served = divided({ topics });
    const clients = await audience(served, 3);
    let published = 0;
    const publishing = [0, 1, 2].map((shard) =>
      within(shardOf(served, shard), async (__, object) => {
        for (const text of texts(80, `${shard}-`)) {
          await object.publish("a", text);
          published++;
          // A task of its own, so that the root can be killed in between.
          await scheduler.wait(1);
        }
      }),
    );
    for (let deaths = 1; deaths <= 6; deaths++) {
      await vi.waitUntil(() => published >= deaths * 30, { timeout: 50_000, interval: 1 });
      await runInDurableObject(served.root, (__, state) => state.abort("crash")).catch(() => {});
    }
    await Promise.all(publishing);
    await within(shardOf(served, 0), (__, object) => object.publish("a", "end"));
    const got = await Promise.all(clients.map((client) => until(client, "end")));
    for (const one of got) {
      expect(one).toHaveLength(241);
      expect(one).toEqual(got[0]);
    }
  });
});

describe("all sessions of the path", () => {
  it("S2: a stub's broadcast, count and closing speak of all, an object's own of its own", async () => {
    const served = divided({ tags: (session) => [session.queryString] });
    const clients = await Promise.all(["?0,x", "?0,y", "?1,x", "?5,z"].map((query) => served.connect(query)));
    const stub = container.stub(env, served.path);
    expect(await stub.openSessionCount()).toBe(4);
    expect(await stub.openSessionCount("1,x")).toBe(1);
    const ids = await within(shardOf(served, 1), (all, object) => ({
      id: Object.values(all)[0]!.id,
      own: object.openSessionCount(),
      sessions: object.openSessions().size,
      beside: Object.values(all)[0]!.openSessions.size,
      reached: object.broadcast("from 1"),
    }));
    expect(ids).toMatchObject({ own: 1, sessions: 1, beside: 1, reached: 1 });
    for (const client of clients) expect(await client.next()).toBe("from 1");
    expect(await stub.broadcast("all", { except: ids.id })).toBe(3);
    expect(await stub.broadcast("tagged", { tag: "0,y" })).toBe(1);
    expect(await clients[0]!.next()).toBe("all");
    expect(await clients[1]!.take(2)).toEqual(["all", "tagged"]);
    await expect(stub.closeAll(1005)).rejects.toThrow(/1005/);
    expect(await stub.closeAll({ closeCode: 4001, reasonPhrase: "over" })).toBe(4);
    for (const client of clients) expect((await client.closed).code).toBe(4001);
    expect(await stub.openSessionCount()).toBe(0);
  });

  it("S2: what was published before arrives before the close", async () => {
    const served = divided({ topics: { history: {} } });
    const clients = await audience(served, 3);
    const stub = container.stub(env, served.path);
    void stub.publish("a", "by RPC");
    await stub.broadcast("to all");
    // Also in one turn.
    await within({ stub: served.root }, (_, object) => {
      void object.publish("a", "last words");
      return object.socle(["all", ["close", 4000, ""]], 1);
    });
    for (const client of clients) {
      expect(await client.take(3)).toEqual(["by RPC", "to all", "last words"]);
      expect((await client.closed).code).toBe(4000);
    }
  });

  it("S2: a payload that sends itself is a PayloadError in a broadcast", async () => {
    const served = divided();
    await served.connect("?0");
    const seen = await within(shardOf(served, 0), (_, object) => {
      try {
        return object.broadcast({ toString: () => "no payload" } as never);
      } catch (error) {
        return (error as Error).name;
      }
    });
    expect(seen).toBe("PayloadError");
  });
});

describe("topics of the path", () => {
  it("T7, T11: who comes back by another shard recovers, and a topic's state is that of all shards", async () => {
    const served = divided({
      topics: { history: { messages: 50 } },
      onOpen: async (session: Session) => {
        const [, since] = session.queryString.split(",");
        return session.subscribe("a", since ? { since } : { last: 2 });
      },
      onText: (subscription: object, _: string, session: Session) =>
        session.asyncRemote.sendText(JSON.stringify(subscription)),
    } as never);
    const stub = container.stub(env, served.path);
    const positions: string[] = [];
    for (const text of texts(5)) positions.push((await stub.publish("a", text)).position!);
    const clients = await Promise.all(
      ["?0", `?1,${positions[1]}`, `?2,${positions[3]}`, "?3,junk"].map((query) => served.connect(query)),
    );
    expect(await clients[0]!.take(2)).toEqual(["3", "4"]);
    expect(await clients[1]!.take(3)).toEqual(["2", "3", "4"]);
    expect(await clients[2]!.take(1)).toEqual(["4"]);
    const told = await Promise.all(clients.map((client) => client.ask("?")));
    expect(told.map((text) => JSON.parse(text as string) as object)).toEqual([
      { recovered: false, position: positions[4], replayed: 2 },
      { recovered: true, position: positions[4], replayed: 3 },
      { recovered: true, position: positions[4], replayed: 1 },
      { recovered: false, position: positions[4], replayed: 0 },
    ]);
    const state = { name: "a", position: positions[4], subscribers: 4 };
    expect(await stub.topic("a")).toEqual(state);
    const seen = await within(shardOf(served, 2), async (_, object) => ({
      state: await object.topic("a"),
      kept: (await object.publications("a", { last: 2 })).map(({ payload }) => payload),
      cleared: await object.clearTopic("a"),
      after: await object.publish("a", "new"),
    }));
    expect(seen).toMatchObject({ state, kept: ["3", "4"] });
    expect(seen.after.position).toMatch(/\.1$/);
    expect(seen.after.position!.split(".")[0]).not.toBe(positions[0]!.split(".")[0]);
    for (const client of clients) expect(await client.next()).toBe("new");
  });

  it("S5: the root forgets a shard's topic when a delivery finds nobody, and the shard when it has no sessions", async () => {
    const served = divided({ topics: { history: {} } });
    const [ann, ben] = await audience(served, 2);
    const wanted = () =>
      runInDurableObject(served.root, (_, { storage }) =>
        storage.sql
          .exec<{ shard: number }>("SELECT shard FROM socle_wants")
          .toArray()
          .map(({ shard }) => shard),
      );
    const known = () =>
      runInDurableObject(served.root, (_, { storage }) =>
        storage.sql
          .exec<{ shard: number }>("SELECT shard FROM socle_shards")
          .toArray()
          .map(({ shard }) => shard),
      );
    expect([await wanted(), await known()]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    await within(shardOf(served, 1), (all) => Object.values(all)[0]!.unsubscribe("a"));
    await served.root.publish("a", "1");
    expect(await ann!.next()).toBe("1");
    await vi.waitUntil(async () => (await wanted()).length === 1);
    expect(await known()).toEqual([0, 1]);
    // The shard says again that it wants the topic.
    await ben!.ask("subscribe a");
    await served.root.publish("a", "2");
    expect(await ben!.next()).toBe("2");
    ben!.socket.close(1000);
    await ben!.closed;
    await container.stub(env, served.path).openSessionCount();
    await vi.waitUntil(async () => (await known()).length === 1);
    expect(await wanted()).toEqual([0]);
  });

  it("S5: of many that come back at once the root is asked once or twice, not by each", async () => {
    const served = divided({
      topics: { history: {} },
      onOpen: async (session: Session) => {
        await session.subscribe("a", { since: session.queryString.split(",")[1] });
        return null;
      },
    } as never);
    const positions: string[] = [];
    for (const text of texts(50)) positions.push((await served.root.publish("a", text)).position!);
    const spy = vi.spyOn(Endpoint.prototype, "socle");
    const clients = await Promise.all(positions.map((position) => served.connect(`?0,${position}`)));
    for (const [index, client] of clients.entries()) {
      expect(await client.take(49 - index)).toEqual(texts(50).slice(index + 1));
    }
    const asked = spy.mock.calls.flatMap(([told]) => (told[0] === "ask" ? told[1].questions : []));
    expect(asked.filter(([kind]) => kind === "join" || kind === "replay").length).toBeLessThanOrEqual(2);
  });
});

describe("what can't be reached", () => {
  type Told = Parameters<Endpoint["socle"]>[0];

  /** Lets a test disturb the calls between objects: they fail before or after they arrive, come twice, or come late. */
  function disturb(how: (told: Told, call: () => Promise<unknown>, ctx: DurableObjectState) => Promise<unknown>): void {
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the object
    const { socle } = Endpoint.prototype;
    vi.spyOn(Endpoint.prototype, "socle").mockImplementation(function (this: Endpoint, told, form) {
      const { ctx } = this as unknown as { ctx: DurableObjectState };
      return how(told, () => socle.call(this, told, form), ctx);
    });
  }

  it.each([
    [
      "fails before it arrives",
      async (call: () => Promise<unknown>, n: number) => {
        if (n % 7 === 0) throw new Error("secret: lost on the way");
        return call();
      },
    ],
    [
      "fails after it has arrived",
      async (call: () => Promise<unknown>, n: number) => {
        const answer = await call();
        if (n % 7 === 0) throw new Error("secret: the answer is lost");
        return answer;
      },
    ],
    ["comes twice", async (call: () => Promise<unknown>) => (await Promise.all([call(), call()]))[0]],
    [
      "comes twice, the second time late",
      async (call: () => Promise<unknown>) => {
        const answer = await call();
        setTimeout(() => void call().catch(() => {}), 5);
        return answer;
      },
    ],
  ])("S4: a call that %s: nothing is lost, nothing comes twice", async (_, how) => {
    const served = divided({ topics: { history: (topic) => (topic === "a" ? {} : undefined) } });
    let count = 0;
    disturb((told, call) => (told[0] === "ask" || told[0] === "deliver" ? how(call, ++count) : call()));
    const clients = await audience(served, 3);
    for (const client of clients) await client.ask("subscribe b");
    await within(shardOf(served, 1), async (__, object) => {
      for (const text of texts(60)) {
        const topic = Number(text) % 2 ? "a" : "b";
        await object.publish(topic, text);
        if (Number(text) % 10 === 0) object.broadcast(`to all ${text}`);
      }
      object.broadcast("end");
    });
    const expected = texts(60).flatMap((text) => (Number(text) % 10 === 0 ? [text, `to all ${text}`] : [text]));
    for (const client of clients) expect(await until(client, "end")).toEqual([...expected, "end"]);
  });

  it("S4: a root that can't be reached: publish and subscribe reject, and what comes later goes on", async () => {
    const served = divided({ topics: { history: {} } });
    const [client] = await audience(served, 1);
    let isDown = true;
    disturb((told, call) => {
      if (isDown && told[0] === "ask") throw new Error("secret: down");
      return call();
    });
    const seen = await within(shardOf(served, 0), async (all, object) => {
      const session = Object.values(all)[0]!;
      return [await failure(object.publish("a", "1")), await failure(session.subscribe("b")), [...session.topics]];
    });
    expect(seen).toEqual([
      expect.stringMatching(/^UnreachableError: /),
      expect.stringMatching(/^UnreachableError: /),
      ["a"],
    ]);
    isDown = false;
    await within(shardOf(served, 0), (_, object) => object.publish("a", "2"));
    expect(await client!.next()).toBe("2");
  });

  it.each(["ask", "deliver"])(
    "S4: a call that has no answer in time is tried again, and nothing comes twice (%s)",
    async (way) => {
      const served = divided({ topics: { history: (topic) => (topic === "a" ? {} : undefined) } });
      const clients = await audience(served, 2);
      for (const client of clients) await client.ask("subscribe b");
      // The timeout of half a minute becomes a twentieth of a second.
      const { setTimeout: later } = globalThis;
      vi.spyOn(globalThis, "setTimeout").mockImplementation((then: () => void, ms?: number) =>
        later(then, ms === 30_000 ? 50 : ms),
      );
      let lost = 0;
      disturb((told, call) => {
        if (told[0] !== way || lost === 4) return call();
        lost++;
        // All calls but the first arrive.
        if (lost > 1) call().catch(() => {});
        return new Promise(() => {});
      });
      await within(shardOf(served, 0), async (_, object) => {
        for (const text of texts(6)) await object.publish(Number(text) % 2 ? "a" : "b", text);
        object.broadcast("end");
      });
      for (const client of clients) expect(await until(client, "end")).toEqual([...texts(6), "end"]);
      expect(lost).toBe(4);
    },
  );

  it("S4: a root that dies when it has done what it was asked, and has not answered: nothing comes twice", async () => {
    const served = divided({ topics: { history: (topic) => (topic === "a" ? {} : undefined) } });
    const clients = await audience(served, 2);
    for (const client of clients) await client.ask("subscribe b");
    const left = new Set(["publish a", "publish b", "broadcast"]);
    disturb(async (told, call, ctx) => {
      const answer = await call();
      const questions = told[0] === "ask" ? told[1].questions : [];
      const what = questions.map(([kind, topic]) => (kind === "publish" ? `publish ${topic}` : kind));
      // The deliveries of the call arrive before the crash.
      if (what.some((one) => left.delete(one))) await scheduler.wait(20).then(() => ctx.abort("crash"));
      return answer;
    });
    await within(shardOf(served, 0), async (_, object) => {
      await object.publish("a", "1");
      await object.publish("b", "2");
      object.broadcast("3");
      await object.publish("a", "4");
      await object.publish("b", "5");
      object.broadcast("end");
    });
    expect([...left]).toEqual([]);
    for (const client of clients) expect(await until(client, "end")).toEqual(["1", "2", "3", "4", "5", "end"]);
    expect((await served.root.publications("a")).map(({ payload }) => payload)).toEqual(["1", "4"]);
  });

  it("S4: what a shard has missed comes before anything newer, also of what it has not missed", async () => {
    const served = divided({ topics: { history: {} } });
    const clients = await audience(served, 2);
    let isDown = true;
    disturb((told, call) => {
      if (isDown && told[0] === "deliver") throw new Error("secret: down");
      return call();
    });
    await served.root.publish("a", "1");
    await vi.waitUntil(() => entries().filter((entry) => entry.includes("can't be reached")).length === 2);
    isDown = false;
    await container.stub(env, served.path).broadcast("end");
    for (const client of clients) expect(await until(client, "end")).toEqual(["1", "end"]);
  });

  it("S4: a shard that can't be reached for a while gets from the history what it has missed", async () => {
    const served = divided({ topics: { history: {} } });
    const [ann, ben] = await audience(served, 2);
    let isDown = true;
    disturb((told, call) => {
      if (isDown && told[0] === "deliver") throw new Error("secret: down");
      return call();
    });
    for (const text of ["1", "2", "3"]) await served.root.publish("a", text);
    await vi.waitUntil(() => entries().some((entry) => entry.includes("can't be reached")));
    isDown = false;
    await served.root.publish("a", "4");
    expect(await until(ann!, "4")).toEqual(["1", "2", "3", "4"]);
    expect(await until(ben!, "4")).toEqual(["1", "2", "3", "4"]);
  });
});

describe("a slow shard", () => {
  /** Holds a shard while it handles its first delivery. */
  function hold() {
    const { promise, resolve } = Promise.withResolvers<void>();
    const sizes: number[] = [];
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the object
    const { socle } = Endpoint.prototype;
    vi.spyOn(Endpoint.prototype, "socle").mockImplementation(async function (this: Endpoint, told, form) {
      if (told[0] === "deliver") {
        sizes.push(told[1].deliveries.length);
        if (sizes.length === 1) await promise;
      }
      return socle.call(this, told, form);
    });
    return { sizes, release: resolve };
  }

  it("S3: what comes while a shard works on what it was given goes together, in one call", async () => {
    const served = divided({ topics: { history: {} } });
    const [client] = await audience(served, 1);
    const { sizes, release } = hold();
    for (const text of texts(50)) await served.root.publish("a", text);
    expect(sizes).toEqual([1]);
    release();
    expect(await until(client!, "49")).toEqual(texts(50));
    expect(sizes).toEqual([1, 49]);
  });

  it("S3: past the bound a publish is refused before it is kept; of a history it waits there", async () => {
    const served = divided({ topics: { history: (topic) => (topic === "a" ? {} : undefined) } });
    const [client] = await audience(served, 1);
    await client!.ask("subscribe b");
    const { release } = hold();
    const text = (n: number) => `${n}`.padEnd(1_000_000, ".");
    const refused = await within({ stub: served.root }, async (_, object) => {
      const publishing = Array.from({ length: 20 }, (__, n) => failure(object.publish("b", text(n))));
      const all = await Promise.all(publishing);
      const kept = await object.publish("a", text(100));
      const excepted = await failure(object.publish("a", text(101), { except: "somebody" }));
      let broadcast = "";
      try {
        object.broadcast(text(102));
      } catch (error) {
        broadcast = (error as Error).name;
      }
      const there = (await object.publications("a")).map(({ position }) => position);
      return { all: all.map((one) => one.slice(0, 27)), excepted, broadcast, isKept: there.join() === kept.position };
    });
    const went = refused.all.filter((one) => one === "nothing").length;
    expect(went).toBeGreaterThan(10);
    expect(refused.all.slice(went)).toEqual(Array.from({ length: 20 - went }, () => "OverloadedError: Overloaded"));
    expect(refused).toMatchObject({ excepted: expect.stringMatching(/^OverloadedError: /), isKept: true });
    expect(refused.broadcast).toBe("OverloadedError");
    release();
    expect(await until(client!, text(100))).toEqual([...texts(went).map(Number), 100].map(text));
    await served.root.publish("b", "and on");
    expect(await client!.next()).toBe("and on");
  });

  it("S3: what waits for all shards together is bounded too, each thing once", async () => {
    const served = divided({});
    const names = ["a", "b", "c"];
    const clients = await Promise.all(names.map((_, shard) => served.connect(`?${shard}`)));
    for (const [shard, client] of clients.entries()) {
      for (const topic of [names[shard]!, "all"]) await client.ask(`subscribe ${topic}`);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the object
    const { socle } = Endpoint.prototype;
    vi.spyOn(Endpoint.prototype, "socle").mockImplementation(async function (this: Endpoint, told, form) {
      if (told[0] === "deliver") await promise;
      return socle.call(this, told, form);
    });
    const text = (n: number) => `${n}`.padEnd(1_000_000, ".");
    const seen = await within({ stub: served.root }, async (_, object) => {
      const publish = (topic: string, count: number) =>
        Promise.all(Array.from({ length: count }, (__, n) => failure(object.publish(topic, text(n)))));
      // This topic goes to three shards, and counts once for all of them.
      const together = await publish("all", 4);
      const alone = [await publish("a", 11), await publish("b", 11), await publish("c", 11)];
      return [...together, ...alone.flat()].map((one) => one.slice(0, 15));
    });
    expect(seen.filter((one) => one === "nothing")).toHaveLength(33);
    expect(seen.slice(33)).toEqual(["OverloadedError", "OverloadedError", "OverloadedError", "OverloadedError"]);
    resolve();
    expect(await clients[2]!.take(11)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6].map(text));
    await served.root.publish("c", "and on");
    expect(await clients[2]!.next()).toBe("and on");
  });

  it("S3, S6: what a shard was given together leaves other events their time between", async () => {
    const seen: unknown[] = [];
    const envelope = ({ payload }: { payload: string | ArrayBuffer }) => {
      seen.push(payload);
      if (payload === "9") setTimeout(() => seen.push("another event"), 0);
      return payload;
    };
    const served = divided({ topics: { history: {}, envelope } });
    const clients = await Promise.all(Array.from({ length: 60 }, () => served.connect("?0")));
    for (const client of clients) await client.ask("subscribe a");
    const { release } = hold();
    for (const text of texts(40)) await served.root.publish("a", text);
    release();
    for (const client of clients) expect(await until(client, "39")).toEqual(texts(40));
    expect(seen.indexOf("another event")).toBeGreaterThan(0);
    expect(seen.indexOf("another event")).toBeLessThan(seen.indexOf("39"));
  });
});

describe("hibernation", () => {
  it("S4: a shard that has slept goes on where it was, also when the root died meanwhile", async () => {
    const served = divided({ topics: { history: {} } });
    const clients = await audience(served, 2);
    await served.root.publish("a", "1");
    for (const client of clients) expect(await client.next()).toBe("1");
    for (const shard of [0, 1]) await hibernate(shardOf(served, shard).stub);
    await served.root.publish("a", "2");
    for (const client of clients) expect(await client.next()).toBe("2");
    for (const shard of [0, 1]) await hibernate(shardOf(served, shard).stub);
    await drop(served.root);
    await served.root.publish("a", "3");
    for (const client of clients) expect(await client.next()).toBe("3");
    expect(await served.root.topic("a")).toMatchObject({ subscribers: 2 });
  });

  it("S4: a shard that slept while the root could not reach it, and died, gets what it missed", async () => {
    const served = divided({ topics: { history: {} } });
    const [client] = await audience(served, 1);
    await served.root.publish("a", "1");
    expect(await client!.next()).toBe("1");
    await hibernate(shardOf(served, 0).stub);
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the object
    const { socle } = Endpoint.prototype;
    const spy = vi.spyOn(Endpoint.prototype, "socle").mockImplementation(async function (this: Endpoint, told, form) {
      if (told[0] === "deliver") throw new Error("secret: down");
      return socle.call(this, told, form);
    });
    await served.root.publish("a", "2");
    await vi.waitUntil(() => entries().some((entry) => entry.includes("can't be reached")));
    await hibernate(shardOf(served, 0).stub);
    await drop(served.root);
    spy.mockRestore();
    await served.root.publish("a", "3");
    expect(await until(client!, "3")).toEqual(["2", "3"]);
  });

  it("S5: nothing is polled: with nothing to do no object makes a call, and the root may be gone", async () => {
    const served = divided({ topics: { history: {} } });
    const clients = await audience(served, 2);
    await served.root.publish("a", "1");
    for (const client of clients) expect(await client.next()).toBe("1");
    const spy = vi.spyOn(Endpoint.prototype, "socle");
    for (const shard of [0, 1]) await hibernate(shardOf(served, shard).stub);
    await drop(served.root);
    expect(await clients[0]!.ask("hello")).toBe("done hello");
    expect(spy).not.toHaveBeenCalled();
  });

  it("S4: a shard that is reset has lost its clients, which come back to what they missed", async () => {
    const served = divided({
      topics: { history: {} },
      onOpen: async (session: Session) => session.subscribe("a", { since: session.queryString.split(",")[1] }),
    } as never);
    const [ann, ben] = [await served.connect("?0"), await served.connect("?1")];
    const { position } = await served.root.publish("a", "1");
    expect([await ann.next(), await ben.next()]).toEqual(["1", "1"]);
    await runInDurableObject(shardOf(served, 1).stub, (_, state) => state.abort("crash")).catch(() => {});
    await ben.closed;
    await served.root.publish("a", "2");
    expect(await ann.next()).toBe("2");
    const back = await served.connect(`?1,${position}`);
    expect(await back.next()).toBe("2");
  });
});

describe("S9", () => {
  it("S9: a publish from onClose in the recovery after a crash waits for nothing that waits for the object", async () => {
    const served = divided({
      trackSessions: true,
      topics: { history: {} },
      onClose: async (_: unknown, session: Session) => {
        await session.publish("a", `${session.queryString} left`);
      },
    });
    const ann = await served.connect("?0");
    await ann.ask("subscribe a");
    await served.connect("?1,ben");
    await drop(shardOf(served, 1).stub);
    const begun = Date.now();
    const carl = await served.connect("?1,carl");
    expect(await ann.next()).toBe("1,ben left");
    expect(Date.now() - begun).toBeLessThan(9000);
    expect(await carl.ask("hello")).toBe("done hello");
  });
});
