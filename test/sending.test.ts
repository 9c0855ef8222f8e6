// Send channels, and sends that bypass them.
import { runInDurableObject } from "cloudflare:test";
import {
  BufferSizeError,
  chan,
  droppingBuffer,
  extendWebSocketSendAsync,
  MessageDroppedError,
  NullPutError,
  onOpenStartWsConnection,
  PayloadError,
  PendingLimitError,
  promiseChan,
  SessionClosedError,
  slidingBuffer,
  startWsConnection,
  WebSocketSendAsync,
  wsSendAsync,
  type RemoteEndpointAsync,
  type SendChannel,
  type SendResult,
  type Session,
} from "socle";
import { describe, expect, it, onTestFinished, vi } from "vitest";

import { hibernating, Log, modes } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";

/** A payload that sends itself once it is released. */
class Slow {
  release = () => {};
  constructor(readonly text: string) {}
  async [WebSocketSendAsync](remote: RemoteEndpointAsync): Promise<void> {
    await new Promise<void>((resolve) => (this.release = resolve));
    await remote.sendText(this.text);
  }
}

/** Runs its messages as commands on the session's channel, and answers without the channel. */
const commandedBy =
  ({ serve }: (typeof modes)[number]) =>
  (
    commands: Record<string, (send: SendChannel, session: Session) => unknown>,
    sendBufferOrN?: Parameters<typeof startWsConnection>[1],
  ) =>
    serve({
      onOpen: onOpenStartWsConnection(sendBufferOrN),
      async onText(send, text, session) {
        const done = await commands[text]?.(send, session);
        if (done !== undefined) await session.asyncRemote.sendText(`${text}: ${JSON.stringify(done)}`);
      },
    });

