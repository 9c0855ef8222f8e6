// Simulates clients that were disconnected and reconnect, while publications continue.
import { quantile } from "../statistics.ts";
import { Agenda } from "./agenda.ts";
import { HOP, PATIENCE, REQUESTS_A_SECOND } from "./costs.ts";
import { Random } from "./random.ts";
import { Thread } from "./thread.ts";

/** Times are microseconds. */
export interface WaveShape {
  /** The objects that clients connect to, at random. */
  readonly objects: number;
  /** How many of them were lost. */
  readonly lost: number;
  /** The listeners of each. */
  readonly listeners: number;
  /** Until when the lost objects can't be reached. */
  readonly gone: number;
  /** How long a client waits before it reconnects or retries. */
  readonly wait: (random: Random, failed: number) => number;
  /** From one publication to the next. */
  readonly period: number;
  readonly opening: number;
  /** The cost of each publication that a client has missed. */
  readonly replayed: number;
  readonly delivery: number;
  readonly slice: number;
}

export interface Wave {
  readonly cut: number;
  /** When they are back with everything that they missed, in seconds since the disconnection. */
  readonly median: number;
  readonly p99: number;
  readonly last: number;
  /** The mean of what a client missed, and of its attempts. */
  readonly missed: number;
  readonly tries: number;
  /** How long the slowest publication until then took, in milliseconds. */
  readonly slowest: number;
}

class Shard {
  readonly thread = new Thread();
  /** When they were published. */
  readonly waiting: number[] = [];
  isDelivering = false;
  /** When it can take another request. */
  admits = 0;

  constructor(public listeners: number) {}
}

/** When the simulation ends if the clients are not back before. */
const MOST = 600e6;

export function wave(shape: WaveShape, seed: number): Wave {
  const agenda = new Agenda();
  const random = new Random(seed);
  const shards = Array.from(
    { length: shape.objects },
    (_, index) => new Shard(index < shape.lost ? 0 : shape.listeners),
  );
  for (const { thread } of shards.slice(0, shape.lost)) thread.stop(shape.gone);
  const back: number[] = [];
  const cut = shape.lost * shape.listeners;
  let missed = 0;
  let slowest = 0;

  const deliver = (shard: Shard): void => {
    const published = shard.waiting[0];
    shard.isDelivering = published !== undefined;
    if (published === undefined) return;
    let left = shard.listeners;
    const go = (): void => {
      const some = Math.min(left, shape.slice);
      left -= some;
      agenda.put(shard.thread.run(agenda.now, some * shape.delivery), () => {
        if (left > 0) return go();
        if (shard.listeners > 0) slowest = Math.max(slowest, agenda.now - published);
        shard.waiting.shift();
        deliver(shard);
      });
    };
    go();
  };
  const publish = (): void => {
    for (const [index, shard] of shards.entries()) {
      // A lost object has no listeners. Clients that reconnect to it get this from the history.
      if (index < shape.lost && agenda.now < shape.gone) continue;
      shard.waiting.push(agenda.now);
      if (!shard.isDelivering) deliver(shard);
    }
    if (back.length < cut && agenda.now < MOST) agenda.put(agenda.now + shape.period, publish);
  };
  agenda.put(shape.period / 2, publish);

  let tries = 0;
  const come = (failed: number): void => {
    // Through the Worker to the object.
    const at = agenda.now + shape.wait(random, failed) + random.delay(HOP) + random.delay(HOP);
    tries++;
    agenda.put(at, () => {
      const index = random.below(shards.length);
      const shard = shards[index]!;
      const { now } = agenda;
      const admitted = Math.max(now, shard.admits);
      if ((index < shape.lost && now < shape.gone) || admitted - now > PATIENCE) return come(failed + 1);
      shard.admits = admitted + 1e6 / REQUESTS_A_SECOND;
      agenda.put(admitted, () => open(shard));
    });
  };
  const open = (shard: Shard): void => {
    agenda.put(shard.thread.run(agenda.now, shape.opening), () => {
      const behind = Math.floor(agenda.now / shape.period + 0.5);
      missed += behind;
      shard.listeners++;
      agenda.put(shard.thread.run(agenda.now, behind * shape.replayed), () => back.push(agenda.now / 1e6));
    });
  };
  for (let client = 0; client < cut; client++) come(0);
  agenda.run();
  return {
    cut,
    median: quantile(back, 0.5),
    p99: quantile(back, 0.99),
    last: quantile(back, 1),
    missed: missed / cut,
    tries: tries / cut,
    slowest: slowest / 1000,
  };
}
