// Random sequences on a path of several shards. Calls between its objects fail, and objects hibernate and die. The test
// checks what the clients got, and prints its seed; to run it again:
// SEED=… npx vitest run --project workerd test/shards-model.test.ts
import * as fc from "fast-check";
import { assert, inject, it, vi } from "vitest";

import { Check } from "./support/shards-check.ts";
import { PlayedPath } from "./support/shards-played.ts";
import { TOPICS, type Act, type Fault, type Step, type Variant, type Where } from "./support/shards-script.ts";
import type { Kind } from "./support/topics-script.ts";

const { seed, seconds } = inject("model");

const acting = (...what: Act["do"][]): fc.Arbitrary<Act> =>
  fc.record({
    do: fc.constantFrom(...what),
    topic: fc.constantFrom(...TOPICS),
    who: fc.nat(5),
    isObjects: fc.boolean(),
    isAwaited: fc.boolean(),
    except: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(fc.nat(5), { maxLength: 2 })),
    since: fc.constantFrom<Act["since"]>("none", "junk", "own", "own", "client", "old", "old"),
    index: fc.nat(6),
    last: fc.constantFrom(undefined, undefined, 0, 1, 3, 1000),
  });
const act = acting(
  ...(["publish", "publish", "publish", "publish", "publish", "subscribe", "subscribe", "subscribe"] as const),
  ...(["unsubscribe", "broadcast", "broadcast", "tick", "clear", "close"] as const),
);
const acts = fc.array(act, { minLength: 1, maxLength: 6 });
/** Most sessions subscribe at once. */
const beginning = fc
  .tuple(fc.array(acting("subscribe"), { maxLength: 3 }), fc.array(act, { maxLength: 2 }))
  .map((all): Act[] => all.flat());

const where = fc.oneof<fc.Arbitrary<Where>[]>(fc.nat(4), fc.constant<Where>("root"));
const isSettled = fc.nat(2).map((one) => one === 0);

const step = fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("open" as const),
      isSettled,
      shard: fc.nat(4),
      kind: fc.constantFrom<Kind>("plain", "flow", "topics", "topics"),
      back: fc.option(fc.nat(6), { nil: undefined }),
      isSlow: fc.nat(3).map((one) => one === 0),
      acts: beginning,
      closing: fc.array(acting("publish"), { maxLength: 1 }),
    }),
  },
  { weight: 9, arbitrary: fc.record({ do: fc.constant("message" as const), isSettled, who: fc.nat(7), acts }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant("inside" as const), isSettled, where, acts }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("rpc" as const), isSettled, acts }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("hibernate" as const), isSettled, where }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("crash" as const), isSettled, where }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("cut" as const), isSettled, where, calls: fc.integer({ min: 1, max: 9 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("leave", "slow", "fast", "fast" as const), isSettled, who: fc.nat(7) }),
  },
);

const fault = fc.constantFrom<Fault>(
  ...Array.from({ length: 8 }, () => "none" as const),
  ...(["fails before it arrives", "fails after it has arrived", "comes twice", "comes again later"] as const),
  ...(["fails, and comes later", "is slow", "the other object dies before", "the other object dies after"] as const),
);

const variant: fc.Arbitrary<Variant> = fc.record({
  shards: fc.integer({ min: 2, max: 5 }),
  histories: fc.record({
    long: fc.constantFrom(100, 1_000_000),
    short: fc.constantFrom(1, 2, 3, 5),
    bare: fc.constant(undefined),
  }),
  tracks: fc.boolean(),
  window: fc.option(fc.constantFrom(1, 300), { nil: undefined }),
  faults: fc.oneof(fc.constant([]), fc.array(fault, { maxLength: 30 })),
});

it(
  "S2-S5, S9: random sequences over several shards: one order, nothing twice, nothing left out, whatever fails",
  async () => {
    let sequences = 0;
    let ran = 0;
    const sequence = fc.asyncProperty(
      variant,
      fc.array(step, { maxLength: 30, size: "max" }),
      async (chosen, steps) => {
        sequences++;
        const path = new PlayedPath(chosen);
        const check = new Check(path);
        try {
          for (const one of steps) {
            ran++;
            await path.run(one);
            if (one.isSettled) await check.settled();
          }
          for (const one of path.sessions) one.isSlow = false;
          await check.settled();
          for (const { client } of path.sessions) client?.client.socket.close(4001);
          for (const one of path.sessions) one.isOver = true;
          await path.settle();
          assert.equal(await path.count(), 0);
          let left: string[] = [];
          const isEmpty = async () => (left = await path.left()).length === 0;
          await vi.waitUntil(isEmpty, { timeout: 30_000, interval: 50 }).catch(() => {});
          assert.deepEqual(left, []);
        } catch (error) {
          (error as Error).message += `\n${JSON.stringify(chosen)}\n${path.trace.join("\n")}\n${path.log.join("\n")}\n`;
          throw error;
        } finally {
          path.faults.isActive = false;
          vi.restoreAllMocks();
        }
      },
    );
    console.log(`shards model: SEED=${seed}`);
    await fc.assert(sequence, {
      seed,
      endOnFailure: false,
      numRuns: seconds ? Infinity : 60,
      interruptAfterTimeLimit: (seconds || 45) * 1000,
    });
    console.log(`shards model: ${sequences} sequences of ${ran} steps in all`);
  },
  (seconds + 300) * 1000,
);
