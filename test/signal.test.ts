// session.signal: what it says about the end of a session, when it aborts, and what it stops.
import { createExecutionContext, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  CloseReason,
  LimitExceededError,
  onOpenStartWsConnection,
  SessionClosedError,
  type ContainerEvent,
  type SendChannel,
  type Session,
  type WsEndpointMap,
} from "socle";
import { connect } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { upgrade, type Client } from "./support/client.ts";
import { freshPath, hibernating, Log, modes, type Served } from "./support/endpoint.ts";
import { FlowClient } from "./support/flow-client.ts";
import { logEntry } from "./support/log.ts";
import { listener, watched } from "./support/worker.ts";

const { onEvent } = listener;
/** A Worker whose events go to the listener. */
const watchedWorker = { fetch: (request: Request) => watched.fetch(request, env, createExecutionContext()) };

let logged: MockInstance<typeof console.error>;
beforeEach(() => {
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  listener.onEvent = onEvent;
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** What a signal says about the end; false while the session lasts. */
function ending(signal: AbortSignal): unknown {
  if (!signal.aborted) return false;
  const reason: unknown = signal.reason;
  const { closeReason } = reason as SessionClosedError;
  const isRight = reason instanceof SessionClosedError && closeReason instanceof CloseReason;
  return [isRight, closeReason?.closeCode, closeReason?.reasonPhrase];
}

/** Rejects with the signal's reason once it aborts. */
const stop = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));

/** Runs in the object, with its only open session. */
const within = (
  { stub }: Served,
  use: (session: Session, object: InstanceType<typeof watched.Endpoint>) => unknown,
): Promise<unknown> => runInDurableObject(stub, (object) => use([...object.openSessions()][0]!, object as never));

interface Way {
  /** What ends the session. The platform's events are delivered to the object as the platform does in that mode. */
  end(client: Client, endpoint: Served, hibernate: boolean): unknown;
  reason: [code: number, phrase: string];
  options?: { idleTimeoutMs: number };
}

const WAYS: Record<string, Way> = {
  "the client's close with a code": { end: ({ socket }) => socket.close(4001, "bye"), reason: [4001, "bye"] },
  "the client's close without a code": { end: ({ socket }) => socket.close(), reason: [1005, ""] },
  "a client that vanishes": {
    end: (_, endpoint, hibernate) =>
      within(endpoint, ({ webSocket }, object) => {
        if (hibernate) void object.webSocketClose(webSocket, 1006, "");
        else webSocket.dispatchEvent(new CloseEvent("close", { code: 1006 }));
      }),
    reason: [1006, ""],
  },
  "a failure of the socket": {
    end: (_, endpoint, hibernate) =>
      within(endpoint, ({ webSocket }, object) => {
        const error = new Error("protocolError.statusCode = 1009; too long");
        if (hibernate) void object.webSocketError(webSocket, error);
        else webSocket.dispatchEvent(new ErrorEvent("error", { error }));
      }),
    reason: [1009, ""],
  },
  "session.close": {
    end: (_, endpoint) => within(endpoint, (session) => session.close(4002, "enough")),
    reason: [4002, "enough"],
  },
  "the close of its channel": {
    end: (_, endpoint) => within(endpoint, ({ sessionObject }) => (sessionObject as SendChannel).close()),
    reason: [1000, ""],
  },
  closeAll: {
    end: (_, { stub }) => stub.closeAll({ closeCode: 4003, reasonPhrase: "all" }),
    reason: [4003, "all"],
  },
  "the idle timeout": { end: () => {}, reason: [1001, ""], options: { idleTimeoutMs: 1000 } },
};

