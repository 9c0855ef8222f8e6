// The answers to pings under `hibernate: false`, where it is Socle that gives them.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import type { Client } from "./support/client.ts";
import { standard } from "./support/endpoint.ts";

afterEach(() => void vi.useRealTimers());

const pings = (count: number) => Array.from({ length: count }, () => "ping");

/** How many pings were answered by now: the endpoint sends all other texts back. */
async function answers(client: Client): Promise<number> {
  client.send("now");
  let count = 0;
  for (let text; (text = await client.next()) !== "now"; count++) expect(text).toBe("pong");
  return count;
}

/** Time stands still, unless it is told to pass. */
function serve() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  const endpoint = standard.serve({
    autoResponse: { request: "ping", response: "pong" },
    onText: (_, text, { asyncRemote }) => asyncRemote.sendText(text),
  });
  /** Timers fire in the object that set them. */
  const pass = (milliseconds: number) =>
    runInDurableObject(endpoint.stub, () => void vi.advanceTimersByTime(milliseconds));
  return { endpoint, pass };
}

it("P20: twenty pings are answered at once, and those behind them by one answer a second later", async () => {
  const { endpoint, pass } = serve();
  const client = await endpoint.connect();
  client.send(...pings(30));
  expect(await answers(client)).toBe(20);
  await pass(999);
  expect(await answers(client)).toBe(0);
  await pass(1);
  expect(await answers(client)).toBe(1);
  await pass(60_000);
  expect(await answers(client)).toBe(0);
});

it("P20: a ping each second is answered at once, for as long as it likes, and so are twenty after a pause", async () => {
  const { endpoint, pass } = serve();
  const client = await endpoint.connect();
  for (let count = 0; count < 60; count++) {
    client.send("ping");
    expect(await answers(client)).toBe(1);
    await pass(1000);
  }
  client.send(...pings(20));
  expect(await answers(client)).toBe(20);
});

it("P20: each session has answers of its own, and an answer that is due ends with it", async () => {
  const { endpoint, pass } = serve();
  const [client, other] = [await endpoint.connect(), await endpoint.connect()];
  client.send(...pings(30));
  expect(await answers(client)).toBe(20);
  other.send("ping");
  expect(await answers(other)).toBe(1);
  const timers = () => runInDurableObject(endpoint.stub, () => vi.getTimerCount());
  const before = await timers();
  await client.close(1000);
  expect(await timers()).toBeLessThan(before);
  await pass(1000);
  expect(await answers(other)).toBe(0);
});