describe.each(modes)("a send channel, hibernate: $hibernate", (mode) => {
  const commanded = commandedBy(mode);

  it("R27: sends texts, buffers, views and objects that send themselves, in the order in which they were put", async () => {
    const slow = new Slow("slow");
    const endpoint = commanded({
      go(send) {
        void send.put("text");
        void send.put(new Uint8Array([1]).buffer);
        void send.put(slow);
        void send.put(new Uint8Array([0, 2, 3, 0]).subarray(1, 3));
        void send.put(["tuple"]);
        void send.put(["tuple with null", null]);
      },
      release: () => slow.release(),
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.next()).toBe("text");
    expect(new Uint8Array((await client.next()) as ArrayBuffer)).toEqual(new Uint8Array([1]));
    client.send("release");
    expect(await client.next()).toBe("slow");
    expect(new Uint8Array((await client.next()) as ArrayBuffer)).toEqual(new Uint8Array([2, 3]));
    expect(await client.take(2)).toEqual(["tuple", "tuple with null"]);
  });

  it("R27: puts the result on the response channel, success or an Error", async () => {
    const log = new Log();
    const endpoint = commanded({
      async go(send) {
        for (const payload of ["text", 42, null, { plain: true }, Symbol("s"), () => {}]) {
          const response = promiseChan<SendResult>();
          expect(await send.put([payload as string, response])).toBe(true);
          log.add(await response.take());
        }
        for (const result of ["success", new RangeError("own"), "odd"]) {
          const response = chan<SendResult>(1);
          void send.put([{ [WebSocketSendAsync]: () => result as SendResult }, response]);
          log.add(await response.take());
        }
        log.add(await send.send({ [WebSocketSendAsync]: () => Promise.reject(new RangeError("rejected")) }));
        log.add(await send.send({ [WebSocketSendAsync]() { throw "thrown"; } })); // prettier-ignore
        log.add(await send.send("last"));
        return "done";
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(3)).toEqual(["text", "last", 'go: "done"']);
    const bad = expect.objectContaining({
      name: "PayloadError",
      message: "Not sent: a message must be a string, an ArrayBuffer, a view, or have a [WebSocketSendAsync] method.",
    });
    expect(log.entries).toEqual([
      "success",
      bad,
      bad,
      bad,
      bad,
      bad,
      "success",
      new RangeError("own"),
      expect.objectContaining({ name: "PayloadError", message: expect.stringContaining('must return "success"') }),
      new RangeError("rejected"),
      expect.objectContaining({ cause: "thrown" }),
      "success",
    ]);
  });

  it("R27: a payload that throws when it is looked at is an Error as result, and the queue goes on", async () => {
    const log = new Log();
    const slow = new Slow("slow");
    const endpoint = commanded({
      go(send) {
        const hostile = {
          get [WebSocketSendAsync](): never {
            throw new RangeError("hostile");
          },
        };
        void send.send(hostile).then((result) => log.add(result));
        void send.put(slow);
        void send.send(hostile).then((result) => log.add(result));
        void send.put("after");
        slow.release();
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(2)).toEqual(["slow", "after"]);
    expect(log.entries).toEqual([new RangeError("hostile"), new RangeError("hostile")]);
  });

  it("R27: a response channel that takes no result is logged, at once or later", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = commanded({
      go(send) {
        void send.put(["a", { put: () => Promise.reject(new Error("later")) }]);
        void send.put(["b", chan<SendResult>()]);
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(2)).toEqual(["a", "b"]);
    await expect.poll(() => error.mock.calls.length).toBe(1);
    expect(error.mock.lastCall).toEqual([logEntry("a response channel refused a result"), new Error("later")]);
    error.mockRestore();
  });

  it("R27: logs a failure without a response channel, and goes on", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = commanded({
      go(send) {
        void send.put(42 as never);
        void send.put(["text", {} as never]);
        void send.put("after");
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(2)).toEqual(["text", "after"]);
    expect(error.mock.calls.map(([what]) => what)).toEqual([
      logEntry("a message was not sent"),
      logEntry("a response channel refused a result"),
    ]);
    error.mockRestore();
  });

  it("R28: put is true at once while the buffer has room, waits while it is full, and offer never waits", async () => {
    const log = new Log();
    const slow = new Slow("slow");
    const endpoint = commanded(
      {
        async go(send) {
          void send.put(slow);
          log.add(await send.put("a"), send.offer("b"), send.offer("refused"));
          void send.put("c").then((taken) => log.add("c", taken));
          return "full";
        },
        release: () => slow.release(),
      },
      { sendBufferOrN: 2 },
    );
    const client = await endpoint.connect();
    expect(await client.ask("go")).toBe('go: "full"');
    expect(log.entries).toEqual([[true, true, false]]);
    client.send("release");
    expect(await client.take(4)).toEqual(["slow", "a", "b", "c"]);
    expect(log.entries.at(-1)).toEqual(["c", true]);
  });

  it("R28: sendBufferOrN is 10 by default, and 0 makes each put wait", async () => {
    for (const [options, room] of [
      [undefined, 10],
      [{ sendBufferOrN: 0 }, 0],
    ] as const) {
      const endpoint = commanded(
        {
          go(send) {
            void send.put(new Slow("slow"));
            let taken = 0;
            while (send.offer("x")) taken++;
            return taken;
          },
        },
        options,
      );
      const client = await endpoint.connect();
      expect(await client.ask("go")).toBe(`go: ${room}`);
    }
  });

  it("R28: null and undefined can't be put, nor a 1,025th value that waits, nor a buffer of no size be had", async () => {
    const log = new Log();
    const endpoint = commanded({
      go(send, session) {
        const attempt = (act: () => unknown) => {
          try {
            act();
          } catch (error) {
            log.add((error as object).constructor, (error as Error).message);
          }
        };
        attempt(() => send.put(null as unknown as string));
        attempt(() => send.offer(undefined as unknown as string));
        attempt(() => startWsConnection(session, { sendBufferOrN: -1 }));
        attempt(() => startWsConnection(session, { sendBufferOrN: "5" as unknown as number }));
        attempt(() => startWsConnection({} as Session));
        const slow = new Slow("slow");
        void send.put(slow);
        for (let i = 0; i < 10 + 1024; i++) void send.put("x");
        attempt(() => send.put("one more"));
        void send.send("one more").then((result) => log.add(result));
        slow.release();
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(1 + 10 + 1024)).toHaveLength(1035);
    const full = "1,024 puts are pending on this channel: await each put, or use a dropping or sliding buffer.";
    expect(log.entries).toEqual([
      [NullPutError, "Can't put null on a channel: put a value."],
      [NullPutError, "Can't put undefined on a channel: put a value."],
      [BufferSizeError, expect.stringContaining("Invalid buffer size -1: use a whole number")],
      [BufferSizeError, expect.stringContaining("Invalid buffer size 5")],
      [PayloadError, "startWsConnection needs the session that a callback got."],
      [PendingLimitError, full],
      expect.objectContaining({ name: "PendingLimitError", message: full }),
    ]);
    expect(client.unread).toEqual([]);
  });

  it("R30: a tuple that a dropping or sliding buffer drops gets an Error as its result", async () => {
    for (const [buffer, kept, dropped] of [
      [droppingBuffer(1), "a", "b"],
      [slidingBuffer(1), "b", "a"],
    ] as const) {
      const log = new Log();
      const endpoint = commanded(
        {
          go(send) {
            const slow = new Slow("slow");
            void send.put(slow);
            for (const text of ["a", "b"]) void send.send(text).then((result) => log.add(text, result));
            slow.release();
          },
        },
        { sendBufferOrN: buffer },
      );
      const client = await endpoint.connect();
      client.send("go");
      expect(await client.take(2)).toEqual(["slow", kept]);
      await log.has([kept, "success"]);
      expect(log.entries).toContainEqual([dropped, expect.any(MessageDroppedError)]);
    }
  });

  it("R28: a closed channel refuses a revoked proxy like every other value", async () => {
    const log = new Log();
    const endpoint = commanded({
      go(send) {
        send.close();
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        log.add(send.offer(proxy as string));
        void send.put(proxy as string).then((taken) => log.add(taken));
      },
    });
    (await endpoint.connect()).send("go");
    await expect.poll(() => log.entries).toEqual([false, false]);
  });

  it("R29: closing it sends what is buffered and what waits, then closes the session with 1000", async () => {
    const endpoint = commanded(
      {
        go(send) {
          const slow = new Slow("slow");
          void send.put(slow);
          for (const text of ["a", "b", "c"]) void send.put(text);
          send.close();
          send.close();
          slow.release();
        },
      },
      { sendBufferOrN: 1 },
    );
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(4)).toEqual(["slow", "a", "b", "c"]);
    expect(await client.closed).toEqual({ code: 1000, reason: "", wasClean: true });
  });

  it("R29: when the session ends nothing waits for ever: puts are false, results a SessionClosedError", async () => {
    for (const end of ["server", "client"]) {
      const log = new Log();
      const endpoint = commanded(
        {
          go(send, session) {
            for (const text of ["sending", "buffered", "waiting"]) {
              const response = promiseChan<SendResult>();
              const payload = text === "sending" ? { [WebSocketSendAsync]: () => new Promise<void>(() => {}) } : text;
              void send.put([payload, response]).then((taken) => log.add(text, taken));
              void response.take().then((result) => log.add(text, result));
            }
            if (end === "server") session.close(4000);
            return end === "client" ? "ready" : undefined;
          },
        },
        { sendBufferOrN: 1 },
      );
      const client = await endpoint.connect();
      client.send("go");
      if (end === "client") {
        await client.next();
        client.socket.close();
      }
      await client.closed;
      await expect.poll(() => log.entries.length).toBe(6);
      const closed = expect.any(SessionClosedError);
      for (const [text, taken] of [
        ["sending", true],
        ["buffered", true],
        ["waiting", false],
      ]) {
        expect(log.entries).toContainEqual([text, taken]);
        expect(log.entries).toContainEqual([text, closed]);
      }
    }
  });

  it("P15: a put that is given up sends nothing, rejects with the reason, and its response channel gets it as an Error", async () => {
    const log = new Log();
    const error = vi.spyOn(console, "error");
    const slow = new Slow("slow");
    const controllers: AbortController[] = [];
    const endpoint = commanded(
      {
        go(send) {
          void send.put(slow);
          for (const [text, reason] of [
            ["a", new RangeError("own")],
            ["b", "a text"],
            ["c", undefined],
          ] as const) {
            const controller = new AbortController();
            controllers.push(controller);
            const put = (result: SendResult) => log.add(text, "result", result);
            const putting = send.put(reason ? [text, { put }] : text, controller);
            putting.catch((rejected: unknown) => log.add(text, "put", rejected));
            controller.abort(reason);
          }
          void send.put("kept");
          return "given up";
        },
        release: () => slow.release(),
      },
      { sendBufferOrN: 0 },
    );
    const client = await endpoint.connect();
    expect(await client.ask("go")).toBe('go: "given up"');
    expect(log.entries.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
      ["a", "put", new RangeError("own")],
      ["a", "result", new RangeError("own")],
      ["b", "put", "a text"],
      ["b", "result", expect.objectContaining({ cause: "a text" })],
      ["c", "put", expect.objectContaining({ name: "AbortError" })],
    ]);
    client.send("release");
    expect(await client.take(2)).toEqual(["slow", "kept"]);
    expect(error).not.toHaveBeenCalled();
    error.mockRestore();
  });

  it("P15: with a signal that has aborted nothing is sent, though the channel is idle", async () => {
    const log = new Log();
    const endpoint = commanded({
      async go(send) {
        const response = promiseChan<SendResult>();
        const signal = AbortSignal.abort(new RangeError("before"));
        await send.put(["never", response], { signal }).catch((reason: Error) => log.add(reason.message));
        log.add(await response.take());
        await send.put("sent", { signal: new AbortController().signal });
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.next()).toBe("sent");
    expect(log.entries).toEqual(["before", new RangeError("before")]);
    expect(client.unread).toEqual([]);
  });

  it("P15: what is in the buffer already is sent, though its signal aborts", async () => {
    const log = new Log();
    const slow = new Slow("slow");
    const endpoint = commanded(
      {
        go(send) {
          const controller = new AbortController();
          void send.put(slow);
          void send.put("buffered", controller).then((taken) => log.add("buffered", taken));
          send.put("waiting", controller).catch((reason: Error) => log.add("waiting", reason.name));
          controller.abort();
          void send.put("behind");
          slow.release();
        },
      },
      { sendBufferOrN: 1 },
    );
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.take(3)).toEqual(["slow", "buffered", "behind"]);
    expect(log.entries).toEqual([
      ["buffered", true],
      ["waiting", "AbortError"],
    ]);
  });

  it("P15: a put that the session's end has settled is not given up by its signal too", async () => {
    const log = new Log();
    const endpoint = commanded(
      {
        go(send, session) {
          const controller = new AbortController();
          const put = (result: SendResult) => log.add("result", result);
          void send.put([new Slow("slow"), { put() {} }]);
          void send.put(["waiting", { put }], controller).then((taken) => log.add("put", taken));
          session.close(4000);
          controller.abort();
        },
      },
      { sendBufferOrN: 0 },
    );
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.closed).toMatchObject({ code: 4000 });
    await log.has(["put", false]);
    expect(log.entries).toEqual([
      ["result", expect.any(SessionClosedError)],
      ["put", false],
    ]);
  });

  it("R29: no channel can be made for a session that has ended", async () => {
    const log = new Log();
    const endpoint = mode.serve({
      onClose(_, session) {
        try {
          startWsConnection(session);
        } catch (error) {
          log.add((error as Error).name);
        }
      },
    });
    const client = await endpoint.connect();
    client.socket.close(1000);
    await log.has("SessionClosedError");
    expect(log.entries).toEqual(["SessionClosedError"]);
  });

  it("R28: on a closed channel put is false, and its response channel gets a SessionClosedError", async () => {
    const log = new Log();
    const endpoint = commanded({
      async go(send) {
        send.close();
        const response = promiseChan<SendResult>();
        log.add(await send.put(["late", response]), await response.take(), send.offer("late"), send.closed);
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    await client.closed;
    expect(log.entries).toEqual([[false, expect.any(SessionClosedError), false, true]]);
  });

  it("R27: a payload that sends itself holds those behind it also where it had to wait itself", async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const endpoint = commanded({
      go(send) {
        for (const [index, { promise }] of gates.entries()) {
          void send.put({ [WebSocketSendAsync]: (remote) => promise.then(() => remote.sendText(`gate ${index}`)) });
        }
        void send.put("behind");
      },
      first: () => gates[0].resolve(),
      second: () => gates[1].resolve(),
    });
    const client = await endpoint.connect();
    client.send("go", "first");
    expect(await client.next()).toBe("gate 0");
    client.send("second");
    expect(await client.take(2)).toEqual(["gate 1", "behind"]);
  });

  it("R27: each channel of a session keeps its own order, and a payload may put on the channel that sends it", async () => {
    const endpoint = commanded({
      go(send, session) {
        const second = startWsConnection(session);
        void send.put({
          async [WebSocketSendAsync](remote) {
            void send.put("behind");
            await remote.sendText("itself");
          },
        });
        void second.put("second");
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    const messages = await client.take(3);
    expect(messages.indexOf("itself")).toBeLessThan(messages.indexOf("behind"));
    expect(messages).toContain("second");
  });
});

it("R30: a size that no buffer has is refused where an onOpen is made, before any session", () => {
  expect(() => onOpenStartWsConnection({ sendBufferOrN: -1 })).toThrow(BufferSizeError);
});

describe("a send channel in an object that hibernates", () => {
  const commanded = commandedBy(hibernating);

  it("R27: what is put is not lost to hibernation: the object stays awake while a payload sends itself", async () => {
    const slow = new Slow("slow");
    const endpoint = commanded({
      go(send) {
        void send.put(slow);
        void send.put("behind");
        return "put";
      },
      release: () => slow.release(),
    });
    const client = await endpoint.connect();
    expect(await client.ask("go")).toBe('go: "put"');
    const evicting = endpoint.hibernate();
    client.send("release");
    expect(await client.take(2)).toEqual(["slow", "behind"]);
    await evicting;
  });

  it("R29: a payload that never settles keeps the object awake no longer than its session", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = commanded({
      go(send) {
        void send.put({ [WebSocketSendAsync]: () => new Promise<void>(() => {}) });
        return "sending";
      },
    });
    const other = await endpoint.connect();
    const client = await endpoint.connect();
    await client.ask("go");
    client.socket.close();
    await client.closed;
    const before = await runInDurableObject(endpoint.stub, (object) => new WeakRef(object));
    await endpoint.hibernate();
    expect(await runInDurableObject(endpoint.stub, (object) => object === before.deref())).toBe(false);
    other.socket.close();
    expect(logged.mock.calls).toEqual([[logEntry("a message was not sent"), expect.any(SessionClosedError)]]);
    logged.mockRestore();
  });
});

describe.each(modes)("the protocol, hibernate: $hibernate", ({ serve }) => {
  class Temperature {
    constructor(readonly celsius: number) {}
  }

  it("wsSendAsync sends by the protocol, and never rejects", async () => {
    extendWebSocketSendAsync(Temperature, ({ celsius }, remote) => remote.sendText(`${celsius} °C`));
    const log = new Log();
    const endpoint = serve({
      async onText(_, __, { asyncRemote }) {
        const payloads = ["text", new ArrayBuffer(1), new Temperature(21) as never, 42 as never];
        for (const payload of payloads) log.add(await wsSendAsync(payload, asyncRemote));
      },
    });
    const client = await endpoint.connect();
    client.send("");
    expect(await client.take(3)).toEqual(["text", expect.any(ArrayBuffer), "21 °C"]);
    await expect.poll(() => log.entries.length).toBe(4);
    expect(log.entries).toEqual(["success", "success", "success", expect.any(PayloadError)]);
  });

  it("R27: bytes and texts go as they are, whatever their classes were extended with", async () => {
    const types = [Uint8Array, ArrayBuffer, DataView, String] as const;
    for (const type of types) extendWebSocketSendAsync<object>(type, (_, remote) => remote.sendText("not as it is"));
    onTestFinished(() => {
      for (const type of types) Reflect.deleteProperty(type.prototype, WebSocketSendAsync);
    });
    const bytes = Uint8Array.of(1, 2);
    const payloads = [bytes, bytes.buffer, new DataView(bytes.buffer), "text"];
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      async onText(send, _, { asyncRemote }) {
        for (const payload of payloads) {
          await send.put(payload);
          await wsSendAsync(payload, asyncRemote);
        }
      },
    });
    const client = await endpoint.connect();
    client.send("");
    const whole = [bytes.buffer, bytes.buffer];
    expect(await client.take(8)).toEqual([...whole, ...whole, ...whole, "text", "text"]);
  });

  it("extendWebSocketSendAsync takes a class and a function, and leaves the objects' properties alone", () => {
    extendWebSocketSendAsync(Temperature, () => {});
    expect(Object.keys(new Temperature(1))).toEqual(["celsius"]);
    for (const [type, send] of [
      [{}, () => {}],
      [Temperature, "send"],
      [null, () => {}],
    ]) {
      expect(() => extendWebSocketSendAsync(type as never, send as never)).toThrow(PayloadError);
    }
  });

  it("R17: asyncRemote rejects what it can't send, and a rejection that nobody awaits is none unhandled", async () => {
    const log = new Log();
    const endpoint = serve({
      async onText(_, __, session) {
        const { asyncRemote } = session;
        log.add(await asyncRemote.sendText(42 as never).catch((error: unknown) => error));
        log.add(await asyncRemote.sendBinary({} as never).catch((error: unknown) => error));
        session.close();
        void asyncRemote.sendText("nobody awaits this");
        log.add(await asyncRemote.sendBinary(new ArrayBuffer(1)).catch((error: unknown) => error));
      },
    });
    const client = await endpoint.connect();
    client.send("");
    await client.closed;
    expect(log.entries).toEqual([expect.any(PayloadError), expect.any(PayloadError), expect.any(SessionClosedError)]);
  });
});

describe.each(modes)("broadcast, hibernate: $hibernate", ({ hibernate, serve }) => {
  it("R31: reaches the open sessions, but for those excepted, and says how many", async () => {
    const endpoint = serve({
      onOpen: (session) => session.queryString,
      async onText(_, text, session: Session) {
        const others = [...session.openSessions].filter((other) => other.id !== session.id);
        await session.asyncRemote.sendText(`${text} ${others.length}`);
      },
    });
    const [a, b, c] = [await endpoint.connect("?a"), await endpoint.connect("?b"), await endpoint.connect("?c")];
    const broadcast = (...args: [payload: string, options?: { except: string[] }]) =>
      runInDurableObject(endpoint.stub, (object) => {
        const sessions = [...object.openSessions()];
        const except = sessions.filter((session) => args[1]?.except.includes(session.queryString));
        return object.broadcast(args[0], args[1] && { except: except.length === 1 ? except[0]! : except });
      });
    expect(await broadcast("all")).toBe(3);
    expect(await broadcast("not a", { except: ["a"] })).toBe(2);
    expect(await broadcast("only c", { except: ["a", "b"] })).toBe(1);
    expect([await a.take(1), await b.take(2), await c.take(3)]).toEqual([
      ["all"],
      ["all", "not a"],
      ["all", "not a", "only c"],
    ]);
    if (hibernate) await endpoint.hibernate();
    expect(await broadcast("awake")).toBe(3);
    expect(await a.next()).toBe("awake");
    a.socket.close();
    await a.closed;
    expect(await broadcast("two left")).toBe(2);
    expect(await b.ask("others:")).toBe("awake");
    expect(await b.take(2)).toEqual(["two left", "others: 1"]);
  });

  it("R31: reaches neither a session in onOpen nor a closing one; one that fails keeps it from no other", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const log = new Log();
    const endpoint = serve({
      onOpen: (session) => {
        log.add("in onOpen", session.openSessions.size);
      },
      onText(_, text, session) {
        const [second, third] = [...session.openSessions].filter((other) => other !== session);
        if (text === "fail") {
          vi.spyOn(second!.webSocket, "send").mockImplementation(() => {
            throw new Error("broken");
          });
        } else {
          third!.close(4000);
          log.add(session.openSessions.size, session.openSessions.has(third!));
        }
      },
    });
    const clients = [await endpoint.connect(), await endpoint.connect(), await endpoint.connect()];
    clients[0]!.send("fail", "close");
    await log.has([2, false]);
    const payload = { [WebSocketSendAsync]: (remote: RemoteEndpointAsync) => remote.sendText("itself") };
    expect(await runInDurableObject(endpoint.stub, (object) => object.broadcast("text"))).toBe(1);
    expect(await runInDurableObject(endpoint.stub, (object) => object.broadcast(payload))).toBe(2);
    expect(await clients[0]!.take(2)).toEqual(["text", "itself"]);
    await expect.poll(() => error.mock.calls.length).toBe(2);
    expect(error.mock.calls.map(([what, { message }]) => [what, message])).toEqual([
      [logEntry("a broadcast missed a session"), "broken"],
      [logEntry("a broadcast missed a session"), "broken"],
    ]);
    expect(log.entries.slice(0, 3)).toEqual([
      ["in onOpen", 0],
      ["in onOpen", 1],
      ["in onOpen", 2],
    ]);
    await runInDurableObject(endpoint.stub, (object) => {
      expect(() => object.broadcast(42 as never)).toThrow(PayloadError);
    });
    error.mockRestore();
  });

  it("R31: openSessions are those of the same endpoint, though an object serves several", async () => {
    const instance = () => "shared object";
    const one = serve({
      instance,
      onText: (_, __, session) => session.asyncRemote.sendText(String(session.openSessions.size)),
    });
    const two = serve({ instance });
    const client = await one.connect();
    await one.connect();
    await two.connect();
    expect(await client.ask("")).toBe("2");
  });
});
