// How you test your own endpoints: in workerd, through the Worker, with `socle/testing`.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env as bindings, exports } from "cloudflare:workers";
import { connect, drop, hibernate, type Client } from "socle/testing";
import { describe, expect, it, vi } from "vitest";

import type { Chat, ChatMessage } from "./chat.ts";
import type { Crowd, CrowdMessage } from "./crowd.ts";
import type { Env } from "./env.ts";
import { container } from "./index.ts";
import type { Memory, Sleeper } from "./sleeper.ts";
import type { Price, Ticker } from "./ticker.ts";

const env = bindings as unknown as Env;

const parse = (message: string | ArrayBuffer) => JSON.parse(message as string) as ChatMessage;
const say = (text: string) => JSON.stringify({ type: "message", text });

describe("a room", () => {
  it("knows its members and its history after it has slept", async () => {
    const room = container.stub<Chat>(env, "/chat/lobby");
    const ann = await connect(exports.default, "/chat/lobby?name=Ann");
    expect(parse(await ann.next())).toMatchObject({ type: "welcome", members: ["Ann"] });
    expect(parse(await ann.ask(say("anybody?")))).toMatchObject({ type: "message", name: "Ann", text: "anybody?" });

    await hibernate(room);

    const bob = await connect(exports.default, "/chat/lobby?name=Bob");
    expect(parse(await bob.next())).toMatchObject({ type: "message", name: "Ann", text: "anybody?" });
    expect(parse(await bob.next())).toMatchObject({ type: "welcome", members: ["Ann", "Bob"] });
    expect(parse(await ann.next())).toEqual({ type: "joined", name: "Bob" });
    expect(await room.facts()).toMatchObject({ sessions: 2, messages: 1, wakes: 2 });

    await bob.close(1000);
    expect(parse(await ann.next())).toEqual({ type: "left", name: "Bob" });
    await ann.close(1000);
  });

  it("gives who comes back what was missed, also after it has slept, and who was away for too long the newest", async () => {
    const room = container.stub<Chat>(env, "/chat/annals");
    const ann = await connect(exports.default, "/chat/annals?name=Ann");
    const { position: empty } = parse(await ann.next()) as ChatMessage & { position: string };
    const lines = ["one", "two"];
    for (const text of lines) await ann.ask(say(text));
    const [, { position: one }] = ann.messages.map(parse) as { position: string }[] as [unknown, { position: string }];

    await hibernate(room);

    /** Joins, and expects these lines and then the welcome. */
    const back = async (since: string, texts: string[], recovered: boolean) => {
      const bob = await connect(exports.default, `/chat/annals?name=Bob&since=${since}`);
      for (const text of texts) expect(parse(await bob.next())).toMatchObject({ type: "message", text });
      expect(parse(await bob.next())).toMatchObject({ type: "welcome", recovered });
      await bob.close(1000);
    };
    await back(empty, lines, true);
    await back(one, ["two"], true);
    await back("elsewhere.7", lines, false);

    for (let count = 0; count < 500; count++) await room.publish("lines", say(`${count}`));
    expect((await room.facts()).messages).toBe(500);
    const newest = Array.from({ length: 50 }, (_, index) => `${450 + index}`);
    await back(one, newest, false);
    await ann.close(1000);
  });

  it("asks for a name before any object wakes", async () => {
    await expect(connect(exports.default, "/chat/lobby")).rejects.toMatchObject({ response: { status: 400 } });
  });
});

