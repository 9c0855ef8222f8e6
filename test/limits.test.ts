// Limits: how many messages may be queued, how large they may be, and how often they may arrive.
import { runInDurableObject } from "cloudflare:test";
import { DeploymentError, LimitError, LimitExceededError, type EndpointOptions, type Session } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { request, type Client } from "./support/client.ts";
import { Log, serve } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `${i}`);

/** `onClose` and `onError` that log the close codes. */
const coded = (log: Log) => ({
  onError: (_: unknown, __: Session, error: Error) =>
    log.add("error", error instanceof LimitExceededError && error.closeCode),
  onClose: (_: unknown, __: Session, { closeCode }: { closeCode: number }) => log.add("close", closeCode),
});

/** Options of a wrong type, which TypeScript would not let a test write. */
const register = (options: object) => () => serve(options as EndpointOptions);

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("maxPendingMessages", () => {
  const slow = (_: unknown, text: string, session: Session) =>
    scheduler.wait(20).then(() => session.asyncRemote.sendText(text));

  it("R12: a flood ends with 1013, once what was queued is delivered in order and answered", async () => {
    const log = new Log();
    const endpoint = serve({ maxPendingMessages: 20, onText: slow, ...coded(log) });
    const client = await endpoint.connect();
    client.send(...numbered(200));
    expect(await client.closed).toEqual({ code: 1013, reason: "", wasClean: true });
    expect(client.unread.length).toBeGreaterThan(20);
    expect(client.unread.length).toBeLessThan(200);
    expect(client.unread).toEqual(numbered(client.unread.length));
    await log.has(["close", 1013]);
    expect(log.entries).toEqual([
      ["error", 1013],
      ["close", 1013],
    ]);
  });

  it("R12: without onError it is logged, and still 1013", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const client = await serve({ maxPendingMessages: 20, onText: slow }).connect();
    client.send(...numbered(200));
    expect(await client.closed).toEqual({ code: 1013, reason: "", wasClean: true });
    expect(logged.mock.calls).toEqual([[logEntry("a limit was exceeded"), expect.any(LimitExceededError)]]);
  });

  it("R12: it holds after hibernation, and the other sessions of the object don't notice", async () => {
    const endpoint = serve({ maxPendingMessages: 20, onText: slow });
    vi.spyOn(console, "error").mockImplementation(() => {});
    const [client, other] = [await endpoint.connect(), await endpoint.connect()];
    await endpoint.hibernate();
    client.send(...numbered(200));
    other.send(...numbered(20));
    expect(await client.closed).toMatchObject({ code: 1013 });
    expect(await other.take(20)).toEqual(numbered(20));
    expect(await other.ask("still there")).toBe("still there");
  });

  /** The callback waits until all messages and the Close frame have arrived, so that the queue has an exact length. */
  async function flood(count: number, options: EndpointOptions = {}): Promise<Log> {
    const log = new Log();
    const endpoint = serve({
      ...options,
      async onText(_, text, session) {
        log.add(text);
        await vi.waitUntil(() => !session.isOpen, 30_000);
      },
      ...coded(log),
    });
    const client = await endpoint.connect();
    client.send(...numbered(count));
    client.socket.close(4000);
    await log.has(["close", 4000]);
    return log;
  }

  it("R12: as many wait as it says, beside the one under way; no more are kept, also if the client closes", async () => {
    const delivered = [...numbered(21), ["error", 1013], ["close", 4000]];
    expect((await flood(21, { maxPendingMessages: 20 })).entries).toEqual([...numbered(21), ["close", 4000]]);
    expect((await flood(22, { maxPendingMessages: 20 })).entries).toEqual(delivered);
    expect((await flood(200, { maxPendingMessages: 20 })).entries).toEqual(delivered);
  });

  it("R12: without it 1,000 wait", async () => {
    expect((await flood(1001)).entries).toEqual([...numbered(1001), ["close", 4000]]);
    expect((await flood(1500)).entries).toEqual([...numbered(1001), ["error", 1013], ["close", 4000]]);
  });

  it("R12: text and binary messages wait together, and callbacks that don't wait are flooded by none", async () => {
    const log = new Log();
    const endpoint = serve({
      maxPendingMessages: 1,
      onText: (_, text) => log.add(text),
      onBinary: (_, data, session) => scheduler.wait(20).then(() => session.asyncRemote.sendBinary(data)),
      ...coded(log),
    });
    const client = await endpoint.connect();
    client.send(...numbered(200), new ArrayBuffer(1), "waits", new ArrayBuffer(2));
    expect(await client.closed).toMatchObject({ code: 1013 });
    expect(client.unread).toEqual([new ArrayBuffer(1)]);
    await log.has(["close", 1013]);
    expect(log.entries).toEqual([...numbered(200), "waits", ["error", 1013], ["close", 1013]]);
  });

  describe("behind a callback that never settles", () => {
    /** Runs the object's timers, inside the object. */
    const pass = (endpoint: ReturnType<typeof serve>, milliseconds: number) =>
      runInDurableObject(endpoint.stub, async () => {
        while (vi.getTimerCount() === 0) await scheduler.wait(1);
        vi.advanceTimersByTime(milliseconds);
      });

    beforeEach(() => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    });

    it("R12: the session closes with 1013 after 30 s; onError and onClose run", async () => {
      const log = new Log();
      const endpoint = serve({
        maxPendingMessages: 2,
        onText: (_, text) => (log.add(text), new Promise(() => {})),
        ...coded(log),
      });
      const client = await endpoint.connect();
      client.send(...numbered(10));
      await pass(endpoint, 29_999);
      expect(log.entries).toEqual(["0"]);
      await pass(endpoint, 1);
      expect(await client.closed).toMatchObject({ code: 1013 });
      await log.has(["close", 1013]);
      expect(log.entries).toEqual(["0", ["error", 1013], ["close", 1013]]);
    });

    it("R12: so it does if onError never settles either", async () => {
      const log = new Log();
      const { onClose } = coded(log);
      const endpoint = serve({
        maxPendingMessages: 2,
        onText: () => new Promise(() => {}),
        onError: () => (log.add("error"), new Promise(() => {})),
        onClose,
      });
      const client = await endpoint.connect();
      client.send(...numbered(10));
      await pass(endpoint, 30_000);
      expect(await client.closed).toMatchObject({ code: 1013 });
      await log.has(["close", 1013]);
      expect(log.entries).toEqual(["error", ["close", 1013]]);
    });

    it("R12: onClose runs after 30 s also if the client or the session has closed meanwhile", async () => {
      for (const by of ["client", "session"]) {
        const log = new Log();
        let opened: Session | undefined;
        const endpoint = serve({
          maxPendingMessages: 2,
          onOpen: (session) => void (opened = session),
          onText: () => new Promise(() => {}),
          ...coded(log),
        });
        const client = await endpoint.connect();
        client.send(...numbered(10));
        await pass(endpoint, 10_000);
        if (by === "client") client.socket.close(4001);
        else await runInDurableObject(endpoint.stub, () => opened!.close(4001));
        expect(await client.closed).toMatchObject({ code: 4001 });
        expect(log.entries).toEqual([]);
        await pass(endpoint, 20_000);
        await log.has(["close", 4001]);
        expect(log.entries).toEqual(
          by === "client"
            ? [
                ["error", 1013],
                ["close", 4001],
              ]
            : [["close", 4001]],
        );
      }
    });

    it("R12: a callback that settles after the 30 s disturbs nothing", async () => {
      const log = new Log();
      const callback = Promise.withResolvers<void>();
      const closing = Promise.withResolvers<void>();
      const { onError } = coded(log);
      const endpoint = serve<{ n: number }>({
        maxPendingMessages: 2,
        onOpen: () => ({ n: 0 }),
        onText: async (object) => {
          await callback.promise;
          object.n++;
        },
        onError,
        onClose: async (object) => {
          log.add("closing");
          await closing.promise;
          log.add("closed", object.n);
        },
      });
      const client = await endpoint.connect();
      client.send(...numbered(10));
      await pass(endpoint, 30_000);
      expect(await client.closed).toMatchObject({ code: 1013 });
      await log.has("closing");
      await runInDurableObject(endpoint.stub, () => callback.resolve());
      await runInDurableObject(endpoint.stub, () => closing.resolve());
      await log.has(["closed", 1]);
      expect(log.entries).toEqual([["error", 1013], "closing", ["closed", 1]]);
    });

    it("R12: what exceeds a limit after the session's end begins no 30 s", async () => {
      const closing = Promise.withResolvers<void>();
      const log = new Log();
      const endpoint = serve({
        maxTextMessageBufferSize: 10,
        onText: (_, __, session) => session.close(4000),
        onClose: async () => {
          log.add("closing");
          await closing.promise;
          log.add("closed");
        },
      });
      const client = await endpoint.connect();
      client.send("close", "far too long for it", "far too long for it");
      expect(await client.closed).toMatchObject({ code: 4000 });
      await log.has("closing");
      // The answer comes after everything that the client has sent.
      await request(endpoint.path);
      expect(vi.getTimerCount()).toBe(0);
      await runInDurableObject(endpoint.stub, () => closing.resolve());
      await log.has("closed");
    });

    it("R12: the 30 s are over with the session", async () => {
      const log = new Log();
      const settle: (() => void)[] = [];
      const endpoint = serve({
        maxPendingMessages: 1,
        onText: () => new Promise<void>((resolve) => settle.push(resolve)),
        ...coded(log),
      });
      const client = await endpoint.connect();
      client.send(...numbered(10));
      await pass(endpoint, 0);
      await runInDurableObject(endpoint.stub, async () => {
        for (let settled = 0; settled < 2; await scheduler.wait(1)) while (settle[settled]) settle[settled++]!();
      });
      expect(await client.closed).toMatchObject({ code: 1013 });
      await log.has(["close", 1013]);
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  it.each([0, -1, 1.5, NaN, Infinity, "20", null])("R12: %s is refused at registration", (maxPendingMessages) => {
    expect(register({ maxPendingMessages })).toThrow(DeploymentError);
    expect(register({ maxPendingMessages })).toThrow("has an invalid maxPendingMessages: it must be a whole number");
  });
});

describe("maxTextMessageBufferSize and maxBinaryMessageBufferSize", () => {
  const echoing = {
    onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text),
    onBinary: (_: unknown, data: ArrayBuffer, session: Session) => session.asyncRemote.sendBinary(data),
  };

  it.each([
    ["of 1 byte", "a"],
    ["of 2 bytes", "é"],
    ["of 3 bytes", "€"],
    ["of 4 bytes", "😀"],
  ])("R19: text with characters %s passes up to the limit; one byte more closes with 1009", async (_, character) => {
    const log = new Log();
    const endpoint = serve({ ...echoing, ...coded(log), maxTextMessageBufferSize: 12 });
    const largest = character.repeat(12 / new TextEncoder().encode(character).length);
    const client = await endpoint.connect();
    expect(await client.ask(largest)).toBe(largest);
    client.send(`${largest}a`, "never delivered");
    expect(await client.closed).toEqual({ code: 1009, reason: "", wasClean: true });
    expect(client.unread).toEqual([]);
    await log.has(["close", 1009]);
    expect(log.entries).toEqual([
      ["error", 1009],
      ["close", 1009],
    ]);
  });

  it("R19: binary data passes up to the limit; one byte more closes with 1009", async () => {
    const log = new Log();
    const endpoint = serve({ ...echoing, ...coded(log), maxBinaryMessageBufferSize: 12 });
    const client = await endpoint.connect();
    expect(await client.ask("text has a limit of its own")).toBe("text has a limit of its own");
    expect(await client.ask(new ArrayBuffer(12))).toEqual(new ArrayBuffer(12));
    client.send(new ArrayBuffer(13));
    expect(await client.closed).toEqual({ code: 1009, reason: "", wasClean: true });
    await log.has(["close", 1009]);
    expect(log.entries).toEqual([
      ["error", 1009],
      ["close", 1009],
    ]);
  });

  it("R19: a text is encoded only if its length leaves open whether it is too large", async () => {
    const endpoint = serve({ ...echoing, maxTextMessageBufferSize: 12 });
    vi.spyOn(console, "error").mockImplementation(() => {});
    const client = await endpoint.connect();
    const encode = vi.spyOn(TextEncoder.prototype, "encode");
    await client.ask("€€€€");
    expect(encode).not.toHaveBeenCalled();
    await client.ask("aaaaa");
    expect(encode.mock.calls).toEqual([["aaaaa"]]);
    client.send("a".repeat(13));
    expect(await client.closed).toMatchObject({ code: 1009 });
    expect(encode).not.toHaveBeenCalledWith("a".repeat(13));
  });

  it("R19: what came before is delivered first; without onError it is logged, and still 1009", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = serve({
      maxTextMessageBufferSize: 3,
      onText: (_, text, session) => scheduler.wait(5).then(() => session.asyncRemote.sendText(text)),
    });
    const client = await endpoint.connect();
    client.send("a", "b", "c", "too large", "d");
    expect(await client.closed).toMatchObject({ code: 1009 });
    expect(client.unread).toEqual(["a", "b", "c"]);
    expect(logged.mock.calls).toEqual([[logEntry("a limit was exceeded"), expect.any(LimitExceededError)]]);
  });

  it("R19: they hold after hibernation, also where the session has changed them", async () => {
    const log = new Log();
    const endpoint = serve({
      ...echoing,
      ...coded(log),
      maxTextMessageBufferSize: 5,
      maxBinaryMessageBufferSize: 5,
      onOpen(session) {
        if (session.queryString) session.maxTextMessageBufferSize = 10;
      },
      onBinary: (_, data, session) => void (session.maxBinaryMessageBufferSize = data.byteLength),
    });
    const same = await endpoint.connect();
    const changed = await endpoint.connect("?more");
    changed.send(new ArrayBuffer(3));
    expect(await changed.ask("a".repeat(10))).toBe("a".repeat(10));
    const another = await endpoint.connect("?more");
    await endpoint.hibernate();
    expect(await same.ask("a".repeat(5))).toBe("a".repeat(5));
    expect(await changed.ask("a".repeat(10))).toBe("a".repeat(10));
    for (const [client, message] of [
      [same, "a".repeat(6)],
      [another, "a".repeat(11)],
      [changed, new ArrayBuffer(4)],
    ] as const) {
      client.send(message);
      expect(await client.closed).toMatchObject({ code: 1009 });
    }
  });

  it("R19: without them the platform's limit holds", async () => {
    const endpoint = serve({
      onOpen: (session, config) => [
        session.maxTextMessageBufferSize,
        session.maxBinaryMessageBufferSize,
        config.maxTextMessageBufferSize,
      ],
      onText: (sizes, text, session) => session.asyncRemote.sendText(`${sizes.join()} ${text.length}`),
    });
    const size = 2 ** 25;
    expect(await (await endpoint.connect()).ask("a".repeat(5_000_000))).toBe(`${size},${size},${size} 5000000`);
  });

  it.each([0, -1, 1.5, NaN, Infinity, "20", null])("R19: %s is refused", async (bytes) => {
    for (const name of ["maxTextMessageBufferSize", "maxBinaryMessageBufferSize"] as const) {
      expect(register({ [name]: bytes })).toThrow(DeploymentError);
      expect(register({ [name]: bytes })).toThrow(`has an invalid ${name}: it must be a whole number of bytes from 1`);
      const endpoint = serve({
        onText(_, __, session) {
          const before = session[name];
          expect(() => (session[name] = bytes as number)).toThrow(LimitError);
          expect(() => (session[name] = bytes as number)).toThrow(`${name} must be a whole number from 1`);
          return session.asyncRemote.sendText(String(session[name] === before));
        },
      });
      expect(await (await endpoint.connect()).ask("")).toBe("true");
    }
  });
});

