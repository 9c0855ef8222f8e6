// The option `flowControl`: what a client offers, which messages wait for it, and which are sent together.
import { runInDurableObject } from "cloudflare:test";
import * as fc from "fast-check";
import {
  BufferFullError,
  droppingBuffer,
  LimitExceededError,
  onOpenStartWsConnection,
  ProtocolError,
  SessionClosedError,
  slidingBuffer,
  startWsConnection,
  type EndpointOptions,
  type SendChannel,
  type SendResult,
  type Session,
} from "socle";
import { afterEach, assert, describe, expect, inject, it, vi } from "vitest";

import { connect } from "./support/client.ts";
import { Log, modes, serve, type Served } from "./support/endpoint.ts";
import {
  acknowledgement,
  batch,
  bytes,
  FlowClient,
  item,
  nextSettings,
  number,
  type Data,
} from "./support/flow-client.ts";
import { logEntry } from "./support/log.ts";
import type { Endpoints } from "./support/worker.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A text of 68 bytes. Each message counts 32 bytes more, so ten of them fill a window of 1,000. */
const text = (index: number) => String(index).padStart(68, "0");
const texts = (count: number, from = 0) => Array.from({ length: count }, (_, index) => text(from + index));
const TEN = { flowControl: { window: 1000 } };

/** Without the options that depend on the type of the session object. */
type Options = Omit<EndpointOptions, "serializeSession" | "deserializeSession" | "migrateSession">;

const names = (result: SendResult | boolean) => (result instanceof Error ? result.name : result);

/** Looks at the first open session from inside the object. */
const inside = <T>(endpoint: Served, look: (session: Session) => T): Promise<T> =>
  runInDurableObject(endpoint.stub, (object) =>
    look([...(object as never as { openSessions(): Session[] }).openSessions()][0]!),
  );

const buffered = (endpoint: Served) => inside(endpoint, ({ asyncRemote }) => asyncRemote.bufferedAmount);

describe.each(modes)("what is agreed on, hibernate: $hibernate", (mode) => {
  it.each([
    [undefined, "socle.v1", "socle.v1", ""],
    [undefined, "chat, socle.v1", "socle.v1", ""],
    [["chat"], "socle.v1", "socle.v1", ""],
    [["chat"], "chat+socle.v1, chat", "chat+socle.v1", "chat"],
    [["chat"], "chat, chat+socle.v1", "chat+socle.v1", "chat"],
    [["chat", "soap"], "soap+socle.v1, soap", "soap+socle.v1", "soap"],
    [["chat", "soap"], "soap+socle.v1, chat", "chat", "chat"],
    [["chat"], "chat, socle.v1", "chat", "chat"],
    [["chat"], "chat", "chat", "chat"],
    [["chat"], "soap+socle.v1, socle.v2", null, ""],
    [undefined, undefined, null, ""],
  ])(
    "F1: the endpoint speaks %j, the client offers %j: %j, and the session's is %j",
    async (subprotocols, offered, agreed, negotiated) => {
      const endpoint = mode.serve({
        flowControl: true,
        ...(subprotocols && { subprotocols }),
        onText: (_, __, session) => session.asyncRemote.sendText(session.negotiatedSubprotocol),
      });
      const client = await connect(endpoint.path, offered === undefined ? {} : { "Sec-WebSocket-Protocol": offered });
      expect(client.response.headers.get("Sec-WebSocket-Protocol")).toBe(agreed);
      if (agreed?.endsWith("socle.v1")) await nextSettings(client);
      expect(await client.ask("?")).toBe(negotiated);
    },
  );

  it("F1: a client that speaks something else, or nothing, sends and gets its frames as they are", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 1, maxBufferedAmount: 0 },
      subprotocols: ["chat"],
      onText: (_, message, { asyncRemote }) => asyncRemote.sendText(`${message} ${asyncRemote.bufferedAmount}`),
      onBinary: (_, data, { asyncRemote }) => asyncRemote.sendBinary(data),
    });
    for (const headers of [{}, { "Sec-WebSocket-Protocol": "chat" }]) {
      const client = await connect(endpoint.path, headers);
      for (const round of ["a", "b"]) expect(await client.ask(round)).toBe(`${round} 0`);
      expect(await client.ask(bytes(2, 9))).toEqual(bytes(2, 9).buffer);
      expect(await client.ask(bytes())).toEqual(new ArrayBuffer(0));
      expect(await client.close()).toMatchObject({ code: 1005 });
    }
  });

  it("F1: an endpoint without flowControl agrees on none of it", async () => {
    const client = await connect(mode.serve({ onText: (send) => send }).path, { "Sec-WebSocket-Protocol": "socle.v1" });
    expect(client.protocol).toBe("");
  });
});

describe("what is agreed on", () => {
  it("F1: past the router too", async () => {
    const endpoint = serve({ flowControl: true, subprotocols: ["chat"] });
    const response = await endpoint.stub.fetch(
      new Request(`https://socle.test${endpoint.path}`, {
        headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": "chat+socle.v1" },
      }),
    );
    expect(response.headers.get("Sec-WebSocket-Protocol")).toBe("chat+socle.v1");
  });

  const refused = (options: object) => () => serve(options as EndpointOptions);

  it.each([[1], ["yes"], [null], [[]]])("F1: flowControl: %j is refused, with what it may be", (flowControl) => {
    expect(refused({ flowControl })).toThrow(
      "has an invalid flowControl: it must be true, false, or an object of settings.",
    );
  });

  it.each([
    [{ window: 0 }, "invalid window: it must be a whole number from 1 to 2147483647."],
    [{ window: 1.5 }, "invalid window:"],
    [{ window: "1" }, "invalid window:"],
    [{ window: 2 ** 31 }, "invalid window:"],
    [{ maxBufferedAmount: -1 }, "invalid maxBufferedAmount: it must be a whole number from 0 to 2147483647."],
    [{ stallTimeoutMs: 0 }, "invalid stallTimeoutMs: it must be a whole number from 1 to 2147483647."],
    [{ stallTimeoutMs: Infinity }, "invalid stallTimeoutMs:"],
    [{ batchMs: -1 }, "invalid batchMs: it must be a whole number from 0 to 2147483647."],
    [
      { windows: 1 },
      "unknown option windows: did you mean window? Or use window, maxBufferedAmount, stallTimeoutMs, batchMs.",
    ],
  ])("F1: flowControl: %j is refused, with what is wrong in it", (flowControl, what) => {
    expect(refused({ flowControl })).toThrow(/^The flowControl of the endpoint at "[^"]*" has (an|the) /);
    expect(refused({ flowControl })).toThrow(what);
  });

  it.each(["socle.v1", "chat+socle.v1"])("F1: the subprotocol %j beside flowControl is refused", (name) => {
    expect(refused({ flowControl: true, subprotocols: ["chat", name] })).toThrow(
      "has flowControl, which adds socle.v1 itself: remove it from subprotocols",
    );
    expect(refused({ subprotocols: [name] })).not.toThrow();
  });

  it("F1: false and what is undefined count as absent", async () => {
    const off = serve({ flowControl: false });
    expect((await connect(off.path, { "Sec-WebSocket-Protocol": "socle.v1" })).protocol).toBe("");
    const endpoint = serve({ flowControl: { window: undefined } as object });
    const client = await FlowClient.connect(endpoint);
    expect(client.client.protocol).toBe("socle.v1");
  });

  it("F1: onOpen sees the settings filled in", async () => {
    const seen = new Log();
    const endpoint = serve({ flowControl: { batchMs: 5 }, onOpen: (_, { flowControl }) => seen.add(flowControl) });
    await FlowClient.connect(endpoint);
    expect(seen.entries).toEqual([
      { window: 262_144, maxBufferedAmount: 1_048_576, stallTimeoutMs: 30_000, batchMs: 5 },
    ]);
  });
});

