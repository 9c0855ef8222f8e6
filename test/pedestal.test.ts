// The document on Pedestal's WebSocket API, line by line, and the conversations of Pedestal's own tests.
import {
  addEndpoint,
  addEndpoints,
  onOpenStartWsConnection,
  promiseChan,
  slidingBuffer,
  startWsConnection,
  wsSendAsync,
  type SendResult,
  type Session,
} from "socle";
import { describe, expect, it, vi } from "vitest";

import { connect } from "./support/client.ts";
import { freshPath, Log, modes } from "./support/endpoint.ts";
import { container } from "./support/worker.ts";

/** Logs every event. */
const recording = (log: Log) => ({
  onOpen: () => log.add("open"),
  onText: (_: unknown, text: string) => log.add("text", text),
  onBinary: (_: unknown, data: ArrayBuffer) => log.add("binary", [...new Uint8Array(data)]),
  onClose: (_: unknown, __: Session, reason: { closeCode: number; reasonPhrase: string }) =>
    log.add("close", reason.closeCode, reason.reasonPhrase),
  onError: (_: unknown, __: Session, error: Error) => log.add("error", error.message),
});

describe.each(modes)("add-endpoint, hibernate: $hibernate", ({ hibernate, serve }) => {
  it("adds an endpoint whose path starts with a slash, and returns nothing", async () => {
    const log = new Log();
    const path = freshPath();
    expect(addEndpoint(container, path, { hibernate, ...recording(log) })).toBeUndefined();
    await connect(path);
    expect(log.entries).toEqual(["open"]);
  });

  it("invokes on-open when a connection starts; its value is the first argument of every other callback", async () => {
    const log = new Log();
    const object = { the: "session object" };
    const endpoint = serve({
      onOpen: (session, config) => (log.add("open", session.isOpen, config.path), object),
      onText(given, text) {
        log.add("text", given === object);
        if (text === "throw") throw new Error("expected");
      },
      onBinary: (given) => log.add("binary", given === object),
      onError: (given, session, error) => log.add("error", given === object, session.isOpen, error.message),
      onClose: (given, session, reason) => log.add("close", given === object, session.isOpen, reason.closeCode),
    });
    const client = await endpoint.connect();
    client.send("throw", new ArrayBuffer(1));
    client.socket.close(1000);
    await log.has(["close", true, false, 1000]);
    expect(log.entries).toEqual([
      ["open", true, endpoint.path],
      ["text", true],
      ["error", true, true, "expected"],
      ["binary", true],
      ["close", true, false, 1000],
    ]);
  });

  it("takes an endpoint without any callback", async () => {
    const client = await serve({}).connect();
    client.send("ignored", new ArrayBuffer(1));
    client.socket.close(1000);
    expect(await client.closed).toMatchObject({ code: 1000 });
  });
});

it("add-endpoints adds all endpoints of the map of paths", async () => {
  const log = new Log();
  const base = freshPath();
  addEndpoints(container, {
    [`${base}/a`]: { onOpen: () => log.add("a") },
    [`${base}/b`]: { onOpen: () => log.add("b") },
  });
  await connect(`${base}/a`);
  await connect(`${base}/b`);
  expect(log.entries).toEqual(["a", "b"]);
});

