// A session has only the parts that its endpoint's options need.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import {
  onOpenStartWsConnection,
  type EndpointConfig,
  LimitExceededError,
  type Session,
  type WsEndpointMap,
} from "socle";
import { describe, expect, it, vi } from "vitest";

import { define } from "../src/endpoint/definition.ts";
import type { Limits } from "../src/hibernation/limits.ts";
import { OPTIONS } from "../src/options/options.ts";
import { hasLostSessions } from "../src/options/track-sessions/lost-sessions.ts";
import type { ServerSession } from "../src/session/session.ts";
import { Log, serve } from "./support/endpoint.ts";
import { batch, FlowClient } from "./support/flow-client.ts";
import { logEntry } from "./support/log.ts";

/** The parts that accept a session and that a message passes. */
const OTHERS = new Set(["accept", "receive", "take"]);

/** The other things that its options do with a session. */
const stagesOf = ({ way }: Pick<ServerSession, "way">): string[] =>
  Object.entries(way).flatMap(([name, stage]) => (stage && !OTHERS.has(name) ? [name] : []));

/** Whether a message passes no option. */
const isBare = ({ way }: Pick<ServerSession, "way">): boolean => way.receive === definitionOf({}).way.receive;

const definitionOf = (options: WsEndpointMap) => define("/a", options, false);

describe("an endpoint without options", () => {
  it("has the dispatch and nothing else on the way of a message", () => {
    const plain = definitionOf({ onOpen: onOpenStartWsConnection(), onText: () => {} });
    expect(stagesOf(plain)).toEqual([]);
    const receive = vi.fn<(message: unknown) => undefined>();
    void plain.way.receive({ dispatch: { receive } } as never, "a message");
    expect(receive.mock.calls).toEqual([["a message"]]);
    expect(isBare(definitionOf({ subprotocols: ["a"], maxPendingMessages: 5, trackSessions: true }))).toBe(true);
  });

  it.each<[WsEndpointMap, string[], boolean]>([
    [{ rateLimit: { messages: 1, perMs: 1000 } }, [], true],
    [{ maxTextMessageBufferSize: 100 }, [], true],
    [{ maxBinaryMessageBufferSize: 2 ** 25 - 1 }, [], true],
    [{ maxTextMessageBufferSize: 2 ** 25 }, [], false],
    [{ idleTimeoutMs: 1000 }, ["accepted", "sent"], true],
    [{ clientTimeoutMs: 1000 }, ["accepted", "heard"], true],
    [{ idleTimeoutMs: 1000, clientTimeoutMs: 1000 }, ["accepted", "sent", "heard"], true],
    [{ flowControl: true }, ["join", "accepted"], true],
    [{ flowControl: true, hibernate: false }, ["join"], true],
    [{ tags: () => [] }, ["begin"], false],
    [{ tags: ["a"] }, [], false],
    [{ autoResponse: { request: "ping", response: "pong" } }, ["accepted"], true],
    [{ autoResponse: { request: "ping", response: "pong" }, hibernate: false }, [], false],
    [{ hibernate: false }, [], false],
  ])("has with %o what that asks for", (options, names, receives) => {
    const definition = definitionOf(options);
    expect(stagesOf(definition)).toEqual(names);
    expect(isBare(definition)).toBe(!receives);
  });

  it("has the same list of options as its types", () => {
    const names = OPTIONS.flatMap(({ checks }) => Object.keys(checks));
    expect(new Set(names).size).toBe(names.length);
    expect(() => definitionOf(Object.fromEntries(names.map((name) => [name, undefined])))).not.toThrow();
  });
});