describe("rateLimit", () => {
  const answering = { onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text) };
  const askAll = async (client: Client, count: number) => {
    client.send(...numbered(count));
    expect(await client.take(count)).toEqual(numbered(count));
  };
  const passTime = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });

  it("R12: as many messages as it says come at once; the next one closes with 1008", async () => {
    const log = new Log();
    const endpoint = serve({ ...answering, ...coded(log), rateLimit: { messages: 3, perMs: 60_000 } });
    const client = await endpoint.connect();
    client.send(...numbered(10));
    expect(await client.closed).toEqual({ code: 1008, reason: "", wasClean: true });
    expect(client.unread).toEqual(numbered(3));
    await log.has(["close", 1008]);
    expect(log.entries).toEqual([
      ["error", 1008],
      ["close", 1008],
    ]);
  });

  it("R12: binary messages count too, what came before is delivered, and without onError it is logged", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = serve({
      rateLimit: { messages: 2, perMs: 60_000 },
      onText: (_, text, session) => scheduler.wait(5).then(() => session.asyncRemote.sendText(text)),
    });
    const client = await endpoint.connect();
    client.send("a", new ArrayBuffer(1), "b");
    expect(await client.closed).toMatchObject({ code: 1008 });
    expect(client.unread).toEqual(["a"]);
    expect(logged.mock.calls).toEqual([[logEntry("a limit was exceeded"), expect.any(LimitExceededError)]]);
  });

  it("R12: the budget refills with time, up to what it says and no further", async () => {
    const endpoint = serve({ ...answering, rateLimit: { messages: 3, perMs: 60_000 } });
    vi.spyOn(console, "error").mockImplementation(() => {});
    const client = await endpoint.connect();
    await askAll(client, 3);
    passTime(20_000);
    await askAll(client, 1);
    passTime(40_000);
    await askAll(client, 2);
    passTime(3_600_000);
    await askAll(client, 3);
    passTime(19_000);
    client.send("too early");
    expect(await client.closed).toMatchObject({ code: 1008 });
  });

  it("R12: at the rate it says, messages come for ever", async () => {
    const client = await serve({
      ...answering,
      ...coded(new Log()),
      rateLimit: { messages: 7, perMs: 1000 },
    }).connect();
    await askAll(client, 7);
    for (let i = 0; i < 50; i++) {
      passTime(1000);
      await askAll(client, 7);
    }
    client.send("one more");
    expect(await client.closed).toMatchObject({ code: 1008 });
  });

  it("R12: the budget is the same after hibernation, and each session has its own", async () => {
    const endpoint = serve({ ...answering, rateLimit: { messages: 10, perMs: 60_000 } });
    vi.spyOn(console, "error").mockImplementation(() => {});
    const [client, other] = [await endpoint.connect(), await endpoint.connect()];
    await askAll(client, 9);
    await askAll(other, 1);
    await endpoint.hibernate();
    client.send("the last", "too many");
    expect(await client.closed).toMatchObject({ code: 1008 });
    expect(client.unread).toEqual(["the last"]);
    await askAll(other, 9);
    await endpoint.hibernate();
    other.send("too many");
    expect(await other.closed).toMatchObject({ code: 1008 });
  });

  it("R12: a large budget is written once per twentieth, and an eviction gives back no more than that", async () => {
    const endpoint = serve({ ...answering, rateLimit: { messages: 1000, perMs: 60_000 } });
    vi.spyOn(console, "error").mockImplementation(() => {});
    const client = await endpoint.connect();
    const written = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    await askAll(client, 949);
    expect(written.mock.calls.length).toBeGreaterThan(0);
    expect(written.mock.calls.length).toBeLessThanOrEqual(20);
    await endpoint.hibernate();
    client.send(...numbered(102));
    expect(await client.closed).toMatchObject({ code: 1008 });
    expect(client.unread.length).toBeGreaterThanOrEqual(51);
    expect(client.unread.length).toBeLessThan(51 + 50);
  });

  it("R12: a budget that is used up is used up after hibernation, however large", async () => {
    const endpoint = serve({ ...answering, rateLimit: { messages: 1000, perMs: 60_000 } });
    vi.spyOn(console, "error").mockImplementation(() => {});
    const client = await endpoint.connect();
    await askAll(client, 1000);
    await endpoint.hibernate();
    client.send("too many");
    expect(await client.closed).toMatchObject({ code: 1008 });
    expect(client.unread).toEqual([]);
  });

  it("R12: without it messages come as often as they do, and nothing is written", async () => {
    const client = await serve(answering).connect();
    const written = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    await askAll(client, 2000);
    expect(written).not.toHaveBeenCalled();
  });

  it.each([
    5,
    "5",
    null,
    [],
    {},
    { messages: 5 },
    { perMs: 5 },
    { messages: 0, perMs: 5 },
    { messages: 5, perMs: 0 },
    { messages: 1.5, perMs: 5 },
    { messages: 5, perMs: Infinity },
    { messages: "5", perMs: 5 },
    { messages: 5, perMs: 5, per: "s" },
  ])("R12: %j is refused at registration", (rateLimit) => {
    expect(register({ rateLimit })).toThrow(DeploymentError);
    expect(register({ rateLimit })).toThrow("has an invalid rateLimit: it must be { messages, perMs }");
  });
});