describe.each(modes)("Pedestal's own cases, hibernate: $hibernate", ({ hibernate, serve }) => {
  it("a client sends text, and closes with a code and a reason", async () => {
    const log = new Log();
    const client = await serve(recording(log)).connect();
    client.send("hello");
    client.socket.close(4000, "A valid reason");
    await log.has(["close", 4000, "A valid reason"]);
    expect(log.entries).toEqual(["open", ["text", "hello"], ["close", 4000, "A valid reason"]]);
  });

  it("text by a path parameter", async () => {
    const log = new Log();
    const path = freshPath();
    addEndpoint(container, `${path}/echo/:prefix`, {
      hibernate,
      onText: (_, text, session) => log.add(`${session.pathParameters.prefix} ${text}`),
    });
    const client = await connect(`${path}/echo/back`);
    client.send("hello", "goodbye");
    await log.has("back goodbye");
    expect(log.entries).toEqual(["back hello", "back goodbye"]);
  });

  it("a client sends binary", async () => {
    const log = new Log();
    const client = await serve(recording(log)).connect();
    client.send(new Uint8Array([65, 32, 109]).buffer);
    await log.has(["binary", [65, 32, 109]]);
    expect(log.entries).toEqual(["open", ["binary", [65, 32, 109]]]);
  });

  it("a conversation in text", async () => {
    const endpoint = serve({ onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(`Hello, ${text}`) });
    expect(await (await endpoint.connect()).ask("Bob")).toBe("Hello, Bob");
  });

  it("a conversation in binary", async () => {
    const answer = new Uint8Array([1, 2, 3]);
    const endpoint = serve({ onOpen: onOpenStartWsConnection(), onBinary: (send) => send.put(answer) });
    const received = await (await endpoint.connect()).ask(new Uint8Array([9]).buffer);
    expect(new Uint8Array(received as ArrayBuffer)).toEqual(answer);
  });

  it("closing the send channel shuts the connection down", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      onText(send, text) {
        log.add(text);
        if (text === "DIE") send.close();
      },
      onClose: (_, __, reason) => log.add(reason.closeCode),
    });
    const client = await endpoint.connect();
    client.send("Bob", "DIE");
    expect(await client.closed).toMatchObject({ code: 1000 });
    await log.has(1000);
    expect(log.entries).toEqual(["Bob", "DIE", 1000]);
  });

  it("an exception during on-open", async () => {
    const log = new Log();
    const error = new RangeError("on-open exception");
    const endpoint = serve<void>({
      onOpen() {
        throw error;
      },
      onError: (_, __, thrown) => log.add(thrown === error),
      onClose: (_, __, reason) => log.add(reason.closeCode),
    });
    await (
      await endpoint.connect()
    ).closed;
    await log.has(1011);
    expect(log.entries).toEqual([true, 1011]);
  });

  it("an exception during on-text", async () => {
    const log = new Log();
    const endpoint = serve({
      ...recording(log),
      onText() {
        throw new RangeError("on-text exception");
      },
    });
    const client = await endpoint.connect();
    client.send("CHOKE");
    await log.has(["error", "on-text exception"]);
    expect(log.entries).toEqual(["open", ["error", "on-text exception"]]);
  });
});

describe.each(modes)("start-ws-connection, hibernate: $hibernate", ({ serve }) => {
  it("returns a channel that sends strings, bytes, and objects of the protocol, or tuples with a response channel", async () => {
    const log = new Log();
    const endpoint = serve({
      async onOpen(session) {
        const send = startWsConnection(session, { sendBufferOrN: slidingBuffer(2) });
        const response = promiseChan<SendResult>();
        await send.put("text");
        await send.put([new Uint8Array([7]), response]);
        log.add(await response.take());
        return send;
      },
    });
    const client = await endpoint.connect();
    const [text, bytes] = await client.take(2);
    expect([text, new Uint8Array(bytes as ArrayBuffer)]).toEqual(["text", new Uint8Array([7])]);
    expect(log.entries).toEqual(["success"]);
  });

  it("conveys the exception thrown when attempting to send", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: onOpenStartWsConnection({ sendBufferOrN: 3 }),
      async onText(send, _, session) {
        const socket = vi.spyOn(session.webSocket, "send").mockImplementation(() => {
          throw new TypeError("the socket is broken");
        });
        const response = promiseChan<SendResult>();
        await send.put(["text", response]);
        log.add(await response.take());
        log.add(await wsSendAsync("text", session.asyncRemote));
        socket.mockRestore();
        await send.put("works again");
      },
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe("works again");
    expect(log.entries).toEqual([new TypeError("the socket is broken"), new TypeError("the socket is broken")]);
  });
});
