// The cost of a path: a rate of publications to its listeners, for a month or for an evening.
import { isTree, objectsUnder, type Configuration } from "./configuration.ts";
import { OPENING, PARTYSERVER_OPENING } from "./costs.ts";
import { billOf, GIGABYTES, type Usage } from "./prices.ts";
import type { Run } from "./run.ts";

export interface Scenario {
  readonly seconds: number;
  /** How often each listener connects in that time. */
  readonly connections: number;
}

/** Thirty days, with each listener connected all the time, and four connections a day. */
export const MONTH: Scenario = { seconds: 30 * 86_400, connections: 120 };

/** Two hours in a month without anything else. Half of the listeners connect again. */
export const EVENT: Scenario = { seconds: 7200, connections: 1.5 };

/** Milliseconds of the Worker, for a handshake and for a publication through it. */
const WORKER_CPU = 1;

/**
 * A block of a history holds 3.9 KB of single publications, and is removed as a deleted row: 17 publications of 200 bytes,
 * with the time and the id that the root gives to a shard's publication.
 */
const ROWS_OF_BLOCKS = 0.06;

/**
 * If a publication comes alone, after this many seconds without one, a shard writes its place at once. If more come within that time, it
 * checks again after as many seconds, and writes its place when none has come.
 */
const PAUSE = 1;

/**
 * The writes of an object that gets random publications at this rate: rows a second, and the part of the time in which it is
 * awake, because it can't hibernate before it has written.
 */
export function notesOf(rate: number): { rows: number; awake: number } {
  const isAlone = Math.exp(-rate * PAUSE);
  /** How many come alone, the first of them after a pause, before two come together. */
  const alone = 1 / (1 - isAlone);
  /** The mean seconds until a pause without publications is over. */
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
  // A shard that delivers a publication is about to write its place anyway.
  const under = Math.max(publications * (run.awake - root.awake), noting * notes.awake);
  return {
    workerRequests: publications + connections,
    workerCpu: (publications + connections) * WORKER_CPU,
    requests: publications * run.requests + connections,
    duration: (publications * root.awake + under + connections * opening) * GIGABYTES,
    rowsWritten: keeps ? publications * (1 + ROWS_OF_BLOCKS) + noting * notes.rows : 0,
    // Rows read for replays and for the shards' places are far below the included amount.
    rowsRead: 0,
    // The publications of a day, or 16 MiB.
    stored: 0,
  };
}

export const bill = (configuration: Configuration, rate: number, run: Run, scenario: Scenario) =>
  billOf(usageOf(configuration, rate, run, scenario));
