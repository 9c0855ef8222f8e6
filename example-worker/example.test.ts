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
    expect(parse(await bob.next())).toMatchObject({ members: ["Ann", "Bob"], history: [{ text: "anybody?" }] });
    expect(parse(await ann.next())).toEqual({ type: "joined", name: "Bob" });
    expect(await room.facts()).toMatchObject({ sessions: 2, messages: 1, wakes: 2 });

    await bob.close(1000);
    expect(parse(await ann.next())).toEqual({ type: "left", name: "Bob" });
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
    // The settings: one price at a time.
    expect(await client.next()).toEqual(new Uint8Array([3, 1]).buffer);
    expect(await number()).toBe(1);
    for (let price = 2; price < 10; price++) await runDurableObjectAlarm(ticker);
    take(1);
    expect(await number()).toBeGreaterThanOrEqual(9);
    await client.close(1000);
  });
});