describe("a ticker", () => {
  it("has an alarm as long as somebody listens", async () => {
    const ticker = container.stub<Ticker>(env, "/ticker/ABC");
    const client = await connect(exports.default, "/ticker/ABC");
    expect(JSON.parse((await client.next()) as string)).toMatchObject({ symbol: "ABC", number: 1, price: 100 });
    expect(await ticker.isTicking()).toBe(true);

    await hibernate(ticker);
    await runDurableObjectAlarm(ticker);
    expect(JSON.parse((await client.next()) as string)).toMatchObject({ symbol: "ABC" });

    await client.close(1000);
    await expect.poll(() => ticker.isTicking()).toBe(false);
  });

  it("skips prices for a subscriber that is slow to take them", async () => {
    const ticker = container.stub<Ticker>(env, "/ticker/SLOW");
    const client = await connect(exports.default, "/ticker/SLOW", { protocols: "socle.v1" });
    const number = async () => (JSON.parse((await client.next()) as string) as Price).number;
    const take = (count: number) => client.send(new Uint8Array([2, count]));
    // The settings. The first one is the window: one price at a time.
    const settings = new Uint8Array((await client.next()) as ArrayBuffer);
    expect([...settings.subarray(0, 2)]).toEqual([3, 1]);
    expect(await number()).toBe(1);
    for (let price = 2; price < 10; price++) await runDurableObjectAlarm(ticker);
    take(1);
    expect(await number()).toBeGreaterThanOrEqual(9);
    await client.close(1000);
  });
});

describe("what a page shows to its visitor", () => {
  it("R11: is a slow handler that answers in order", async () => {
    const client = await connect(exports.default, "/order/visitor1");
    const messages = ["1", "2", "3", "4", "5"];
    for (const message of messages) client.send(message);
    for (const message of messages) expect(await client.next()).toBe(message);
    await client.close(1000);
  });

  it("R20: is an object that forgets its fields as it sleeps, and neither the session object nor the history", async () => {
    const sleeper = container.stub<Sleeper>(env, "/sleeper/visitor1");
    const client = await connect(exports.default, "/sleeper/visitor1");
    const ask = async () => JSON.parse((await client.ask("note")) as string) as Memory;
    expect(await ask()).toEqual({ field: 1, session: 1, history: 1 });
    expect(await ask()).toEqual({ field: 2, session: 2, history: 2 });
    await hibernate(sleeper);
    expect(await ask()).toEqual({ field: 1, session: 3, history: 3 });
    await client.close(1000);
  });

  it("T7: is a topic that gives who comes back what was missed", async () => {
    const relay = container.stub(env, "/relay/visitor1");
    const publisher = await connect(exports.default, "/relay/visitor1");
    expect(await publisher.ask("one")).toBe("one");
    const { position } = await relay.topic("numbers");
    for (const number of ["two", "three"]) expect(await publisher.ask(number)).toBe(number);
    const seen = btoa(JSON.stringify({ numbers: position })).replaceAll("=", "");
    const protocols = ["socle.v1", `socle.topics.${seen}`];
    const client = await connect(exports.default, "/relay/visitor1", { protocols });
    const texts: string[] = [];
    while (!texts.at(-1)?.includes("three")) {
      const message = await client.next();
      texts.push(typeof message === "string" ? message : new TextDecoder().decode(message));
    }
    expect(texts.join().match(/one|two|three/g)).toEqual(["two", "three"]);
    await Promise.all([publisher.close(1000), client.close(1000)]);
  });
});

