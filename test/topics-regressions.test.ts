// What the model of topics has found, each at its smallest.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { serve } from "./support/endpoint.ts";
import { TopicsClient } from "./support/topics-client.ts";
import type { Endpoints } from "./support/worker.ts";

afterEach(() => void vi.restoreAllMocks());

const TOPICS = { "Sec-WebSocket-Protocol": "socle.v1, socle.topics." };

it("T9: by topics alone a client of socle.v1 gets publications", async () => {
  const served = serve({
    topics: {},
    onOpen: async (session) => void (await session.subscribe("chat")),
    onText: async (_, text, session) => void (await session.publish("chat", text)),
  });
  const client = await served.connect("", TOPICS);
  const read = new TopicsClient(client, "topics");
  client.send("hello");
  await vi.waitUntil(() => client.messages.length === 3, { timeout: 30_000, interval: 1 });
  read.read();
  expect(read.events).toEqual([
    { type: "place", topic: "chat", position: undefined, recovered: false },
    { type: "message", topic: "chat", position: undefined, content: "hello", isBinary: false },
  ]);
});

it("T1: a session that subscribes and closes in onOpen tells the log nothing", async () => {
  const log = vi.spyOn(console, "error").mockImplementation(() => {});
  const served = serve({
    topics: {},
    onOpen: async (session) => {
      await session.subscribe("chat");
      session.close(4000);
    },
  });
  const client = await served.connect("", TOPICS);
  expect(await client.closed).toMatchObject({ code: 4000 });
  expect(log).not.toHaveBeenCalled();
});

it("T6: what stands in a block that grew is kept, also if another block begins in the same turn", async () => {
  const { stub } = serve({ topics: { history: { messages: 2 } } });
  for (const text of ["1", "2", "3"]) await stub.publish("chat", text);
  const large = "5".repeat(20_000);
  await runInDurableObject(stub, (object: Endpoints) =>
    Promise.all(["4", large].map((text) => object.publish("chat", text))),
  );
  expect((await stub.publications("chat")).map(({ payload }) => payload)).toEqual(["4", large]);
});
