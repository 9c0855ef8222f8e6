// The alarm of a class, which shares the object's one alarm with the idle timeouts.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DeploymentError, Endpoint, ServerContainer, type EndpointOptions } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { Alarm } from "../src/object/alarm/alarm.ts";
import { alarmOf, passTime, platform, ring, ringAtAlarm, rowsOf, stopClock } from "./support/alarm.ts";
import { connect } from "./support/client.ts";
import { freshPath, Log, serve } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { Clock, container, Legacy } from "./support/worker.ts";

const MINUTES = 60_000;

/** An object of the class, with functions that reach into it. */
function object(options: EndpointOptions = {}, type: typeof Clock = Clock) {
  const path = freshPath();
  container.addEndpoint(path, { durableObject: type, ...options });
  return {
    /** A new stub each time, because a stub that has failed keeps failing. */
    get stub() {
      return container.stub<Clock>(env, path);
    },
    connect: () => connect(path),
    /** Opens a session of another endpoint in the same object. */
    connectBeside(others: EndpointOptions) {
      const beside = freshPath();
      container.addEndpoint(beside, { durableObject: type, instance: () => path, ...others });
      return connect(beside);
    },
    hibernate() {
      return evictDurableObject(this.stub);
    },
    /** Runs a function with the object's storage, as the class itself uses it. */
    storage<T>(use: (storage: DurableObjectStorage) => T | Promise<T>): Promise<T> {
      return runInDurableObject(this.stub, (_, { storage }) => use(storage));
    },
  };
}