describe.each(modes)("what comes in, hibernate: $hibernate", (mode) => {
  /** Logs each message, and answers "end". */
  const listening = (log: Log, options: Options = {}) =>
    mode.serve({
      flowControl: true,
      ...options,
      onText: (_, message, session) => {
        log.add(message);
        return message === "end" ? session.asyncRemote.sendText("end") : undefined;
      },
      onBinary: (_, data) => log.add([...new Uint8Array(data)]),
      onClose: (_, __, { closeCode }) => log.add("close", closeCode),
      onError: (_, __, error) =>
        log.add(error.name, error instanceof LimitExceededError ? error.closeCode : error.message),
    });

  it("F2: texts, data and batches are delivered in order, each message for itself", async () => {
    const log = new Log();
    const client = await FlowClient.connect(listening(log));
    const long = "é".repeat(10_000);
    client.client.send("a", bytes(0, 1, 2), bytes(0), batch("b", bytes(3), "", bytes(), "\uFEFFc", long), batch("end"));
    await client.has(1);
    expect(log.entries).toEqual(["a", [1, 2], [], "b", [3], "", [], "\uFEFFc", long, "end"]);
  });

  it.each<[string, Uint8Array]>([
    ["without a type", bytes()],
    ["of an unknown type", bytes(4, 1)],
    ["of settings, which are the server's", bytes(3, 1)],
    ["of a batch without messages", bytes(1)],
    ["of a batch that ends within a message", bytes(1, 6, 65)],
    ["of a batch that ends within a number", bytes(1, 130)],
    ["of a batch with a text not in UTF-8", bytes(1, 4, 0xc3, 0x28)],
    ["of a batch with a number over 53 bits", bytes(1, [255, 255, 255, 255, 255, 255, 255, 31])],
    [
      "of a number of more bytes than any needs",
      bytes(
        2,
        Array.from({ length: 200 }, () => 128),
        0,
      ),
    ],
    ["of an acknowledgement without a number", bytes(2)],
    ["of an acknowledgement with more than a number", bytes(2, 1, 1)],
    ["of an acknowledgement of nothing", bytes(2, 0)],
    ["of an acknowledgement of what was not sent", bytes(2, 2)],
    ["of an acknowledgement of far more", acknowledgement(Number.MAX_SAFE_INTEGER)],
  ])("F2: a frame %s ends the session with 1002, and onError is told", async (_, frame) => {
    const log = new Log();
    const client = await FlowClient.connect(listening(log));
    client.client.send("before", "end", frame, "behind");
    expect(await client.client.closed).toMatchObject({ code: 1002, wasClean: true });
    expect(client.messages).toEqual(["end"]);
    await log.has(["close", 1002]);
    expect(log.entries).toEqual(["before", "end", ["ProtocolError", expect.any(String)], ["close", 1002]]);
  });

  it("F2: an acknowledgement that was made before, or goes back, ends the session with 1002", async () => {
    for (const counts of [
      [2, 2],
      [2, 1],
    ]) {
      const log = new Log();
      const client = await FlowClient.connect(listening(log));
      client.client.send("end", "end");
      await client.has(2);
      for (const count of counts) client.client.send(acknowledgement(count));
      expect(await client.client.closed).toMatchObject({ code: 1002 });
      await log.has(["close", 1002]);
      expect(log.entries[2]).toEqual([
        "ProtocolError",
        `The client acknowledged ${counts[1]} messages, but 2 were sent and 2 acknowledged before.`,
      ]);
    }
  });

  it("F2: without onError a malformed frame is logged", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const closed = new Log();
    const client = await FlowClient.connect(
      mode.serve({ flowControl: true, onClose: (_, __, { closeCode }) => closed.add(closeCode) }),
    );
    client.client.send(bytes(7));
    await closed.has(1002);
    expect(logged.mock.calls).toEqual([[logEntry("the socket failed"), expect.any(ProtocolError)]]);
  });

  it("F2: what stands before the malformed part of a batch is delivered", async () => {
    const log = new Log();
    const client = await FlowClient.connect(listening(log));
    client.client.send(bytes([...batch("a", "b")], 9));
    await log.has(["close", 1002]);
    expect(log.entries.slice(0, 2)).toEqual(["a", "b"]);
  });

  it("F2: what stands behind the message whose callback closes is dropped", async () => {
    const log = new Log();
    const endpoint = mode.serve({
      flowControl: true,
      onText: (_, message, session) => {
        log.add(message);
        if (message === "b") session.close(4000);
      },
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send(batch("a", "b", "c"), "d");
    expect(await client.client.closed).toMatchObject({ code: 4000 });
    expect(log.entries).toEqual(["a", "b", 4000]);
  });

  it.each<[string, Options, Uint8Array, number]>([
    ["a text over its limit", { maxTextMessageBufferSize: 3 }, batch("abc", "abcd"), 1009],
    ["data over its limit", { maxBinaryMessageBufferSize: 3 }, batch(bytes(1, 2, 3), bytes(1, 2, 3, 4)), 1009],
    ["more than the rate allows", { rateLimit: { messages: 1, perMs: 600_000 } }, batch("abc", "d", "e"), 1008],
  ])(
    "F2, R19: of a batch, %s exceeds the limit, and what is behind it is neither taken nor read",
    async (_, options, frame, code) => {
      const log = new Log();
      const client = await FlowClient.connect(listening(log, options));
      // A frame with the 9 would be malformed.
      client.client.send(bytes([...frame], 9));
      expect(await client.client.closed).toMatchObject({ code });
      await log.has(["close", code]);
      expect(log.entries).toEqual([expect.anything(), ["LimitExceededError", code], ["close", code]]);
    },
  );

  it("F2, R12: of a batch no more is taken than may wait", async () => {
    const log = new Log();
    const held = Promise.withResolvers<void>();
    const endpoint = mode.serve({
      flowControl: true,
      maxPendingMessages: 2,
      onText: (_, message) => {
        log.add(message);
        return message === "a" ? held.promise : undefined;
      },
      onError: (_, __, error) => {
        log.add(error.name);
      },
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send(batch("a", "b", "c", "d", "e"));
    await log.has("a");
    await runInDurableObject(endpoint.stub, () => held.resolve());
    await log.has(1013);
    expect(log.entries).toEqual(["a", "b", "c", "LimitExceededError", 1013]);
  });

  it("P18: a batch of 4,096 messages is delivered; of one of more nothing is read, and it closes with 1009", async () => {
    const log = new Log();
    const endpoint = listening(log);
    const client = await FlowClient.connect(endpoint);
    const empty = (count: number) => Array.from({ length: count }, () => 0);
    client.client.send(bytes(1, empty(4095), [6], 101, 110, 100));
    await client.has(1);
    expect(log.entries).toEqual([...Array.from({ length: 4095 }, () => ""), "end"]);
    // The first item is not UTF-8, and the last has no end: Socle must not decode either.
    client.client.send("before", bytes(1, [2, 0xff], empty(4096), 0x80), "behind");
    expect(await client.client.closed).toMatchObject({ code: 1009 });
    await log.has(["close", 1009]);
    expect(log.entries.slice(4096)).toEqual(["before", ["LimitExceededError", 1009], ["close", 1009]]);
  });

  it.each<[string, Options, (session: Session) => unknown]>([
    ["of its texts", { maxTextMessageBufferSize: 20, maxBinaryMessageBufferSize: 1 }, () => {}],
    ["of its data", { maxTextMessageBufferSize: 10, maxBinaryMessageBufferSize: 20 }, () => {}],
    [
      "that it has now",
      { maxTextMessageBufferSize: 1, maxBinaryMessageBufferSize: 1 },
      (session) => (session.maxTextMessageBufferSize = 20),
    ],
  ])("P18: a batch may have as many bytes as the larger limit of its session, %s", async (_, options, onOpen) => {
    const log = new Log();
    const endpoint = mode.serve({
      flowControl: true,
      ...options,
      onOpen: (session) => void onOpen(session),
      onText: (__, message) => log.add(message),
      onError: (__, ___, { message }) => log.add(message),
      onClose: (__, ___, { closeCode }) => log.add(closeCode),
    });
    const client = await FlowClient.connect(endpoint);
    const fitting = batch("1234567", "12345678", "");
    const over = batch("", "1234567", "12345678", "");
    expect([fitting.length, over.length]).toEqual([19, 20]);
    client.client.send(over, bytes([...over], 0));
    expect(await client.client.closed).toMatchObject({ code: 1009 });
    await log.has(1009);
    const [name] =
      options.maxBinaryMessageBufferSize === 20 ? ["maxBinaryMessageBufferSize"] : ["maxTextMessageBufferSize"];
    expect(log.entries).toEqual([
      "",
      "1234567",
      "12345678",
      "",
      `The client sent a batch of over 20 bytes: see ${name}.`,
      1009,
    ]);
  });

  it("P18, R12: what waits before the batch that is too large is delivered, and then onError is told", async () => {
    const log = new Log();
    const held = Promise.withResolvers<void>();
    const endpoint = mode.serve({
      flowControl: true,
      onText: (_, message) => {
        log.add(message);
        return held.promise;
      },
      onError: (_, __, { message }) => log.add(message),
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("a", "b", bytes(1, [...new Uint8Array(4097)]), "c", batch("d"));
    await log.has("a");
    await runInDurableObject(endpoint.stub, () => held.resolve());
    await log.has(1009);
    expect(log.entries).toEqual(["a", "b", "The client sent a batch of over 4096 messages: split it.", 1009]);
  });

  it("F2: an acknowledgement is no message: no rate limit counts it, and no slow callback holds it", async () => {
    const held = Promise.withResolvers<void>();
    const endpoint = mode.serve({
      flowControl: { window: 1 },
      rateLimit: { messages: 1, perMs: 600_000 },
      async onText(_, __, { asyncRemote }) {
        for (const message of texts(5)) await asyncRemote.sendText(message);
        held.resolve();
      },
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    for (let count = 1; count <= 5; count++) {
      expect(await client.has(count)).toEqual(texts(count));
      client.take(1);
    }
    await held.promise;
  });
});

/** Logs the result of each put and of each message, by the message's number. */
const putting =
  (log: Log) =>
  (send: SendChannel, count: number, from = 0): void => {
    for (const [index, message] of texts(count, from).entries()) {
      const put = (result: SendResult) => log.add(from + index, names(result));
      void send.put([message, { put }]).then((taken) => log.add(from + index, taken));
    }
  };

/** Results of promises arrive a little later than those of callbacks, so their order is not compared. */
const sorted = (log: Log, from = 0) => log.entries.slice(from).map(String).toSorted();

const dropped = (log: Log) => log.entries.filter((entry) => String(entry).includes("MessageDroppedError"));

const command = (message: string) => message.split(" ").map(Number) as [count: number, from: number];

describe.each(modes)("the credit, hibernate: $hibernate", (mode) => {
  /** Puts as many messages as the client says, beginning with a number. */
  const pouring = (flowControl: EndpointOptions["flowControl"] = TEN.flowControl) =>
    mode.serve({
      flowControl,
      onOpen: onOpenStartWsConnection({ sendBufferOrN: 1000 }),
      onText: (send, message) => texts(...command(message)).forEach((one) => send.offer(one)),
      onBinary: (send, data) => void send.offer(new Uint8Array(data)[0] ? new Uint8Array(5000) : ""),
    });

  it("F3: no more is under way than the window holds, and what was taken makes room for as much", async () => {
    const client = await FlowClient.connect(pouring());
    client.client.send("30 0");
    let taken = 0;
    for (const count of [3, 7, 5, 6, 4]) {
      await client.has(taken + count);
      client.take(count);
      taken += count;
      expect(client.messages.length - taken).toBeLessThanOrEqual(10);
    }
    expect(await client.has(30)).toEqual(texts(30));
    expect(client.messages.length - taken).toBe(5);
  });

  it("F3: messages without bytes have an end too", async () => {
    const endpoint = pouring({ window: 320 });
    const client = await FlowClient.connect(endpoint);
    client.client.send(...Array.from({ length: 50 }, () => bytes(0, 0)));
    for (let taken = 0; taken < 50; taken += 10) {
      await client.has(taken + 10);
      expect(client.messages.length).toBe(taken + 10);
      client.take(10);
    }
    expect(client.messages.every((message) => message === "")).toBe(true);
  });

  it("F3: a message that is larger than the window goes alone, when all is taken", async () => {
    const endpoint = pouring();
    const client = await FlowClient.connect(endpoint);
    client.client.send("2 0", bytes(0, 1), "2 2");
    expect(await client.has(2)).toEqual(texts(2));
    client.take(1);
    expect(await buffered(endpoint)).toBe(5000);
    client.take(1);
    expect(await client.has(3)).toEqual([...texts(2), new Uint8Array(5000)]);
    expect(await buffered(endpoint)).toBe(68);
    client.take(1);
    expect((await client.has(5)).slice(3)).toEqual(texts(2, 2));
  });

  it("F3: the client is told first what the window is, what its heartbeat and the answer are, and how much may come", async () => {
    const usual = {
      window: 262_144,
      response: "socle:pong",
      request: "socle:ping",
      maxPendingMessages: "1000",
      messages: "",
      perMs: "",
    };
    const autoResponse = { request: "ping", response: "pong" };
    for (const [options, settings] of [
      [{}, {}],
      [{ flowControl: { window: 262_144 } }, {}],
      [{ flowControl: { window: 300_000 } }, { window: 300_000 }],
      [
        { flowControl: { window: 5 }, autoResponse },
        { ...autoResponse, window: 5 },
      ],
      [{ autoResponse: { request: "ping", response: "" } }, { request: "ping", response: "" }],
      [{ autoResponse: { request: "é\ud800", response: "\udc00" } }, { request: "é\ufffd", response: "\ufffd" }],
      [{ rateLimit: { messages: 5, perMs: 60_000 } }, { messages: "5", perMs: "60000" }],
      [
        { autoResponse, maxPendingMessages: 7, rateLimit: { messages: 1, perMs: 1 } },
        { ...autoResponse, maxPendingMessages: "7", messages: "1", perMs: "1" },
      ],
    ] as [Options, object][]) {
      const endpoint = mode.serve({
        flowControl: true,
        ...options,
        onOpen: ({ asyncRemote }) => void asyncRemote.sendText("hello"),
      });
      const client = await FlowClient.connect(endpoint);
      expect(client.settings).toEqual({ ...usual, ...settings });
      await client.has(1);
      expect(client.frames).toEqual(["hello"]);
    }
  });

  it("F3: the settings are a number and texts, in their order", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 300 },
      autoResponse: { request: "ping", response: "pong" },
      maxPendingMessages: 7,
      rateLimit: { messages: 5, perMs: 2000 },
    });
    const { client } = await FlowClient.connect(endpoint);
    const told = ["pong", "ping", "7", "5", "2000"].map(item);
    expect(client.messages).toEqual([bytes(3, number(300), ...told).buffer]);
  });

  it("F3: nobody counts the answer to a ping, which waits for nothing", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 1 },
      autoResponse: { request: "ping", response: "pong" },
      onText: (_, message, { asyncRemote }) => asyncRemote.sendText(message),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("ping", "a", "ping", "b", "ping");
    expect((await client.has(4)).map(String).toSorted()).toEqual(["a", "pong", "pong", "pong"]);
    client.take();
    expect((await client.has(5)).at(-1)).toBe("b");
    expect(client.taken).toBe(1);
  });

  it.each([
    ["pong", "pong"],
    ["", ""],
    ["x\ufffd", "x\ud800"],
  ])(
    "P19: where the answer is %j, the text %j that the object sends goes as a batch of one, waits and counts",
    async (response, own) => {
      vi.spyOn(console, "error").mockImplementation(() => {});
      const endpoint = mode.serve({
        flowControl: { window: 1 },
        autoResponse: { request: "ping", response },
        onText: (_, message, { asyncRemote }) => void [own, message, own].map((one) => asyncRemote.sendText(one)),
      });
      const client = await FlowClient.connect(endpoint);
      client.client.send("a");
      await client.has(1);
      client.client.send("ping");
      expect(await client.has(2)).toEqual([response, response]);
      for (let count = 1; count <= 2; count++) {
        client.take(1);
        await client.has(count + 2);
      }
      const batched = batch(response).buffer;
      expect(client.frames).toEqual([batched, response, "a", batched]);
      client.take(1);
      client.client.send(acknowledgement(4));
      expect(await client.client.closed).toMatchObject({ code: 1002 });
    },
  );

  it("P19: that text counts in a batch of several too, for maxBufferedAmount, and for a stall", async () => {
    const errors = new Log();
    const endpoint = mode.serve({
      flowControl: { window: 70, maxBufferedAmount: 40, stallTimeoutMs: 50 },
      autoResponse: { request: "ping", response: "pong" },
      async onText(_, __, { asyncRemote }) {
        const sent = ["a", "pong", "pong", "pong"].map((one) => asyncRemote.sendText(one));
        await sent.pop()!.catch(({ name }: Error) => errors.add(name));
      },
      onError: (_, __, { name }) => errors.add(name),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    expect(await client.client.closed).toMatchObject({ code: 1008 });
    expect(client.messages).toEqual(["a", "pong"]);
    expect(errors.entries).toEqual(["BufferFullError", "LimitExceededError"]);
  });
});

describe.each(modes)("a send channel, hibernate: $hibernate", (mode) => {
  const channelled = (log: Log, sendBufferOrN: Parameters<typeof startWsConnection>[1] = {}) =>
    mode.serve({
      flowControl: { window: 200 },
      onOpen: onOpenStartWsConnection(sendBufferOrN),
      onText: (send, message) => (message === "close" ? send.close() : putting(log)(send, ...command(message))),
      onClose: (_, __, { closeCode }) => log.add("close", closeCode),
    });

  it("F4: with a fixed buffer a put waits while the client takes nothing, and a result says what was sent", async () => {
    const log = new Log();
    const client = await FlowClient.connect(channelled(log, { sendBufferOrN: 1 }));
    // Two are sent, one waits for credit, and one is in the buffer.
    client.client.send("6 0");
    await log.has([3, true]);
    expect(log.entries).toEqual([
      [0, "success"],
      [1, "success"],
      [0, true],
      [1, true],
      [2, true],
      [3, true],
    ]);
    await client.has(2);
    client.take();
    await log.has([5, true]);
    expect(sorted(log, 6)).toEqual(["2,success", "3,success", "4,true", "5,true"]);
    await client.has(4);
    client.take();
    expect(await client.has(6)).toEqual(texts(6));
  });

  it("F4: a dropping buffer drops what comes while the client takes nothing", async () => {
    const log = new Log();
    const client = await FlowClient.connect(channelled(log, { sendBufferOrN: droppingBuffer(1) }));
    client.client.send("6 0");
    await log.has([5, true]);
    expect(dropped(log)).toEqual([4, 5].map((index) => [index, "MessageDroppedError"]));
    await client.has(2);
    client.take();
    expect(await client.has(4)).toEqual(texts(4));
  });

  it("F4: a sliding buffer keeps the newest", async () => {
    const log = new Log();
    const client = await FlowClient.connect(channelled(log, { sendBufferOrN: slidingBuffer(1) }));
    client.client.send("6 0");
    await log.has([5, true]);
    expect(dropped(log)).toEqual([2, 3, 4].map((index) => [index, "MessageDroppedError"]));
    await client.has(2);
    client.take();
    expect(await client.has(3)).toEqual([...texts(2), text(5)]);
  });

  it("F4: its close sends what it holds, as the client takes it, and then closes with 1000", async () => {
    const log = new Log();
    const client = await FlowClient.connect(channelled(log));
    client.client.send("5 0", "close");
    for (const come of [2, 4]) {
      await client.has(come);
      client.take();
    }
    expect(await client.client.closed).toMatchObject({ code: 1000 });
    expect(client.messages).toEqual(texts(5));
    await log.has(["close", 1000]);
  });

  it("F4: when the session ends, whoever waits is told", async () => {
    const log = new Log();
    const client = await FlowClient.connect(channelled(log, { sendBufferOrN: 1 }));
    client.client.send("5 0");
    await client.has(2);
    await client.client.close(1000);
    await log.has(["close", 1000]);
    await log.has([4, false]);
    expect(sorted(log, 6)).toEqual([
      "2,SessionClosedError",
      "3,SessionClosedError",
      "4,SessionClosedError",
      "4,false",
      "close,1000",
    ]);
  });
});

describe.each(modes)("past the channel, hibernate: $hibernate", (mode) => {
  /** Sends as many messages as the client says, without a channel. */
  const remote = (log: Log, flowControl: EndpointOptions["flowControl"] = { window: 200, maxBufferedAmount: 300 }) =>
    mode.serve({
      flowControl,
      onText: (_, message, { asyncRemote }) => {
        const [count, from] = command(message);
        for (const [index, one] of texts(count, from).entries()) {
          asyncRemote.sendText(one).then(
            () => log.add(from + index, "sent"),
            (error: Error) => log.add(from + index, error.name, error.message),
          );
        }
        log.add(asyncRemote.bufferedAmount);
      },
      onClose: (_, { asyncRemote }, { closeCode }) => log.add("close", closeCode, asyncRemote.bufferedAmount),
    });

  it("F5: sends wait in order as far as maxBufferedAmount goes, and then fail; bufferedAmount is what waits", async () => {
    const log = new Log();
    const endpoint = remote(log);
    const client = await FlowClient.connect(endpoint);
    client.client.send("7 0");
    await client.has(2);
    const full =
      "Not sent: 68 bytes more exceed maxBufferedAmount: 204 bytes in 3 messages are queued for the client, and each message counts 32 more. Send by a channel, whose put waits, or check bufferedAmount first.";
    expect(log.entries).toEqual([
      204,
      [0, "sent"],
      [1, "sent"],
      [5, "BufferFullError", full],
      [6, "BufferFullError", full],
    ]);
    client.take();
    await client.has(4);
    expect(await buffered(endpoint)).toBe(68);
    expect(log.entries.slice(5)).toEqual([
      [2, "sent"],
      [3, "sent"],
    ]);
    client.take();
    expect(await client.has(5)).toEqual(texts(5));
    expect(await buffered(endpoint)).toBe(0);
  });

  it("F5: maxBufferedAmount: 0 lets nothing wait", async () => {
    const log = new Log();
    const client = await FlowClient.connect(remote(log, { window: 100, maxBufferedAmount: 0 }));
    client.client.send("2 0");
    await client.has(1);
    expect(log.entries).toEqual([0, [0, "sent"], [1, "BufferFullError", expect.any(String)]]);
  });

  it("F5: what waits when the session ends fails with SessionClosedError, and waits no more", async () => {
    const log = new Log();
    const client = await FlowClient.connect(remote(log));
    client.client.send("4 0");
    await client.has(2);
    await client.client.close();
    await log.has(["close", 1005, 0]);
    await expect
      .poll(() => sorted(log, 3))
      .toEqual([
        expect.stringMatching("^2,SessionClosedError"),
        expect.stringMatching("^3,SessionClosedError"),
        "close,1005,0",
      ]);
  });

  it("F5: bytes are copied when they are sent, also those that wait", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 1 },
      onText: (_, __, { asyncRemote }) => {
        const data = new Uint8Array([0, 1, 2, 3]).subarray(1, 3);
        void asyncRemote.sendBinary(data);
        void asyncRemote.sendBinary(data);
        void asyncRemote.sendBinary(data.buffer);
        data.fill(9);
      },
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    for (let count = 1; count <= 2; count++) {
      await client.has(count);
      client.take();
    }
    expect(await client.has(3)).toEqual([bytes(1, 2), bytes(1, 2), bytes(0, 1, 2, 3)]);
  });

  it("F5: a broadcast waits for each session by itself, and counts those whose buffer is full as missed", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = remote(new Log(), { window: 1, maxBufferedAmount: 100 });
    const [slow, quick, plain] = [
      await FlowClient.connect(endpoint),
      await FlowClient.connect(endpoint),
      await endpoint.connect(),
    ];
    const counts = [];
    for (let index = 0; index < 3; index++) {
      counts.push(await endpoint.stub.broadcast(text(index)));
      await quick.has(index + 1);
      quick.take();
    }
    expect(counts).toEqual([3, 3, 2]);
    expect(logged.mock.calls).toEqual([[logEntry("a broadcast missed a session"), expect.any(BufferFullError)]]);
    expect(await plain.take(3)).toEqual(texts(3));
    expect(quick.messages).toEqual(texts(3));
    await slow.has(1);
    slow.take();
    expect(await slow.has(2)).toEqual(texts(2));
  });

  it("F5: what waits keeps its order, by a channel or past it; what a channel has in its buffer comes behind", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 1 },
      onOpen: onOpenStartWsConnection(),
      onText: (send, _, { asyncRemote }) => {
        void send.put("1");
        void asyncRemote.sendText("2");
        void send.put("3");
        void send.put("5");
        void asyncRemote.sendText("4");
      },
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    for (let count = 1; count <= 5; count++) {
      await client.has(count);
      client.take();
    }
    expect(client.messages).toEqual(["1", "2", "3", "4", "5"]);
  });
});

