// The bugs that the model of topics has found, each with its smallest sequence.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { alone, serve } from "./support/endpoint.ts";
import { TopicClient } from "./support/topic-client.ts";
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

alone(
  "T9: a client whose session closes in onOpen is told where a topic begins, before what was published on it",
  async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const served = serve({
      topics: {},
      onOpen: async (session) => {
        await session.subscribe("chat");
        await session.publish("chat", "hello");
        session.close(4000);
      },
    });
    const client = await served.connect("", TOPICS);
    expect(await client.closed).toMatchObject({ code: 4000 });
    const read = new TopicsClient(client, "topics");
    read.read();
    expect(read.events).toMatchObject([
      { type: "place", topic: "chat" },
      { type: "message", topic: "chat", content: "hello" },
    ]);
    expect(log).not.toHaveBeenCalled();
  },
);

it("T6: what stands in a block that grew is kept, also if another block begins in the same turn", async () => {
  const { stub } = serve({ topics: { history: { messages: 2 } } });
  for (const text of ["1", "2", "3"]) await stub.publish("chat", text);
  const large = "5".repeat(20_000);
  await runInDurableObject(stub, (object: Endpoints) =>
    Promise.all(["4", large].map((text) => object.publish("chat", text))),
  );
  expect((await stub.publications("chat")).map(({ payload }) => payload)).toEqual(["4", large]);
});

/** Does the work in a transaction that is rolled back. */
function rolledBack({ storage }: DurableObjectState, work: () => void): void {
  const transaction = () =>
    storage.transactionSync(() => {
      work();
      throw new Error("rolled back");
    });
  expect(transaction).toThrow("rolled back");
}

it("T6: a history that begins in a transaction that is rolled back is there all the same", async () => {
  const served = serve({
    topics: { history: {} },
    onOpen: (session) => rolledBack(session.ctx, () => void session.subscribe("chat")),
  });
  const client = await served.connect();
  const { position } = await served.stub.publish("chat", "hello");
  expect(await client.next()).toBe("hello");
  expect(await served.stub.publications("chat")).toMatchObject([{ position, payload: "hello" }]);
});

it("T11: a topic that is cleared in a transaction that is rolled back is cleared, and has what came behind", async () => {
  const served = serve({
    topics: { history: {} },
    onOpen: async (session) => void (await session.subscribe("chat")),
  });
  const { stub } = served;
  const client = await served.connect();
  const { position: since } = await stub.publish("chat", "1");
  await runInDurableObject(stub, (object: Endpoints, state) =>
    rolledBack(state, () => {
      for (const text of ["2", "3"]) {
        void object.publish("chat", text);
        void object.clearTopic("chat");
      }
      void object.publish("chat", "4");
      // Asking for the topic stores what was published before.
      void object.topic("chat");
    }),
  );
  expect(await client.take(4)).toEqual(["1", "2", "3", "4"]);
  expect(await stub.publications("chat")).toMatchObject([{ payload: "4" }]);
  expect(await stub.publications("chat", { since: since! })).toEqual([]);
  await runInDurableObject(stub, (object: Endpoints, state) => rolledBack(state, () => void object.clearTopic("chat")));
  expect(await stub.publications("chat")).toEqual([]);
});

it("T1: who subscribes, unsubscribes and subscribes again in one turn is subscribed", async () => {
  const served = serve({
    onOpen: async (session) => {
      const subscribing = [session.subscribe("chat")];
      session.unsubscribe("chat");
      subscribing.push(session.subscribe("chat"));
      await Promise.all(subscribing);
    },
  });
  // After this first publication Socle no longer looks at the sockets.
  await served.stub.publish("chat", "nobody is here");
  const client = await served.connect();
  await served.stub.publish("chat", "hello");
  expect(await client.next()).toBe("hello");
  expect(await served.stub.topic("chat")).toMatchObject({ subscribers: 1 });
});

alone(
  "T10: where a turn's last publication is too large for the history, a slow client is told so and gets no more of it",
  async () => {
    const served = serve({
      flowControl: { window: 1 },
      topics: { history: { bytes: 450 } },
      onOpen: async (session) => void (await session.subscribe("chat")),
      onText: (_, __, session) => {
        for (const payload of ["1", "2", "3".repeat(20_000)]) void session.publish("chat", payload);
      },
    });
    const client = await served.connect("", TOPICS);
    const read = new TopicsClient(client, "topics");
    client.send("go");
    const took = async (count: number) => {
      const take = () => {
        read.take(read.untaken);
        return read.events.length === count;
      };
      await vi.waitUntil(take, { timeout: 30_000, interval: 1 });
    };
    await took(3);
    // Nothing waits behind this one.
    await served.stub.publish("chat", "4");
    await took(4);
    expect(read.events.map((event) => [event.type, event.position?.split(".")[1]])).toEqual([
      ["place", "0"],
      ["message", "1"],
      ["place", "3"],
      ["message", "4"],
    ]);
  },
);

it("T3: a publication that is small before its envelope doesn't overtake a larger one that waits", async () => {
  const envelope = ({ payload }: { payload: string | ArrayBuffer }) =>
    `${(payload as string).slice(0, 1)}${"-".repeat((payload as string).length * 2)}`;
  const served = serve({
    flowControl: { window: 300 },
    topics: { history: {}, envelope },
    onOpen: async (session) => void (await session.subscribe("a")),
  });
  const client = new TopicClient(await served.connect("", { "Sec-WebSocket-Protocol": "socle.v1" }));
  const sizes = [110, 20, 110, 1, 1];
  await runInDurableObject(served.stub, (object: Endpoints) =>
    Promise.all(sizes.map((size, n) => object.publish("a", `${n}`.padEnd(size, ".")))),
  );
  let taken = 0;
  const haveAll = () => {
    const came = client.texts.length;
    if (came > taken) client.acknowledge(came);
    taken = came;
    return came === sizes.length;
  };
  await vi.waitUntil(haveAll, { timeout: 30_000, interval: 1 }).catch(() => {});
  expect(client.texts.map((text) => (text as string).slice(0, 1))).toEqual(["0", "1", "2", "3", "4"]);
});
