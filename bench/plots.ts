// Draws a run: SVG for docs/performance.md.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

import type { Results } from "./results.ts";

const CONFIG = {
  background: "white",
  font: "system-ui, sans-serif",
  axis: { labelFontSize: 11, titleFontSize: 11, gridColor: "#e5e5e5" },
  title: { anchor: "start", fontSize: 13 },
} as const;

async function plot(file: string, spec: Omit<TopLevelSpec, "$schema" | "config">): Promise<void> {
  const { spec: vega } = compile({ ...spec, config: CONFIG } as TopLevelSpec);
  const view = new View(parse(vega), { renderer: "none" });
  await writeFile(file, `${await view.toSVG()}\n`);
}

const ORDER = [
  "the floor",
  "the floor again",
  "Socle, channel",
  "Socle, class",
  "Socle, changed object",
  "PartyServer",
  "crossws",
];
const COLOR = {
  field: "contender",
  type: "nominal",
  title: null,
  scale: {
    domain: ORDER,
    range: ["#000000", "#9a9a9a", "#0b63c5", "#3f9be8", "#7cc4f5", "#d9622b", "#8a4fa3"],
  },
} as const;

export async function draw({ cases }: Results, folder: string): Promise<void> {
  const rows = cases.flatMap(({ name, title, rows: some }) => some.map((row) => ({ name, case: title, ...row })));
  // Those of flow control are no processor time, of another scale, or to another base.
  const isCompared = ({ name }: { name: string }) => !/^(closing|wake|memory|stalled|burst|echo-flow)/.test(name);
  const ratios = rows
    .filter(isCompared)
    .flatMap(({ case: title, contender, ratio }) =>
      ratio && contender !== "the floor" ? [{ title, contender, ...ratio }] : [],
    );
  await plot(join(folder, "ratios.svg"), {
    title: "CPU of the server, as a ratio to the floor: median and quartiles",
    data: { values: ratios },
    facet: {
      row: {
        field: "title",
        type: "nominal",
        title: null,
        sort: null,
        header: { labelAngle: 0, labelAlign: "left", labelOrient: "top", labelAnchor: "start" },
      },
    },
    spec: {
      width: 520,
      encoding: { y: { field: "contender", type: "nominal", sort: ORDER, title: null } },
      layer: [
        { mark: { type: "rule", color: "#666666" }, encoding: { x: { datum: 1 }, y: null } },
        {
          mark: { type: "rule", strokeWidth: 3 },
          encoding: {
            x: { field: "low", type: "quantitative", title: "ratio to the floor", scale: { zero: false } },
            x2: { field: "high" },
            color: { ...COLOR, legend: null },
          },
        },
        {
          mark: { type: "point", filled: true, size: 70, opacity: 1 },
          encoding: { x: { field: "median", type: "quantitative" }, color: { ...COLOR, legend: null } },
        },
      ],
    },
    resolve: { scale: { y: "independent" } },
  } as never);

  const wakes = rows
    .filter(({ name }) => name.startsWith("wake-"))
    .flatMap(({ name, contender, figures }) =>
      figures ? [{ sockets: Number(name.slice(5)), contender, ms: figures["ms"] }] : [],
    );
  await plot(join(folder, "wake.svg"), {
    title: "From a message to the answer of a hibernated object",
    data: { values: wakes },
    width: 520,
    height: 260,
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "sockets", type: "quantitative", scale: { type: "log" }, title: "connections of the object" },
      y: { field: "ms", type: "quantitative", title: "milliseconds" },
      color: COLOR,
    },
  } as never);

  const memories = rows
    .filter(({ name }) => name === "memory")
    .flatMap(({ contender, figures }) =>
      Object.entries(figures ?? {}).flatMap(([key, mebibytes]) => {
        const [, connections] = /^MiB at (\d+)$/.exec(key) ?? [];
        return connections ? [{ connections: Number(connections), contender, mebibytes }] : [];
      }),
    );
  await plot(join(folder, "memory.svg"), {
    title: "Resident memory that idle connections add, before hibernation",
    data: { values: memories },
    width: 520,
    height: 260,
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "connections", type: "quantitative" },
      y: { field: "mebibytes", type: "quantitative", title: "MiB" },
      color: COLOR,
    },
  } as never);
}
