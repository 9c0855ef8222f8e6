// What the model of topics has found, each at its smallest.
import { afterEach, expect, it, vi } from "vitest";

import { serve } from "./support/endpoint.ts";
import { TopicsClient } from "./support/topics-client.ts";

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
