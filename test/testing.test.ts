// `socle/testing` itself: what a test gets, and the error if something does not arrive.
import { exports } from "cloudflare:workers";
import {
  ConnectionClosedError,
  connect,
  HandshakeError,
  hibernate,
  HibernationError,
  TimeoutError,
} from "socle/testing";
import { describe, expect, it } from "vitest";

import { serve } from "./support/endpoint.ts";

const echo = () =>
  serve({
    subprotocols: ["v2", "v1"],
    onText(_, text, session) {
      if (text === "bye") session.close(4001, "as you wish");
      else return session.asyncRemote.sendText(text);
      return undefined;
    },
    onBinary: (_, data, session) => session.asyncRemote.sendBinary(data),
  });

const open = (path: string, timeoutMs = 50) => connect(exports.default, path, { timeoutMs });

describe("a client", () => {
  it("gives the messages one by one, several at once, and all that came", async () => {
    const client = await open(echo().path, 50_000);
    client.send("a", new Uint8Array([1, 2]), "b");
    expect(await client.next()).toBe("a");
    expect(client.messages[0]).toBe("a");
    expect(await client.take(2)).toEqual([new Uint8Array([1, 2]).buffer, "b"]);
    expect(client.messages).toHaveLength(3);
    expect(client.unread).toEqual([]);
    expect(await client.ask("c")).toBe("c");
    expect(await client.close(1000, "done")).toEqual({ code: 1000, reason: "done", wasClean: true });
  });

  it("can be iterated to the session's end", async () => {
    const client = await open(echo().path, 50_000);
    client.send("a", "b", "bye");
    const all = [];
    for await (const message of client) all.push(message);
    expect(all).toEqual(["a", "b"]);
    expect(await client.closed).toMatchObject({ code: 4001, reason: "as you wish" });
  });

  it("sends the subprotocols and headers it is given, and has what was agreed on", async () => {
    const endpoint = serve({
      subprotocols: ["v2"],
      onHandshake: (request) => ({ userPrincipal: request.headers.get("Authorization") }),
      onOpen: ({ asyncRemote, userPrincipal }) => void asyncRemote.sendText(String(userPrincipal)),
    });
    const options = { protocols: ["v1", "v2"], headers: { Authorization: "me" }, timeoutMs: 50_000 };
    const client = await connect(exports.default, endpoint.path, options);
    expect([client.protocol, await client.next()]).toEqual(["v2", "me"]);
    expect(client.response.status).toBe(101);
    const single = await connect(exports.default, echo().path, { protocols: "v1" });
    expect(single.protocol).toBe("v1");
    expect((await open(endpoint.path)).protocol).toBe("");
  });

  it("says what came instead of what does not come in time", async () => {
    const client = await open(echo().path);
    await expect(client.next()).rejects.toThrow(new TimeoutError("No message in 50 ms: none arrived."));
    client.send("a", new Uint8Array(3));
    // Messages that have arrived are taken at once, whatever the time limit.
    await expect.poll(() => client.messages.length).toBe(2);
    await client.take(2);
    await expect(client.next()).rejects.toThrow("No message in 50 ms: 2 arrived, the last 3 bytes, and 2 were taken.");
    await expect(client.closed).rejects.toThrow("The session has not ended in 50 ms: 2 arrived");
    const iterator = client[Symbol.asyncIterator]();
    await expect(iterator.next()).rejects.toThrow("Neither a message nor a close in 50 ms");
  });

  it("says that the session has ended, where a message was to come", async () => {
    const client = await open(echo().path, 50_000);
    client.send("a", "bye");
    expect(await client.next()).toBe("a");
    const error = new ConnectionClosedError(
      'No message before the session ended with 4001 "as you wish": 1 arrived, the last "a", and 1 were taken.',
    );
    await expect(client.next()).rejects.toThrow(error);
  });
});

describe("connect", () => {
  it("throws the answer that is no 101", async () => {
    const { path } = serve({ onHandshake: () => new Response("sign in first", { status: 401 }) });
    const refused = await open(path).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(HandshakeError);
    expect(refused).toMatchObject({
      message: `No session at ${path}: the answer is 401, "sign in first".`,
      body: "sign in first",
      response: { status: 401 },
    });
  });
});

describe("hibernate", () => {
  it("throws if the object stays awake", async () => {
    const settle = Promise.withResolvers<void>();
    const endpoint = serve({ onText: () => settle.promise });
    const client = await endpoint.connect();
    client.send("a");
    await expect(hibernate(endpoint.stub, { timeoutMs: 50 })).rejects.toThrow(HibernationError);
    settle.resolve();
    await client.close(1000);
  });
});
