// Topics on `socle.v1`: frames with topic and position, positions in the handshake, and slow clients that continue from
// the history.
import type { Session, WsEndpointMap } from "socle";
import { redeploy } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { upgrade } from "./support/client.ts";
import type { Served } from "./support/endpoint.ts";
import { alone, besides, serve } from "./support/endpoint.ts";
import { FlowClient, nextSettings } from "./support/flow-client.ts";
import { within } from "./support/inside.ts";
import { offer, TopicClient } from "./support/topic-client.ts";
import { container } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => void vi.restoreAllMocks());

const room = (options: object = {}, more: WsEndpointMap<Cloudflare.Env, never> = {}): Served =>
  serve({
    topics: { history: {} },
    onOpen: (session: Session) => ({ name: session.queryString }),
    onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text),
    ...options,
    ...more,
  });

const settled = async (served: Served) =>
  vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0, { timeout: 30_000 });

describe("negotiation", () => {
  it.each([
    ["socle.v1, socle.topics.", {}, "socle.v1"],
    ["socle.v1", {}, "socle.v1"],
    ["socle.topics., socle.v1", {}, "socle.v1"],
    ["socle.topics.", {}, null],
    ["chat+socle.v1, chat, socle.topics.", { subprotocols: ["chat"] }, "chat+socle.v1"],
    ["chat, socle.topics.", { subprotocols: ["chat"] }, "chat"],
    ["socle.v1, socle.topics.", { topics: undefined }, null],
    ["socle.v1, socle.topics.", { topics: undefined, flowControl: true }, "socle.v1"],
  ])("T9: of %s an endpoint with %j agrees on %s", async (offered, options, agreed) => {
    const response = await upgrade(room(options).path, { "Sec-WebSocket-Protocol": offered });
    expect(response.headers.get("Sec-WebSocket-Protocol")).toBe(agreed);
    response.webSocket!.accept();
    response.webSocket!.close();
  });

  it("T9: a hook can't choose the name of positions", async () => {
    const served = room({ onHandshake: () => ({ subprotocol: "socle.topics." }) });
    const response = await upgrade(served.path, { "Sec-WebSocket-Protocol": "socle.v1, socle.topics." });
    expect(response.status).toBe(500);
    expect(String(logged.mock.calls[0]![1])).toContain("a subprotocol that the client did not offer");
  });

  it("T9: by topics alone there is no credit, which a client that knows topics is told", async () => {
    const served = room();
    const client = await TopicClient.connect(served, "?ann");
    expect(await client.has(1)).toEqual([{ window: 0 }]);
    await within(served, ({ ann }) => {
      for (let n = 0; n < 20; n++) void ann!.asyncRemote.sendText("x".repeat(100_000));
      expect(ann!.asyncRemote.bufferedAmount).toBe(0);
    });
    await client.has(21);
  });

  it("T9: by topics alone one that knows none is told the usual window, by flowControl both are told the endpoint's", async () => {
    const told = {
      response: "socle:pong",
      request: "socle:ping",
      maxPendingMessages: "1000",
      messages: "",
      perMs: "",
    };
    const settingsOf = async (served: Served, offered?: string) => (await FlowClient.connect(served, offered)).settings;
    const other = room();
    expect(await settingsOf(other)).toEqual({ ...told, window: 262_144 });
    expect(await settingsOf(other, offer())).toEqual({ ...told, window: 0 });
    const both = room({ flowControl: { window: 500 } });
    for (const offered of ["socle.v1", offer()]) {
      expect(await settingsOf(both, offered)).toEqual({ ...told, window: 500 });
    }
  });

  it("T9: one that acknowledges all the same is not the worse for it", async () => {
    const served = room();
    const client = await TopicClient.connect(served, "?ann");
    client.acknowledge(1);
    client.acknowledge(9);
    client.send("still here");
    expect((await client.until("still here")).at(-1)).toEqual({ data: "still here" });
  });
});

