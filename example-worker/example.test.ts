// How one's own endpoints are tested: in workerd, through the Worker, with `socle/testing`.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env as bindings, exports } from "cloudflare:workers";
import { connect, hibernate } from "socle/testing";
import { describe, expect, it } from "vitest";

import type { Chat, ChatMessage } from "./chat.ts";
import type { Env } from "./env.ts";
import { container } from "./index.ts";
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

    /** Whom the room gives these lines, and then the welcome. */
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
    // The settings, of which the first is one price at a time.
    const settings = new Uint8Array((await client.next()) as ArrayBuffer);
    expect([...settings.subarray(0, 2)]).toEqual([3, 1]);
    expect(await number()).toBe(1);
    for (let price = 2; price < 10; price++) await runDurableObjectAlarm(ticker);
    take(1);
    expect(await number()).toBeGreaterThanOrEqual(9);
    await client.close(1000);
  });
});