describe.each(modes)("a client that takes nothing, hibernate: $hibernate", (mode) => {
  const stalling = (log: Log, options: Options = {}) =>
    mode.serve({
      flowControl: { window: 1, stallTimeoutMs: 50 },
      ...options,
      onOpen: onOpenStartWsConnection(),
      onText: (send, message) => putting(log)(send, ...command(message)),
      onError: (_, __, error) => {
        log.add(error.name, (error as LimitExceededError).closeCode, error.message);
      },
      onClose: (_, __, { closeCode }) => log.add("close", closeCode),
    });

  it("F6: is closed with 1008 once messages have waited for stallTimeoutMs, and onError is told", async () => {
    const log = new Log();
    const client = await FlowClient.connect(stalling(log));
    client.client.send("2 0");
    expect(await client.client.closed).toMatchObject({ code: 1008 });
    await log.has(["close", 1008]);
    expect(log.entries.slice(-3)).toEqual([
      [1, "SessionClosedError"],
      ["LimitExceededError", 1008, "The client acknowledged nothing for 50 ms: see stallTimeoutMs."],
      ["close", 1008],
    ]);
    expect(client.messages).toEqual(texts(1));
  });

  it("F6: is not closed while nothing waits, nor while it takes a little", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const log = new Log();
    const endpoint = mode.serve({
      flowControl: { window: 1, stallTimeoutMs: 1000 },
      onText: (_, message, { asyncRemote }) => {
        const [count, from] = command(message);
        for (const one of texts(count, from)) void asyncRemote.sendText(one);
        log.add(from + count - 1, true);
      },
      onClose: (_, __, { closeCode }) => log.add("close", closeCode),
      onError: () => {},
    });
    /** Runs in the object, because timers fire in the object that set them. */
    const pass = (milliseconds: number) =>
      runInDurableObject(endpoint.stub, () => void vi.advanceTimersByTime(milliseconds));
    /** Waits inside the object, because polling would let time pass. */
    const putAll = (count: number) =>
      runInDurableObject(endpoint.stub, async () => {
        while (!log.entries.some((entry) => String(entry) === `${count - 1},true`)) await scheduler.wait(1);
      });
    const client = await FlowClient.connect(endpoint);
    client.client.send("1 0");
    await client.has(1);
    await pass(5000);
    client.client.send("5 1");
    await putAll(6);
    for (let count = 1; count <= 5; count++) {
      await pass(900);
      client.take(1);
      await client.has(count + 1);
    }
    await pass(5000);
    client.take(1);
    client.client.send("2 6");
    await putAll(8);
    await pass(999);
    expect(log.entries.map(String)).not.toContain("close,1008");
    await pass(1);
    await log.has(["close", 1008]);
    expect(await client.has(7)).toEqual(texts(7));
  });

  it("F6: lets a callback that waits for its put go on, and onClose comes after it", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const log = new Log();
    const endpoint = mode.serve({
      flowControl: { window: 1, stallTimeoutMs: 50 },
      onOpen: onOpenStartWsConnection({ sendBufferOrN: 0 }),
      async onText(send) {
        for (const message of texts(3)) log.add(await send.put(message));
      },
      onError: (_, __, error) => log.add(error.name),
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    expect(await client.client.closed).toMatchObject({ code: 1008 });
    await log.has(1008);
    expect(log.entries).toEqual([true, true, false, "LimitExceededError", 1008]);
    const entry = [logEntry("a message was not sent"), expect.any(SessionClosedError)];
    expect(logged.mock.calls).toEqual([entry, entry]);
  });

  it("F6: does not hold the others of the object", async () => {
    const log = new Log();
    const endpoint = stalling(log, { flowControl: { window: 1 } });
    const [stalled, other] = [await FlowClient.connect(endpoint), await FlowClient.connect(endpoint)];
    stalled.client.send("9 0");
    await stalled.has(1);
    other.client.send("3 0");
    for (let count = 1; count <= 3; count++) {
      await other.has(count);
      other.take();
    }
    expect(other.messages).toEqual(texts(3));
  });
});

