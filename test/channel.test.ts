// core.async's channel, without sessions.
import * as fc from "fast-check";
import {
  BufferSizeError,
  chan,
  droppingBuffer,
  fixedBuffer,
  NullPutError,
  PendingLimitError,
  promiseChan,
  SignalError,
  slidingBuffer,
  type WaitOptions,
} from "socle/channel";
import { assert, describe, expect, inject, it } from "vitest";

const settled = async (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    promise.then(() => true),
    Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => false),
  ]);

describe("chan", () => {
  it("R30: without a buffer a put waits for its take, and a take for its put", async () => {
    const channel = chan<number>();
    const put = channel.put(1);
    expect(await settled(put)).toBe(false);
    expect(channel.offer(2)).toBe(false);
    expect(await channel.take()).toBe(1);
    expect(await put).toBe(true);
    const take = channel.take();
    expect(channel.offer(3)).toBe(true);
    expect(await take).toBe(3);
    expect(channel.poll()).toBeUndefined();
  });

  it("R30: a fixed buffer holds n values, and the next put waits", async () => {
    for (const channel of [chan<number>(2), chan<number>(fixedBuffer(2))]) {
      expect([await channel.put(1), await channel.put(2), channel.offer(3)]).toEqual([true, true, false]);
      const third = channel.put(3);
      const fourth = channel.put(4);
      expect(await settled(third)).toBe(false);
      expect(channel.poll()).toBe(1);
      expect([await settled(third), await settled(fourth)]).toEqual([true, false]);
      expect([await channel.take(), await channel.take(), await channel.take(), channel.poll()]).toEqual([
        2,
        3,
        4,
        undefined,
      ]);
    }
  });

  it("R30: dropping and sliding buffers never make a put wait", async () => {
    const dropping = chan<number>(droppingBuffer(2));
    const sliding = chan<number>(slidingBuffer(2));
    for (const n of [1, 2, 3, 4]) expect([await dropping.put(n), sliding.offer(n)]).toEqual([true, true]);
    expect([dropping.poll(), dropping.poll(), dropping.poll()]).toEqual([1, 2, undefined]);
    expect([sliding.poll(), sliding.poll(), sliding.poll()]).toEqual([3, 4, undefined]);
  });

  it("R30: a buffer is a description, which channels may share", async () => {
    const buffer = fixedBuffer(1);
    const [one, two] = [chan<string>(buffer), chan<string>(buffer)];
    expect([one.offer("a"), two.offer("b"), one.poll(), two.poll()]).toEqual([true, true, "a", "b"]);
  });

  it("R30: a closed channel takes nothing more, gives what it holds and what waits, then undefined", async () => {
    const channel = chan<string>(1);
    void channel.put("held");
    const waiting = channel.put("waiting");
    channel.close();
    channel.close();
    expect([channel.closed, await channel.put("late"), channel.offer("late")]).toEqual([true, false, false]);
    expect([await channel.take(), await channel.take(), await channel.take()]).toEqual(["held", "waiting", undefined]);
    expect(await waiting).toBe(true);
    const empty = chan();
    const take = empty.take();
    empty.close();
    expect(await take).toBeUndefined();
  });

  it("R30: undefined and null can't be put, on any channel", () => {
    for (const channel of [chan<string>(), chan<string>(1), promiseChan<string>()]) {
      for (const value of [undefined, null]) {
        expect(() => channel.put(value as never)).toThrow(NullPutError);
        expect(() => channel.offer(value as never)).toThrow(`Can't put ${value} on a channel: put a value.`);
      }
      for (const value of [false, 0, ""]) expect(() => void channel.put(value as never)).not.toThrow();
    }
    const taken = chan<string>();
    void taken.take();
    expect(() => taken.put(null as never)).toThrow(NullPutError);
  });

  it("R30: at most 1,024 puts may wait; one more throws, and the others are served", async () => {
    const channel = chan<number>(1);
    const puts = Array.from({ length: 1025 }, (_, n) => channel.put(n));
    expect(() => channel.put(-1)).toThrow(PendingLimitError);
    expect(() => channel.put(-1)).toThrow("1,024 puts are pending on this channel: await each put, or use a dropping");
    for (let n = 0; n < 1025; n++) expect(await channel.take()).toBe(n);
    expect(new Set(await Promise.all(puts))).toEqual(new Set([true]));
  });

  it("R30: is an async iterable, until it is closed", async () => {
    const channel = chan<number>(5);
    for (const n of [1, 2, 3]) void channel.put(n);
    channel.close();
    const taken = [];
    for await (const value of channel) taken.push(value);
    expect(taken).toEqual([1, 2, 3]);
  });

  it("R30: a size that no buffer has is refused", () => {
    for (const size of [-1, 1.5, Number.NaN, Infinity, "3", null, {}]) {
      expect(() => chan(size as never), String(size)).toThrow(BufferSizeError);
      expect(() => fixedBuffer(size as never)).toThrow("Invalid buffer size");
    }
    expect(() => droppingBuffer(0)).toThrow("from 1 for a dropping or sliding buffer");
    expect(() => slidingBuffer(0)).toThrow(BufferSizeError);
    expect(() => fixedBuffer(0)).not.toThrow();
  });
});