describe("an option that is a function", () => {
  it("R31: tags has the configuration as its `this`", async () => {
    const endpoint = serve({
      tags(this: EndpointConfig) {
        return [this.path];
      },
      onText: (_, __, session) => session.asyncRemote.sendText(session.tags.join()),
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe(endpoint.path);
    await client.close();
  });
});

describe("a session with a limit of its own", () => {
  it("shares what it has with all that have the same parts, whatever their limits are", () => {
    const { way, wayOf } = definitionOf({});
    const limits = (idle: number, size: number): Limits => [idle, size, 2 ** 25, 0, 0];
    expect(wayOf(limits(0, 2 ** 26))).toBe(way);
    expect(wayOf(limits(1000, 2 ** 25))).toBe(wayOf(limits(2000, 2 ** 25)));
    expect(wayOf(limits(1000, 8))).not.toBe(wayOf(limits(1000, 2 ** 25)));
    expect(wayOf(limits(1000, 8))).toBe(wayOf(limits(2000, 9)));
    expect(wayOf([0, 2 ** 25, 2 ** 25, 0, 0, undefined, 1000, 0])).not.toBe(wayOf(limits(1000, 2 ** 25)));
  });

  it("R18, R19: has the part of that option, also after hibernation, and the others of its endpoint don't", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const sessions = new Map<string, ServerSession>();
    const endpoint = serve({
      onOpen: (session) => session.queryString,
      onText(name, text, session) {
        if (text === "size") session.maxTextMessageBufferSize = 8;
        if (text === "never") session.maxTextMessageBufferSize = 2 ** 25;
        sessions.set(name, session as Session as ServerSession);
        session.asyncRemote.sendText(text).catch(() => {});
      },
    });
    const own = await endpoint.connect("?own");
    const other = await endpoint.connect("?other");
    await own.ask("size");
    await other.ask("hello");
    expect([isBare(sessions.get("own")!), isBare(sessions.get("other")!)]).toEqual([false, true]);
    await endpoint.hibernate();
    await own.ask("hello");
    await other.ask("hello, which is longer");
    expect([isBare(sessions.get("own")!), isBare(sessions.get("other")!)]).toEqual([false, true]);
    await own.ask("never");
    expect(isBare(sessions.get("own")!)).toBe(true);
    await own.ask("hello, which is longer");
    await own.ask("size");
    own.send("hello, which is longer");
    expect(await own.closed).toMatchObject({ code: 1009 });
    await other.close();
    expect(logged.mock.calls).toEqual([[logEntry("a limit was exceeded"), expect.any(LimitExceededError)]]);
    logged.mockRestore();
  });

  it("R18: one that a setter refuses leaves the parts as they were", async () => {
    const endpoint = serve({
      onText(_, __, session) {
        expect(() => (session.maxIdleTimeout = -1)).toThrow("maxIdleTimeout");
        return session.asyncRemote.sendText(
          JSON.stringify([isBare(session as Session as ServerSession), session.maxIdleTimeout]),
        );
      },
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe("[true,0]");
    await client.close();
  });
});

describe("a batch of socle.v1", () => {
  it("F2, R19: has a limit that a callback sets hold for the rest of it", async () => {
    const log = new Log();
    const endpoint = serve({
      flowControl: true,
      onText(_, text, session) {
        log.add(text);
        session.maxTextMessageBufferSize = 5;
      },
      onError: (_, __, error) => log.add((error as LimitExceededError).closeCode),
      onClose: () => log.add("close"),
    });
    const { client } = await FlowClient.connect(endpoint);
    client.send(batch("a", "longer than five", "b"));
    await log.has("close");
    expect(log.entries).toEqual(["a", 1009, "close"]);
  });
});

describe("the mark of an object's life", () => {
  const marked = (endpoint: ReturnType<typeof serve>) =>
    runInDurableObject(endpoint.stub, (_, ctx) => ctx.getHibernatableWebSocketEventTimeout() !== null);

  it("R26: is not there where nothing is in storage, whose events it would cost", async () => {
    const endpoint = serve({ onOpen: () => ({ n: 0 }), onText: (object) => void object.n++ });
    const client = await endpoint.connect();
    client.send("");
    expect(await marked(endpoint)).toBe(false);
    await endpoint.hibernate();
    client.send("");
    expect(await marked(endpoint)).toBe(false);
    await client.close();
  });

  it.each<[string, WsEndpointMap<Cloudflare.Env, { text: string }>]>([
    ["tracked session", { trackSessions: true }],
    ["session object that is too large for its attachment", {}],
    ["timeout", { idleTimeoutMs: 600_000 }],
    ["timeout that a session sets itself", {}],
  ])("R18, R23, R26: is there after the first row, of a %s", async (what, options) => {
    const endpoint = serve({
      ...options,
      onOpen: () => ({ text: "" }),
      onText(object, text, session) {
        if (what.startsWith("session")) object.text = "x".repeat(20_000);
        if (what.endsWith("itself")) session.maxIdleTimeout = 600_000;
        return session.asyncRemote.sendText(text);
      },
    });
    const client = await endpoint.connect();
    await client.ask("hello");
    await vi.waitUntil(() => marked(endpoint));
    await endpoint.hibernate();
    expect(await marked(endpoint)).toBe(true);
    await client.close();
  });

  it("R26: comes back with the next socket, if the application takes it away", async () => {
    const endpoint = serve({ trackSessions: true });
    const first = await endpoint.connect();
    await runInDurableObject(endpoint.stub, (_, ctx) => ctx.setHibernatableWebSocketEventTimeout());
    const second = await endpoint.connect();
    expect(await marked(endpoint)).toBe(true);
    await Promise.all([first.close(), second.close()]);
  });

  it("R18: is not of sockets that don't hibernate, whose last end deletes the alarm in each life", async () => {
    const endpoint = serve({
      hibernate: false,
      idleTimeoutMs: 600_000,
      onText: (_, text, session) => session.asyncRemote.sendText(text),
    });
    for (const life of [1, 2]) {
      const client = await endpoint.connect();
      await client.ask(`${life}`);
      await client.close();
      const left = () =>
        runInDurableObject(endpoint.stub, async (_, { storage }) => [
          [...storage.kv.list()].length,
          await storage.getAlarm(),
        ]);
      await vi.waitFor(async () => expect(await left()).toEqual([0, null]));
      await evictDurableObject(endpoint.stub);
    }
  });

  it("R25: an object that wakes without rows doesn't list its sockets", async () => {
    const endpoint = serve({ onText: () => {} });
    const client = await endpoint.connect();
    await runInDurableObject(endpoint.stub, (_, ctx) => {
      const listed = vi.spyOn(ctx, "getWebSockets");
      expect(hasLostSessions(ctx)).toBe(false);
      expect(listed).not.toHaveBeenCalled();
      ctx.storage.kv.put("socle:session:lost", ["{}", undefined, undefined]);
      expect(hasLostSessions(ctx)).toBe(false);
      expect(listed).toHaveBeenCalledOnce();
      ctx.storage.kv.delete("socle:session:lost");
      listed.mockRestore();
    });
    await client.close();
  });
});