describe("a crowd", () => {
  const heard = async (client: Client) => JSON.parse((await client.next()) as string) as CrowdMessage;

  /** Connects listeners to a hall. Each knows its shard. */
  const gather = (hall: string, count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const client = await connect(exports.default, `/crowd/${hall}`, { timeoutMs: 30_000 });
        const { shard } = (await heard(client)) as { shard: number };
        return { client, shard };
      }),
    );

  const announce = (hall: string, body: string | null, headers: Record<string, string> = {}, method = "POST") =>
    exports.default.fetch(new Request(`https://socle.test/crowd/${hall}`, { method, body, headers }));

  it("S1, S2, S7: grows into shards, none of them over full, and all hear all cheers in one order, which the root counts", async () => {
    const listeners = await gather("arena", 60);
    const places: Record<number, number> = {};
    for (const { shard } of listeners) places[shard] = (places[shard] ?? 0) + 1;
    expect(Object.keys(places).length).toBeGreaterThanOrEqual(3);
    expect(Math.max(...Object.values(places))).toBeLessThanOrEqual(25);
    expect(await container.stub<Crowd>(env, "/crowd/arena").openSessionCount()).toBe(60);

    // Listeners in all shards cheer at once.
    for (const { client } of listeners) client.send("round");
    const all = await Promise.all(
      listeners.map(async ({ client }) => {
        const cheers = [];
        for (let count = 0; count < listeners.length; count++) cheers.push(await heard(client));
        return cheers as { number: number; shard: number }[];
      }),
    );
    expect(all[0]!.map(({ number }) => number)).toEqual(listeners.map((_, index) => index + 1));
    const cheered = (shard: number) => all[0]!.filter((cheer) => cheer.shard === shard).length;
    for (const [shard, listening] of Object.entries(places)) expect(cheered(Number(shard))).toBe(listening);
    for (const cheers of all) expect(cheers).toEqual(all[0]);
    await Promise.all(listeners.map(({ client }) => client.close(1000)));
  });

  it("S4, S7: goes on counting after the root has slept, and after it was lost", async () => {
    const root = container.stub<Crowd>(env, "/crowd/annals");
    const [ann, bob] = (await gather("annals", 2)).map(({ client }) => client) as [Client, Client];
    const numbers = [];
    for (const end of [undefined, hibernate, drop]) {
      await end?.(root);
      ann.send("round");
      numbers.push([await heard(ann), await heard(bob)].map((cheer) => (cheer as { number: number }).number));
    }
    expect(numbers).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    await Promise.all([ann.close(1000), bob.close(1000)]);
  });

  it("T9: gives who comes back the cheers of meanwhile", async () => {
    const root = container.stub<Crowd>(env, "/crowd/return");
    await root.cheer(0, "before");
    const { position } = await root.topic("cheers");
    await root.cheer(0, "one");
    await root.cheer(0, "two");
    const seen = btoa(JSON.stringify({ cheers: position })).replaceAll("=", "");
    const client = await connect(exports.default, "/crowd/return", { protocols: ["socle.v1", `socle.topics.${seen}`] });
    const texts: string[] = [];
    while (!texts.at(-1)?.includes("welcome")) {
      const message = await client.next();
      texts.push(typeof message === "string" ? message : new TextDecoder().decode(message));
    }
    expect(Array.from(texts.join().matchAll(/"round":"(\w+)"/g), ([, round]) => round)).toEqual(["one", "two"]);
    await client.close(1000);
  });

  it("S2: hears what is announced in the root, by the Worker's own pages and once a second", async () => {
    const listeners = await gather("market", 30);
    expect(new Set(listeners.map(({ shard }) => shard)).size).toBeGreaterThan(1);
    const now = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(now);
    expect((await announce("market", "hello", { Origin: "https://socle.test" })).status).toBe(204);
    for (const { client } of listeners)
      expect(await heard(client)).toMatchObject({ type: "announcement", text: "hello" });

    const refused = [
      announce("market", "hello", { Origin: "https://elsewhere.test" }),
      announce("market", "x".repeat(401)),
      announce("market", " "),
      announce("No Hall", "hello"),
      announce("market", null, {}, "GET"),
      announce("market", "too soon"),
    ];
    expect((await Promise.all(refused)).map(({ status }) => status)).toEqual([403, 413, 400, 404, 405, 429]);
    clock.mockReturnValue(now + 1000);
    expect((await announce("market", "again")).status).toBe(204);
    clock.mockRestore();
    for (const { client } of listeners) expect(await heard(client)).toMatchObject({ text: "again" });
    await Promise.all(listeners.map(({ client }) => client.close(1000)));
  });

  it("opens no hall for a page of another origin, or of a name that is none", async () => {
    const headers = { Origin: "https://elsewhere.test" };
    await expect(connect(exports.default, "/crowd/arena", { headers })).rejects.toMatchObject({
      response: { status: 403 },
    });
    await expect(connect(exports.default, "/crowd/No")).rejects.toMatchObject({ response: { status: 400 } });
  });
});
