// The bugs that the random sequences of test/shards-model.test.ts have found, one test for each.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Endpoint, type Session, type WsEndpointMap } from "socle";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { rowsOf } from "./support/alarm.ts";
import { hibernate } from "./support/client.ts";
import { serve, type Served } from "./support/endpoint.ts";
import { within } from "./support/inside.ts";
import { container } from "./support/worker.ts";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

/**
 * A path whose clients choose their shard: `?2`. A text subscribes to the topic of that name; with a "-" before it, it
 * unsubscribes.
 */
const divided = (more: WsEndpointMap<Cloudflare.Env, never> = {}) =>
  serve({
    shards: 8,
    shard: (request: Request) => Number(new URL(request.url).search.slice(1).split(",")[0]),
    onText: async (_: unknown, text: string, session: Session) => {
      if (text.startsWith("-")) session.unsubscribe(text.slice(1));
      else await session.subscribe(text);
      await session.asyncRemote.sendText(`done ${text}`);
    },
    ...more,
  });

const shardOf = ({ path }: Served, shard: number) => ({ stub: env.Endpoints.getByName(`${path}#${shard}`) });

it("S5: a shard whose sessions have all gone, as the root heard, is subscribed anew with its next ones", async () => {
  const served = divided({ topics: { history: {} } });
  const stub = container.stub(env, served.path);
  const ann = await served.connect("?0");
  await ann.ask("a");
  await ann.close(1000);
  await vi.waitUntil(async () => (await within(shardOf(served, 0), (all) => Object.keys(all))).length === 0);
  expect(await stub.openSessionCount()).toBe(0);
  const ben = await served.connect("?0");
  await ben.ask("a");
  await stub.publish("a", "new");
  expect(await ben.next()).toBe("new");
});

it("S5: nothing stays in the storage of a shard whose sessions have all gone", async () => {
  const served = divided({ topics: { history: {} } });
  const ann = await served.connect("?0");
  await ann.ask("a");
  await ann.close(1000);
  await vi.waitUntil(async () => (await within(shardOf(served, 0), (all) => Object.keys(all))).length === 0);
  expect(await container.stub(env, served.path).openSessionCount()).toBe(0);
  await vi.waitUntil(async () => (await rowsOf(shardOf(served, 0).stub)).length === 0, { timeout: 30_000 });
});

it("S5: a topic without a history that all of a shard have left, and one comes to again, goes on being wanted", async () => {
  const served = divided();
  const stub = container.stub(env, served.path);
  const ann = await served.connect("?0");
  await ann.ask("a");
  for (const text of ["1", "2", "3", "4"]) {
    if (text < "3") {
      await ann.ask("-a");
      await ann.ask("a");
    }
    await stub.publish("a", text);
    expect(await ann.next()).toBe(text);
    // After this call, the root has the answer to the delivery.
    await stub.openSessionCount();
  }
});

/** Opens a session in shard 0, and returns it with its path. */
async function alone(topics: object) {
  const served = divided({ topics });
  const ann = await served.connect("?0");
  const inside = <R>(use: (session: Session) => Promise<R>) =>
    within(shardOf(served, 0), (all) => use(Object.values(all)[0]!));
  return { served, ann, inside };
}

it("T1: who leaves while a second subscribe waits gets nothing more, and can subscribe again", async () => {
  const { served, ann, inside } = await alone({ history: {} });
  const again = await inside(async (session) => {
    await session.subscribe("a");
    void session.publish("a", "1");
    const second = session.subscribe("a");
    session.unsubscribe("a");
    await second;
    await session.publish("a", "2");
    return session.subscribe("a", { last: 1 });
  });
  expect(again.replayed).toBe(1);
  await container.stub(env, served.path).publish("a", "3");
  expect(await ann.take(3)).toEqual(["1", "2", "3"]);
});

