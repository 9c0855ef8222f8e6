// A case, and the building blocks of all cases: windows of traffic that take turns, and connections.
import { readFileSync } from "node:fs";

import type { Bound } from "./bounds.ts";
import type { Contender, Work } from "./contender.ts";
import type { Outcome, Sample } from "./sample.ts";
import { medians } from "./statistics.ts";

export interface Case {
  readonly name: string;
  readonly title: string;
  /** The contenders that have this work take part. */
  readonly work: Work;
  /** The contender that the others are compared with, if not the floor. */
  readonly base?: string;
  /** The bounds of each of Socle's contenders. */
  readonly bounds?: readonly Bound[];
  /** Named costs: how much the first figure of one contender exceeds another's. */
  readonly parts?: Readonly<Record<string, readonly [whole: string, rest: string]>>;
  /** Set if the contenders' processes last for the whole case instead of a round. The round itself may start some. */
  readonly processes?: "of the case" | "its own";
  /** The most rounds that it gets at first. */
  readonly rounds?: number;
  /** Runs once for each process. */
  readonly prepare?: (contender: Contender) => Promise<unknown>;
  round(contenders: readonly Contender[], told: (name: string) => void): Promise<Map<string, Outcome>>;
}

export interface Pace {
  /** The length of a window, in seconds. */
  seconds: number;
  /** A short run for a first look. */
  isQuick: boolean;
}

/** An object hibernates ten seconds after its last event. The cases check that it did. */
export const HIBERNATION = 12_000;

/** The seconds in which all contenders warm up, at the same time. */
export const warm = ({ isQuick }: Pace) => (isQuick ? 1 : 3);

/** The seconds of a slice of a window, and of the unmeasured traffic before it. */
const SLICE = 0.5;
const LEAD = 0.05;

/** How many connections one process can serve here: workerd opens two files for each. */
const [, files = "1024"] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
export const MOST = Math.floor((Number(files) - 1000) / 2);

/** Each time another one begins, so none always has the same place. */
export const inRotation = <T>(all: readonly T[], time: number): T[] => {
  const from = time % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
};

/** One contender after the other, each when the previous one is idle. */
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
  /** What the contender got wrong. */
  wrong?: string | undefined;
}

/**
 * The server's processor time for each message that it sent, or each connection, and the figures of the clients. A window
 * is made of slices that take turns, and its figures are their medians. Other load on the machine affects all
 * contenders alike, and can only add to their figures.
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
        // The caches still hold the previous contender's data.
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