describe("promiseChan", () => {
  it("R30: gives its first value to every take, before and after, and drops the others", async () => {
    const channel = promiseChan<string>();
    const before = [channel.take(), channel.take()];
    expect([await channel.put("first"), channel.offer("second")]).toEqual([true, true]);
    expect(await Promise.all([...before, channel.take(), channel.take()])).toEqual([
      "first",
      "first",
      "first",
      "first",
    ]);
    channel.close();
    expect([await channel.take(), channel.poll(), await channel.put("late")]).toEqual(["first", "first", false]);
  });

  it("R30: closed without a value it gives undefined", async () => {
    const channel = promiseChan<string>();
    const take = channel.take();
    channel.close();
    expect([await take, await channel.take(), channel.offer("late")]).toEqual([undefined, undefined, false]);
  });
});

/** A signal that counts its listeners. */
class Watched {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  readonly listeners = new Set<unknown>();

  constructor() {
    const { signal, listeners } = this;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (type: string, listener: () => void, options?: { once?: boolean }) => {
      listeners.add(listener);
      add(type, listener, options as object);
      if (options?.once) add(type, () => listeners.delete(listener), { once: true });
    };
    signal.removeEventListener = (type: string, listener: () => void) => {
      listeners.delete(listener);
      remove(type, listener);
    };
  }

  abort(reason: unknown = new Error("given up")): void {
    this.#controller.abort(reason);
  }
}

const ABORTED = AbortSignal.abort(new Error("given up before"));