describe.each(modes)("the end of a session, hibernate: $hibernate", ({ hibernate, serve }) => {
  for (const [name, { reason, options, ...way }] of Object.entries(WAYS)) {
    it.each(["no callback is", "onText is"])(`P11: ${name} aborts the signal while %s under way`, async (which) => {
      const log = new Log();
      const endpoint = serve({
        ...options,
        onOpen(session) {
          const { signal } = session;
          log.add("onOpen", ending(signal));
          signal.addEventListener("abort", () => log.add("abort", ending(signal), session.isOpen));
          return onOpenStartWsConnection()(session);
        },
        onText(_, text, { signal }) {
          log.add(text, ending(signal));
          // Only the signal ends this callback.
          return text === "onText is" ? stop(signal) : undefined;
        },
        onError: () => {},
        onClose: (_, { signal }, { closeCode }) => log.add("onClose", closeCode, ending(signal)),
      });
      const client = await endpoint.connect();
      client.send(which);
      await log.has([which, false]);
      await way.end(client, endpoint, hibernate);
      await vi.waitUntil(() => log.entries.length > 3, 30_000);
      expect(log.entries).toEqual([
        ["onOpen", false],
        [which, false],
        ["abort", [true, ...reason], false],
        ["onClose", reason[0], [true, ...reason]],
      ]);
      expect(logged).not.toHaveBeenCalled();
    });
  }

  it("P11: a failed onOpen aborts it with 1011, once onError has run", async () => {
    const log = new Log();
    const endpoint = serve<string>({
      onOpen({ signal }) {
        signal.addEventListener("abort", () => log.add("abort"));
        throw new Error("failed");
      },
      onError: (_, { signal }) => log.add("onError", ending(signal)),
      onClose: (_, { signal }) => log.add("onClose", ending(signal)),
    });
    await (
      await endpoint.connect()
    ).closed;
    await log.has(["onClose", [true, 1011, ""]]);
    expect(log.entries).toEqual([["onError", false], "abort", ["onClose", [true, 1011, ""]]]);
  });

  it("P11: session.close in onOpen aborts it at once; onClose is told the same, also if onOpen fails behind it", async () => {
    for (const query of ["", "?fails"]) {
      const log = new Log();
      const endpoint = serve({
        onOpen(session) {
          session.close(4004, "full");
          if (query) throw new Error("failed");
          log.add("onOpen", ending(session.signal));
        },
        onError: () => {},
        onClose: (_, { signal }, { closeCode }) => log.add("onClose", closeCode, ending(signal)),
      });
      await (
        await endpoint.connect(query)
      ).closed;
      await vi.waitUntil(() => log.entries.length > (query ? 0 : 1), 30_000);
      expect(log.entries).toEqual(
        query
          ? [["onClose", 4004, [true, 4004, "full"]]]
          : [
              ["onOpen", [true, 4004, "full"]],
              ["onClose", 4004, [true, 4004, "full"]],
            ],
      );
    }
  });

  it("P11: an exception without onError aborts it with 1011", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: ({ signal }) => signal.addEventListener("abort", () => log.add(ending(signal))),
      onText(): void {
        throw new Error("expected");
      },
    });
    (await endpoint.connect()).send("");
    await expect.poll(() => log.entries).toEqual([[true, 1011, ""]]);
  });

  it("P11: an exceeded limit aborts it with its code, behind what came before and onError", async () => {
    const log = new Log();
    const endpoint = serve({
      maxTextMessageBufferSize: 10,
      async onText(_, text, { signal }) {
        await scheduler.wait(10);
        log.add(text, ending(signal));
      },
      onError: (_, { signal }, error) => log.add(error instanceof LimitExceededError, ending(signal)),
      onClose: (_, { signal }) => log.add("onClose", ending(signal)),
    });
    const client = await endpoint.connect();
    client.send("a", "b", "x".repeat(11));
    await log.has(["onClose", [true, 1009, ""]]);
    expect(log.entries).toEqual([
      ["a", false],
      ["b", false],
      [true, false],
      ["onClose", [true, 1009, ""]],
    ]);
  });

  it("P11: an exceeded limit aborts it after 30 s, if a callback doesn't settle before", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const log = new Log();
    const endpoint = serve({
      maxPendingMessages: 1,
      async onText(_, text, { signal }) {
        log.add(text);
        await stop(signal).catch(() => log.add("stopped", ending(signal)));
      },
      onError: (_, { signal }) => log.add("onError", ending(signal)),
      onClose: () => log.add("onClose"),
    });
    const client = await endpoint.connect();
    client.send("a", "b", "c");
    await runInDurableObject(endpoint.stub, async () => {
      while (vi.getTimerCount() === 0) await scheduler.wait(1);
      vi.advanceTimersByTime(29_999);
      expect(log.entries).toEqual(["a"]);
      vi.advanceTimersByTime(1);
    });
    await log.has("onClose");
    expect(log.entries).toEqual(["a", ["onError", false], ["stopped", [true, 1013, ""]], "onClose"]);
  });

  it("P11: a client that breaks socle.v1 aborts it with 1002, one that takes nothing with 1008", async () => {
    for (const [code, flowControl] of [
      [1002, true],
      [1008, { window: 1, stallTimeoutMs: 20 }],
    ] as const) {
      const log = new Log();
      const endpoint = serve({
        flowControl,
        onOpen: ({ signal }) => signal.addEventListener("abort", () => log.add(ending(signal))),
        onText: (_, text, { asyncRemote }) => asyncRemote.sendText(text),
        onError: () => {},
      });
      const { client } = await FlowClient.connect(endpoint);
      if (code === 1002) client.send(new Uint8Array([2, 7]));
      else client.send("under way", "waits");
      await expect.poll(() => log.entries).toEqual([[true, code, ""]]);
    }
  });
});