let onAlarm: MockInstance<Clock["onAlarm"]>;
let logged: MockInstance<typeof console.error>;
beforeEach(() => {
  onAlarm = vi.spyOn(Clock.prototype, "onAlarm");
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("by the platform's clock", () => {
  it.each([0, 10 * MINUTES])("R18: an own alarm comes, with an idle timeout of %i ms", async (idleTimeoutMs) => {
    const clock = object({ idleTimeoutMs });
    const client = await clock.connect();
    onAlarm.mockImplementation(async function (this: Clock) {
      this.broadcast(`alarm, ${await this.ctx.storage.getAlarm()}`);
    });
    const at = Date.now() + 300;
    await clock.storage((storage) => storage.setAlarm(at));
    await clock.hibernate();
    expect(await client.next()).toBe("alarm, null");
    expect(Date.now()).toBeGreaterThanOrEqual(at);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(await client.ask("open")).toBe("open");
  });

  it(
    "R18: an onAlarm that takes the object down is run again, and idle timeouts work on",
    { timeout: 20_000 },
    async () => {
      const log = new Log();
      const clock = object({ idleTimeoutMs: 1000 });
      const lost = await clock.connect();
      onAlarm.mockImplementationOnce(async function (this: Clock) {
        log.add("first");
        await this.ctx.storage.sync();
        this.ctx.abort("taken down");
      });
      onAlarm.mockImplementationOnce(() => log.add("second"));
      await clock.storage((storage) => storage.setAlarm(Date.now() + 200));
      await lost.closed;
      await vi.waitUntil(() => log.entries.length === 2, 30_000);
      expect(log.entries).toEqual(["first", "second"]);
      const client = await clock.connect();
      expect(await client.closed).toMatchObject({ code: 1001 });
      await vi.waitUntil(async () => (await rowsOf(clock.stub)).length === 0, 30_000);
      expect(onAlarm).toHaveBeenCalledTimes(2);
    },
  );

  it.each([
    ["is open before", 1],
    ["opens meanwhile", 1],
    ["is the last", 0],
  ])("R18: a timeout is kept while an onAlarm takes longer, of a session that %s", async (which, left) => {
    const clock = object({ idleTimeoutMs: 1000 });
    const log = new Log();
    if (left) await clock.connectBeside({ idleTimeoutMs: MINUTES });
    const before = which !== "opens meanwhile" && (await clock.connect());
    onAlarm.mockImplementationOnce(async () => {
      const client = before || (await clock.connect());
      log.add((await client.closed).code);
    });
    await clock.storage((storage) => storage.setAlarm(Date.now()));
    await log.has(1001);
    const alarms = async () => [await rowsOf(clock.stub), (await alarmOf(clock.stub)) !== null];
    await expect.poll(alarms).toEqual([left ? ["socle:alarm"] : [], left > 0]);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(logged).not.toHaveBeenCalled();
  });

  it("R18: an onAlarm that throws is tried again", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const client = await clock.connect();
    onAlarm.mockRejectedValueOnce(new Error("not yet"));
    onAlarm.mockImplementationOnce(function (this: Clock) {
      this.broadcast("alarm");
    });
    await clock.storage((storage) => storage.setAlarm(Date.now() + 200));
    expect(await client.next()).toBe("alarm");
    expect(onAlarm).toHaveBeenCalledTimes(2);
  });
});

describe("by a clock that is set", () => {
  beforeEach(() => void stopClock());

  /** A time in this many minutes, in whole milliseconds like alarms. */
  const inMinutes = (minutes: number) => Date.now() + minutes * MINUTES;

  describe.each(["awake", "hibernated"])("%s", (state) => {
    const settle = async (clock: ReturnType<typeof object>) => {
      if (state === "hibernated") await clock.hibernate();
    };

    it("R18: an own alarm comes before the timeout, and leaves it as it is", async () => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const client = await clock.connect();
      const idle = await alarmOf(clock.stub);
      const own = inMinutes(2);
      await clock.storage((storage) => storage.setAlarm(own));
      expect(await alarmOf(clock.stub)).toBe(own);
      await settle(clock);
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(own);
      await ringAtAlarm(clock.stub);
      expect(onAlarm.mock.calls).toEqual([[{ scheduledTime: own, isRetry: false, retryCount: 0 }]]);
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
      expect(await alarmOf(clock.stub)).toBe(idle);
      await settle(clock);
      await ringAtAlarm(clock.stub);
      expect(await client.closed).toMatchObject({ code: 1001 });
      expect(await alarmOf(clock.stub)).toBe(null);
      expect(onAlarm).toHaveBeenCalledTimes(1);
    });

    it("R18: an own alarm comes after the timeout, when the platform's is its own again", async () => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const client = await clock.connect();
      const own = new Date(inMinutes(30));
      await clock.storage((storage) => storage.setAlarm(own));
      expect(await alarmOf(clock.stub)).toBeLessThan(inMinutes(11));
      await settle(clock);
      await ringAtAlarm(clock.stub);
      expect(await client.closed).toMatchObject({ code: 1001 });
      expect(onAlarm).not.toHaveBeenCalled();
      expect(await rowsOf(clock.stub)).toEqual([]);
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(Number(own));
      await settle(clock);
      await ringAtAlarm(clock.stub);
      expect(onAlarm).toHaveBeenCalledTimes(1);
    });

    it("R18: an own alarm that was set before the first timeout stays", async () => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const own = inMinutes(2);
      await clock.storage((storage) => storage.setAlarm(own));
      await settle(clock);
      const client = await clock.connect();
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(own);
      await settle(clock);
      await ringAtAlarm(clock.stub);
      expect(onAlarm.mock.calls).toEqual([[{ scheduledTime: own, isRetry: false, retryCount: 0 }]]);
      await ringAtAlarm(clock.stub);
      expect(await client.closed).toMatchObject({ code: 1001 });
      expect(onAlarm).toHaveBeenCalledTimes(1);
    });

    it("R18: a late alarm that both wait for serves both, once, and again only if it is asked to", async () => {
      for (const left of [0, 1]) {
        const clock = object({ idleTimeoutMs: 10 * MINUTES });
        const client = await clock.connect();
        await clock.storage((storage) => storage.setAlarm(inMinutes(12)));
        passTime(9 * MINUTES);
        const others = left ? [await clock.connect()] : [];
        passTime(5 * MINUTES);
        await settle(clock);
        onAlarm.mockClear();
        await ring(clock.stub);
        expect(await client.closed).toMatchObject({ code: 1001 });
        expect(onAlarm).toHaveBeenCalledTimes(1);
        expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
        expect(await rowsOf(clock.stub)).toHaveLength(left);
        for (const other of others) {
          await ringAtAlarm(clock.stub);
          expect(await other.closed).toMatchObject({ code: 1001 });
        }
        expect(await alarmOf(clock.stub)).toBe(null);
        expect(onAlarm).toHaveBeenCalledTimes(1);
      }
    });

    it("R18: an own alarm can be moved and deleted", async () => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      await clock.connect();
      const idle = await alarmOf(clock.stub);
      await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
      await clock.storage((storage) => storage.setAlarm(inMinutes(3)));
      await settle(clock);
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(inMinutes(3));
      expect(await alarmOf(clock.stub)).toBe(inMinutes(3));
      await clock.storage((storage) => storage.deleteAlarm());
      await settle(clock);
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
      expect(await alarmOf(clock.stub)).toBe(idle);
      await ringAtAlarm(clock.stub);
      expect(onAlarm).not.toHaveBeenCalled();
      expect(await alarmOf(clock.stub)).toBe(null);
    });

    it("R18: an onAlarm that always throws is tried seven times in all, and timeouts are kept meanwhile", async () => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const client = await clock.connect();
      onAlarm.mockRejectedValue(new Error("failed"));
      const own = inMinutes(10);
      await clock.storage((storage) => storage.setAlarm(own));
      for (let tries = 1; onAlarm.mock.calls.length < 7; tries++) {
        expect(tries).toBeLessThan(12);
        await settle(clock);
        await ringAtAlarm(clock.stub);
        // While a session has a timeout, the two share the alarm.
        expect(await (await clock.connect()).ask("in")).toBe("in");
      }
      expect(await client.closed).toMatchObject({ code: 1001 });
      const times = onAlarm.mock.calls.map(([info]) => info!.scheduledTime - own);
      expect(times).toEqual([0, 2000, 6000, 14_000, 30_000, 62_000, 126_000]);
      expect(onAlarm.mock.calls.map(([info]) => info!.retryCount)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(onAlarm.mock.calls.map(([info]) => info!.isRetry)).toEqual([false, true, true, true, true, true, true]);
      expect(logged).toHaveBeenCalledTimes(7);
      expect(logged).toHaveBeenLastCalledWith(
        logEntry("onAlarm failed"),
        expect.objectContaining({ message: "failed" }),
      );
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
      passTime(60 * MINUTES);
      await ring(clock.stub);
      expect(await alarmOf(clock.stub)).toBe(null);
      expect(onAlarm).toHaveBeenCalledTimes(7);
    });

    it("R18: storage.deleteAll doesn't end the timeouts", async () => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const client = await clock.connect();
      await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
      await clock.storage((storage) => storage.deleteAll());
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
      await settle(clock);
      passTime(9 * MINUTES);
      expect(await client.ask("in")).toBe("in");
      await settle(clock);
      passTime(11 * MINUTES);
      expect(await ring(clock.stub)).toBe(true);
      expect(await client.closed).toMatchObject({ code: 1001 });
      expect(onAlarm).not.toHaveBeenCalled();
    });

    it("R18: storage.deleteAll leaves the own alarm where the compatibility date has it leave alarms", async () => {
      // Some platforms leave the alarm and report it afterwards.
      const prototype = await object().storage(platform);
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const getAlarm = vi.spyOn(prototype, "getAlarm");
      await clock.connect();
      const own = inMinutes(2);
      await clock.storage((storage) => storage.setAlarm(own));
      getAlarm.mockResolvedValueOnce(own);
      await clock.storage((storage) => storage.deleteAll());
      expect(await clock.storage((storage) => storage.getAlarm())).toBe(own);
    });

    it("R18: storage.deleteAll doesn't keep a session that is silent for ever", async () => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const client = await clock.connect();
      await clock.storage((storage) => storage.deleteAll());
      await settle(clock);
      passTime(11 * MINUTES);
      expect(await ring(clock.stub)).toBe(true);
      expect(await client.closed).toMatchObject({ code: 1001 });
    });
  });

  it.each(["alone", "with another alarm"])(
    "R18: an onAlarm that deletes Socle's row ends no timeout, %s",
    async (how) => {
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const client = await clock.connect();
      await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
      onAlarm.mockImplementationOnce(async function (this: Clock) {
        const { storage } = this.ctx;
        if (how !== "alone") await storage.setAlarm(inMinutes(3));
        storage.kv.delete("socle:alarm");
      });
      passTime(2 * MINUTES);
      expect(await ring(clock.stub)).toBe(true);
      expect(onAlarm).toHaveBeenCalledTimes(1);
      passTime(9 * MINUTES);
      expect(await ring(clock.stub)).toBe(true);
      expect(await client.closed).toMatchObject({ code: 1001 });
    },
  );

  it("R18: an onAlarm that fails as a session with a timeout opens comes when it wanted to, if it set another", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    const own = inMinutes(5);
    onAlarm.mockImplementationOnce(async function (this: Clock) {
      await connectedDuring;
      await vi.waitUntil(() => this.ctx.storage.kv.get("socle:alarm"), 30_000);
      await this.ctx.storage.setAlarm(own);
      throw new Error("failed");
    });
    let connectedDuring: Promise<unknown> = Promise.resolve();
    passTime(2 * MINUTES);
    connectedDuring = clock.connect();
    await ring(clock.stub);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(own);
  });

  it("R18: an own alarm that is to be tried again can be asked for, and deleted", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    onAlarm.mockRejectedValueOnce(new Error("failed"));
    await ringAtAlarm(clock.stub);
    const next = Date.now() + 2000;
    expect(await alarmOf(clock.stub)).toBe(next);
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(next);
    await clock.storage((storage) => storage.deleteAlarm());
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
    passTime(5 * MINUTES);
    await ring(clock.stub);
    expect(onAlarm).toHaveBeenCalledTimes(1);
  });

  it("R18: the timeouts' alarm that comes while deleteAll is under way is not taken for the own one", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const silent = await clock.connect();
    passTime(11 * MINUTES);
    // Its session has a timeout, so the two still share the alarm.
    await clock.connect();
    await runInDurableObject(clock.stub, async (instance: Clock, { storage }) => {
      const deleting = storage.deleteAll();
      await Promise.all([deleting, instance.alarm({ scheduledTime: Date.now(), isRetry: false, retryCount: 0 })]);
    });
    expect(await silent.closed).toMatchObject({ code: 1001 });
    expect(onAlarm).not.toHaveBeenCalled();
  });

  it("R26: an own alarm comes behind the onClose of the sessions that a crash has ended", async () => {
    const clock = object({ trackSessions: true });
    const log = new Log();
    const onClose = async () => {
      await scheduler.wait(1);
      log.add("close");
    };
    Object.assign(Clock.prototype, { onClose });
    try {
      onAlarm.mockImplementation(() => log.add("alarm"));
      await clock.connect();
      await evictDurableObject(clock.stub, { webSockets: "close" });
      const info = { scheduledTime: Date.now(), isRetry: false, retryCount: 0 };
      await runInDurableObject(clock.stub, (instance: Clock) => instance.alarm(info));
      expect(log.entries).toEqual(["close", "alarm"]);
    } finally {
      Reflect.deleteProperty(Clock.prototype, "onClose");
    }
  });

  it("R18: in onAlarm the own alarm is gone, and a new one can be set", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const log = new Log();
    await clock.connect();
    onAlarm.mockImplementation(async function (this: Clock) {
      const { storage } = this.ctx;
      log.add(await storage.getAlarm());
      if (log.entries.length < 3) await storage.setAlarm(inMinutes(1));
      log.add(await storage.getAlarm());
    });
    const first = inMinutes(2);
    await clock.storage((storage) => storage.setAlarm(first));
    await ringAtAlarm(clock.stub);
    expect(await alarmOf(clock.stub)).toBe(first + MINUTES);
    await clock.hibernate();
    await ringAtAlarm(clock.stub);
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
    expect(log.entries).toEqual([null, first + MINUTES, null, null]);
    expect(onAlarm.mock.calls.map(([info]) => info)).toEqual([
      { scheduledTime: first, isRetry: false, retryCount: 0 },
      { scheduledTime: first + MINUTES, isRetry: false, retryCount: 0 },
    ]);
  });

  it("R18: an alarm that is delivered twice runs onAlarm once", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const client = await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    passTime(2 * MINUTES);
    const info = { scheduledTime: Date.now(), isRetry: false, retryCount: 0 };
    await runInDurableObject(clock.stub, (instance) => instance.alarm(info));
    await clock.hibernate();
    await runInDurableObject(clock.stub, (instance) => instance.alarm({ ...info, isRetry: true, retryCount: 1 }));
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(await client.ask("open")).toBe("open");
  });

  it("R18: a session that opens while onAlarm runs is closed before one that is due later", async () => {
    const clock = object({ idleTimeoutMs: 60 * MINUTES });
    await clock.connect();
    const silent = await clock.connectBeside({ idleTimeoutMs: 2 * MINUTES });
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    onAlarm.mockImplementationOnce(async () => void (await clock.connectBeside({ idleTimeoutMs: 20 * MINUTES })));
    // The alarm comes late, so that the timeout is due too.
    passTime(3 * MINUTES);
    await ring(clock.stub);
    expect(await silent.closed).toMatchObject({ code: 1001 });
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(await alarmOf(clock.stub)).toBeLessThanOrEqual(inMinutes(21));
    await ringAtAlarm(clock.stub);
    expect(await clock.stub.openSessionCount()).toBe(1);
  });

  it("R18: a session that opens while onAlarm runs gets its timeout, and a failed onAlarm its next try", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    onAlarm.mockImplementationOnce(async () => {
      await clock.connect();
      throw new Error("failed");
    });
    const own = inMinutes(2);
    await clock.storage((storage) => storage.setAlarm(own));
    // The platform retries an alarm that throws.
    await expect(ringAtAlarm(clock.stub).then(() => alarmOf(clock.stub))).resolves.toBe(own + 2000);
    await ringAtAlarm(clock.stub);
    expect(onAlarm).toHaveBeenCalledTimes(2);
    await ringAtAlarm(clock.stub);
    expect(await clock.stub.openSessionCount()).toBe(0);
  });

  it("P10: closeAll, deleteAlarm and deleteAll leave neither a row nor an alarm", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const client = await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    await runInDurableObject(clock.stub, async (instance: Clock, { storage }) => {
      instance.closeAll();
      await storage.deleteAlarm();
      await storage.deleteAll();
    });
    await client.closed;
    expect([await rowsOf(clock.stub), await alarmOf(clock.stub)]).toEqual([[], null]);
  });

  it("P10: nothing is left once the last session has gone, but the alarm of the class", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const [first, last] = [await clock.connect(), await clock.connect()];
    await first.close(1000);
    const own = inMinutes(60);
    await clock.storage((storage) => storage.setAlarm(own));
    expect(await rowsOf(clock.stub)).toEqual(["socle:alarm"]);
    await last.close(1000);
    await expect.poll(() => rowsOf(clock.stub)).toEqual([]);
    expect(await alarmOf(clock.stub)).toBe(own);
    await clock.storage((storage) => storage.deleteAlarm());
    await (await clock.connect()).close(1000);
    await expect.poll(() => alarmOf(clock.stub)).toBe(null);
    expect(await rowsOf(clock.stub)).toEqual([]);
  });

  it.each(["a message", "a request", "a count", "another session"])(
    "P10: timeouts whose alarm was not taken have one again with the object's next event: %s",
    async (event) => {
      const prototype = await object().storage(platform);
      const clock = object({ idleTimeoutMs: 10 * MINUTES });
      const path = freshPath();
      container.addEndpoint(path, { durableObject: Clock, instance: () => clock.stub.name! });
      vi.spyOn(prototype, "setAlarm").mockRejectedValueOnce(new Error("refused"));
      // This session has no timeout.
      const other = await connect(path);
      const silent = await clock.connect();
      await vi.waitUntil(() => logged.mock.calls.length > 0, 30_000);
      expect([await rowsOf(clock.stub), await alarmOf(clock.stub)]).toEqual([[], null]);
      if (event === "a message") await other.ask("in");
      if (event === "a count") await clock.stub.openSessionCount();
      if (event === "another session") await connect(path);
      if (event === "a request") await (await clock.stub.fetch("https://socle.test/")).text();
      await expect.poll(() => alarmOf(clock.stub)).not.toBe(null);
      passTime(11 * MINUTES);
      await ring(clock.stub);
      expect(await silent.closed).toMatchObject({ code: 1001 });
    },
  );

  it("P10: alarms work behind a ctx whose storage is a proxy, as tracing wrappers make it", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const own = inMinutes(2);
    const got = await runInDurableObject(clock.stub, async (_, ctx) => {
      const storage = new Proxy(ctx.storage, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? (value as () => void).bind(target) : value;
        },
      });
      const behind = Object.create(ctx, { storage: { value: storage } }) as DurableObjectState;
      const prototype = Object.getPrototypeOf(ctx) as object;
      for (const [name, one] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
        if (name === "constructor" || name === "storage") continue;
        const value = one.get ? undefined : (one.value as () => void).bind(ctx);
        Object.defineProperty(behind, name, one.get ? { get: () => Reflect.get(ctx, name) as unknown } : { value });
      }
      // oxlint-disable-next-line no-new -- it takes the place of the storage's methods
      new Clock(behind, env);
      await behind.storage.setAlarm(own);
      return behind.storage.getAlarm();
    });
    expect(got).toBe(own);
    expect(await (await clock.connect()).ask("in")).toBe("in");
    await expect.poll(() => rowsOf(clock.stub)).toEqual(["socle:alarm"]);
  });

  it("P10: an own alarm can be asked for and set while an aborted one is to come again", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    await clock.connect();
    const own = inMinutes(2);
    await clock.storage((storage) => storage.setAlarm(own));
    passTime(2 * MINUTES);
    await evictDurableObject(clock.stub, { webSockets: "close" });
    await clock.connect();
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(own);
    const next = inMinutes(3);
    await clock.storage((storage) => storage.setAlarm(next));
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(next);
  });

  it("P10: an own alarm that has been given up is null, beside a timeout too", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    passTime(2 * MINUTES);
    await evictDurableObject(clock.stub, { webSockets: "close" });
    await clock.storage((storage) => platform(storage).deleteAlarm.call(storage));
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(null);
    expect(await rowsOf(clock.stub)).toEqual([]);
  });

  it("P10: an onAlarm that has run doesn't run again for what can't be set behind it", async () => {
    const prototype = await object().storage(platform);
    const set = vi.spyOn(prototype, "setAlarm");
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const client = await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    onAlarm.mockImplementationOnce(() => void set.mockRejectedValueOnce(new Error("refused")));
    passTime(2 * MINUTES);
    expect(await ring(clock.stub)).toBe(true);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(logged.mock.calls).toEqual([[logEntry("the alarm for idle timeouts can't be set"), new Error("refused")]]);
    expect(await client.ask("in")).toBe("in");
    await expect.poll(() => alarmOf(clock.stub)).not.toBe(null);
    expect(onAlarm).toHaveBeenCalledTimes(1);
  });

  it("P10: an own alarm that can't be set to be tried again is set behind it, also when no timeout is left", async () => {
    const prototype = await object().storage(platform);
    const set = vi.spyOn(prototype, "setAlarm");
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const client = await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    onAlarm.mockRejectedValue(new Error("failed"));
    await ringAtAlarm(clock.stub);
    await client.close(1000);
    const again = Date.now() + 2000;
    await expect.poll(() => alarmOf(clock.stub)).toBe(again);
    onAlarm.mockImplementationOnce(() => {
      set.mockRejectedValueOnce(new Error("refused"));
      return Promise.reject(new Error("failed"));
    });
    await ringAtAlarm(clock.stub);
    expect(logged.mock.calls.map(([, error]) => (error as Error).message)).toEqual(["failed", "failed", "refused"]);
    await expect.poll(() => alarmOf(clock.stub)).toBe(again + 4000);
    await ringAtAlarm(clock.stub);
    expect(onAlarm.mock.calls.map(([info]) => info!.retryCount)).toEqual([0, 1, 2]);
  });

  it("P10: an onAlarm that has run doesn't run again where a timeout has no SQLite", async () => {
    const legacy = object({ idleTimeoutMs: 10 * MINUTES }, Legacy);
    const client = await legacy.connect();
    await vi.waitUntil(() => logged.mock.calls.length > 0, 30_000);
    await legacy.storage((storage) => storage.setAlarm(inMinutes(2)));
    onAlarm.mockImplementation(async function (this: Clock) {
      passTime(MINUTES);
      this.broadcast("rung");
      await scheduler.wait(1);
    });
    passTime(2 * MINUTES);
    expect(await ring(legacy.stub)).toBe(true);
    expect(await client.next()).toBe("rung");
    expect(onAlarm).toHaveBeenCalledTimes(1);
  });

  it("P10: closeAll in onAlarm leaves nothing", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const client = await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    onAlarm.mockImplementationOnce(async function (this: Clock) {
      this.closeAll();
      await scheduler.wait(5);
    });
    await ringAtAlarm(clock.stub);
    await client.closed;
    expect([await rowsOf(clock.stub), await alarmOf(clock.stub)]).toEqual([[], null]);
  });

  it("P10: what is written behind a deleteAll stays", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    await clock.connect();
    const left = await clock.storage(async (storage) => {
      const deleted = storage.deleteAll();
      storage.kv.put("own", 1);
      await deleted;
      return storage.kv.get("own");
    });
    expect(left).toBe(1);
    expect(await rowsOf(clock.stub)).toEqual(["socle:alarm"]);
  });

  it("P10: a second object on the same storage, as a hot reload makes one, shares the alarm with the first", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const client = await clock.connect();
    const own = inMinutes(2);
    const rung = await runInDurableObject(clock.stub, async (instance: Clock, ctx) => {
      const second = new Clock(ctx, env);
      await ctx.storage.setAlarm(own);
      expect(await ctx.storage.getAlarm()).toBe(own);
      vi.setSystemTime(own);
      await platform(ctx.storage).deleteAlarm.call(ctx.storage);
      await second.alarm({ scheduledTime: own, isRetry: false, retryCount: 0 });
      expect(await ctx.storage.getAlarm()).toBe(null);
      return instance !== second;
    });
    expect(rung).toBe(true);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(await client.ask("in")).toBe("in");
    passTime(11 * MINUTES);
    await ring(clock.stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
    expect(onAlarm).toHaveBeenCalledTimes(1);
  });

  it("P10: an onAlarm that resets the object each time runs seven times, and is told each time how often before", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const log = new Log();
    onAlarm.mockImplementation(async function (this: Clock, info) {
      log.add(info!.retryCount, info!.isRetry);
      this.ctx.abort("reset");
    });
    await clock.connect();
    const own = inMinutes(2);
    await clock.storage((storage) => storage.setAlarm(own));
    passTime(2 * MINUTES);
    // As on the platform: the failed alarm is delivered again, with its count.
    for (let retryCount = 0; retryCount < 8; retryCount++) {
      const info = { scheduledTime: own, isRetry: retryCount > 0, retryCount };
      await runInDurableObject(clock.stub, (instance: Clock) => instance.alarm(info)).catch(() => {});
    }
    expect(log.entries).toEqual(Array.from({ length: 7 }, (_, tries) => [tries, tries > 0]));
    // The first try ended the session. The rest of it is deleted too.
    await expect.poll(() => rowsOf(clock.stub)).toEqual([]);
  });

  it("R18: without timeouts the alarm is the platform's, its errors and its info too", async () => {
    const clock = object();
    await clock.connect();
    onAlarm.mockRejectedValueOnce(new Error("failed"));
    const own = inMinutes(2);
    await clock.storage((storage) => storage.setAlarm(own));
    expect(await rowsOf(clock.stub)).toEqual([]);
    await expect(ringAtAlarm(clock.stub)).rejects.toThrow("failed");
    await clock.storage((storage) => storage.setAlarm(own));
    await ring(clock.stub, true);
    expect(onAlarm.mock.calls.map(([info]) => info)).toEqual([
      { scheduledTime: own, isRetry: false, retryCount: 0 },
      { scheduledTime: own, isRetry: true, retryCount: 1 },
    ]);
    expect(logged).not.toHaveBeenCalled();
    await clock.storage((storage) => storage.setAlarm(own));
    await clock.storage((storage) => storage.deleteAlarm());
    expect(await alarmOf(clock.stub)).toBe(null);
  });

  it.each([NaN, -1, 0, Infinity, 1e13])("R18: an own alarm at %s is refused by the platform", async (time) => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES });
    const refused = await clock.storage((storage) => storage.setAlarm(time).then(String, String));
    expect(refused).toMatch(/^TypeError/);
    const client = await clock.connect();
    await clock.storage((storage) => storage.setAlarm(inMinutes(30)));
    expect(await clock.storage((storage) => storage.setAlarm(time).then(String, String))).toBe(refused);
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(inMinutes(30));
    await ringAtAlarm(clock.stub);
    expect(await client.closed).toMatchObject({ code: 1001 });
    await ringAtAlarm(clock.stub);
    expect(onAlarm).toHaveBeenCalledTimes(1);
  });

  it.each([
    ["without timeouts", 0, null],
    ["beside timeouts", 10 * MINUTES, expect.any(Number)],
  ])("R18: an own alarm can be fired by hand, as tests do, %s", async (_, idleTimeoutMs, left) => {
    const clock = object({ idleTimeoutMs });
    const client = await clock.connect();
    expect(await runDurableObjectAlarm(clock.stub)).toBe(false);
    await clock.storage((storage) => storage.setAlarm(inMinutes(2)));
    expect(await runDurableObjectAlarm(clock.stub)).toBe(true);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    expect(await runDurableObjectAlarm(clock.stub)).toBe(false);
    expect(await client.ask("open")).toBe("open");
    expect(await alarmOf(clock.stub)).toEqual(left);
  });

  it("R18: calls that come while the first timeout is set are taken in their order", async () => {
    const clock = object();
    await clock.connect();
    const first = inMinutes(1);
    await clock.storage((storage) => storage.setAlarm(first));
    const seen = await runInDurableObject(clock.stub, (instance, { storage }) => {
      for (const session of instance.openSessions()) session.maxIdleTimeout = 10 * MINUTES;
      const before = storage.getAlarm();
      void storage.setAlarm(inMinutes(3));
      const set = storage.getAlarm();
      void storage.deleteAlarm();
      const unset = storage.getAlarm();
      void storage.setAlarm(inMinutes(2));
      return Promise.all([before, set, unset, storage.getAlarm()]);
    });
    expect(seen).toEqual([first, inMinutes(3), null, inMinutes(2)]);
    expect(await alarmOf(clock.stub)).toBe(inMinutes(2));
    await ringAtAlarm(clock.stub);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    await ringAtAlarm(clock.stub);
    expect(await clock.stub.openSessionCount()).toBe(0);
  });
});

