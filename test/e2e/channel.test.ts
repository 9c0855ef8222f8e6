// `socle/channel` in Node, which can tell which objects are still reachable and who listens.
import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { expect, it } from "vitest";

import { chan } from "../../src/channel/index.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/**
 * Of a thousand objects, as many may still be reachable: through the channel for another, or a variable of the test.
 */
const FEW = 10;

async function reachable(objects: readonly WeakRef<object>[]): Promise<number> {
  // Objects of this turn of the event loop stay until it ends.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  return objects.filter((one) => one.deref() !== undefined).length;
}

/** The engine may keep something for a moment, such as code that it compiles. */
const isNotKept = (objects: readonly WeakRef<object>[]) =>
  expect.poll(() => reachable(objects), { timeout: 30_000 }).toBeLessThan(FEW);

it("P15: what was given up is not kept, though another waits before it and one behind it", async () => {
  const channel = chan<object>();
  const controller = new AbortController();
  const { signal } = controller;
  void channel.put({ name: "first" });
  const values: WeakRef<object>[] = [];
  const settled: Promise<unknown>[] = [];
  for (let count = 0; count < 1000; count++) {
    const value = { count };
    values.push(new WeakRef(value));
    settled.push(channel.put(value, { signal }).catch(() => {}));
  }
  void channel.put({ name: "last" });
  expect(getEventListeners(signal, "abort")).toHaveLength(1000);
  expect(await reachable(values)).toBe(1000);
  controller.abort();
  await Promise.all(settled.splice(0));
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  await isNotKept(values);
  expect([channel.poll(), channel.poll(), channel.poll()]).toEqual([{ name: "first" }, { name: "last" }, undefined]);
});

it("P15: a signal that lives on keeps nothing of what has settled", async () => {
  const { signal } = new AbortController();
  const values: WeakRef<object>[] = [];
  for (let count = 0; count < 1000; count++) {
    const channel = chan<object>();
    const take = channel.take({ signal });
    const value = { count };
    values.push(new WeakRef(value));
    await channel.put(value);
    await take;
  }
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  await isNotKept(values);
});

it("P15: a rejection that nobody awaits is not reported as unhandled", async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listener);
  const controller = new AbortController();
  const [empty, full] = [chan<string>(), chan<string>()];
  void empty.take(controller);
  void full.put("never", controller);
  controller.abort();
  void empty.take(controller);
  void full.put("never", controller);
  // Node reports unhandled rejections at the end of the turn.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", listener);
  expect(unhandled).toEqual([]);
  expect([empty.offer("a"), full.poll()]).toEqual([false, undefined]);
});
