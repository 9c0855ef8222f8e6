// What a path costs: so many publications a second to its listeners, for a month or for an evening.
import { isTree, objectsUnder, type Configuration } from "./configuration.ts";
import { OPENING, PARTYSERVER_OPENING } from "./costs.ts";
import { billOf, GIGABYTES, type Usage } from "./prices.ts";
import type { Run } from "./run.ts";

export interface Scenario {
  readonly seconds: number;
  /** How often each listener connects in that time. */
  readonly connections: number;
}

/** Thirty days, each listener all the time, with four connections a day. */
export const MONTH: Scenario = { seconds: 30 * 86_400, connections: 120 };

/** Two hours in a month in which nothing else is; half of the listeners connect again. */
export const EVENT: Scenario = { seconds: 7200, connections: 1.5 };

/** In milliseconds of the Worker, for a handshake and for a publication that comes by it. */
const WORKER_CPU = 1;

/**
 * A block of a history holds 3.9 KB of what is published one by one, and goes as a row that is deleted: 17 publications of 200 bytes,
 * with the time and the id that the root gives to what a shard passes on.
 */
const ROWS_OF_BLOCKS = 0.06;

/**
 * A shard that gets something alone, with so many seconds of nothing before, notes at once how far it is. If more comes within that time it
 * looks each time so many seconds later whether more has come, and notes it when nothing has.
 */
const PAUSE = 1;

/**
 * What an object writes that gets so many publications a second, by chance: rows a second, and the part of the time in which it is
 * awake, for until it has written it can't hibernate.
 */
export function notesOf(rate: number): { rows: number; awake: number } {
  const isAlone = Math.exp(-rate * PAUSE);
  /** How many come alone, the first of them behind a pause, before two come together. */
  const alone = 1 / (1 - isAlone);
  /** The seconds until a pause in which nothing comes is over, at the mean. */
  const noting = PAUSE / isAlone;
  const between = (alone - 1) * (PAUSE + 1 / rate) + (1 / rate - PAUSE * isAlone * alone);
  const cycle = 1 / rate + between + noting;
  return { rows: (alone + 1) / cycle, awake: noting / cycle };
}

export function usageOf({ shape }: Configuration, rate: number, run: Run, scenario: Scenario): Usage {
  const publications = rate * scenario.seconds;
  const connections = shape.listeners * scenario.connections;
  const opening = (isTree(shape) ? OPENING : PARTYSERVER_OPENING) / 1e6;
  const keeps = isTree(shape) && shape.hasHistory;
  const notes = keeps ? notesOf(rate) : { rows: 0, awake: 0 };
  const noting = objectsUnder(shape) * scenario.seconds;
  const { root = { awake: 0 } } = run.objects;
  // While a shard hands something on it is going to note it.
  const under = Math.max(publications * (run.awake - root.awake), noting * notes.awake);
  return {
    workerRequests: publications + connections,
    workerCpu: (publications + connections) * WORKER_CPU,
    requests: publications * run.requests + connections,
    duration: (publications * root.awake + under + connections * opening) * GIGABYTES,
    rowsWritten: keeps ? publications * (1 + ROWS_OF_BLOCKS) + noting * notes.rows : 0,
    // Of histories that are replayed, and of the shards' notes: far from what is included.
    rowsRead: 0,
    // A day, or 16 MiB, of publications.
    stored: 0,
  };
}

export const bill = (configuration: Configuration, rate: number, run: Run, scenario: Scenario) =>
  billOf(usageOf(configuration, rate, run, scenario));
