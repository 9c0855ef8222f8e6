// Sessions whose clients disappeared without a Close frame. Messages to such a client do not count as activity.
import { runInDurableObject } from "cloudflare:test";
import { DeploymentError, type EndpointOptions, type Session } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { alarmOf, passTime, platform, ring, ringAtAlarm, rowsOf, stopClock } from "./support/alarm.ts";
import { upgrade, type Client } from "./support/client.ts";
import { Log, modes, recorded, serve, type Served } from "./support/endpoint.ts";
import { FlowClient } from "./support/flow-client.ts";

const MINUTES = 60_000;
const autoResponse = { request: "ping", response: "pong" };
const echo = { onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text) };

beforeEach(() => void stopClock());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets time pass, and rings the alarm each time that it is due. */
async function pass(endpoint: Served, milliseconds: number): Promise<void> {
  const until = Date.now() + milliseconds;
  for (let due; (due = await alarmOf(endpoint.stub)) !== null && due <= until;) {
    vi.setSystemTime(due);
    await ring(endpoint.stub);
  }
  vi.setSystemTime(until);
}

const isOpen = async (endpoint: Served) => (await endpoint.stub.openSessionCount()) === 1;

/** How the object holds its sockets: it hibernates before each step, it stays awake, or `hibernate` is false. */
const states = [
  { state: "hibernated", serve: modes[0]!.serve, hibernate: (endpoint: Served) => endpoint.hibernate() },
  { state: "awake", serve: modes[0]!.serve, hibernate: () => Promise.resolve() },
  { state: "hibernate: false", serve: modes[1]!.serve, hibernate: () => Promise.resolve() },
];