describe("giving up", () => {
  it("P15: a take that is given up takes nothing: the next value goes to the next take, or stays", async () => {
    const channel = chan<string>(1);
    const first = new Watched();
    const takes = [channel.take({ signal: first.signal }), channel.take(), channel.take({ signal: first.signal })];
    first.abort();
    await expect(takes[0]).rejects.toThrow("given up");
    await expect(takes[2]).rejects.toThrow("given up");
    expect([channel.offer("a"), await takes[1]]).toEqual([true, "a"]);
    expect([channel.offer("b"), channel.offer("c"), await channel.take()]).toEqual([true, false, "b"]);
  });

  it("P15: a put that is given up puts nothing, and the others keep their order", async () => {
    for (const size of [0, 2]) {
      const channel = chan<string>(size);
      for (let held = 0; held < size; held++) void channel.put("held");
      const second = new Watched();
      const puts = [channel.put("a"), channel.put("b", second), channel.put("c"), channel.put("d", second)];
      second.abort();
      await expect(puts[1]).rejects.toThrow("given up");
      await expect(puts[3]).rejects.toThrow("given up");
      channel.close();
      const taken = [];
      for await (const value of channel) taken.push(value);
      expect(taken.slice(size)).toEqual(["a", "c"]);
      expect([await puts[0], await puts[2]]).toEqual([true, true]);
    }
  });

  it("P15: with a signal that has aborted it rejects at once, also where there is a value, or room, or no channel open", async () => {
    const channel = chan<string>(2);
    void channel.put("held");
    const closed = chan<string>();
    closed.close();
    const all = [channel, closed, promiseChan<string>()];
    for (const { put, take } of all.map((one) => ({
      put: one.put("a", { signal: ABORTED }),
      take: one.take({ signal: ABORTED }),
    }))) {
      expect(await settled(put.catch(() => {}))).toBe(true);
      await expect(put).rejects.toBe(ABORTED.reason);
      await expect(take).rejects.toBe(ABORTED.reason);
    }
    expect([channel.poll(), channel.poll(), all[2]!.poll()]).toEqual(["held", undefined, undefined]);
  });

  it("P15: the promise rejects with the signal's reason, whatever that is", async () => {
    for (const reason of ["a text", 0, new RangeError("own")]) {
      const watched = new Watched();
      const take = chan<string>().take(watched);
      watched.abort(reason);
      await expect(take).rejects.toBe(reason);
    }
    const timed = chan<string>().take({ signal: AbortSignal.timeout(1) });
    await expect(timed).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("P15: what was taken or put before the signal aborts stays so", async () => {
    const watched = new Watched();
    const channel = chan<string>();
    const take = channel.take(watched);
    const put = channel.put("a", watched);
    const waiting = channel.put("b", watched);
    expect(channel.poll()).toBe("b");
    watched.abort();
    expect([await take, await put, await waiting]).toEqual(["a", true, true]);
    expect(channel.poll()).toBeUndefined();
  });

  it("P15: no listener stays on the signal, however the take or the put settles, and none comes where it needn't wait", async () => {
    const watched = new Watched();
    const { signal, listeners } = watched;
    const channel = chan<string>(1);
    void channel.put("at once", { signal });
    void channel.take({ signal });
    expect(listeners.size).toBe(0);
    const takes = [channel.take({ signal }), channel.take({ signal }), channel.take({ signal })];
    expect(listeners.size).toBe(3);
    void channel.put("a");
    expect(listeners.size).toBe(2);
    channel.close();
    expect(listeners.size).toBe(0);
    expect(await Promise.all(takes)).toEqual(["a", undefined, undefined]);

    const full = chan<string>();
    const puts = [full.put("a", { signal }), full.put("b", { signal })];
    expect(listeners.size).toBe(2);
    expect([full.poll(), listeners.size, await puts[0]]).toEqual(["a", 1, true]);
    const [promised, promise] = [promiseChan<string>(), promiseChan<string>()];
    const others = [promised.take({ signal }), promise.take({ signal })];
    void promised.put("given");
    expect(listeners.size).toBe(2);
    watched.abort();
    expect(listeners.size).toBe(0);
    await expect(puts[1]).rejects.toThrow("given up");
    await expect(others[1]).rejects.toThrow("given up");
    expect(await others[0]).toBe("given");
  });

  it("P15: a put that is given up leaves its place among the 1,024 that may wait to another", async () => {
    const channel = chan<number>();
    for (let round = 0; round < 3; round++) {
      const watched = new Watched();
      const puts = Array.from({ length: 1023 }, () => channel.put(1, watched));
      void channel.put(round);
      expect(() => channel.put(2, watched)).toThrow(PendingLimitError);
      watched.abort();
      expect(new Set(await Promise.allSettled(puts)).size).toBe(1023);
      expect(channel.poll()).toBe(round);
    }
    const watched = new Watched();
    const puts = Array.from({ length: 1024 }, (_, n) => channel.put(n, n % 3 === 0 ? watched : {}));
    watched.abort();
    for (let n = 0; n < 1024; n += 3) puts.push(channel.put(1024 + n));
    expect(() => channel.put(-1)).toThrow(PendingLimitError);
    const states = await Promise.allSettled(puts.slice(0, 1024).filter((_, n) => n % 3 === 0));
    expect(new Set(states.map(({ status }) => status))).toEqual(new Set(["rejected"]));
    const taken = Array.from({ length: 1024 }, () => channel.poll()!);
    expect(taken.filter((n) => n < 1024)).toEqual(Array.from(puts.slice(0, 1024).keys()).filter((n) => n % 3 > 0));
    expect(taken.slice(-342)).toEqual(Array.from({ length: 342 }, (_, n) => 1024 + n * 3));
    expect(channel.poll()).toBeUndefined();
  });

  it("P15: what gives up a take or a put is an AbortSignal, or nothing", () => {
    const { signal } = new Watched();
    for (const options of [undefined, null, {}, { signal: undefined }, { signal: null }]) {
      expect(() => chan<string>().take(options as WaitOptions)).not.toThrow();
      expect(() => chan<string>().put("a", options as WaitOptions)).not.toThrow();
    }
    const bad = [1000, "signal", signal, { signal: new AbortController() }, { signal: 1000 }, { signal: {} }];
    for (const options of bad as WaitOptions[]) {
      const channel = chan<string>(1);
      for (const act of [() => channel.take(options), () => channel.put("a", options)]) {
        expect(act).toThrow(SignalError);
        expect(act).toThrow("The signal of take and put must be an AbortSignal");
      }
      expect(channel.poll()).toBeUndefined();
    }
    // @ts-expect-error -- the signal stands in an object
    expect(() => chan<string>().take(signal)).toThrow(SignalError);
  });

  type Step =
    | { act: "take" | "put"; by: number | undefined }
    | { act: "abort" | "renew"; by: number }
    | { act: "poll" | "offer" | "close" };

  const by = fc.nat(2);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ act: fc.constantFrom("take", "put"), by: fc.option(by, { nil: undefined }) }) },
    { weight: 3, arbitrary: fc.record({ act: fc.constantFrom("abort", "renew"), by }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constantFrom("poll", "offer") }) },
    { weight: 1, arbitrary: fc.constant({ act: "close" }) },
  );

  it("P15: no mix of takes, puts, aborts and a close loses a value or gives one twice", async () => {
    const property = fc.asyncProperty(fc.nat(3), fc.array(step, { maxLength: 60 }), async (size, steps) => {
      const channel = chan<number>(size);
      let signals = Array.from({ length: 3 }, () => new Watched());
      /** The actual and the expected result of each take and put. */
      const found: unknown[] = [];
      const wanted: unknown[] = [];
      // The values that the channel must hold, and the puts and takes that must wait.
      let held: number[] = [];
      let puts: { id: number; value: number; by: number | undefined }[] = [];
      let takes: { id: number; by: number | undefined }[] = [];
      let isClosed = false;
      const aborted = new Set<number | undefined>();
      const next = () => {
        const put = puts.shift();
        if (put) {
          held.push(put.value);
          wanted[put.id] = true;
        }
        return held.shift();
      };
      const gives = (value: number) => {
        if (isClosed) return false;
        const take = takes.shift();
        if (take) wanted[take.id] = value;
        else if (held.length < size) held.push(value);
        else return undefined;
        return true;
      };
      const options = (one: number | undefined) => (one === undefined ? undefined : { signal: signals[one]!.signal });
      for (const [id, one] of steps.entries()) {
        const watch = (promise: Promise<unknown>) =>
          promise.then(
            (outcome) => (found[id] = outcome),
            () => (found[id] = "given up"),
          );
        found[id] = wanted[id] = "waits";
        if (one.act === "take") {
          void watch(channel.take(options(one.by)));
          if (aborted.has(one.by)) wanted[id] = "given up";
          else {
            const value = next();
            if (value !== undefined || isClosed) wanted[id] = value;
            else takes.push({ id, by: one.by });
          }
        } else if (one.act === "put") {
          void watch(channel.put(id, options(one.by)));
          if (aborted.has(one.by)) wanted[id] = "given up";
          else {
            const isTaken = gives(id);
            if (isTaken !== undefined) wanted[id] = isTaken;
            else puts.push({ id, value: id, by: one.by });
          }
        } else if (one.act === "abort") {
          signals[one.by]!.abort();
          aborted.add(one.by);
          for (const { id: left } of [...puts, ...takes].filter((each) => each.by === one.by))
            wanted[left] = "given up";
          puts = puts.filter((each) => each.by !== one.by);
          takes = takes.filter((each) => each.by !== one.by);
        } else if (one.act === "renew") {
          // From now on nothing aborts the puts and takes that wait with the former signal.
          signals = signals.map((each, index) => (index === one.by ? new Watched() : each));
          aborted.delete(one.by);
          for (const each of [...puts, ...takes]) if (each.by === one.by) each.by = undefined;
        } else if (one.act === "poll") {
          found[id] = channel.poll();
          wanted[id] = next();
        } else if (one.act === "offer") {
          found[id] = channel.offer(id);
          wanted[id] = gives(id) ?? false;
        } else {
          channel.close();
          found[id] = wanted[id] = "closed";
          isClosed = true;
          for (const { id: taken } of takes) wanted[taken] = undefined;
          takes = [];
        }
        for (const [index, { listeners }] of signals.entries()) {
          assert.equal(listeners.size, [...puts, ...takes].filter((each) => each.by === index).length);
        }
      }
      // Each result arrives within a microtask or two.
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
      assert.deepEqual(found, wanted);
      held = [...held, ...puts.map(({ value }) => value)];
      const rest = Array.from({ length: held.length + 1 }, () => channel.poll());
      assert.deepEqual(rest, [...held, undefined]);
      channel.close();
    });
    await fc.assert(property, { seed: inject("model").seed, numRuns: 1000 });
  });
});
