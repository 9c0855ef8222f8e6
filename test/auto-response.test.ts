// Answers to pings: the default pair of an endpoint with `socle.v1`, and pings that Socle itself answers.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { EndpointOptions } from "socle";
import { afterEach, describe, expect, it, vi } from "vitest";

import { passTime, ringAtAlarm, stopClock } from "./support/alarm.ts";
import type { Client } from "./support/client.ts";
import { freshPath, Log, modes, serve as serveMap, Served, standard } from "./support/endpoint.ts";
import { batch, FlowClient } from "./support/flow-client.ts";
import { Clock, container } from "./support/worker.ts";

const MINUTES = 60_000;

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const pings = (count: number) => Array.from({ length: count }, () => "ping");

/** How many pings were answered so far. The endpoint echoes all other texts. */
async function answers(client: Client): Promise<number> {
  client.send("now");
  let count = 0;
  for (let text; (text = await client.next()) !== "now"; count++) expect(text).toBe("pong");
  return count;
}

/** Stops the clock, which only `pass` moves. */
function serve() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  const endpoint = standard.serve({
    autoResponse: { request: "ping", response: "pong" },
    onText: (_, text, { asyncRemote }) => asyncRemote.sendText(text),
  });
  /** Runs in the object, because timers fire in the object that set them. */
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

/** Echoes texts. Endpoints of one class with `instance` must have the same topics, so it has a class of its own. */
function ofClocks(options: EndpointOptions): Served {
  const path = freshPath();
  container.addEndpoint(path, { ...options, durableObject: Clock });
  return new Served(path);
}

describe.each<EndpointOptions>([{ flowControl: true }, { topics: {} }])("with %o and no pair of its own", (options) => {
  it("C3: an endpoint answers socle:ping without a callback, and wakes no object for it", async () => {
    const onText = vi.spyOn(Clock.prototype, "onText");
    const endpoint = ofClocks(options);
    const { client } = await FlowClient.connect(endpoint);
    expect(await client.ask("socle:ping")).toBe("socle:pong");
    await evictDurableObject(container.stub(env, endpoint.path));
    const { made } = Clock;
    expect(await client.ask("socle:ping")).toBe("socle:pong");
    expect(await client.ask("socle:ping")).toBe("socle:pong");
    expect(Clock.made).toBe(made);
    expect(onText).not.toHaveBeenCalled();
    expect(await client.ask("socle:ping ")).toBe("socle:ping ");
    expect(Clock.made).toBe(made + 1);
  });

  it("C3: an endpoint answers also where the object doesn't hibernate, and a plain client too", async () => {
    const onText = vi.spyOn(Clock.prototype, "onText");
    const endpoint = ofClocks({ ...options, hibernate: false });
    const { client } = await FlowClient.connect(endpoint);
    for (const one of [client, await endpoint.connect()]) expect(await one.ask("socle:ping")).toBe("socle:pong");
    expect(onText).not.toHaveBeenCalled();
    expect(await client.ask("end")).toBe("end");
  });
});

describe.each(modes)("the answer that an endpoint has by itself, hibernate: $hibernate", ({ hibernate }) => {
  it("C3: gives way to a pair of its own, and without flowControl and topics there is none", async () => {
    const autoResponse = { request: "ping", response: "pong" };
    const client = await ofClocks({ hibernate, flowControl: true, topics: {}, autoResponse }).connect();
    expect(await client.ask("ping")).toBe("pong");
    expect(await client.ask("socle:ping")).toBe("socle:ping");
    expect(await (await ofClocks({ hibernate }).connect()).ask("socle:ping")).toBe("socle:ping");
  });

  it("C3, P19: its text goes in a batch of one where the object sends it, by topics alone too", async () => {
    const { client } = await FlowClient.connect(ofClocks({ hibernate, topics: {} }));
    expect(await client.ask("socle:ping")).toBe("socle:pong");
    expect(await client.ask("socle:pong")).toEqual(batch("socle:pong").buffer);
  });
});

it.each(modes)("C3: in a batch its text is a message, hibernate: $hibernate", async ({ hibernate }) => {
  const log = new Log();
  const { client } = await FlowClient.connect(
    serveMap({ hibernate, flowControl: true, onText: (_, text) => log.add(text) }),
  );
  client.send(batch("socle:ping", "a"));
  expect(await client.ask("socle:ping")).toBe("socle:pong");
  await expect.poll(() => log.entries).toEqual(["socle:ping", "a"]);
});

describe("where the object's platform pair is another endpoint's", () => {
  /** Two endpoints in one object. The one with a pair of its own was opened last. */
  async function open(options: EndpointOptions = {}) {
    const name = freshPath();
    const log = new Log();
    const flow = serveMap({
      flowControl: true,
      ...options,
      instance: () => name,
      onText: (_, text, { asyncRemote }) => {
        log.add(text);
        return asyncRemote.sendText(text);
      },
    });
    const other = serveMap({ autoResponse: { request: "ping", response: "pong" }, instance: () => name });
    const { client } = await FlowClient.connect(flow);
    expect(await (await other.connect()).ask("ping")).toBe("pong");
    const stub = env.Endpoints.getByName(name);
    const request = await runInDurableObject(stub, (_, ctx) => ctx.getWebSocketAutoResponse()?.request);
    expect(request).toBe("ping");
    return { client, log, stub };
  }

  it("C3: Socle answers itself, by a text frame, and no callback runs", async () => {
    const { client, log } = await open();
    expect(await client.ask("socle:ping")).toBe("socle:pong");
    expect(await client.ask("ping")).toBe("pong");
    expect(await client.ask("end")).toBe("end");
    expect(log.entries).toEqual(["end"]);
  });

  it("C3: so it does for an endpoint without socle.v1 whose pair another's has taken the place of", async () => {
    const name = freshPath();
    const log = new Log();
    const plain = serveMap({
      autoResponse: { request: "ping", response: "pong" },
      rateLimit: { messages: 1, perMs: 600_000 },
      instance: () => name,
      onText: (_, text, { asyncRemote }) => {
        log.add(text);
        return asyncRemote.sendText(text);
      },
    });
    const client = await plain.connect();
    await FlowClient.connect(serveMap({ flowControl: true, instance: () => name }));
    for (let count = 0; count < 3; count++) expect(await client.ask("ping")).toBe("pong");
    expect(await client.ask("end")).toBe("end");
    expect(log.entries).toEqual(["end"]);
  });

  it("C3: that is no message for a rate limit", async () => {
    const { client } = await open({ rateLimit: { messages: 1, perMs: 600_000 } });
    for (let count = 0; count < 3; count++) expect(await client.ask("socle:ping")).toBe("socle:pong");
    expect(await client.ask("end")).toBe("end");
  });

  it("C3: that is a sign of life", async () => {
    stopClock();
    const { client, stub } = await open({ clientTimeoutMs: 10 * MINUTES });
    passTime(9 * MINUTES);
    expect(await client.ask("socle:ping")).toBe("socle:pong");
    await ringAtAlarm(stub);
    expect(await stub.openSessionCount()).toBe(2);
    await ringAtAlarm(stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
  });

  it("C3, P20: twenty are answered at once, and those behind them by one answer a second later", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const { client, stub } = await open();
    const answered = async () => {
      client.send("now");
      let count = 0;
      for (let text; (text = await client.next()) !== "now"; count++) expect(text).toBe("socle:pong");
      return count;
    };
    client.send(...Array.from({ length: 30 }, () => "socle:ping"));
    expect(await answered()).toBe(20);
    await runInDurableObject(stub, () => void vi.advanceTimersByTime(1000));
    expect(await answered()).toBe(1);
  });
});
