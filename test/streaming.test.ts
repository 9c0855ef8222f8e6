// Streaming and stopping answers: the Worker of docs/streaming.md, with a model that the tests play.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { connect, type Client } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import container, { type Assistant } from "./support/assistant.ts";
import { FlowClient } from "./support/flow-client.ts";

/** A question to the model, and its answer. */
interface Asked {
  question: string;
  /** The parts that the model has still to send. */
  parts: string[];
  isDone: boolean;
  /** Whether the caller has aborted the request. */
  isStopped: boolean;
}

let asked: Asked[] = [];
let logged: MockInstance<typeof console.error>;

beforeEach(() => {
  asked = [];
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
  vi.spyOn(globalThis, "fetch").mockImplementation((_model, { body, signal } = {}) => {
    const question = body as string;
    if (question === "broken") return Promise.resolve(new Response("", { status: 500 }));
    const heard = question === "deaf" ? {} : { signal: signal! };
    const one: Asked = { question, parts: [], isDone: false, isStopped: false };
    asked.push(one);
    signal!.addEventListener("abort", () => (one.isStopped = true));
    const stream = new ReadableStream({
      async pull(controller) {
        // Runs in the object, because a test can't write to the object's streams.
        while (one.parts.length === 0 && !one.isDone) await scheduler.wait(1, heard);
        if (one.parts.length > 0) controller.enqueue(new TextEncoder().encode(one.parts.shift()));
        else controller.close();
      },
    });
    return Promise.resolve(new Response(stream));
  });
});
afterEach(() => vi.restoreAllMocks());

/** Waits for a question to the model. */
async function modelAsked(index: number, text: string): Promise<Asked> {
  await vi.waitUntil(() => asked.length > index, { timeout: 30_000, interval: 1 });
  expect(asked[index]!.question).toBe(text);
  return asked[index]!;
}

let count = 0;
const open = (path: string, headers = {}): Promise<Client> => connect(container, path, { headers, timeoutMs: 50_000 });
/** A user's tab, in a conversation of one test. */
const tab = (user: string, of = count) => open(`/assistant/${of}?user=${user}`);
const ask = (client: Client, text: string) => client.send(JSON.stringify({ ask: text }));
const stop = (client: Client, which: "mine" | "all") => client.send(JSON.stringify({ stop: which }));

async function next(client: Client): Promise<unknown> {
  return JSON.parse((await client.next()) as string);
}

/** The model sends a part, and the client gets it. */
async function says(one: Asked, client: Client, part: string): Promise<void> {
  one.parts.push(part);
  expect(await next(client)).toEqual({ part });
}

beforeEach(() => {
  count++;
});

describe("a callback that streams", () => {
  it("gives the parts as they come, and R11: takes the next question when it is done", async () => {
    const client = await open("/ask");
    client.send("one", "two");
    const one = await modelAsked(0, "one");
    await says(one, client, "1a");
    await says(one, client, "1b");
    expect(asked).toHaveLength(1);
    one.isDone = true;
    expect(await next(client)).toEqual({ end: "done" });
    await says(await modelAsked(1, "two"), client, "2a");
    expect(logged).not.toHaveBeenCalled();
  });

  it.each([
    ["closes", async (client: Client) => client.socket.close(), 1005],
    ["is closed", async () => env.Answers.getByName("/ask").closeAll(4001), 4001],
  ])("P11: stops when its session %s, and nothing is logged", async (_, end, code) => {
    const client = await open("/ask");
    client.send("one", "two");
    const one = await modelAsked(0, "one");
    await says(one, client, "1a");
    await end(client);
    expect(await client.closed).toMatchObject({ code });
    await vi.waitUntil(() => one.isStopped, 30_000);
    expect(logged).not.toHaveBeenCalled();
  });
});