it("R18: setAlarm without an onAlarm is refused, and the message says what is missing", async () => {
  for (const idleTimeoutMs of [0, 10 * MINUTES]) {
    const endpoint = serve({
      idleTimeoutMs,
      onText: (_, __, { ctx }) => ctx.storage.setAlarm(Date.now() + 1000),
      onError: (_, session, error) => session.asyncRemote.sendText(`${error.name}: ${error.message}`),
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe("DeploymentError: setAlarm needs the method onAlarm in the class.");
  }
});

it("R18: without an onAlarm a test's runner can fire the timeouts' alarm, and deleteAlarm leaves it", async () => {
  stopClock();
  const endpoint = serve({ idleTimeoutMs: MINUTES });
  const client = await endpoint.connect();
  const due = await alarmOf(endpoint.stub);
  await runInDurableObject(endpoint.stub, (_, { storage }) => storage.deleteAlarm());
  expect(await alarmOf(endpoint.stub)).toBe(due);
  expect(await runDurableObjectAlarm(endpoint.stub)).toBe(true);
  expect(await alarmOf(endpoint.stub)).toBe(due);
  vi.setSystemTime(due!);
  expect(await runDurableObjectAlarm(endpoint.stub)).toBe(true);
  expect((await client.closed).code).toBe(1001);
});

it("R18: a class with a method alarm is refused at registration, and the message names onAlarm", async () => {
  class Alarmed extends Endpoint {
    override async alarm() {}
  }
  class Inherits extends Alarmed {}
  const own = new ServerContainer();
  for (const type of [Alarmed, Inherits]) {
    expect(() => own.addEndpoint("/a", type)).toThrow(DeploymentError);
    expect(() => own.addEndpoint("/a", { durableObject: type })).toThrow(
      `The class ${type.name} has a method alarm: rename it onAlarm`,
    );
  }
  class Own extends own.Endpoint {
    override async alarm() {}
  }
  await runInDurableObject(object().stub, (_, ctx) => {
    expect(() => new Own(ctx, env)).toThrow("The class Own has a method alarm: rename it onAlarm");
  });
});

describe("a class without SQLite", () => {
  it("R18: serves sessions and its own alarm", async () => {
    stopClock();
    const clock = object({}, Legacy);
    const client = await clock.connect();
    expect(await client.ask("in")).toBe("in");
    await clock.hibernate();
    expect(await client.ask("in")).toBe("in");
    const own = Date.now() + 2 * MINUTES;
    await clock.storage((storage) => storage.setAlarm(own));
    expect(await clock.storage((storage) => storage.getAlarm())).toBe(own);
    await clock.hibernate();
    await ringAtAlarm(clock.stub);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    await clock.storage((storage) => storage.setAlarm(own));
    await clock.storage((storage) => storage.deleteAlarm());
    expect(await alarmOf(clock.stub)).toBe(null);
    expect(await client.ask("in")).toBe("in");
    client.socket.close(1000);
    expect(await client.closed).toMatchObject({ code: 1000 });
    expect(logged).not.toHaveBeenCalled();
  });

  it("R18: says in the log that a timeout needs SQLite, and serves the session", async () => {
    const clock = object({ idleTimeoutMs: 10 * MINUTES }, Legacy);
    const client = await clock.connect();
    expect(await client.ask("in")).toBe("in");
    await clock.hibernate();
    expect(await client.ask("in")).toBe("in");
    expect(logged.mock.calls).toEqual([
      [
        logEntry("the alarm for idle timeouts can't be set"),
        expect.objectContaining({ message: expect.stringMatching(/SQL/) }),
      ],
    ]);
  });

  it("R23: says that a large session object needs SQLite, and goes on with the former", async () => {
    const log = new Log();
    const path = freshPath();
    vi.spyOn(Legacy.prototype, "onText").mockImplementation((_, text, session) => {
      session.sessionObject = text;
      return session.asyncRemote.sendText("kept");
    });
    Object.assign(Legacy.prototype, { onError: (_: unknown, __: unknown, error: Error) => log.add(error.message) });
    container.addEndpoint(path, Legacy);
    const client = await connect(path);
    expect(await client.ask("small")).toBe("kept");
    client.send("a".repeat(20_000));
    await vi.waitUntil(() => log.entries.length > 0, 30_000);
    expect(log.entries).toEqual([expect.stringMatching(/SQL/)]);
    expect(await client.ask("small")).toBe("kept");
    Reflect.deleteProperty(Legacy.prototype, "onError");
  });
});

it("R18: the platform's methods are put back behind Socle's each time the object wakes", async () => {
  const clock = object({ idleTimeoutMs: 10 * MINUTES });
  await clock.connect();
  for (let i = 0; i < 3; i++) {
    await clock.hibernate();
    expect(await clock.storage((storage) => storage.setAlarm !== platform(storage).setAlarm)).toBe(true);
  }
});

it("P10: an alarm that a reset has cut off, and that the platform hasn't put back yet, is looked for twice", async () => {
  const due = Date.now() - 1000;
  const rows = new Map<string, unknown>([["socle:alarm", [Infinity, due, 1]]]);
  const answers: (number | null)[] = [null, due];
  const set: unknown[] = [];
  const storage = {
    kv: {
      get: (key: string) => rows.get(key),
      put: (key: string, value: unknown) => rows.set(key, value),
      delete: (key: string) => rows.delete(key),
    },
    getAlarm: async () => answers.shift(),
    setAlarm: async (time: number) => set.push(time),
    deleteAlarm() {},
    deleteAll() {},
  };
  const ctx = { id: { name: "reset" }, storage, getHibernatableWebSocketEventTimeout: () => null };
  const alarm = new Alarm(
    ctx as never,
    { onAlarm() {} },
    () => undefined,
    () => {},
  );
  const waking = alarm.wake(Date.now() + 60_000);
  await vi.waitUntil(() => answers.length === 0, { timeout: 30_000 });
  expect([set, rows.get("socle:alarm")]).toEqual([[], [Infinity, due, 1]]);
  // The next look finds that the deletion has arrived: only the timeout is left.
  answers.push(null);
  rows.set("socle:alarm", [Infinity, null, 0]);
  await waking;
  expect(set).toHaveLength(1);
});