describe.each(modes)("what waits for the client, hibernate: $hibernate", (mode) => {
  it("F3, R18: is overtaken by the answer that nobody counts", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 1 },
      autoResponse: { request: "ping", response: "pong" },
      onText: (_, __, { asyncRemote }) => {
        for (const one of texts(3)) void asyncRemote.sendText(one);
      },
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    await client.has(1);
    client.client.send("ping");
    expect(await client.has(2)).toEqual([text(0), "pong"]);
  });

  it("F7: has the batch before it sent at once, without which the client could take nothing", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 1000, batchMs: 60_000 },
      onText: (_, __, { asyncRemote, webSocket }) => {
        for (const one of texts(11)) void asyncRemote.sendText(one);
        // Sent without Socle: messages that Socle sent at once come before it.
        webSocket.send("mark");
      },
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    while (client.messages.at(-1) !== "mark") await client.client.next();
    expect(client.messages).toEqual([...texts(10), "mark"]);
  });

  it("F5: may be very many messages", async () => {
    const count = 30_000;
    const endpoint = mode.serve({
      flowControl: { window: 1, maxBufferedAmount: 2 ** 30 },
      onText: (_, __, { asyncRemote }) => {
        for (let index = 0; index < count; index++) void asyncRemote.sendText("");
      },
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    await client.has(1);
    for (let taken = 0; taken < 5; taken++) {
      client.take(1);
      await client.has(taken + 2);
    }
    expect(await client.client.close()).toMatchObject({ code: 1005 });
  });

  it("F2, R12: after an exceeded limit no frame is read any more, also if it is malformed", async () => {
    const log = new Log();
    const held = Promise.withResolvers<void>();
    const endpoint = mode.serve({
      flowControl: true,
      rateLimit: { messages: 1, perMs: 600_000 },
      onText: (_, message, { asyncRemote }) => {
        log.add(message);
        return held.promise.then(() => asyncRemote.sendText("answered"));
      },
      onError: (_, __, error) => log.add(error.name),
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("a", "b", bytes(9), "c");
    await log.has("a");
    await runInDurableObject(endpoint.stub, () => held.resolve());
    expect(await client.client.closed).toMatchObject({ code: 1008 });
    expect(client.messages).toEqual(["answered"]);
    await log.has(1008);
    expect(log.entries).toEqual(["a", "LimitExceededError", 1008]);
  });
});

describe.each(modes)("what goes together, hibernate: $hibernate", (mode) => {
  const sending = (
    act: (session: Session, send: SendChannel) => unknown,
    flowControl: EndpointOptions["flowControl"] = true,
  ) =>
    mode.serve({
      flowControl,
      onOpen: onOpenStartWsConnection(),
      onText: (send, _, session) => act(session, send),
    });

  const frames = async (endpoint: Served, count: number) => {
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    await client.has(count);
    return client.frames.map((frame) => (typeof frame === "string" ? frame : Array.from(new Uint8Array(frame))));
  };

  const abc = [1, 2, 97, 3, 1, 2, 98];

  it("F7: small messages of one turn are one frame, in their order", async () => {
    const endpoint = sending(({ asyncRemote }, send) => {
      send.offer("a");
      void asyncRemote.sendBinary(bytes(1));
      send.offer("b");
    });
    expect(await frames(endpoint, 3)).toEqual([[1, 2, 97, 3, 1, 2, 98]]);
  });

  it("F7: also where each send is awaited", async () => {
    const endpoint = sending(async ({ asyncRemote }, send) => {
      await send.put("a");
      await asyncRemote.sendBinary(bytes(1));
      expect(await send.send("b")).toBe("success");
    });
    expect(await frames(endpoint, 3)).toEqual([abc]);
  });

  it("F7: one alone is a frame of its own: a text, or data", async () => {
    const endpoint = sending(async ({ asyncRemote }) => {
      await asyncRemote.sendText("a");
      await scheduler.wait(0);
      await asyncRemote.sendBinary(bytes(1));
    });
    expect(await frames(endpoint, 2)).toEqual(["a", [0, 1]]);
  });

  it("F7: with batchMs those of more than one turn", async () => {
    const endpoint = sending(
      async ({ asyncRemote }, send) => {
        send.offer("a");
        await scheduler.wait(1);
        await asyncRemote.sendBinary(bytes(1));
        await scheduler.wait(1);
        send.offer("b");
      },
      { batchMs: 2000 },
    );
    expect(await frames(endpoint, 3)).toEqual([abc]);
  });

  it("F7: a large message goes alone, and what came before it goes before", async () => {
    const large = "x".repeat(20_000);
    const endpoint = sending(({ asyncRemote }, send) => {
      for (const message of ["a", "b", large, "c"]) send.offer(message);
      void asyncRemote.sendBinary(new Uint8Array(20_000));
      send.offer("d");
    });
    const shown = (await frames(endpoint, 6)).map((frame) => (frame.length > 1000 ? frame.length : frame));
    expect(shown).toEqual([[1, 2, 97, 2, 98], 20_000, "c", 20_001, "d"]);
  });

  it("F7: many small ones are several frames", async () => {
    const count = 1000;
    const endpoint = sending((_, send) => texts(count).forEach((one) => send.offer(one)));
    const lengths = (await frames(endpoint, count)).map(({ length }) => length);
    expect(Math.max(...lengths)).toBeLessThan(17_000);
    expect(lengths.length).toBeLessThan(10);
  });

  it("P18: a batch of the server's has at most 4,096 messages too", async () => {
    const endpoint = sending(
      ({ asyncRemote }) => {
        for (let count = 0; count < 5000; count++) void asyncRemote.sendText("");
      },
      { window: 1_000_000 },
    );
    expect((await frames(endpoint, 5000)).map(({ length }) => length)).toEqual([4097, 905]);
  });

  it("F7: what was sent before session.close goes before the Close frame, what waits doesn't go", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = sending(
      (session, send) => {
        for (const message of texts(4)) send.offer(message);
        session.close(4000);
      },
      { window: 200, batchMs: 60_000 },
    );
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    expect(await client.client.closed).toMatchObject({ code: 4000 });
    expect(client.messages).toEqual(texts(2));
  });

  it("R10, F7: what onOpen sends goes together, behind the settings", async () => {
    const endpoint = mode.serve({
      flowControl: { window: 1000, batchMs: 60_000 },
      onOpen: (session) => {
        const send = startWsConnection(session);
        send.offer("a");
        send.offer("b");
        return send;
      },
    });
    const client = await FlowClient.connect(endpoint);
    await client.has(2);
    expect(client.frames).toEqual([batch("a", "b").buffer]);
  });
});

it("P12: the hook's subprotocol is the application's, with which the client may have offered socle.v1", async () => {
  const endpoint = serve({
    flowControl: true,
    onHandshake: () => ({ subprotocol: "token" }),
    onText: (_, __, session) => session.asyncRemote.sendText(session.negotiatedSubprotocol),
  });
  const offering = (offers: string) => endpoint.connect("", { "Sec-WebSocket-Protocol": offers });
  const client = await offering("token+socle.v1, token");
  await nextSettings(client);
  expect([client.protocol, await client.ask("?")]).toEqual(["token+socle.v1", "token"]);
  const plain = await offering("token");
  expect([plain.protocol, await plain.ask("?")]).toEqual(["token", "token"]);
});

describe("hibernation", () => {
  /** Sends as many messages as the client says, without a channel. */
  const pouring = (options: Options = {}) =>
    serve({
      ...TEN,
      ...options,
      onOpen: (): { large: string; sent: number } => ({ large: "", sent: 0 }),
      onText: (object, message, { asyncRemote }) => {
        const [count, size] = command(message);
        object.large = "x".repeat(size);
        for (const one of texts(count, object.sent)) void asyncRemote.sendText(one);
        object.sent += count;
      },
    });

  it.each([
    ["in the attachment", 0],
    ["in storage", 20_000],
  ])("F8: the credit is the same after it, the session object %s", async (_, size) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = pouring();
    const client = await FlowClient.connect(endpoint);
    client.client.send(`7 ${size}`);
    await client.has(7);
    await endpoint.hibernate();
    client.take(2);
    await buffered(endpoint);
    await endpoint.hibernate();
    client.client.send(`9 ${size}`);
    // The window has room for five of these: three were free, and the client acknowledged two.
    await client.has(12);
    expect(await buffered(endpoint)).toBe(4 * 68);
    client.take();
    expect(await client.has(16)).toEqual(texts(16));
    await endpoint.hibernate();
    client.client.send(acknowledgement(17));
    expect(await client.client.closed).toMatchObject({ code: 1002 });
  });

  it("F8: what was acknowledged before it can't be acknowledged again", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = pouring();
    const client = await FlowClient.connect(endpoint);
    client.client.send("5 0");
    await client.has(5);
    client.take();
    await buffered(endpoint);
    await endpoint.hibernate();
    client.client.send(acknowledgement(5));
    expect(await client.client.closed).toMatchObject({ code: 1002 });
  });

  it("F8: is that after the last frame, also where others were kept before", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = serve({ ...TEN, onText: (_, message, { asyncRemote }) => asyncRemote.sendText(message) });
    const client = await FlowClient.connect(endpoint);
    const attachment = () => inside(endpoint, ({ webSocket }) => JSON.stringify(webSocket.deserializeAttachment()));
    const kept = async (act: () => void) => {
      const before = await attachment();
      act();
      await expect.poll(attachment).not.toBe(before);
    };
    for (let count = 1; count <= 3; count++) await kept(() => client.client.send(text(count)));
    await client.has(3);
    await kept(() => client.take());
    await endpoint.hibernate();
    client.client.send(acknowledgement(3));
    expect(await client.client.closed).toMatchObject({ code: 1002 });
  });

  it("F8: the subprotocol is the application's after it too, and the settings don't come again", async () => {
    const endpoint = serve({
      flowControl: true,
      subprotocols: ["chat"],
      onText: (_, __, { negotiatedSubprotocol, asyncRemote }) => asyncRemote.sendText(negotiatedSubprotocol),
    });
    const client = await FlowClient.connect(endpoint, "chat+socle.v1");
    await endpoint.hibernate();
    client.client.send("?");
    await client.has(1);
    expect(client.frames).toEqual(["chat"]);
  });

  it("F6: comes only when no message waits for the client, or for others to go with", async () => {
    const endpoint = pouring({ flowControl: { window: 1, batchMs: 50 } });
    const client = await FlowClient.connect(endpoint);
    client.client.send("3 0");
    const slept = endpoint.hibernate();
    for (let count = 1; count <= 3; count++) {
      await client.has(count);
      client.take();
    }
    await slept;
    expect(client.messages).toEqual(texts(3));
  });

  it("F4: a channel that comes back when its session has ended says so at once", async () => {
    const log = new Log();
    const endpoint = serve({
      flowControl: { window: 1 },
      onOpen: (session) => {
        session.userProperties.send = startWsConnection(session);
      },
      onText: (_, __, { asyncRemote }) => asyncRemote.sendText("untaken"),
      onClose: async (_, { userProperties }) => log.add(names(await (userProperties.send as SendChannel).send("bye"))),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    await client.has(1);
    await endpoint.hibernate();
    await client.client.close();
    await expect.poll(() => log.entries).toEqual(["SessionClosedError"]);
  });

  it("F8: a session keeps no more than a few numbers of what was sent, however much that is", async () => {
    const endpoint = serve({
      flowControl: true,
      onOpen: onOpenStartWsConnection({ sendBufferOrN: 5000 }),
      onText: (send) => texts(5000).forEach((one) => send.offer(one)),
    });
    const client = await FlowClient.connect(endpoint);
    client.client.send("go");
    await client.has(2621);
    const kept = async () => {
      const attached = await inside(endpoint, ({ webSocket }) => webSocket.deserializeAttachment() as unknown[][]);
      return attached[3]?.[5] as number[] | undefined;
    };
    await expect.poll(kept).toContain(2621);
    expect((await kept())!.length).toBeLessThanOrEqual(2 + 2 * 9);
  });
});

