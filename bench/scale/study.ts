// The whole study: all simulations and their results, as in bench/results/scale.json.
import { bill, EVENT, MONTH } from "./bill.ts";
import {
  CONFIGURATIONS,
  isTree,
  mostWithin,
  objectsUnder,
  play,
  playFull,
  type Configuration,
} from "./configuration.ts";
import { losses, type Loss } from "./loss.ts";
import type { Billed } from "./prices.ts";
import type { Kind, Run } from "./run.ts";

/** Publications a second. */
export const RATES = [1, 10, 100, 1000] as const;

/** The plot also has rates in between. */
const DRAWN = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** The milliseconds within which 99 of 100 publications should arrive. */
export const SOON = 2000;

export interface AtRate {
  readonly rate: number;
  readonly median: number;
  readonly p99: number;
  readonly requests: number;
  /** The part of the time in which the busiest object of each kind computes. */
  readonly busiest: Partial<Record<Kind, number>>;
  readonly month: Record<Billed | "total", number>;
  readonly event: number;
}

export interface Studied {
  readonly name: string;
  readonly system: Configuration["system"];
  readonly listeners: number;
  /** Including the root. */
  readonly objects: number;
  /** The most calls that one object makes for a publication. */
  readonly calls: number;
  /** The highest throughput in publications a second, and the kind of object that is then saturated. */
  readonly most: number;
  readonly full: Kind;
  /** The highest rate at which 99 of 100 arrive soon. */
  readonly soon: number;
  /** The rates that the configuration can keep up with. */
  readonly rates: readonly AtRate[];
}

export interface Study {
  readonly seed: number;
  readonly configurations: readonly Studied[];
  readonly losses: readonly Loss[];
}

const busiestOf = ({ objects }: Run) =>
  Object.fromEntries(Object.entries(objects).map(([kind, { busiest }]) => [kind, busiest])) as AtRate["busiest"];

function atRate(configuration: Configuration, rate: number, seed: number): AtRate {
  const run = play(configuration, rate, seed);
  const { median, p99, requests } = run;
  return {
    rate,
    median,
    p99,
    requests,
    busiest: busiestOf(run),
    month: bill(configuration, rate, run, MONTH),
    event: bill(configuration, rate, run, EVENT).total,
  };
}

function studied(configuration: Configuration, seed: number): Studied {
  const { name, system, shape } = configuration;
  const full = playFull(configuration, seed);
  const most = full.perSecond;
  const [[kind]] = Object.entries(busiestOf(full)).toSorted(([, a], [, b]) => b - a) as [[Kind, number]];
  return {
    name,
    system,
    listeners: shape.listeners,
    objects: objectsUnder(shape) + (isTree(shape) ? 1 : 0),
    calls: isTree(shape) ? Math.max(0, ...shape.fanOut) : shape.nodes - 1,
    most,
    full: kind,
    soon: mostWithin(SOON, configuration, most, seed),
    rates: DRAWN.filter((rate) => rate < most).map((rate) => atRate(configuration, rate, seed)),
  };
}

export function study(seed: number, told: (line: string) => void): Study {
  const configurations = CONFIGURATIONS.map((configuration) => {
    told(configuration.name);
    return studied(configuration, seed);
  });
  told("losses");
  return { seed, configurations, losses: losses(seed) };
}