describe.each(states)("$state", ({ serve: serveMap, hibernate }) => {
  it.each([600_000, 30_000, 1000, 1])("P28: a timeout of %i ms is kept to a twentieth, or a second", async (t) => {
    const slack = Math.max(t / 20, 1000);
    const endpoint = serveMap({ ...echo, clientTimeoutMs: t });
    for (const offset of [0, 499, 12_345]) {
      passTime(offset);
      const client = await endpoint.connect();
      const opened = Date.now();
      await hibernate(endpoint);
      const due = (await alarmOf(endpoint.stub))!;
      expect(due).toBeGreaterThanOrEqual(opened + t);
      expect(due).toBeLessThanOrEqual(opened + t + slack);
      vi.setSystemTime(due - 1);
      await runInDurableObject(endpoint.stub, (object) =>
        object.alarm({ scheduledTime: Date.now(), isRetry: false, retryCount: 0 }),
      );
      expect(await isOpen(endpoint)).toBe(true);
      await hibernate(endpoint);
      await ringAtAlarm(endpoint.stub);
      expect(await client.closed).toEqual({ code: 1001, reason: "", wasClean: true });
    }
  });

  it("P28: what is sent to a silent client keeps it no longer, and onClose runs once", async () => {
    const log = new Log();
    const endpoint = serveMap({ ...recorded(log), onOpen: () => "object", clientTimeoutMs: 10 * MINUTES });
    const client = await endpoint.connect();
    for (let minute = 0; minute < 9; minute++) {
      await pass(endpoint, MINUTES);
      await hibernate(endpoint);
      expect(await endpoint.stub.broadcast("news")).toBe(1);
    }
    await pass(endpoint, 2 * MINUTES);
    expect(await client.closed).toMatchObject({ code: 1001 });
    await log.has(["close", "object", 1001, ""]);
    expect(log.entries).toEqual([["close", "object", 1001, ""]]);
    expect(client.messages).toHaveLength(9);
    await expect.poll(() => rowsOf(endpoint.stub)).toEqual([]);
    expect(await alarmOf(endpoint.stub)).toBe(null);
  });

  const signs: [string, (client: Client) => Promise<unknown> | void][] = [
    ["a text", (client) => client.ask("in")],
    ["bytes", (client) => client.ask(new ArrayBuffer(1))],
    ["a message that no callback wants", (client) => client.send("")],
  ];
  it.each(signs)("P28: %s of the client puts it off", async (_, say) => {
    let heard = 0;
    const answer = (_object: unknown, message: string | ArrayBuffer, { asyncRemote }: Session) => {
      heard++;
      if (message) void asyncRemote.sendText("out");
    };
    const endpoint = serveMap({ onText: answer, onBinary: answer, clientTimeoutMs: 10 * MINUTES });
    const client = await endpoint.connect();
    for (let round = 0; round < 3; round++) {
      await pass(endpoint, 9 * MINUTES);
      await hibernate(endpoint);
      const before = heard;
      await say(client);
      await vi.waitUntil(() => heard > before, 30_000);
      await hibernate(endpoint);
    }
    const last = Date.now();
    await pass(endpoint, 10 * MINUTES - 1);
    expect(await isOpen(endpoint)).toBe(true);
    await pass(endpoint, MINUTES);
    expect(await client.closed).toMatchObject({ code: 1001 });
    expect(Date.now()).toBeLessThanOrEqual(last + 11 * MINUTES);
  });

  it("P28: an acknowledgement puts it off, and is no activity for idleTimeoutMs", async () => {
    const flowControl = { window: 1000 };
    for (const option of ["clientTimeoutMs", "idleTimeoutMs"]) {
      const endpoint = serveMap({ flowControl, [option]: 10 * MINUTES });
      const flow = await FlowClient.connect(endpoint);
      await endpoint.stub.broadcast("news");
      await endpoint.stub.broadcast("news");
      await flow.has(2);
      for (const taken of [1, 2]) {
        await pass(endpoint, 7 * MINUTES);
        await hibernate(endpoint);
        if (!(await isOpen(endpoint))) break;
        flow.take(1);
        const acknowledged = () =>
          runInDurableObject(endpoint.stub, (object) => {
            for (const session of object.openSessions()) {
              return (session as unknown as { credit: { kept: number[] } }).credit.kept[0];
            }
            return undefined;
          });
        await vi.waitUntil(async () => (await acknowledged()) === taken, 30_000);
        await hibernate(endpoint);
      }
      expect(await isOpen(endpoint)).toBe(option === "clientTimeoutMs");
      await pass(endpoint, 11 * MINUTES);
      expect(await flow.client.closed).toMatchObject({ code: 1001 });
    }
  });

  it("P28: of the two timeouts the first that is due closes", async () => {
    const endpoint = serveMap({ ...echo, idleTimeoutMs: 5 * MINUTES, clientTimeoutMs: 10 * MINUTES });
    const silent = await endpoint.connect();
    await pass(endpoint, 4 * MINUTES);
    await hibernate(endpoint);
    expect(await isOpen(endpoint)).toBe(true);
    await pass(endpoint, 2 * MINUTES);
    expect(await silent.closed).toMatchObject({ code: 1001 });

    const told = await endpoint.connect();
    for (let minute = 0; minute < 9; minute += 3) {
      await pass(endpoint, 3 * MINUTES);
      await hibernate(endpoint);
      expect(await endpoint.stub.broadcast("news")).toBe(1);
    }
    // The last activity is 1 minute ago.
    await pass(endpoint, 2 * MINUTES);
    expect(await told.closed).toMatchObject({ code: 1001 });
    expect(await alarmOf(endpoint.stub)).toBe(null);
  });
});

// The platform records the time of an automatic response by its own clock, so the clock has to run.
it.each(modes)("P28: a ping puts it off, in a room that talks too: hibernate: $hibernate", async (mode) => {
  vi.useRealTimers();
  const endpoint = mode.serve({ autoResponse, clientTimeoutMs: 2000 });
  const opened = Date.now();
  const [alive, gone] = [await endpoint.connect(), await endpoint.connect()];
  if (mode.hibernate) await endpoint.hibernate();
  let last = 0;
  while (Date.now() < opened + 5000) {
    await scheduler.wait(200);
    last = Date.now();
    alive.send("ping");
    await endpoint.stub.broadcast("news");
  }
  expect(await gone.closed).toMatchObject({ code: 1001 });
  expect(await alive.closed).toMatchObject({ code: 1001 });
  expect(Date.now()).toBeGreaterThanOrEqual(last + 2000);
});

it("P28: a session's idle timeout can be set and unset beside it", async () => {
  const endpoint = serve({
    clientTimeoutMs: 10 * MINUTES,
    async onText(_, text, session) {
      session.maxIdleTimeout = Number(text);
      await session.asyncRemote.sendText("set");
    },
  });
  const client = await endpoint.connect();
  await client.ask(`${MINUTES}`);
  expect(await alarmOf(endpoint.stub)).toBeLessThanOrEqual(Date.now() + 2 * MINUTES);
  await client.ask("0");
  await endpoint.hibernate();
  await pass(endpoint, 9 * MINUTES);
  expect(await isOpen(endpoint)).toBe(true);
  await pass(endpoint, 2 * MINUTES);
  expect(await client.closed).toMatchObject({ code: 1001 });
});

