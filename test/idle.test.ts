// Sessions that are silent for too long, and messages that the platform itself answers.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  DeploymentError,
  LimitError,
  ServerContainer,
  startWsConnection,
  type EndpointOptions,
  type Session,
} from "socle";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { alarmOf, passTime, platform, ring, ringAtAlarm, rowsOf, stopClock } from "./support/alarm.ts";
import { connect } from "./support/client.ts";
import { freshPath, Log, recorded, serve } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { Clock, container } from "./support/worker.ts";

const MINUTES = 60_000;
/** The prototype of the object's storage, to count calls of the platform. Objects that are made later use it. */
const prototypeOf = (endpoint: ReturnType<typeof serve>) =>
  runInDurableObject(endpoint.stub, (_, { storage }) => platform(storage));

const echo = { onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text) };

/** Options of a wrong type, which TypeScript would not let a test write. */
const register = (options: object) => () => serve(options as EndpointOptions);

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("by the platform's clock", () => {
  it.each(["awake", "hibernated"])("R18: a silent session closes with 1001, %s", async (state) => {
    const log = new Log();
    const endpoint = serve({ ...echo, ...recorded(log), onOpen: () => "object", idleTimeoutMs: 1000 });
    const before = Date.now();
    const client = await endpoint.connect();
    if (state === "hibernated") await endpoint.hibernate();
    expect(await client.closed).toEqual({ code: 1001, reason: "", wasClean: true });
    expect(Date.now() - before).toBeGreaterThanOrEqual(1000);
    await log.has(["close", "object", 1001, ""]);
    expect(log.entries).toEqual([["close", "object", 1001, ""]]);
  });

  it("R18: an automatic response is activity, and doesn't wake the object", async () => {
    const path = freshPath();
    const autoResponse = { request: "ping", response: "pong" };
    container.addEndpoint(path, { durableObject: Clock, idleTimeoutMs: 2000, autoResponse });
    const opened = Date.now();
    const client = await connect(path);
    await evictDurableObject(container.stub(env, path));
    const { made } = Clock;
    expect(await client.ask("ping")).toBe("pong");
    expect(Clock.made).toBe(made);
    // Without the pings the session would have ended by now.
    let last = 0;
    while (Date.now() < opened + 5000) {
      await scheduler.wait(200);
      last = Date.now();
      expect(await client.ask("ping")).toBe("pong");
    }
    expect(await client.closed).toMatchObject({ code: 1001 });
    expect(Date.now()).toBeGreaterThanOrEqual(last + 2000);
    // Only the alarm has woken the object.
    expect(Clock.made).toBe(made + 1);
  });

  it("R18: an alarm serves a session that doesn't hibernate, too", async () => {
    const endpoint = serve({ ...echo, hibernate: false, idleTimeoutMs: 1000 });
    const before = Date.now();
    const client = await endpoint.connect();
    expect(await client.closed).toMatchObject({ code: 1001 });
    expect(Date.now() - before).toBeGreaterThanOrEqual(1000);
  });
});