it("T1: of two subscribes with an unsubscribe between the second says what is replayed", async () => {
  const { served, ann, inside } = await alone({ history: {} });
  for (const text of ["1", "2"]) await container.stub(env, served.path).publish("a", text);
  const results = await inside((session) => {
    const first = session.subscribe("a");
    session.unsubscribe("a");
    return Promise.all([first, session.subscribe("a", { last: 2 })]);
  });
  expect(results.map(({ replayed }) => replayed)).toEqual([0, 2]);
  expect(await ann.take(2)).toEqual(["1", "2"]);
});

it.each(["hibernates", "is ended"])(
  "T1: a position that is gone is answered by a shard that %s behind the last delivery",
  async (how) => {
    const { served, ann, inside } = await alone({ history: {} });
    await ann.ask("a");
    await container.stub(env, served.path).publish("a", "1");
    expect(await ann.next()).toBe("1");
    const { stub } = shardOf(served, 0);
    if (how === "hibernates") await hibernate(stub);
    else await runInDurableObject(stub, (_, state) => state.abort("crash")).catch(() => {});
    if (how === "is ended") await served.connect("?0");
    const subscription = await inside((session) => session.subscribe("b", { since: "0123456789ab.5" }));
    expect(subscription).toMatchObject({ recovered: false, replayed: 0 });
  },
);

/** Deliveries to shards, or only the answers to them, wait until it is called. */
function hold(what: "deliveries" | "answers" = "deliveries"): () => void {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the object
  const { socle } = Endpoint.prototype;
  const gate = { isHeld: true };
  vi.spyOn(Endpoint.prototype, "socle").mockImplementation(async function (this: Endpoint, told, form) {
    const released = async () => {
      while (gate.isHeld && told[0] === "deliver") await scheduler.wait(1);
    };
    if (what === "deliveries") await released();
    const answer = await socle.call(this, told, form);
    await released();
    return answer;
  });
  return () => void (gate.isHeld = false);
}

/** Ben subscribes while deliveries are held: one from before, perhaps a clear, and two that his shard publishes. */
async function subscribeWhileHeld(isCleared: boolean) {
  const served = divided({ topics: { history: {} } });
  const stub = container.stub(env, served.path);
  const ann = await served.connect("?0,ann");
  const ben = await served.connect("?0,ben");
  await ann.ask("a");
  const release = hold();
  void stub.publish("a", "0");
  if (isCleared) await stub.clearTopic("a");
  const subscribing = within(shardOf(served, 0), async (all, object) => {
    void object.publish("a", "1");
    void object.publish("a", "2");
    return all["0,ben"]!.subscribe("a", { last: 1000 });
  });
  await vi.waitUntil(async () => (await stub.publications("a")).length === (isCleared ? 2 : 3));
  release();
  const subscription = await subscribing;
  await stub.publish("a", "3");
  return { ann, ben, subscription };
}

it("T7: who subscribes while a clear is on its way gets what came behind it, and who was there misses nothing", async () => {
  const { ann, ben, subscription } = await subscribeWhileHeld(true);
  expect(subscription).toMatchObject({ recovered: false, replayed: 2 });
  expect(await ann.take(4)).toEqual(["0", "1", "2", "3"]);
  expect(await ben.take(3)).toEqual(["1", "2", "3"]);
});