it("P28: what came is written once per span, and a session without the option writes nothing", async () => {
  for (const [options, writes] of [
    [{ clientTimeoutMs: 10 * MINUTES }, 1],
    [{}, 0],
  ] as [EndpointOptions, number][]) {
    const endpoint = serve({ ...echo, ...options });
    vi.setSystemTime(Math.ceil(Date.now() / MINUTES) * MINUTES);
    const client = await endpoint.connect();
    const written = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    for (let second = 0; second < 29; second++) {
      passTime(1000);
      await client.ask("in");
    }
    expect(written).not.toHaveBeenCalled();
    passTime(1000);
    for (let n = 0; n < 5; n++) await client.ask("in");
    await endpoint.hibernate();
    for (let n = 0; n < 5; n++) await client.ask("in");
    expect(written).toHaveBeenCalledTimes(writes);
    expect(await rowsOf(endpoint.stub)).toHaveLength(writes);
    written.mockRestore();
  }
});

it("P28: one alarm serves many sessions, and traffic doesn't move it", async () => {
  const endpoint = serve({ ...echo, clientTimeoutMs: 10 * MINUTES });
  const prototype = await runInDurableObject(endpoint.stub, (_, { storage }) => platform(storage));
  const set = vi.spyOn(prototype, "setAlarm");
  await endpoint.hibernate();
  const clients: Client[] = [];
  for (let i = 0; i < 5; i++) {
    clients.push(await endpoint.connect());
    passTime(1000);
  }
  for (let i = 0; i < 20; i++) {
    passTime(20_000);
    for (const client of clients) await client.ask("in");
  }
  expect(set).toHaveBeenCalledTimes(1);
});

it("P28: an onOpen that takes longer than the timeout is not closed in it", async () => {
  const log = new Log();
  let settle = () => {};
  const endpoint = serve({
    ...echo,
    async onOpen() {
      log.add("opening");
      await new Promise<void>((resolve) => (settle = resolve));
    },
    clientTimeoutMs: MINUTES,
  });
  const opening = endpoint.connect();
  await log.has("opening");
  passTime(10 * MINUTES);
  await runInDurableObject(endpoint.stub, () => settle());
  const client = await opening;
  expect(await client.ask("open")).toBe("open");
  await ringAtAlarm(endpoint.stub);
  expect(await client.closed).toMatchObject({ code: 1001 });
});

it.each(["in", "ping"])("P28: %s from a client whose session has ended leaves no alarm", async (late) => {
  const log = new Log();
  const endpoint = serve({
    ...recorded(log),
    onOpen({ webSocket }) {
      webSocket.addEventListener("message", ({ data }) => log.add("arrived", data));
    },
    onText: (_, __, session) => session.close(4001),
    hibernate: false,
    autoResponse,
    clientTimeoutMs: MINUTES,
  });
  const socket = (await upgrade(endpoint.path)).webSocket!;
  // The client does not answer the Close frame.
  socket.accept({ allowHalfOpen: true });
  socket.send("close");
  await log.has(["close", undefined, 4001, ""]);
  await expect.poll(() => rowsOf(endpoint.stub)).toEqual([]);
  passTime(10 * MINUTES);
  socket.send(late);
  await log.has(["arrived", late]);
  expect([await rowsOf(endpoint.stub), await alarmOf(endpoint.stub)]).toEqual([[], null]);
});

it.each([-1, 1.5, NaN, Infinity, "20", null])("P28: %s is refused", (timeout) => {
  const register = () => serve({ clientTimeoutMs: timeout as number });
  expect(register).toThrow(DeploymentError);
  expect(register).toThrow("has an invalid clientTimeoutMs: it must be a whole number of milliseconds, 0 for never");
});

it("P28: is never by default, also where the container has an idle timeout", async () => {
  const seen: unknown[] = [];
  const endpoint = serve({ onOpen: (_, config) => void seen.push(config.clientTimeoutMs) });
  await endpoint.connect();
  expect(seen).toEqual([undefined]);
  expect(await alarmOf(endpoint.stub)).toBe(null);
});
