// The result of a simulated run: the delay of publications, and the work of the objects.
import { quantile } from "../statistics.ts";

export type Kind = "root" | "relay" | "shard" | "node";

/** An object after its run. Times are in microseconds. */
export interface Worked {
  readonly kind: Kind;
  readonly busy: number;
  /** The time for which it is billed. */
  readonly awake: number;
  /** The calls that it made. */
  readonly calls: number;
}

export interface ObjectsOf {
  readonly count: number;
  /** The part of the time in which the busiest of them computed. */
  readonly busiest: number;
  /** The most calls that one of them made for a publication, on average. */
  readonly calls: number;
  /** Seconds awake for a publication, summed over all of them. */
  readonly awake: number;
}

export interface Run {
  /** From the call that publishes until the last listener's socket has it, in milliseconds. */
  readonly median: number;
  readonly p99: number;
  readonly slowest: number;
  /** Delivered publications a second. */
  readonly perSecond: number;
  readonly objects: Partial<Record<Kind, ObjectsOf>>;
  /** For a publication, over all objects: billed requests, and seconds awake. */
  readonly requests: number;
  readonly awake: number;
  /** In milliseconds, in the order of publishing. */
  readonly latencies: readonly number[];
}

export function runOf(published: readonly number[], delivered: readonly number[], worked: readonly Worked[]): Run {
  const count = published.length;
  const latencies = published.map((at, index) => (delivered[index]! - at) / 1000);
  const end = delivered.reduce((latest, at) => Math.max(latest, at), 0);
  const objects: Partial<Record<Kind, ObjectsOf>> = {};
  for (const { kind, busy, awake, calls } of worked) {
    const former = objects[kind] ?? { count: 0, busiest: 0, calls: 0, awake: 0 };
    objects[kind] = {
      count: former.count + 1,
      busiest: Math.max(former.busiest, busy / end),
      calls: Math.max(former.calls, calls / count),
      awake: former.awake + awake / count / 1e6,
    };
  }
  const sum = (of: (one: Worked) => number) => worked.reduce((all, one) => all + of(one), 0);
  return {
    median: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    slowest: quantile(latencies, 1),
    perSecond: (count / end) * 1e6,
    objects,
    // The publish call is a request itself.
    requests: 1 + sum(({ calls }) => calls) / count,
    awake: sum(({ awake }) => awake) / count / 1e6,
    latencies,
  };
}