describe.each([hibernating])("the end of a session, hibernate: $hibernate", ({ serve }) => {
  /** Answers whether the signal has aborted, and records the signals that it sees. */
  const asking = (log: Log, signals: AbortSignal[], options: { trackSessions?: boolean } = {}) =>
    serve<unknown>({
      ...options,
      onOpen: ({ signal, queryString }) => (signals.push(signal), queryString || undefined),
      onText: (_, __, { signal, asyncRemote }) => (signals.push(signal), asyncRemote.sendText(String(signal.aborted))),
      onClose: (_, { signal }) => log.add("onClose", ending(signal)),
    });

  it("P11: a socket that the object can't take aborts it with 1013", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen({ ctx, signal }) {
        vi.spyOn(ctx, "acceptWebSocket").mockImplementationOnce(() => {
          throw new Error("too many sockets");
        });
        signal.addEventListener("abort", () => log.add(ending(signal)));
      },
    });
    expect((await upgrade(endpoint.path)).status).toBe(503);
    await log.has([true, 1013, ""]);
  });

  it("P11: after hibernation it is another one, which tells of the end as well", async () => {
    const log = new Log();
    const signals: AbortSignal[] = [];
    const endpoint = asking(log, signals);
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe("false");
    await endpoint.hibernate();
    expect(await client.ask("")).toBe("false");
    client.socket.close(4001, "bye");
    await log.has(["onClose", [true, 4001, "bye"]]);
    expect(signals.map(ending)).toEqual([false, false, [true, 4001, "bye"]]);
    expect(signals[0]).toBe(signals[1]);
  });

  it("P11: of a session that ends while it hibernates it has aborted in onClose, by the client and by closeAll", async () => {
    for (const code of [4001, 4003]) {
      const log = new Log();
      const endpoint = asking(log, []);
      const client = await endpoint.connect();
      await endpoint.hibernate();
      if (code === 4001) client.socket.close(code);
      else await endpoint.stub.closeAll(code);
      await expect.poll(() => log.entries).toEqual([["onClose", [true, code, ""]]]);
    }
  });

  it("P11: it aborts with 1011 if the session can't wake", async () => {
    const log = new Log();
    const endpoint = asking(log, []);
    const client = await endpoint.connect(`?${"x".repeat(20_000)}`);
    await endpoint.hibernate();
    await within(endpoint, ({ signal, ctx }) => {
      signal.addEventListener("abort", () => log.add("abort", ending(signal)));
      for (const [key] of ctx.storage.kv.list()) ctx.storage.kv.delete(key);
    });
    client.send("");
    expect(await client.closed).toMatchObject({ code: 1011 });
    expect(log.entries).toEqual([["abort", [true, 1011, ""]]]);
  });

  it("P11: after a crash it has aborted with 1006 in onClose", async () => {
    const log = new Log();
    const endpoint = asking(log, [], { trackSessions: true });
    await endpoint.connect();
    await evictDurableObject(endpoint.stub, { webSockets: "close" });
    await endpoint.stub.openSessionCount();
    await expect.poll(() => log.entries).toEqual([["onClose", [true, 1006, ""]]]);
  });

  it("P11: has aborted for onEvent, also of a lost session that is given up", async () => {
    const path = freshPath();
    watched.addEndpoint(path, { trackSessions: true });
    await connect(watchedWorker, path);
    const stub = watched.stub(env, path);
    // As if its onClose had begun too often.
    await runInDurableObject(stub, (_, { storage: { kv } }) => {
      for (const [key, [facts]] of kv.list<[string]>({ prefix: "socle:session:" }))
        kv.put(key, [facts, undefined, undefined, 4]);
    });
    let signal: AbortSignal | undefined;
    listener.onEvent = (event) => void (event.type === "close" && ({ signal } = event.session));
    await evictDurableObject(stub, { webSockets: "close" });
    await stub.openSessionCount();
    await expect.poll(() => signal && ending(signal)).toEqual([true, 1006, ""]);
    expect(logged.mock.calls).toEqual([[logEntry("a lost session was given up"), expect.any(Error)]]);
  });
});

