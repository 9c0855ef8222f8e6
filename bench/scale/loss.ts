// The effect of a lost object: which clients are cut, which are late, and for how long.
import { DELIVERY, LOOK, OPENING, PARTYSERVER_DELIVERY, PARTYSERVER_OPENING, REPLAYED, SLICE } from "./costs.ts";
import type { Random } from "./random.ts";
import { Tree, type Outage } from "./tree.ts";
import { wave, type WaveShape } from "./wave.ts";

export interface Loss {
  readonly what: string;
  /** Listeners that are disconnected. */
  readonly cut: number;
  /** Listeners that stay connected and get publications late. */
  readonly waiting: number;
  /** Publications that come late to these: they take more than one and a half times as long as usual. */
  readonly late: number;
  /** Seconds until half, 99 of 100, and all of the disconnected clients are back with what they missed. */
  readonly back?: readonly [median: number, p99: number, last: number];
  /** The mean of what a disconnected client missed, and of its attempts to reconnect. */
  readonly missed: number;
  readonly tries: number;
  readonly recovered: boolean;
  /** The slowest publication meanwhile, in milliseconds. */
  readonly slowest: number;
  /** Requests to the root for missed publications. */
  readonly questions: number;
}

/** How long an object whose machine is gone can't be reached. */
const GONE = 5e6;

/** The same for an object that is reset. */
const RESET = 12_000;

/** A publication each second. */
const PERIOD = 1e6;

/** C1: a client waits a random time, at first from 0 to `minDelayMs`, and up to twice as long after each attempt, up to 30 s. */
const within = (least: number) => (random: Random, failed: number) =>
  random.next() * Math.min(30e6, least * 2 ** failed);

/** partysocket 1.3.0: all clients wait the same time, 3 s at first and 10 at most. */
const partysocket = (_random: Random, failed: number) => Math.min(10e6, 3e6 * 1.3 ** failed);

const shards = { period: PERIOD, opening: OPENING, replayed: REPLAYED, delivery: DELIVERY, slice: SLICE };

function cut(what: string, shape: Omit<WaveShape, keyof typeof shards> & Partial<WaveShape>, seed: number): Loss {
  const whole = { ...shards, ...shape };
  const { cut: clients, median, p99, last, missed, tries, slowest } = wave(whole, seed);
  const recovered = whole.replayed > 0;
  // A new shard has no publications, so it asks once. A shard that was there answers from its memory.
  const questions = recovered && shape.objects > 1 ? shape.lost : 0;
  return {
    what,
    cut: clients,
    waiting: 0,
    late: 0,
    back: [median, p99, last],
    missed,
    tries,
    recovered,
    slowest,
    questions,
  };
}

function late(what: string, fanOut: readonly number[], of: Outage["of"], seconds: number, seed: number): Loss {
  const listeners = fanOut.length > 1 ? 1e7 : 1e6;
  const tree = new Tree({ listeners, fanOut, sends: "messages", hasHistory: true }, seed);
  const times = Array.from({ length: 120 }, (_, index) => index * PERIOD);
  const from = 30.5e6;
  const { latencies, median } = tree.run(times, { of, from, until: from + seconds * 1e6 });
  const slow = latencies.filter((latency) => latency > median * 1.5);
  // A shard that gets nothing doesn't notice, and asks nothing.
  const questions = of === "relay" ? 1 : 0;
  const waiting = of === "root" ? listeners : listeners / fanOut[0]!;
  const slowest = Math.max(...latencies);
  return { what, cut: 0, waiting, late: slow.length, missed: 0, tries: 0, recovered: true, slowest, questions };
}

export function losses(seed: number): readonly Loss[] {
  const million = { objects: 64, listeners: 15_625 };
  return [
    cut(
      "32,768, one object: the object",
      { objects: 1, lost: 1, listeners: 32_768, gone: GONE, wait: within(500_000) },
      seed,
    ),
    cut(
      "100,000, 64 shards: a shard",
      { objects: 64, lost: 1, listeners: 1563, gone: GONE, wait: within(500_000) },
      seed,
    ),
    cut("1,000,000, 64 shards: a shard", { ...million, lost: 1, gone: GONE, wait: within(500_000) }, seed),
    cut("… with `minDelayMs: 30_000`", { ...million, lost: 1, gone: GONE, wait: within(30e6) }, seed),
    cut("1,000,000, 64 shards: all of them reset", { ...million, lost: 64, gone: RESET, wait: within(500_000) }, seed),
    cut("… with `minDelayMs: 30_000`", { ...million, lost: 64, gone: RESET, wait: within(30e6) }, seed),
    late("1,000,000, 64 shards: the root is reset", [64], "root", RESET / 1e6, seed),
    late("1,000,000, 64 shards: the root", [64], "root", GONE / 1e6, seed),
    late("10,000,000, 10 relays: the root", [10, 64], "root", GONE / 1e6, seed),
    late("10,000,000, 10 relays: a relay", [10, 64], "relay", GONE / 1e6, seed),
    cut(
      "1,000,000, partysub of 64: a node",
      {
        ...million,
        lost: 1,
        gone: GONE,
        wait: partysocket,
        opening: PARTYSERVER_OPENING,
        replayed: 0,
        delivery: PARTYSERVER_DELIVERY + LOOK,
        slice: Infinity,
      },
      seed,
    ),
  ];
}