describe("by a clock that is set", () => {
  beforeEach(stopClock);

  /** Delivers the alarm before its time, which no platform does. */
  const early = (endpoint: ReturnType<typeof serve>) =>
    runInDurableObject(endpoint.stub, (object) =>
      object.alarm({ scheduledTime: Date.now(), isRetry: false, retryCount: 0 }),
    );

  describe.each(["awake", "hibernated"])("%s", (state) => {
    const settle = async (endpoint: ReturnType<typeof serve>) => {
      if (state === "hibernated") await endpoint.hibernate();
    };

    it.each([600_000, 30_000, 1000, 100, 1])(
      "R18: a timeout of %i ms is kept to a twentieth, or a second",
      async (t) => {
        const slack = Math.max(t / 20, 1000);
        const endpoint = serve({ ...echo, idleTimeoutMs: t });
        for (const offset of [0, 1, 499, 999, 12_345]) {
          passTime(offset);
          const client = await endpoint.connect();
          const opened = Date.now();
          await settle(endpoint);
          const due = (await alarmOf(endpoint.stub))!;
          expect(due).toBeGreaterThanOrEqual(opened + t);
          expect(due).toBeLessThanOrEqual(opened + t + slack);
          vi.setSystemTime(due - 1);
          await early(endpoint);
          expect(await endpoint.stub.openSessionCount()).toBe(1);
          await settle(endpoint);
          await ringAtAlarm(endpoint.stub);
          expect(await client.closed).toEqual({ code: 1001, reason: "", wasClean: true });
        }
      },
    );

    it.each(["text in", "binary in", "remote", "channel", "broadcast"])(
      "R18: a message (%s) puts it off",
      async (way) => {
        const log = new Log();
        const heard = () => log.add("heard");
        const endpoint = serve({ onText: heard, onBinary: heard, idleTimeoutMs: 10 * MINUTES });
        const client = await endpoint.connect();
        passTime(9 * MINUTES);
        await settle(endpoint);
        if (way === "text in") client.send("text");
        else if (way === "binary in") client.send(new ArrayBuffer(1));
        else {
          await runInDurableObject(endpoint.stub, async (object) => {
            const [session] = object.openSessions();
            if (way === "remote") await session!.asyncRemote.sendText("out");
            else if (way === "channel") await startWsConnection(session!).send("out");
            else object.broadcast("out");
          });
        }
        await (way.endsWith("in") ? log.has("heard") : client.next());
        const last = Date.now();
        await settle(endpoint);
        await ringAtAlarm(endpoint.stub);
        expect(Date.now()).toBeLessThan(last + 2 * MINUTES);
        expect(await endpoint.stub.openSessionCount()).toBe(1);
        const due = (await alarmOf(endpoint.stub))!;
        expect(due).toBeGreaterThanOrEqual(last + 10 * MINUTES - 100);
        expect(due).toBeLessThanOrEqual(last + 10.5 * MINUTES);
        await settle(endpoint);
        await ringAtAlarm(endpoint.stub);
        expect(await client.closed).toMatchObject({ code: 1001 });
      },
    );

    it("R18: a late alarm closes every session that is due, and no other", async () => {
      const log = new Log();
      const endpoint = serve({ ...echo, ...recorded(log), idleTimeoutMs: 10 * MINUTES });
      const silent = [await endpoint.connect(), await endpoint.connect()];
      passTime(15 * MINUTES);
      const other = await endpoint.connect();
      await settle(endpoint);
      expect(await ring(endpoint.stub)).toBe(true);
      for (const client of silent) expect(await client.closed).toMatchObject({ code: 1001 });
      expect(await other.ask("open")).toBe("open");
      await ringAtAlarm(endpoint.stub);
      expect(await other.closed).toMatchObject({ code: 1001 });
      await vi.waitUntil(() => log.entries.length === 3, 30_000);
    });

    it("R18: session.maxIdleTimeout can be set later, shorter, longer, and to never", async () => {
      const endpoint = serve({
        idleTimeoutMs: 10 * MINUTES,
        async onText(_, text, session) {
          const before = session.maxIdleTimeout;
          session.maxIdleTimeout = Number(text);
          await session.asyncRemote.sendText(`${before}`);
        },
      });
      const client = await endpoint.connect();
      expect(await client.ask(`${MINUTES}`)).toBe(`${10 * MINUTES}`);
      await settle(endpoint);
      expect(await alarmOf(endpoint.stub)).toBeLessThanOrEqual(Date.now() + 1.05 * MINUTES);
      expect(await client.ask(`${60 * MINUTES}`)).toBe(`${MINUTES}`);
      await settle(endpoint);
      passTime(10 * MINUTES);
      expect(await ring(endpoint.stub)).toBe(true);
      expect(await alarmOf(endpoint.stub)).toBeGreaterThanOrEqual(Date.now() + 50 * MINUTES);
      expect(await client.ask("0")).toBe(`${60 * MINUTES}`);
      await settle(endpoint);
      passTime(1000 * MINUTES);
      expect(await ring(endpoint.stub)).toBe(true);
      expect(await alarmOf(endpoint.stub)).toBe(null);
      expect(await rowsOf(endpoint.stub)).toEqual([]);
      expect(await client.ask(`${MINUTES}`)).toBe("0");
      await settle(endpoint);
      await ringAtAlarm(endpoint.stub);
      expect(await client.closed).toMatchObject({ code: 1001 });
    });

    it("R18: nothing is left once the last session with a timeout is gone and the alarm has come", async () => {
      const endpoint = serve({ ...echo, idleTimeoutMs: 10 * MINUTES });
      const client = await endpoint.connect();
      expect(await rowsOf(endpoint.stub)).toEqual(["socle:alarm"]);
      client.socket.close();
      await client.closed;
      await settle(endpoint);
      await ringAtAlarm(endpoint.stub);
      expect(await alarmOf(endpoint.stub)).toBe(null);
      expect(await rowsOf(endpoint.stub)).toEqual([]);
    });

    it("R18: each session has its own timeout, and the sweep wakes none that has no cause", async () => {
      const log = new Log();
      const endpoint = serve<unknown>({
        ...echo,
        onOpen(session) {
          session.maxIdleTimeout = Number(session.queryString) * MINUTES;
          return session.queryString;
        },
        serializeSession: (object) => object,
        deserializeSession: (data) => (log.add("woken", data), data),
      });
      const never = await endpoint.connect("?0");
      const long = await endpoint.connect("?60");
      const short = await endpoint.connect("?1");
      const middle = await endpoint.connect("?10");
      await settle(endpoint);
      await ringAtAlarm(endpoint.stub);
      expect(await short.closed).toMatchObject({ code: 1001 });
      expect(log.entries).toEqual(state === "hibernated" ? [["woken", "1"]] : []);
      await ringAtAlarm(endpoint.stub);
      expect(await middle.closed).toMatchObject({ code: 1001 });
      await ringAtAlarm(endpoint.stub);
      expect(await long.closed).toMatchObject({ code: 1001 });
      expect(await alarmOf(endpoint.stub)).toBe(null);
      expect(await never.ask("open")).toBe("open");
    });
  });

  it("R18: a class and the session's own callbacks are no different", async () => {
    const path = freshPath();
    container.addEndpoint(`${path}/{room}`, { durableObject: Clock, idleTimeoutMs: 10 * MINUTES });
    const stub = container.stub(env, `${path}/a`);
    const client = await connect(`${path}/a`);
    const other = await connect(`${path}/b`);
    passTime(9 * MINUTES);
    expect(await client.ask("in time")).toBe("in time");
    await evictDurableObject(stub);
    await ringAtAlarm(stub);
    expect(await stub.openSessionCount()).toBe(1);
    await evictDurableObject(stub);
    await ringAtAlarm(stub);
    expect(await client.closed).toEqual({ code: 1001, reason: "", wasClean: true });
    await ring(container.stub(env, `${path}/b`));
    expect(await other.closed).toMatchObject({ code: 1001 });
  });

  it("R18: a container's default is the endpoint's timeout, unless it has its own", async () => {
    const timeouts: number[] = [];
    const defaulted = new ServerContainer({ defaultMaxSessionIdleTimeout: 5 * MINUTES });
    const at = freshPath();
    const configure = ({ idleTimeoutMs }: { idleTimeoutMs: number }) => void timeouts.push(idleTimeoutMs);
    defaulted.addEndpoint(at, { configure }).addEndpoint(freshPath(), { configure, idleTimeoutMs: 0 });
    expect(timeouts).toEqual([5 * MINUTES, 0]);
  });

  it("R18: without a timeout there is no alarm, no row, and no writing", async () => {
    const endpoint = serve(echo);
    const client = await endpoint.connect();
    const written = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    await client.ask("in");
    await endpoint.hibernate();
    await client.ask("in");
    expect(written).not.toHaveBeenCalled();
    expect(await alarmOf(endpoint.stub)).toBe(null);
    expect(await rowsOf(endpoint.stub)).toEqual([]);
  });

  it("R18: one alarm serves many sessions, and traffic doesn't move it", async () => {
    const endpoint = serve({ ...echo, idleTimeoutMs: 10 * MINUTES });
    const set = vi.spyOn(await prototypeOf(endpoint), "setAlarm");
    await endpoint.hibernate();
    const clients = [];
    for (let i = 0; i < 20; i++) {
      clients.push(await endpoint.connect());
      passTime(1000);
    }
    for (let i = 0; i < 20; i++) {
      passTime(20_000);
      for (const client of clients) await client.ask("in");
    }
    expect(set).toHaveBeenCalledTimes(1);
    await ringAtAlarm(endpoint.stub);
    expect(set).toHaveBeenCalledTimes(2);
    expect(await endpoint.stub.openSessionCount()).toBe(20);
    await ringAtAlarm(endpoint.stub);
    for (const client of clients) expect(await client.closed).toMatchObject({ code: 1001 });
    expect(set).toHaveBeenCalledTimes(2);
  });

  it("R18: activity is written once per span, however many messages there are", async () => {
    const endpoint = serve({ ...echo, idleTimeoutMs: 10 * MINUTES });
    vi.setSystemTime(Math.ceil(Date.now() / MINUTES) * MINUTES);
    const client = await endpoint.connect();
    const written = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    for (let i = 0; i < 29; i++) {
      passTime(1000);
      await client.ask("in");
    }
    expect(written).not.toHaveBeenCalled();
    passTime(1000);
    for (let i = 0; i < 10; i++) await client.ask("in");
    expect(written).toHaveBeenCalledTimes(1);
    await endpoint.hibernate();
    for (let i = 0; i < 10; i++) await client.ask("in");
    expect(written).toHaveBeenCalledTimes(1);
  });

  it("R18: a session with a large session object is closed too", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => "a".repeat(20_000),
      onClose: (object, _, { closeCode }) => log.add(object.length, closeCode),
      idleTimeoutMs: 10 * MINUTES,
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    await ringAtAlarm(endpoint.stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
    await log.has([20_000, 1001]);
  });

  it("R18: the sweep for one session takes no other before its time", async () => {
    const endpoint = serve({ onOpen: (session) => void (session.maxIdleTimeout = Number(session.queryString)) });
    const [first, second] = [await endpoint.connect("?100"), await endpoint.connect("?101")];
    const due = (await alarmOf(endpoint.stub))!;
    await ringAtAlarm(endpoint.stub);
    expect(await first.closed).toMatchObject({ code: 1001 });
    expect(await endpoint.stub.openSessionCount()).toBe(1);
    expect(await alarmOf(endpoint.stub)).toBe(due + 1);
    await ringAtAlarm(endpoint.stub);
    expect(await second.closed).toMatchObject({ code: 1001 });
  });

  it("R18: activity is written also where it is what no longer fits the attachment", async () => {
    const endpoint = serve({
      onOpen: ({ queryString }) => "a".repeat(Number(queryString)),
      onText: (object, _, session) => session.asyncRemote.sendText(`${object.length}`),
      idleTimeoutMs: 10 * MINUTES,
    });
    let large = 0;
    for (let size = 15_900; size <= 16_384; size += 11) {
      const client = await endpoint.connect(`?${size}`);
      await endpoint.hibernate();
      passTime(MINUTES);
      expect(await client.ask("in")).toBe(`${size}`);
      await endpoint.hibernate();
      large += (await rowsOf(endpoint.stub)).some((row) => row.startsWith("socle:session:")) ? 1 : 0;
      await vi.waitUntil(
        () =>
          ringAtAlarm(endpoint.stub)
            .then(() => endpoint.stub.openSessionCount())
            .then((n) => !n),
        30_000,
      );
      expect(await client.closed).toMatchObject({ code: 1001 });
    }
    expect(large).toBeGreaterThan(0);
    expect(large).toBeLessThan(45);
    await vi.waitUntil(async () => (await rowsOf(endpoint.stub)).length === 0, 30_000);
  });

  it("R18: what the timeout closes while a callback is under way ends when that has settled", async () => {
    const log = new Log();
    let settle = () => {};
    const endpoint = serve({
      onText: () => (log.add("heard"), new Promise<void>((resolve) => (settle = resolve))),
      ...recorded(log),
      idleTimeoutMs: 10 * MINUTES,
    });
    const client = await endpoint.connect();
    client.send("in");
    await log.has("heard");
    passTime(11 * MINUTES);
    await ring(endpoint.stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
    expect(log.entries).toEqual(["heard"]);
    await runInDurableObject(endpoint.stub, () => settle());
    await log.has(["close", undefined, 1001, ""]);
  });

  it("R18: a timeout that was set in an onOpen which another session's end outlasts is kept", async () => {
    const log = new Log();
    let settle = () => {};
    const endpoint = serve({
      async onOpen(session) {
        if (!session.queryString) return;
        session.maxIdleTimeout = 60 * MINUTES;
        log.add("opening");
        await new Promise<void>((resolve) => (settle = resolve));
      },
      idleTimeoutMs: MINUTES,
    });
    const first = await endpoint.connect();
    vi.setSystemTime((await alarmOf(endpoint.stub))!);
    const opening = endpoint.connect("?slow");
    await log.has("opening");
    await ring(endpoint.stub);
    expect(await first.closed).toMatchObject({ code: 1001 });
    await runInDurableObject(endpoint.stub, () => settle());
    const slow = await opening;
    passTime(70 * MINUTES);
    expect(await ring(endpoint.stub)).toBe(true);
    expect(await slow.closed).toMatchObject({ code: 1001 });
  });

  it("R18: a session whose onOpen takes longer than the timeout is not closed in it", async () => {
    const log = new Log();
    let settle = () => {};
    const endpoint = serve({
      ...echo,
      async onOpen(session) {
        session.maxIdleTimeout = MINUTES;
        log.add("opening");
        await new Promise<void>((resolve) => (settle = resolve));
      },
    });
    const opening = endpoint.connect();
    await log.has("opening");
    passTime(10 * MINUTES);
    await ring(endpoint.stub);
    await runInDurableObject(endpoint.stub, () => settle());
    const client = await opening;
    expect(await client.ask("open")).toBe("open");
    await ringAtAlarm(endpoint.stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
  });

  it("R18: a timeout past the platform's last date is as good as never", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = serve({ ...echo, idleTimeoutMs: Number.MAX_SAFE_INTEGER });
    const client = await endpoint.connect();
    expect(await client.ask("open")).toBe("open");
    passTime(10_000 * MINUTES);
    await early(endpoint);
    expect(await client.ask("open")).toBe("open");
    expect(logged).not.toHaveBeenCalled();
  });

  it("R18: an alarm that the platform did not take, or lost, is set with the next activity", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = serve({ ...echo, idleTimeoutMs: 10 * MINUTES });
    const set = vi.spyOn(await prototypeOf(endpoint), "setAlarm");
    await endpoint.hibernate();
    set.mockRejectedValueOnce(new Error("storage is overloaded"));
    const client = await endpoint.connect();
    expect(await alarmOf(endpoint.stub)).toBe(null);
    expect(logged.mock.calls).toEqual([
      [
        logEntry("the alarm for idle timeouts can't be set"),
        expect.objectContaining({ message: "storage is overloaded" }),
      ],
    ]);
    passTime(30 * MINUTES);
    expect(await client.ask("in")).toBe("in");
    expect(await alarmOf(endpoint.stub)).not.toBe(null);
    passTime(11 * MINUTES);
    expect(await ring(endpoint.stub)).toBe(true);
    expect(await client.closed).toMatchObject({ code: 1001 });
  });

  it.each([
    ["was taken away", true],
    ["is so late that it isn't coming", false],
  ])("R18: an alarm that %s is set again with the next activity, in the same life", async (_, isGone) => {
    const endpoint = serve({ ...echo, idleTimeoutMs: 10 * MINUTES });
    const set = vi.spyOn(await prototypeOf(endpoint), "setAlarm");
    await endpoint.hibernate();
    const client = await endpoint.connect();
    // An alarm that is late is left alone: if Socle moved it, the platform would not retry it.
    vi.setSystemTime((await alarmOf(endpoint.stub))! + MINUTES);
    expect(await client.ask("in")).toBe("in");
    expect(set).toHaveBeenCalledTimes(1);
    passTime(2 * MINUTES);
    await runInDurableObject(endpoint.stub, async (_object, { storage }) => {
      if (isGone) await platform(storage).deleteAlarm.call(storage);
    });
    expect(await client.ask("in")).toBe("in");
    await expect.poll(() => set.mock.calls.length).toBe(2);
    // The alarm is due at once.
    expect(await ring(endpoint.stub)).toBe(true);
    expect(await client.ask("in")).toBe("in");
    await ringAtAlarm(endpoint.stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
  });

  it.each([-1, 1.5, NaN, Infinity, "20", null])("R18: %s is refused", async (timeout) => {
    expect(register({ idleTimeoutMs: timeout })).toThrow(DeploymentError);
    expect(register({ idleTimeoutMs: timeout })).toThrow(
      "has an invalid idleTimeoutMs: it must be a whole number of milliseconds, 0 for never",
    );
    const endpoint = serve({
      idleTimeoutMs: 10 * MINUTES,
      onText(_, __, session) {
        expect(() => (session.maxIdleTimeout = timeout as number)).toThrow(LimitError);
        expect(() => (session.maxIdleTimeout = timeout as number)).toThrow(
          "maxIdleTimeout must be a whole number from 0",
        );
        return session.asyncRemote.sendText(`${session.maxIdleTimeout}`);
      },
    });
    expect(await (await endpoint.connect()).ask("")).toBe(`${10 * MINUTES}`);
  });
});

describe("autoResponse", () => {
  const autoResponse = { request: "ping", response: "pong" };

  it("R18: is answered without a callback, and after hibernation without waking the object", async () => {
    const path = freshPath();
    container.addEndpoint(path, { durableObject: Clock, autoResponse });
    const onText = vi.spyOn(Clock.prototype, "onText");
    const client = await connect(path);
    expect(await client.ask("ping")).toBe("pong");
    await evictDurableObject(container.stub(env, path));
    const { made } = Clock;
    expect(await client.ask("ping")).toBe("pong");
    expect(await client.ask("ping")).toBe("pong");
    expect(Clock.made).toBe(made);
    expect(onText).not.toHaveBeenCalled();
    expect(await client.ask("ping ")).toBe("ping ");
    expect(Clock.made).toBe(made + 1);
  });

  it("R18: is answered also where the object doesn't hibernate, and is activity there", async () => {
    stopClock();
    const log = new Log();
    const endpoint = serve({
      onText: (_, text) => log.add(text),
      autoResponse,
      hibernate: false,
      idleTimeoutMs: 10 * MINUTES,
    });
    const client = await endpoint.connect();
    passTime(9 * MINUTES);
    expect(await client.ask("ping")).toBe("pong");
    await ringAtAlarm(endpoint.stub);
    expect(await endpoint.stub.openSessionCount()).toBe(1);
    expect(log.entries).toEqual([]);
    await ringAtAlarm(endpoint.stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
  });

  it("R18: may be as long as the platform takes it", async () => {
    const longest = { request: "é".repeat(1024), response: "b".repeat(2048) };
    const client = await serve({ autoResponse: longest }).connect();
    expect(await client.ask(longest.request)).toBe(longest.response);
  });

  it("R18: without it every message is the callbacks'", async () => {
    expect(await (await serve(echo).connect()).ask("ping")).toBe("ping");
  });

  it.each([
    "ping",
    null,
    [],
    {},
    { request: "ping" },
    { request: "ping", response: 5 },
    { request: "ping", response: "pong", more: "" },
    { request: "é".repeat(1025), response: "pong" },
    { request: "ping", response: "b".repeat(2049) },
  ])("R18: a wrong one is refused at registration (%#)", (wrong) => {
    expect(register({ autoResponse: wrong })).toThrow(DeploymentError);
    expect(register({ autoResponse: wrong })).toThrow(
      "has an invalid autoResponse: it must be { request, response } of strings of at most 2,048 bytes",
    );
  });
});
