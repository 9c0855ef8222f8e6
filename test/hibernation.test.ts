// What stays the same after hibernation, and the cost of waking.
import { fixedBuffer, slidingBuffer, startWsConnection, type SendChannel, type Session } from "socle";
import { expect, it, vi } from "vitest";

import { connect } from "./support/client.ts";
import { freshPath, Log, modes, serve } from "./support/endpoint.ts";
import { container } from "./support/worker.ts";

it("R24: the facts of the session are the same after hibernation", async () => {
  const path = freshPath();
  container.addEndpoint(`${path}/{room}`, {
    subprotocols: ["chat"],
    async onText(_, __, session) {
      const { id, requestURI, pathParameters, queryString, requestParameterMap, negotiatedSubprotocol } = session;
      const { negotiatedExtensions, protocolVersion, isSecure, isOpen, env, ctx, webSocket } = session;
      const facts = [
        id,
        requestURI.href,
        pathParameters,
        queryString,
        requestParameterMap.get("a"),
        negotiatedSubprotocol,
      ];
      const more = [
        negotiatedExtensions,
        protocolVersion,
        isSecure,
        isOpen,
        "Room" in env,
        ctx.id.name,
        webSocket.readyState,
      ];
      await session.asyncRemote.sendText(JSON.stringify([...facts, ...more]));
    },
  });
  const client = await connect(`${path}/a%20b?a=1&b=%26`, { "Sec-WebSocket-Protocol": "chat" });
  const before = await client.ask("");
  expect(JSON.parse(before as string)).toEqual([
    expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
    `https://socle.test${path}/a%20b?a=1&b=%26`,
    { room: "a b" },
    "a=1&b=%26",
    "1",
    "chat",
    [],
    "13",
    true,
    true,
    true,
    `${path}/a%20b`,
    WebSocket.OPEN,
  ]);
  const { env } = await import("cloudflare:workers");
  const { evictDurableObject } = await import("cloudflare:test");
  await evictDurableObject(env.Endpoints.getByName(`${path}/a%20b`));
  expect(await client.ask("")).toBe(before);
});

it("R21: a channel sends after hibernation, at any depth of the session object", async () => {
  type Held = {
    deep: { list: SendChannel[] };
    map: Map<string, SendChannel>;
    keys: Map<SendChannel, string>;
    set: Set<SendChannel>;
  };
  const endpoint = serve({
    onOpen(session): Held {
      const send = startWsConnection(session, { sendBufferOrN: slidingBuffer(3) });
      return {
        deep: { list: [send] },
        map: new Map([["a", send]]),
        keys: new Map([[send, "b"]]),
        set: new Set([send]),
      };
    },
    async onText({ deep, map, keys, set }, text, session) {
      const [send, ...same] = [deep.list[0]!, map.get("a")!, ...keys.keys(), ...set];
      if (text === "fresh") deep.list[0] = startWsConnection(session, { sendBufferOrN: fixedBuffer(1) });
      else await send.put(`${text} ${same.every((one) => one === send)}`);
      if (text === "fresh") await deep.list[0]!.put("fresh");
    },
  });
  const client = await endpoint.connect();
  expect(await client.ask("a")).toBe("a true");
  await endpoint.hibernate();
  expect(await client.ask("b")).toBe("b true");
  await endpoint.hibernate();
  expect(await client.ask("fresh")).toBe("fresh");
  await endpoint.hibernate();
  expect(await client.ask("c")).toBe("c false");
});

it("R21: a session object with a channel in it can be written as JSON, without the channel", async () => {
  const endpoint = serve({
    onOpen: (session) => ({ send: startWsConnection(session), n: 1 }),
    onText: (object) => object.send.put(JSON.stringify(object)),
  });
  expect(await (await endpoint.connect()).ask("")).toBe('{"n":1}');
});