describe.each(modes)("the signal, hibernate: $hibernate", ({ serve }) => {
  it("P11: is the same each time, asked for before the end and after, in the callbacks and out of them", async () => {
    const log = new Log();
    const signals: AbortSignal[] = [];
    const endpoint = serve({
      onOpen: ({ signal }) => void signals.push(signal),
      onText: (_, __, { signal }) => void signals.push(signal),
      onBinary(_, __, session) {
        signals.push(session.signal);
        session.close();
        signals.push(session.signal);
      },
      onClose: (_, { signal }) => log.add(signals.push(signal)),
    });
    const client = await endpoint.connect();
    client.send("text");
    await vi.waitUntil(() => signals.length === 2, 30_000);
    await within(endpoint, ({ signal }) => signals.push(signal));
    client.send(new ArrayBuffer(1));
    await log.has(6);
    expect(new Set(signals).size).toBe(1);
  });

  it("P11: asked for after the end has aborted already, in onClose and behind it", async () => {
    const log = new Log();
    let ended: Session | undefined;
    const endpoint = serve({
      onClose(_, session, { closeCode }) {
        ended = session;
        if (closeCode === 4001) log.add("in", ending(session.signal));
        log.add("closed");
      },
    });
    (await endpoint.connect()).socket.close(4001, "bye");
    await log.has("closed");
    expect(log.entries[0]).toEqual(["in", [true, 4001, "bye"]]);

    log.entries.length = 0;
    (await endpoint.connect()).socket.close(4002, "late");
    await log.has("closed");
    // After onClose has settled.
    expect(await runInDurableObject(endpoint.stub, () => ending(ended!.signal))).toEqual([true, 4002, "late"]);
  });

  it("P11: isn't made for a session whose callbacks don't ask", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      onText: (send, text, session) => (text === "ask" ? void session.signal : send.put(text)),
      onBinary: () => Promise.reject(new Error("expected")),
      onError: () => {},
      onClose: (_, { isOpen }) => log.add("closed", isOpen),
    });
    await endpoint.connect();
    let made = 0;
    vi.stubGlobal(
      "AbortController",
      class extends AbortController {
        constructor() {
          super();
          made++;
        }
      },
    );
    const client = await endpoint.connect();
    client.send(new ArrayBuffer(1));
    expect(await client.ask("text")).toBe("text");
    client.socket.close();
    await log.has(["closed", false]);
    expect(made).toBe(0);
    const asking = await endpoint.connect();
    asking.send("ask", "ask");
    expect(await asking.ask("text")).toBe("text");
    expect(made).toBe(1);
  });
});

