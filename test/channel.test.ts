// core.async's channel, alone.
import {
  BufferSizeError,
  chan,
  droppingBuffer,
  fixedBuffer,
  NullPutError,
  PendingLimitError,
  promiseChan,
  slidingBuffer,
} from "socle/channel";
import { describe, expect, it } from "vitest";

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
    expect(() => channel.put(-1)).toThrow("1,024 puts wait on this channel: await each put, or use a dropping");
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
      expect(() => fixedBuffer(size as never)).toThrow("No buffer has the size");
    }
    expect(() => droppingBuffer(0)).toThrow("from 1 if it drops or slides");
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