it("R21: data of a client's that looks like a kept channel stays data", async () => {
  const forged = '{"socle:channel":0,"buffer":{"kind":"fixed","size":1}}';
  const endpoint = serve({
    onOpen: () => ({ data: undefined as unknown }),
    async onText(object, text, session) {
      if (text) object.data = JSON.parse(text);
      await session.asyncRemote.sendText(JSON.stringify(object.data));
    },
  });
  const client = await endpoint.connect();
  await client.ask(forged);
  await endpoint.hibernate();
  expect(await client.ask("")).toBe(forged);
});

it("R25: waking reads the attachment of the one session, not those of 500 others", async () => {
  const endpoint = serve({
    onOpen: (session) => ({ name: session.queryString }),
    onText: (object, _, session: Session) => session.asyncRemote.sendText(object.name),
    onClose: (object) => log.add(object.name),
  });
  const log = new Log();
  const clients = await Promise.all(Array.from({ length: 500 }, (_, i) => endpoint.connect(`?${i}`)));
  await endpoint.hibernate();
  const read = vi.spyOn(WebSocket.prototype, "deserializeAttachment");
  expect(await clients[250]!.ask("")).toBe("250");
  const sockets = new Set(read.mock.contexts);
  expect(sockets.size).toBe(1);
  const reads = read.mock.calls.length;
  expect(await clients[250]!.ask("")).toBe("250");
  expect(read.mock.calls).toHaveLength(reads);

  await endpoint.hibernate();
  read.mockClear();
  clients[7]!.socket.close();
  await log.has("7");
  expect(new Set(read.mock.contexts).size).toBe(1);
  read.mockRestore();
});

it("R11, R14: a callback that has not settled keeps the object awake, onText and onClose alike", async () => {
  const log = new Log();
  let release = () => {};
  const held = () => new Promise<void>((resolve) => (release = resolve));
  const endpoint = serve({
    onOpen: (session) => session.queryString,
    async onText(_, text, session) {
      if (text === "release") release();
      if (text === "close") for (const other of session.openSessions) if (other !== session) other.close();
      if (text !== "hold") return;
      log.add("holding");
      await held();
      await session.asyncRemote.sendText("held");
    },
    async onClose(_, session) {
      log.add("closing");
      await held();
      for (const other of session.openSessions) await other.asyncRemote.sendText("closed");
    },
  });
  const other = await endpoint.connect();
  const client = await endpoint.connect();
  client.send("hold");
  await log.has("holding");
  let hibernating = endpoint.hibernate();
  other.send("release");
  expect(await client.next()).toBe("held");
  await hibernating;

  other.send("close");
  await log.has("closing");
  await client.closed;
  hibernating = endpoint.hibernate();
  other.send("release");
  expect(await other.next()).toBe("closed");
  await hibernating;
});

it("an endpoint that is no longer registered closes its sessions with 1012, and the log says what to change", async () => {
  const error = vi.spyOn(console, "error").mockImplementation(() => {});
  const endpoint = serve({});
  const client = await endpoint.connect();
  await endpoint.hibernate();
  const { Endpoints } = await import("./support/worker.ts");
  const symbol = Object.getOwnPropertySymbols(Object.getPrototypeOf(Endpoints))[0]!;
  const router = (Endpoints as unknown as Record<symbol, { get(path: string): unknown }>)[symbol]!;
  const get = vi.spyOn(router, "get").mockReturnValue(undefined);
  client.send("x");
  expect(await client.closed).toMatchObject({ code: 1012 });
  expect(String(error.mock.lastCall![1])).toContain("register it while the Worker's module loads");
  get.mockRestore();
  error.mockRestore();
});

it.each(modes)("R24: the extensions are a list from onOpen on, hibernate: $hibernate", async (mode) => {
  const log = new Log();
  const note = (session: Session) => log.add(session.negotiatedExtensions);
  const endpoint = mode.serve({
    onOpen: note,
    onText: (_, __, session) => note(session),
    onClose: (_, s) => note(s),
  });
  const client = await endpoint.connect();
  client.send("");
  client.socket.close(1000);
  await client.closed;
  await expect.poll(() => log.entries).toEqual([[], [], []]);
});