it("T11: a shard that died when a clear had come subscribes to the topic as it is now, with deliveries on their way", async () => {
  const served = divided({ topics: { history: {} } });
  const stub = container.stub(env, served.path);
  const ann = await served.connect("?0,ann");
  const shard = shardOf(served, 0).stub;
  await ann.ask("a");
  await vi.waitUntil(() =>
    runInDurableObject(shard, (_, { storage }) =>
      /\["a"/.test(JSON.stringify([...storage.kv.list()]).replaceAll("\\", "")),
    ),
  );
  const { position } = await stub.publish("a", "0");
  expect(await ann.next()).toBe("0");
  // The shard's row does not have this one, because it came so soon after another.
  await stub.clearTopic("a");
  expect(await stub.openSessionCount()).toBe(1);
  await runInDurableObject(shard, (_, state) => state.abort("crash")).catch(() => {});
  await served.connect("?0,ben");
  const release = hold();
  const broadcasting = stub.broadcast("all");
  // oxlint-disable-next-line typescript/unbound-method -- it is looked at
  const { mock } = vi.mocked(Endpoint.prototype.socle);
  await vi.waitUntil(() => mock.calls.some(([told]) => told[0] === "deliver"));
  const subscribing = within(shardOf(served, 0), async (all) => {
    const subscription = all["0,ben"]!.subscribe("a", { since: position });
    // This question comes after the subscription, and is answered.
    await all["0,ben"]!.subscribe("c");
    release();
    return subscription;
  });
  const subscription = await subscribing;
  await broadcasting;
  const next = await stub.publish("a", "1");
  expect(subscription).toEqual({ recovered: false, position: next.position!.replace(/1$/, "0"), replayed: 0 });
});

it("T2: who is excepted gets nothing while another of its shard subscribes behind a clear", async () => {
  const served = divided({ topics: { history: {} } });
  const stub = container.stub(env, served.path);
  const ann = await served.connect("?0,ann");
  await served.connect("?0,ben");
  await ann.ask("a");
  const inside = <R>(use: (all: Record<string, Session>) => R) => within(shardOf(served, 0), (all) => use(all));
  const except = await inside((all) => all["0,ann"]!.id);
  const release = hold("answers");
  await stub.clearTopic("a");
  await stub.publish("a", "1", { except });
  const subscribing = inside(async (all) => {
    const subscription = all["0,ben"]!.subscribe("a", { since: "0123456789ab.5" });
    // The shard asks this after the first question, and gets an answer.
    await all["0,ben"]!.subscribe("c");
    release();
    return subscription;
  });
  expect(await subscribing).toMatchObject({ recovered: false });
  await stub.publish("a", "2");
  expect(await ann.next()).toBe("2");
});

it("T3: who is about to be subscribed gets nothing before it has its place, also when a shard first looks who is", async () => {
  const { ann, ben, subscription } = await subscribeWhileHeld(false);
  expect(subscription).toMatchObject({ recovered: false, replayed: 3 });
  expect(await ben.take(4)).toEqual(["0", "1", "2", "3"]);
  expect(await ann.take(4)).toEqual(["0", "1", "2", "3"]);
});

it.each([
  ["a history", { history: {} }],
  ["no history", {}],
])("S4: a session that slept gets what comes while another of its shard subscribes, %s", async (_, topics) => {
  const served = divided({ topics });
  const stub = container.stub(env, served.path);
  const ann = await served.connect("?0,ann");
  const ben = await served.connect("?0,ben");
  await ann.ask("a");
  // The root now knows that the shard has the topic's deliveries.
  await stub.publish("a", "0");
  expect(await ann.next()).toBe("0");
  await hibernate(shardOf(served, 0).stub);
  await Promise.all([ben.ask("a"), stub.publish("a", "1")]);
  await stub.publish("a", "2");
  expect(await ann.take(2)).toEqual(["1", "2"]);
});

it("T7: who comes back to a shard that is behind the one that it left misses nothing, and gets nothing twice", async () => {
  const served = divided({ topics: { history: {} } });
  const stub = container.stub(env, served.path);
  const ann = await served.connect("?0,ann");
  const ben = await served.connect("?0,ben");
  await ann.ask("a");
  const release = hold();
  const { position } = await stub.publish("a", "1");
  const subscribing = within(shardOf(served, 0), (all) => all["0,ben"]!.subscribe("a", { since: position! }));
  release();
  expect(await subscribing).toEqual({ recovered: true, position, replayed: 0 });
  await stub.publish("a", "2");
  expect(await ben.next()).toBe("2");
});