describe("any mix", () => {
  type Sent = { path: "channel" | "remote" | "broadcast"; isBinary: boolean; length: number };
  type Step = { send: Sent[] } | { take: number } | { hibernate: true };

  const shown = (data: Data) => (typeof data === "string" ? `text ${data}` : `data ${new TextDecoder().decode(data)}`);
  const sizeOf = (data: Data) => 32 + new TextEncoder().encode(shown(data)).length - 5;

  const length = fc.oneof({ weight: 8, arbitrary: fc.nat(60) }, { weight: 1, arbitrary: fc.nat(40_000) });
  const sent: fc.Arbitrary<Sent> = fc.record({
    path: fc.constantFrom("channel", "remote", "broadcast"),
    isBinary: fc.boolean(),
    length,
  });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ send: fc.array(sent, { minLength: 1, maxLength: 30 }) }),
    fc.record({ take: fc.nat() }),
    fc.constant({ hibernate: true as const }),
  );
  const settings = fc.record({ window: fc.integer({ min: 1, max: 2000 }), batchMs: fc.constantFrom(0, 0, 1) });

  it("F2-F8: of any mix, each message comes once and in its order, and no more than the window is under way", async () => {
    const property = fc.asyncProperty(
      settings,
      fc.array(step, { maxLength: 20 }),
      async ({ window, batchMs }, steps) => {
        const endpoint = serve({
          flowControl: { window, batchMs, maxBufferedAmount: 2 ** 30 },
          onOpen: (session) => ({ send: startWsConnection(session, { sendBufferOrN: 1000 }) }),
        });
        const client = await FlowClient.connect(endpoint);
        const wanted: Record<string, string[]> = { channel: [], remote: [] };
        /** All messages that bypass the channel have one order. */
        const orderOf = (path: string) => (path === "channel" ? path : "remote");
        for (const { path, isBinary, length: size } of steps.flatMap((one) => ("send" in one ? one.send : []))) {
          const name = `${orderOf(path)} ${wanted[orderOf(path)]!.length} ${"é".repeat(size)}`;
          wanted[orderOf(path)]!.push(`${isBinary ? "data" : "text"} ${name}`);
        }
        const next = { channel: 0, remote: 0 };
        for (const one of steps) {
          if ("send" in one) {
            const messages = one.send.map(({ path }) => {
              const [, kind, content] = /^(\w+) (.*)$/.exec(
                wanted[orderOf(path)]![next[orderOf(path) as "remote"]++]!,
              )!;
              return { path, data: kind === "text" ? content! : new TextEncoder().encode(content) };
            });
            await runInDurableObject(endpoint.stub, (object: Endpoints) => {
              const [session] = object.openSessions() as Set<Session<string, { send: SendChannel }>>;
              for (const { path, data } of messages) {
                if (path === "channel") session!.sessionObject.send.offer(data);
                else if (path === "broadcast") object.broadcast(data);
                else if (typeof data === "string") void session!.asyncRemote.sendText(data);
                else void session!.asyncRemote.sendBinary(data);
              }
            });
          } else if ("take" in one) client.take(one.take % (client.messages.length - client.taken + 1));
          else if (client.messages.length === next.channel + next.remote) {
            // Only an object that is awake can hibernate.
            await buffered(endpoint);
            await endpoint.hibernate();
          }
          const untaken = client.messages.slice(client.taken);
          const size = untaken.reduce((sum, data) => sum + sizeOf(data), 0);
          assert(
            untaken.length <= 1 || size <= window,
            `${untaken.length} messages of ${size} in a window of ${window}`,
          );
        }
        const count = wanted.channel!.length + wanted.remote!.length;
        while (client.taken < count) {
          await client.has(client.taken + 1);
          client.take();
        }
        const come = client.messages.map(shown);
        for (const [path, messages] of Object.entries(wanted)) {
          assert.deepEqual(
            come.filter((message) => message.split(" ")[1] === path),
            messages,
          );
        }
        assert.equal(come.length, count);
        await client.client.close();
      },
    );
    await fc.assert(property, { seed: inject("model").seed, numRuns: 100 });
  });
});