describe("frames", () => {
  it.each([{}, { flowControl: true }])("T9: publications come with topic and position, with %j", async (options) => {
    const served = room(options);
    const client = await TopicClient.connect(served, "?ann");
    const { position } = await within(served, ({ ann }) => ann!.subscribe("a"));
    const first = await served.stub.publish("a", "1");
    const second = await within(served, (_, object) => object.publish("a", new Uint8Array([0, 255])));
    await within(served, ({ ann }) => ann!.asyncRemote.sendText("plain"));
    const came = await client.until("plain");
    expect(came.filter((one) => !("window" in one))).toEqual([
      { topic: "a", position, recovered: false },
      { topic: "a", position: first.position, data: "1" },
      { topic: "a", position: second.position, data: new Uint8Array([0, 255]) },
      { data: "plain" },
    ]);
  });

  it("T9: without a history there is no position", async () => {
    const served = room({ topics: {} });
    const client = await TopicClient.connect(served, "?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    await served.stub.publish("a", "1");
    expect(await client.has(3)).toEqual([
      { window: 0 },
      { topic: "a", position: undefined, recovered: false },
      { topic: "a", position: undefined, data: "1" },
    ]);
  });

  alone(
    "T9: those of a turn that follow each other are one frame, and keep their order among what else is sent",
    async () => {
      const served = room();
      const client = await TopicClient.connect(served, "?ann");
      await within(served, async ({ ann }, object) => {
        await Promise.all([ann!.subscribe("a"), ann!.subscribe("b")]);
        await Promise.all([
          ...["1", "2", "3"].map((text) => object.publish("a", text)),
          ...["4", "5"].map((text) => object.publish("b", text)),
        ]);
        await ann!.asyncRemote.sendText("6");
      });
      await client.until("6");
      expect(client.texts).toEqual(["1", "2", "3", "4", "5", "6"]);
      expect(client.frames(4)).toBe(2);
    },
  );

  it("T9: a client that knows socle.v1 and no topics gets plain messages, or the envelope", async () => {
    const served = room({ topics: { history: {}, envelope: ({ payload }: { payload: string }) => `<${payload}>` } });
    const client = await served.connect("?ann", { "Sec-WebSocket-Protocol": "socle.v1" });
    await within(served, ({ ann }) => ann!.subscribe("a"));
    await served.stub.publish("a", "1");
    await nextSettings(client);
    expect(await client.next()).toBe("<1>");
  });

  it("T9: what a client knows outlives hibernation", async () => {
    const served = room();
    const client = await TopicClient.connect(served, "?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    await served.hibernate();
    const { position } = await served.stub.publish("a", "1");
    expect((await client.has(3)).at(-1)).toEqual({ topic: "a", position, data: "1" });
  });
});

describe("coming back", () => {
  /** Subscribes as the query says: in onOpen, or when a text arrives. */
  const returning = () =>
    room({
      onOpen: async (session: Session) => {
        if (session.queryString !== "later") await session.subscribe("a", { since: "client", last: 1 });
      },
      onText: async (_: unknown, text: string, session: Session) => {
        await session.subscribe("a", { since: "client" });
        await session.asyncRemote.sendText(text);
      },
    });

  it("T9: the position in the handshake is used by since: client, and the place says whether it recovered", async () => {
    const served = returning();
    const positions: string[] = [];
    for (const text of ["1", "2", "3"]) positions.push((await served.stub.publish("a", text)).position!);
    const back = await TopicClient.connect(served, "", { b: "x.1", a: positions[0]! });
    expect((await back.has(4)).slice(1)).toEqual([
      { topic: "a", position: positions[0], recovered: true },
      { topic: "a", position: positions[1], data: "2" },
      { topic: "a", position: positions[2], data: "3" },
    ]);
    const lost = await TopicClient.connect(served, "", { a: "other.1" });
    expect((await lost.has(3)).slice(1)).toEqual([
      { topic: "a", position: positions[1], recovered: false },
      { topic: "a", position: positions[2], data: "3" },
    ]);
    const fresh = await TopicClient.connect(served);
    expect((await fresh.has(3)).slice(1)).toMatchObject([{ recovered: false }, { data: "3" }]);
  });

  it("T9: without since: client only what is new arrives", async () => {
    const served = room({ onOpen: (session: Session) => session.subscribe("a").then(() => {}) });
    const first = await served.stub.publish("a", "1");
    const client = await TopicClient.connect(served, "", { a: `${first.position!.split(".")[0]}.0` });
    expect((await client.has(2)).at(-1)).toEqual({ topic: "a", position: first.position, recovered: false });
    const second = await served.stub.publish("a", "2");
    expect((await client.has(3)).at(-1)).toEqual({ topic: "a", position: second.position, data: "2" });
  });

  it("T9: it is there after hibernation, and is used once", async () => {
    const served = returning();
    const { position } = await served.stub.publish("a", "1");
    const [epoch] = position!.split(".");
    const client = await TopicClient.connect(served, "?later", { a: `${epoch}.0` });
    await served.hibernate();
    client.send("go");
    await client.until("go");
    expect(client.texts).toEqual(["1", "go"]);
    const again = await within(served, async ({ later }) => {
      later!.unsubscribe("a");
      return later!.subscribe("a", { since: "client" });
    });
    expect(again).toMatchObject({ recovered: false, replayed: 0 });
  });

  it.each([
    ["no base64url", "socle.v1, socle.topics.!!!"],
    ["no JSON", "socle.v1, socle.topics.aGVsbG8"],
    ["a list", "socle.v1, socle.topics.WzFd"],
    ["numbers", offer({ a: 7 as never })],
    ["too long", offer(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n}`, "epoch.12345"])))],
    ["odd names", offer(JSON.parse('{"__proto__":"x.1","":"y","constructor":"z"}') as Record<string, string>)],
  ])("T9: positions that are %s open a session as if there were none", async (_, offered) => {
    const served = returning();
    await served.stub.publish("a", "1");
    const client = new TopicClient(await served.connect("", { "Sec-WebSocket-Protocol": offered }));
    expect((await client.has(3)).slice(1)).toMatchObject([{ recovered: false }, { data: "1" }]);
  });

  it("T9: an endpoint without topics keeps no positions that a client offers", async () => {
    const served = room({ topics: undefined, flowControl: true });
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`topic ${n}`, "epoch.7"]));
    await TopicClient.connect(served, "?none");
    await TopicClient.connect(served, "?many", many);
    const sizes = await within(served, (all) =>
      [all.none!, all.many!].map(({ webSocket }) => JSON.stringify(webSocket.deserializeAttachment()).length),
    );
    expect(sizes[1]).toBe(sizes[0]);
  });
});

describe("slow clients", () => {
  const flowControl = { window: 500, maxBufferedAmount: 2000, stallTimeoutMs: 40_000 };

  it("T10: wait in the history, not in memory, and go on from their place", async () => {
    const served = room({ flowControl });
    const slow = await TopicClient.connect(served, "?slow");
    const plain = await served.connect("?plain");
    await within(served, (all) => Promise.all(Object.values(all).map((one) => one.subscribe("a"))));
    const all = Array.from({ length: 200 }, (_, n) => `${n}`.padEnd(100, "x"));
    const buffered = await within(served, async ({ slow: session }, object) => {
      for (const text of all) await object.publish("a", text);
      return session!.asyncRemote.bufferedAmount;
    });
    expect(buffered).toBe(0);
    expect(await plain.take(200)).toEqual(all);
    expect(slow.texts.length).toBeLessThan(5);
    await slow.takeUntil(() => slow.texts.length === 200);
    expect(slow.texts).toEqual(all);
    await served.stub.publish("a", "live");
    await slow.until("live");
  });

  it("T10: a publication from which a slow one is excepted is not read back to it", async () => {
    const served = room({ flowControl });
    const slow = await TopicClient.connect(served, "?slow");
    await within(served, async ({ slow: session }, object) => {
      await session!.subscribe("a");
      for (let n = 0; n < 12; n++) {
        await object.publish("a", `${n}`.padEnd(100, "."), n % 3 === 1 ? { except: session! } : {});
      }
      await object.publish("a", "last");
    });
    await slow.takeUntil(() => slow.texts.includes("last"));
    const expected = Array.from({ length: 12 }, (_, n) => n).filter((n) => n % 3 !== 1);
    expect(slow.texts.map((text) => Number.parseInt(String(text)))).toEqual([...expected, Number.NaN]);
  });

  it("T10: one that was excepted from all that was trimmed has missed nothing", async () => {
    const served = room({ flowControl, topics: { history: { bytes: 1000 } } });
    const slow = await TopicClient.connect(served, "?slow");
    await within(served, async ({ slow: session }, object) => {
      await session!.subscribe("a");
      for (let n = 0; n < 4; n++) void session!.asyncRemote.sendText(`${n}`.padEnd(100, "."));
      for (let n = 0; n < 4; n++) await object.publish("a", "y".repeat(16_000), { except: session! });
      await object.publish("a", "last");
    });
    await slow.takeUntil(() => slow.texts.includes("last"));
    expect(slow.came.filter((one) => "recovered" in one)).toHaveLength(1);
    expect(slow.texts.filter((text) => String(text).startsWith("y"))).toEqual([]);
  });

  alone(
    "T10: one whose place was trimmed is told so, before anything newer, and goes on with what is new",
    async () => {
      const served = room({ flowControl, topics: { history: { bytes: 1000 } } });
      const slow = await TopicClient.connect(served, "?slow");
      const newest = await within(served, async ({ slow: session }, object) => {
        await session!.subscribe("a");
        for (let n = 0; n < 4; n++) await object.publish("a", `${n}`.padEnd(100, "x"));
        let position: string | undefined;
        for (let n = 0; n < 4; n++) ({ position } = await object.publish("a", "y".repeat(16_000)));
        return position;
      });
      const before = slow.texts.length;
      slow.acknowledge(before);
      while (!slow.came.some((one) => "recovered" in one && one.position === newest)) await slow.client.next();
      expect(slow.came.at(-1)).toEqual({ topic: "a", position: newest, recovered: false });
      expect(slow.texts).toHaveLength(before);
      const { position } = await served.stub.publish("a", "new");
      expect((await slow.until("new")).at(-1)).toEqual({ topic: "a", position, data: "new" });
    },
  );

  alone("T10: a client that doesn't know topics ends with 1013 instead", async () => {
    const served = room({ flowControl, topics: { history: { bytes: 1000 } } });
    const slow = await served.connect("?slow", { "Sec-WebSocket-Protocol": "socle.v1" });
    await within(served, async ({ slow: session }, object) => {
      await session!.subscribe("a");
      for (let n = 0; n < 4; n++) await object.publish("a", `${n}`.padEnd(100, "x"));
      for (let n = 0; n < 4; n++) await object.publish("a", "y".repeat(16_000));
    });
    slow.send(Uint8Array.of(2, 1));
    expect((await slow.closed).code).toBe(1013);
    expect(logged.mock.calls.map(([entry]) => String(entry))).toContain(
      `socle: a slow session ends with 1013 at ${served.path}:`,
    );
  });

  it("T10: without a history what waits is in memory, and past maxBufferedAmount the session ends with 1013", async () => {
    const served = room({ flowControl, topics: {} });
    const slow = await TopicClient.connect(served, "?slow");
    await within(served, async ({ slow: session }, object) => {
      await session!.subscribe("a");
      for (let n = 0; n < 40; n++) await object.publish("a", `${n}`.padEnd(100, "x"));
    });
    expect((await slow.client.closed).code).toBe(1013);
    await settled(served);
  });

  it("T10: one that takes nothing ends with 1008, as without topics", async () => {
    const served = room({ flowControl: { ...flowControl, stallTimeoutMs: 300 } });
    const slow = await TopicClient.connect(served, "?slow");
    await within(served, async ({ slow: session }, object) => {
      await session!.subscribe("a");
      for (let n = 0; n < 40; n++) await object.publish("a", `${n}`.padEnd(100, "x"));
    });
    expect((await slow.client.closed).code).toBe(1008);
  });

  it("T10: a replay waits for credit too, in onOpen and later", async () => {
    const served = room({
      flowControl,
      onOpen: (session: Session) => session.subscribe("a", { last: 50 }).then(() => ({ name: "" })),
    });
    const all = Array.from({ length: 50 }, (_, n) => `${n}`.padEnd(100, "x"));
    for (const text of all) await served.stub.publish("a", text);
    const slow = await TopicClient.connect(served);
    await slow.has(3);
    expect(slow.texts.length).toBeLessThan(5);
    await slow.takeUntil(() => slow.texts.length === 50);
    expect(slow.texts).toEqual(all);
  });

  alone("T10: an envelope that unsubscribes loses nothing else that waits", async () => {
    let leave = () => {};
    const envelope = ({ payload }: { payload: string }) => (leave(), payload);
    const served = room({ flowControl, topics: { history: {}, envelope } });
    const slow = new TopicClient(await served.connect("?slow", { "Sec-WebSocket-Protocol": "socle.v1" }));
    await within(served, async ({ slow: session }, object) => {
      await session!.subscribe("a");
      void session!.asyncRemote.sendText("first".padEnd(500, "."));
      await object.publish("a", "published");
      void session!.asyncRemote.sendText("second");
      void session!.asyncRemote.sendText("third");
      leave = () => void session!.unsubscribe("a");
    });
    slow.acknowledge(1);
    await slow.until("third");
    expect(slow.texts.slice(1)).toEqual(["published", "second", "third"]);
  });
});

describe("a deploy", () => {
  it("D3: topics that are gone end the sessions that speak socle.v1 by them, and no others", async () => {
    const served = room();
    const [client, plain] = [await TopicClient.connect(served, "?ann"), await served.connect("?ben")];
    redeploy(container, served.path as `/${string}`, {
      ...besides,
      onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text),
    });
    await served.hibernate();
    client.send("a");
    expect((await client.client.closed).code).toBe(1012);
    expect(await plain.ask("b")).toBe("b");
    expect(String(logged.mock.calls[0]![1])).toContain("its client uses topics, which was removed");
  });

  it("D3: topics that have come change nothing for those that are open", async () => {
    const served = room({ topics: undefined, flowControl: true });
    const client = await TopicClient.connect(served, "?ann");
    redeploy(container, served.path as `/${string}`, {
      ...besides,
      topics: { history: {} },
      flowControl: true,
      onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text),
    });
    await served.hibernate();
    client.send("a");
    expect((await client.until("a")).at(-1)).toEqual({ data: "a" });
  });
});