describe.each(modes)("what its end stops, hibernate: $hibernate", ({ hibernate, serve }) => {
  let events: ContainerEvent[] = [];
  beforeEach(() => {
    events = [];
    listener.onEvent = (event) => void events.push(event);
  });

  /** Opens a session of a container whose events are recorded. */
  async function open<T>(map: WsEndpointMap<Cloudflare.Env, T>, headers = {}): Promise<Client> {
    const path = freshPath();
    watched.addEndpoint(path, { ...map, hibernate });
    return connect(watchedWorker, path, { headers, timeoutMs: 50_000 });
  }

  /** Waits for the end of the session, and returns the failures that were reported before. */
  async function ended(): Promise<unknown[]> {
    await vi.waitUntil(() => events.some(({ type }) => type === "close"), 30_000);
    return events.flatMap((event) => (event.type === "error" ? [event.error.message] : []));
  }

  /** Work that takes the signal: the platform's rejects with the reason, or with a copy of it. */
  const WORK: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    "the reason": stop,
    "signal.throwIfAborted": (signal) => stop(signal).catch(() => signal.throwIfAborted()),
    "scheduler.wait": (signal) => scheduler.wait(60_000, { signal }),
    "scheduler.wait, too late": (signal) => stop(signal).catch(() => scheduler.wait(60_000, { signal })),
    "AbortSignal.any": (signal) => stop(AbortSignal.any([signal, new AbortController().signal])),
    "scheduler.wait of AbortSignal.any": (signal) =>
      scheduler.wait(60_000, { signal: AbortSignal.any([signal, new AbortController().signal]) }),
    "fetch, too late": (signal) => stop(signal).catch(() => fetch("https://example.com", { signal })),
  };

  it.each(Object.entries(WORK))(
    "P11: a callback that rejects with %s was stopped: neither onError, nor the log, nor onEvent is told",
    async (_, work) => {
      for (const type of ["text", "binary"]) {
        events = [];
        const onError = vi.fn<() => void>();
        let isUnderWay = false;
        const onMessage = (_object: unknown, _data: unknown, { signal }: Session) => {
          isUnderWay = true;
          return work(signal);
        };
        const client = await open({ onText: onMessage, onBinary: onMessage, onError });
        client.send(type === "text" ? "" : new ArrayBuffer(1));
        await vi.waitUntil(() => isUnderWay, 30_000);
        client.socket.close(4001);
        expect(await client.closed).toMatchObject({ code: 4001 });
        expect(await ended()).toEqual([]);
        expect(onError).not.toHaveBeenCalled();
        expect(logged).not.toHaveBeenCalled();
      }
    },
  );

  const REJECTIONS: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    "the reason": (signal) => Promise.reject(signal.reason as Error),
    "a copy of it": (signal) => scheduler.wait(60_000, { signal }),
  };

  describe.each(Object.entries(REJECTIONS))("%s", (_, reject) => {
    it.each(["an onError", "none"])("P11: is no failure of onOpen or onClose, with %s", async (which) => {
      const onError = vi.fn<() => void>();
      const more = which === "none" ? {} : { onError };
      const opening = await open({ onOpen: (session) => (session.close(4001), reject(session.signal)), ...more });
      expect(await opening.closed).toMatchObject({ code: 4001 });
      expect(await ended()).toEqual([]);

      events = [];
      const closing = await open({ onClose: (_object, { signal }) => reject(signal), ...more });
      closing.socket.close();
      expect(await ended()).toEqual([]);
      expect(onError).not.toHaveBeenCalled();
      expect(logged).not.toHaveBeenCalled();
    });

    it("P11: is no failure of onError", async () => {
      const client = await open({
        onText: () => Promise.reject(new Error("first")),
        onError: (_object, session) => (session.close(4002), reject(session.signal)),
      });
      client.send("");
      expect(await client.closed).toMatchObject({ code: 4002 });
      expect(await ended()).toEqual(["first"]);
      expect(logged).not.toHaveBeenCalled();
    });
  });

  const LATE: Record<string, (session: Session) => Promise<unknown>> = {
    "a send behind the end": ({ asyncRemote, signal }) => stop(signal).catch(() => asyncRemote.sendText("late")),
    "a send that waits for the client": (session) => {
      void session.signal;
      return session.asyncRemote.sendText("waits");
    },
  };

  describe.each([
    ["plain", {}, Object.entries(LATE).slice(0, 1)],
    ["that speaks socle.v1", { "Sec-WebSocket-Protocol": "socle.v1" }, Object.entries(LATE)],
  ] as const)("of a client %s", (_, headers, late) => {
    it.each(late)("P11: %s stops a callback that has asked for the signal", async (_what, send) => {
      const onError = vi.fn<() => void>();
      let isUnderWay = false;
      const onText = async (_object: unknown, __: string, session: Session) => {
        await session.asyncRemote.sendText("goes");
        const sending = send(session);
        isUnderWay = true;
        await sending;
      };
      const client = await open({ flowControl: { window: 1 }, onText, onError }, headers);
      client.send("");
      await vi.waitUntil(() => isUnderWay, 30_000);
      client.socket.close(4001);
      expect(await ended()).toEqual([]);
      expect(onError).not.toHaveBeenCalled();
      expect(logged).not.toHaveBeenCalled();
    });
  });

  it("R17: a send behind the end is a failure as before of a callback that has not asked for the signal", async () => {
    const failures: Error[] = [];
    const client = await open({
      async onText(_, __, session) {
        while (session.isOpen) await scheduler.wait(1);
        await session.asyncRemote.sendText("late");
      },
      onError: (_object, _session, error) => void failures.push(error),
    });
    client.send("");
    client.socket.close(4001);
    expect(await ended()).toEqual(["Not sent: the session is closed, see session.isOpen."]);
    expect(failures).toEqual([expect.any(SessionClosedError)]);
    expect(failures[0]).not.toHaveProperty("closeReason");
  });

  it("P11: another error behind the end still goes to onError, and to onEvent, and to the log without an onError", async () => {
    const failing = async (_object: unknown, __: string, { signal }: Session) => {
      await stop(signal).catch(() => {});
      throw new Error("another");
    };
    const onError = vi.fn<(object: unknown, session: Session, error: Error) => void>();
    for (const more of [{ onError }, {}]) {
      events = [];
      const client = await open({ onText: failing, ...more });
      client.send("");
      await vi.waitUntil(() => events.some(({ type }) => type === "open"), 30_000);
      client.socket.close(4001);
      expect(await client.closed).toMatchObject({ code: 4001 });
      expect(await ended()).toEqual(["another"]);
    }
    expect(onError.mock.calls.map(([, , { message }]) => message)).toEqual(["another"]);
    expect(logged.mock.calls).toEqual([[logEntry("onText failed"), expect.objectContaining({ message: "another" })]]);
  });

  it("P11: a callback that rejects with another session's reason has failed", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: ({ queryString }) => queryString,
      onText(_, text, { openSessions, signal }) {
        const other = [...openSessions].find(({ sessionObject }) => sessionObject === "other")!;
        log.add(text, signal.aborted);
        return stop(other.signal);
      },
      onError: (_, session, error) => log.add(error instanceof SessionClosedError, session.isOpen),
    });
    const client = await endpoint.connect();
    const other = await endpoint.connect("?other");
    client.send("text");
    await log.has(["text", false]);
    other.socket.close(4001);
    await expect
      .poll(() => log.entries)
      .toEqual([
        ["text", false],
        [true, true],
      ]);
  });

  it("P11: so it has with a copy of that reason, though its own session has ended with another", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: ({ queryString }) => queryString,
      onText(_, __, session) {
        const other = [...session.openSessions].find(({ sessionObject }) => sessionObject === "other")!;
        const { signal } = other;
        log.add(session.signal.aborted);
        session.close(4001);
        other.close(4002);
        return scheduler.wait(60_000, { signal });
      },
      onError: (_, __, { name }) => log.add(name),
      onClose: (_, __, { closeCode }) => log.add(closeCode),
    });
    const client = await endpoint.connect();
    await endpoint.connect("?other");
    client.send("text");
    await log.has(4001);
    expect(log.entries).toEqual([false, 4002, "SessionClosedError", 4001]);
  });

  it("P11: a listener that throws stops neither the end nor another session's, and the runtime tells of it", async () => {
    const reported: string[] = [];
    const report = (event: Event) => {
      event.preventDefault();
      reported.push(((event as ErrorEvent).error as Error).message);
    };
    const scope = globalThis as unknown as EventTarget;
    scope.addEventListener("error", report);
    const log = new Log();
    const endpoint = serve({
      onOpen({ signal, queryString }) {
        signal.addEventListener("abort", () => {
          throw new Error(queryString);
        });
        signal.addEventListener("abort", () => log.add("next", queryString));
        return queryString;
      },
      onText: () => {},
      onClose: (name, { signal }) => log.add(name, ending(signal)),
    });
    const clients = [await endpoint.connect("?a"), await endpoint.connect("?b"), await endpoint.connect("?c")];
    clients[0]!.socket.close(4001, "bye");
    expect(await clients[0]!.closed).toMatchObject({ code: 4001, reason: "bye" });
    await log.has(["a", [true, 4001, "bye"]]);
    expect(await endpoint.stub.closeAll(4002)).toBe(2);
    await log.has(["b", [true, 4002, ""]]);
    await log.has(["c", [true, 4002, ""]]);
    scope.removeEventListener("error", report);
    expect(log.entries).toHaveLength(6);
    expect(reported.toSorted()).toEqual(["a", "b", "c"]);
    expect(logged).not.toHaveBeenCalled();
  });
});
