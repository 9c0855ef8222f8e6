// What a case is, and what all are made of: windows of traffic that take turns, and the connections that it goes over.
import { readFileSync } from "node:fs";

import type { Bound } from "./bounds.ts";
import type { Contender, Work } from "./contender.ts";
import type { Outcome, Sample } from "./sample.ts";
import { medians } from "./statistics.ts";

export interface Case {
  readonly name: string;
  readonly title: string;
  /** Who has it takes part. */
  readonly work: Work;
  /** The contender that the others are compared with, if not the floor. */
  readonly base?: string;
  /** What is asked of each of ours. */
  readonly bounds?: readonly Bound[];
  /** What the first figure of a contender is more than another's, by what that is the cost of. */
  readonly parts?: Readonly<Record<string, readonly [whole: string, rest: string]>>;
  /** Whose the contenders' processes are, if each round doesn't have its own. The round itself may start them. */
  readonly processes?: "of the case" | "its own";
  /** The most rounds that it is run at first. */
  readonly rounds?: number;
  /** Once for each of its processes. */
  readonly prepare?: (contender: Contender) => Promise<unknown>;
  round(contenders: readonly Contender[], told: (name: string) => void): Promise<Map<string, Outcome>>;
}

export interface Pace {
  /** The length of a window, in seconds. */
  seconds: number;
  /** A short run for a first look. */
  isQuick: boolean;
}

/** An object hibernates ten seconds after its last event; whether it did is looked at. */
export const HIBERNATION = 12_000;

/** The seconds in which all contenders warm up, at the same time. */
export const warm = ({ isQuick }: Pace) => (isQuick ? 1 : 3);

/** The seconds of a slice of a window, and of what goes before it unmeasured. */
const SLICE = 0.5;
const LEAD = 0.05;

/** How many connections one process can serve here: workerd has two files open for each. */
const [, files = "1024"] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
export const MOST = Math.floor((Number(files) - 1000) / 2);

/** Each time another begins, and nobody follows itself. */
export const inRotation = <T>(all: readonly T[], time: number): T[] => {
  const from = time % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
};

/** One contender after the other, each when the former has nothing left to do. */
export const inTurn =
  (measure: (contender: Contender) => Promise<Outcome>): Case["round"] =>
  async (contenders, told) => {
    const outcomes = new Map<string, Outcome>();
    for (const contender of contenders) {
      told(contender.name);
      outcomes.set(contender.name, await measure(contender));
      await contender.quiet();
    }
    return outcomes;
  };

interface Traffic {
  count: number;
  seconds: number;
  p50: number;
  p99: number;
  /** What was wrong with it. */
  wrong?: string | undefined;
}

/**
 * The server's processor time for each message that came out, or each connection, beside what the clients saw. A window
 * is made of slices that take turns, and its figures are their medians: what else the machine does falls on all
 * contenders alike, and only ever adds.
 */
export const charged =
  (
    { seconds }: Pace,
    traffic: (contender: Contender, seconds: number) => Promise<Traffic>,
    prepare?: (contender: Contender) => Promise<unknown>,
  ): Case["round"] =>
  async (contenders, told) => {
    const slices = Math.max(1, Math.round(seconds / SLICE));
    const taken = contenders.map((contender) => ({ contender, samples: [] as Sample[], wrong: "" }));
    for (let slice = 0; slice < slices; slice++) {
      for (const one of inRotation(taken, slice)) {
        const { contender, samples } = one;
        told(contender.name);
        // The caches are still the former's.
        await traffic(contender, LEAD);
        await prepare?.(contender);
        const before = await contender.cpu();
        const { count, seconds: passed, p50, p99, wrong } = await traffic(contender, seconds / slices);
        await contender.quiet();
        const cpu = (await contender.cpu()) - before;
        samples.push({ "CPU µs": cpu / count, "per second": count / passed, "p50 ms": p50, "p99 ms": p99 });
        one.wrong ||= wrong ?? "";
      }
    }
    return new Map(taken.map(({ contender, samples, wrong }) => [contender.name, wrong || medians(samples)]));
  };

export async function connections(contender: Contender, work: Work, count: number): Promise<void> {
  await contender.ask("drop", {});
  await contender.ask("open", { url: contender.url(work), count, protocol: contender.protocol });
  await contender.quiet();
}