describe("answers beside the queue", () => {
  it("goes on to its end", async () => {
    const client = await tab("ann");
    ask(client, "one");
    const one = await modelAsked(0, "one");
    await says(one, client, "1a");
    one.isDone = true;
    expect(await next(client)).toEqual({ end: "done" });
    expect(one.isStopped).toBe(false);
  });

  it("stops when its own tab says so, and another tab's goes on", async () => {
    const [client, other] = [await tab("ann"), await tab("ann")];
    ask(client, "one");
    const one = await modelAsked(0, "one");
    ask(other, "two");
    const two = await modelAsked(1, "two");
    await says(one, client, "1a");
    stop(client, "mine");
    expect(await next(client)).toEqual({ end: "stopped" });
    expect([one.isStopped, two.isStopped]).toEqual([true, false]);
    await says(two, other, "2a");
    // There is no answer to stop.
    stop(client, "mine");
    ask(client, "three");
    await says(await modelAsked(2, "three"), client, "3a");
    expect(logged).not.toHaveBeenCalled();
  });

  it("R31: stops when a second tab of the same user says so, or the Worker, and another user's goes on", async () => {
    const [client, second, other] = [await tab("ann"), await tab("ann"), await tab("bob")];
    for (const by of ["a second tab", "the Worker"]) {
      asked = [];
      ask(client, "one");
      const one = await modelAsked(0, "one");
      ask(other, "two");
      const two = await modelAsked(1, "two");
      if (by === "the Worker") await container.stub<Assistant>(env, `/assistant/${count}`).stop("ann");
      else stop(second, "all");
      expect(await next(client)).toEqual({ end: "stopped" });
      expect([one.isStopped, two.isStopped]).toEqual([true, false]);
      two.isDone = true;
      expect(await next(other)).toEqual({ end: "done" });
    }
  });

  it("is one at a time: another question stops the one before, and is asked when that has ended", async () => {
    const client = await tab("ann");
    ask(client, "one");
    const one = await modelAsked(0, "one");
    await says(one, client, "1a");
    ask(client, "two");
    ask(client, "three");
    expect(await next(client)).toEqual({ end: "stopped" });
    expect(await next(client)).toEqual({ end: "stopped" });
    const three = await modelAsked(2, "three");
    await says(three, client, "3a");
    three.isDone = true;
    expect(await next(client)).toEqual({ end: "done" });
  });

  it("is one at a time also if the one before takes no notice of the signal", async () => {
    const [client, other] = [await tab("ann"), await tab("ann")];
    ask(client, "deaf");
    const deaf = await modelAsked(0, "deaf");
    ask(client, "two");
    await vi.waitUntil(() => deaf.isStopped, 30_000);
    ask(other, "meanwhile");
    await says(await modelAsked(1, "meanwhile"), other, "a part");
    deaf.parts.push("1a");
    expect(await next(client)).toEqual({ end: "stopped" });
    await says(await modelAsked(2, "two"), client, "2a");
  });

  it.each([
    ["closes", async (client: Client) => client.socket.close(), 1005],
    ["is closed", async () => env.Assistant.getByName(`/assistant/${count}`).closeAll(4001), 4001],
  ])("P11: stops when its session %s, and nothing is logged", async (_, end, code) => {
    const client = await tab("ann");
    ask(client, "one");
    const one = await modelAsked(0, "one");
    await says(one, client, "1a");
    await end(client);
    expect(await client.closed).toMatchObject({ code });
    await vi.waitUntil(() => one.isStopped, 30_000);
    expect(logged).not.toHaveBeenCalled();
  });

  it("tells the client and the log of a model that fails, and the session goes on", async () => {
    const client = await tab("ann");
    ask(client, "broken");
    expect(await next(client)).toEqual({ end: "failed" });
    expect(logged.mock.calls).toEqual([
      ["An answer failed:", expect.objectContaining({ message: "The model says 500" })],
    ]);
    ask(client, "one");
    await says(await modelAsked(0, "one"), client, "1a");
  });

  it("is there after hibernation as before", async () => {
    const client = await tab("ann");
    ask(client, "one");
    (await modelAsked(0, "one")).isDone = true;
    expect(await next(client)).toEqual({ end: "done" });
    await evictDurableObject(env.Assistant.getByName(`/assistant/${count}`));
    ask(client, "two");
    await says(await modelAsked(1, "two"), client, "2a");
    stop(client, "mine");
    expect(await next(client)).toEqual({ end: "stopped" });
  });

  it("stops with the next part of a model that takes no notice of the signal", async () => {
    const client = await tab("ann");
    ask(client, "deaf");
    const deaf = await modelAsked(0, "deaf");
    await says(deaf, client, "1a");
    stop(client, "mine");
    await vi.waitUntil(() => deaf.isStopped, 30_000);
    deaf.parts.push("1b");
    expect(await next(client)).toEqual({ end: "stopped" });
  });

  it("R6: is for users who have signed in", async () => {
    const headers = { Upgrade: "websocket" };
    const response = await container.fetch(new Request("https://socle.test/assistant/1", { headers }));
    expect(response.status).toBe(401);
  });
});

describe("a slow client", () => {
  const PART = "x".repeat(100_000);

  /** Asks a model that has many parts. The client takes only the two that fit the window. */
  async function slow(path: string, text: string): Promise<[FlowClient, Asked]> {
    const client = new FlowClient(await open(path, { "Sec-WebSocket-Protocol": "socle.v1" }));
    client.client.send(text);
    const one = await modelAsked(0, "one");
    for (let part = 0; part < 20; part++) one.parts.push(PART);
    await client.has(2);
    // Meanwhile the object has served another client.
    const other = await open("/ask");
    other.send("two");
    const two = await modelAsked(1, "two");
    await says(two, other, "2a");
    return [client, one];
  }

  it("F6: slows the model down, which stops at once all the same when the session ends", async () => {
    const [{ client }, one] = await slow("/ask", "one");
    expect(one.parts.length).toBeGreaterThan(12);
    client.socket.close();
    await vi.waitUntil(() => one.isStopped, 30_000);
    expect(one.parts.length).toBeGreaterThan(12);
    expect(logged).not.toHaveBeenCalled();
  });

  it("F6: slows the model down, which stops at once all the same when its tab says so", async () => {
    const [slowly, one] = await slow(`/assistant/${count}?user=ann`, JSON.stringify({ ask: "one" }));
    stop(slowly.client, "mine");
    await vi.waitUntil(() => one.isStopped, 30_000);
    expect(one.parts.length).toBeGreaterThan(12);
    slowly.take();
    const messages = await slowly.has(4);
    expect(messages.map((message) => JSON.parse(message as string))).toEqual([
      ...Array.from({ length: 3 }, () => ({ part: PART })),
      { end: "stopped" },
    ]);
    expect(logged).not.toHaveBeenCalled();
  });
});

it("docs/streaming.md shows the code that these tests run, all of it", async () => {
  const [page, file] = await Promise.all(
    ["../docs/streaming.md?raw", "./support/assistant.ts?raw"].map(
      async (name) => ((await import(name)) as { default: string }).default,
    ),
  );
  const blocks = [...page!.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block!);
  expect(`// ${blocks.join("\n")}`).toBe(file!.replace(/^.*\n/, "// "));
});
