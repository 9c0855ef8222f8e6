// The simulation of paths that are too large for this machine: it agrees with measurements, and docs/scale.md has its
// results.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { Agenda } from "../../bench/scale/agenda.ts";
import { MONTH, notesOf, usageOf } from "../../bench/scale/bill.ts";
import { CONFIGURATIONS, isTree, play } from "../../bench/scale/configuration.ts";
import { Mesh } from "../../bench/scale/mesh.ts";
import { billOf, GIGABYTES, type Usage } from "../../bench/scale/prices.ts";
import { Random } from "../../bench/scale/random.ts";
import { tables } from "../../bench/scale/report.ts";
import type { Study } from "../../bench/scale/study.ts";
import { Tree, type TreeShape } from "../../bench/scale/tree.ts";
import { wave } from "../../bench/scale/wave.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string) => readFile(join(root, path), "utf8");

const shape: TreeShape = { listeners: 6400, fanOut: [64], sends: "messages", hasHistory: true };
const each = (count: number, microseconds: number) => Array.from({ length: count }, (_, index) => index * microseconds);

describe("the simulation", () => {
  it("has the earliest happen first, and of the same time what was put first", () => {
    const agenda = new Agenda();
    const seen: string[] = [];
    for (const [at, name] of [
      [3, "d"],
      [1, "a"],
      [2, "b"],
      [2, "c"],
    ] as const) {
      agenda.put(at, () => {
        seen.push(`${name} at ${agenda.now}`);
        if (name === "a") agenda.put(0, () => seen.push(`late at ${agenda.now}`));
      });
    }
    agenda.run();
    expect(seen).toEqual(["a at 1", "late at 1", "b at 2", "c at 2", "d at 3"]);
  });

  it.each([
    [1, 37_000, 51_000],
    [8, 8000, 8000],
    [32, 2000, 2000],
    [64, 700, 1100],
  ])("with %d shards on one thread has as many publications a second as were measured", (shards, low, high) => {
    const tree = new Tree(
      { listeners: 0, fanOut: [shards], sends: "messages", hasHistory: true, publishes: "in the root", threads: "one" },
      1,
    );
    const { perSecond } = tree.run(each(20_000, 0));
    expect(perSecond).toBeGreaterThan(low * 0.8);
    expect(perSecond).toBeLessThan(high * 1.2);
  });

  it("comes out the same for the same seed, and not for another one", () => {
    const [first, again, other] = [1, 1, 2].map((seed) => new Tree(shape, seed).run(each(50, 100_000)));
    expect(again).toEqual(first);
    expect(other!.latencies).not.toEqual(first!.latencies);
  });

  it("S3: costs a call for each shard and the one to the root, and where shards are slow fewer, for they go together", () => {
    const alone = new Tree(shape, 1).run(each(20, 1e6));
    expect(alone.requests).toBe(65);
    const together = new Tree(shape, 1).run(each(2000, 500));
    expect(together.requests).toBeLessThan(30);
  });

  it("S3: has no object call more than 64 others for a publication, with relays neither; a mesh has each node call all", () => {
    for (const configuration of CONFIGURATIONS.filter((one) => isTree(one.shape))) {
      const { objects } = play(configuration, 0.1, 1);
      for (const { calls } of Object.values(objects)) expect(calls).toBeLessThanOrEqual(64);
    }
    expect(new Mesh({ listeners: 5000, nodes: 500 }, 1).run(each(20, 1e6)).requests).toBe(500);
  });

  it("has a lost root cut nobody and lose nothing: what was published meanwhile comes late", () => {
    const { latencies } = new Tree(shape, 1).run(each(20, 1e6), { of: "root", from: 9.5e6, until: 12.5e6 });
    expect(latencies).toHaveLength(20);
    expect(latencies.flatMap((latency, index) => (latency > 500 ? [index] : []))).toEqual([10, 11, 12]);
    expect(latencies[10]).toBeGreaterThan(2500);
  });

  it("has all clients of a lost shard come back, to the others while it can't be reached", () => {
    const lost = { lost: 1, gone: 5e6, period: 1e6, opening: 267, replayed: 8, delivery: 21, slice: 250 };
    const spread = wave({ ...lost, objects: 64, listeners: 1000, wait: (random) => random.next() * 500_000 }, 1);
    expect(spread.cut).toBe(1000);
    expect(spread.p99).toBeLessThan(2);
    const alone = wave({ ...lost, objects: 1, listeners: 1000, wait: (random) => random.next() * 500_000 }, 1);
    expect(alone.median).toBeGreaterThan(5);
    // On the platform, an object takes a thousand sessions a second.
    const crowd = wave({ ...lost, objects: 1, gone: 0, listeners: 4000, wait: () => 0 }, 1);
    expect(crowd.last).toBeGreaterThan(3.9);
  });

  it("bills as the example of docs/costs.md", () => {
    const usage: Usage = {
      workerRequests: 60_000,
      workerCpu: 60_000,
      requests: 1_500_000,
      duration: 36_864,
      rowsWritten: 0,
      rowsRead: 0,
      stored: 0.1,
    };
    expect(billOf(usage)).toMatchObject({ requests: 0.15, duration: 0, total: 5.15 });
    expect(billOf({ ...usage, duration: 11_059_200 }).total).toBeCloseTo(142.65);
  });

  it.each([0.01, 0.3, 1, 3])("S4: has a shard that gets %d a second note how far it is as it was built", (rate) => {
    const random = new Random(1);
    let at = 0;
    const times = Array.from({ length: 50_000 }, () => (at += random.gap(1 / rate)));
    let [rows, awake, index, last] = [0, 0, 0, -1];
    while (index < times.length) {
      const begun = times[index++]!;
      rows++;
      const isAlone = begun - last >= 1;
      last = begun;
      if (isAlone) continue;
      let noted = begun + 1;
      // If anything arrived within a second, the note waits for another second: src/shards/shard-row.ts.
      while (times[index]! < noted) {
        while (times[index]! < noted) last = times[index++]!;
        noted++;
      }
      awake += noted - begun;
    }
    const notes = notesOf(rate);
    expect(notes.rows / (rows / at)).toBeCloseTo(1, 1);
    expect(notes.awake / (awake / at)).toBeCloseTo(1, 1);
    expect(notes.rows).toBeLessThan(rate);
  });

  it("S4: has shards that get more than a few a second write nothing, and bills them as awake all the time", () => {
    const configuration = CONFIGURATIONS.find(({ name }) => name === "100,000, 64 shards")!;
    const { seconds } = MONTH;
    const { rowsWritten, duration } = usageOf(configuration, 10, play(configuration, 10, 1), MONTH);
    // All rows are written by the history.
    expect(rowsWritten / (10 * seconds)).toBeCloseTo(1.06, 2);
    expect(duration).toBeGreaterThan(64 * seconds * GIGABYTES * 0.99);
  });

  it("has its last figures in docs/scale.md", async () => {
    // The formatter aligns the columns.
    const narrow = (text: string) => text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
    const page = narrow(await read("docs/scale.md"));
    const study = JSON.parse(await read("bench/results/scale.json")) as Study;
    for (const [title, rows] of tables(study)) {
      expect(page).toContain(title);
      expect(page).toContain(narrow(rows));
    }
  });
});
