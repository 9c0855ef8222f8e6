// The compared paths: how many listeners, on how many objects.
import { MOST_TOGETHER } from "./costs.ts";
import { Mesh, type MeshShape } from "./mesh.ts";
import { Random } from "./random.ts";
import type { Run } from "./run.ts";
import { Tree, type TreeShape } from "./tree.ts";

export interface Configuration {
  readonly name: string;
  readonly system: "one object" | "shards" | "relays" | "partysub";
  readonly shape: TreeShape | MeshShape;
}

const plain = { sends: "messages", hasHistory: true } as const;
const framed = { sends: "frames", hasHistory: true } as const;

const forgetful = { sends: "messages", hasHistory: false } as const;

const tree = (
  name: string,
  listeners: number,
  fanOut: readonly number[],
  kind: Pick<TreeShape, "sends" | "hasHistory"> = plain,
) =>
  ({
    name,
    system: (["one object", "shards", "relays"] as const)[fanOut.length]!,
    shape: { listeners, fanOut, ...kind },
  }) satisfies Configuration;

const mesh = (name: string, listeners: number, nodes: number) =>
  ({ name, system: "partysub", shape: { listeners, nodes } }) satisfies Configuration;

export const CONFIGURATIONS: readonly Configuration[] = [
  tree("2,000, one object", 2000, []),
  tree("10,000, one object", 10_000, []),
  tree("32,768, one object", 32_768, []),
  // A Worker's guess doubles, so instead of 50 full shards of 2,000 there are 64 of 1,563.
  tree("100,000, 64 shards", 100_000, [64]),
  tree("100,000, 64 shards, frames", 100_000, [64], framed),
  tree("100,000, 8 shards", 100_000, [8]),
  mesh("100,000, partysub of 64", 100_000, 64),
  tree("1,000,000, 64 shards", 1e6, [64]),
  tree("1,000,000, 64 shards, frames", 1e6, [64], framed),
  tree("1,000,000, 64 shards, no history", 1e6, [64], forgetful),
  mesh("1,000,000, partysub of 64", 1e6, 64),
  mesh("1,000,000, partysub of 500", 1e6, 500),
  tree("10,000,000, 10 relays, 640 shards", 1e7, [10, 64]),
  tree("10,000,000, 64 relays, 4,096 shards", 1e7, [64, 64]),
  tree("10,000,000, 64 relays, 4,096 shards, frames", 1e7, [64, 64], framed),
  mesh("10,000,000, partysub of 640", 1e7, 640),
];

export const isTree = (shape: TreeShape | MeshShape): shape is TreeShape => "fanOut" in shape;

/** The number of objects without the root. */
export function objectsUnder(shape: TreeShape | MeshShape): number {
  if (!isTree(shape)) return shape.nodes;
  let floor = 1;
  let all = 0;
  for (const count of shape.fanOut) {
    floor *= count;
    all += floor;
  }
  return all;
}

const played = (shape: TreeShape | MeshShape, seed: number, times: readonly number[]): Run =>
  isTree(shape) ? new Tree(shape, seed).run(times) : new Mesh(shape, seed).run(times);

/** Random publications at a rate: at least 300 of them, and for 20 seconds if that isn't too much to simulate. */
export function play({ shape }: Configuration, rate: number, seed: number): Run {
  const most = Math.max(300, 1e6 / (objectsUnder(shape) + 1));
  const count = Math.round(Math.min(Math.max(300, 20 * rate), most));
  const random = new Random(seed);
  let at = 0;
  const times = Array.from({ length: count }, () => (at += random.gap(1e6 / rate)));
  return played(shape, seed, times);
}

/** The throughput when more is published than can be delivered. */
export function playFull({ shape }: Configuration, seed: number): Run {
  const count = isTree(shape) ? 4 * MOST_TOGETHER : 400;
  return played(
    shape,
    seed,
    Array.from({ length: count }, () => 0),
  );
}

/** The highest rate at which 99 of 100 publications reach their last listener within the given milliseconds. */
export function mostWithin(milliseconds: number, configuration: Configuration, most: number, seed: number): number {
  let [low, high] = [0.01, most];
  for (let step = 0; step < 12; step++) {
    const middle = Math.sqrt(low * high);
    if (play(configuration, middle, seed).p99 <= milliseconds) low = middle;
    else high = middle;
  }
  return low;
}
