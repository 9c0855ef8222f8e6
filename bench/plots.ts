// Draws a run as SVG for docs/performance.md. `plot` draws for other pages too.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

import { FLOOR } from "./contender.ts";
import type { Results } from "./results.ts";

const CONFIG = {
  background: "white",
  font: "system-ui, sans-serif",
  axis: { labelFontSize: 11, titleFontSize: 11, gridColor: "#e5e5e5" },
  title: { anchor: "start", fontSize: 13 },
} as const;

export async function plot(file: string, spec: Omit<TopLevelSpec, "$schema" | "config">): Promise<void> {
  const { spec: vega } = compile({ ...spec, config: CONFIG } as TopLevelSpec);
  const view = new View(parse(vega), { renderer: "none" });
  await writeFile(file, `${await view.toSVG()}\n`);
}

/** From top to bottom. Contenders that also keep an object have a lighter shade. */
const COLORS = {
  "the floor": "#000000",
  "the floor again": "#9a9a9a",
  "the floor, keeping an object, again": "#c4c4c4",
  "the floor, with topics, again": "#c4c4c4",
  "Socle, channel": "#0b63c5",
  "Socle, class": "#3f9be8",
  "Socle, changed object": "#7cc4f5",
  "Socle, topics": "#0b63c5",
  "Socle, broadcast": "#7cc4f5",
  "the floor's Worker, Socle's object": "#2a9d8f",
  PartyServer: "#d9622b",
  "PartyServer, changed state": "#f0a583",
  "PartyServer, tags": "#d9622b",
  crossws: "#8a4fa3",
  "crossws, changed context": "#c39bd3",
  "crossws, topics": "#8a4fa3",
};
const ORDER = Object.keys(COLORS) as (keyof typeof COLORS)[];

/** The legend lists the contenders that occur. */
function colorOf(rows: readonly { contender: string }[]) {
  const domain = ORDER.filter((name) => rows.some(({ contender }) => contender === name));
  const scale = { domain, range: domain.map((name) => COLORS[name]) };
  return { field: "contender", type: "nominal", title: null, scale } as const;
}

export async function draw({ cases }: Results, folder: string): Promise<void> {
  const rows = cases.flatMap(({ name, title, base = FLOOR, rows: some }) =>
    some.map((row) => ({ name, case: title, base, ...row })),
  );
  // The other cases are not processor time, have another scale, or are not compared with a floor.
  const isCompared = ({ name }: { name: string }) =>
    !/^(cold|closing|wake|memory|stalled|burst|echo-flow|first-publish|subscription)/.test(name);
  const ratios = rows
    .filter(isCompared)
    .flatMap(({ case: title, contender, base, ratio }) =>
      ratio && contender !== base ? [{ title, contender, ...ratio }] : [],
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
            color: { ...colorOf(ratios), legend: null },
          },
        },
        {
          mark: { type: "point", filled: true, size: 70, opacity: 1 },
          encoding: { x: { field: "median", type: "quantitative" }, color: { ...colorOf(ratios), legend: null } },
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
      color: colorOf(wakes),
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
      color: colorOf(memories),
    },
  } as never);
}

/** How long another client waits during a broadcast, for the README. */
export async function drawBroadcast({ cases }: Results, folder: string): Promise<void> {
  const rows = cases.find(({ name }) => name === "broadcast-10000")?.rows ?? [];
  const names: Record<string, string> = { [FLOOR]: "by hand", "Socle, class": "Socle", PartyServer: "PartyServer" };
  const waits = rows.flatMap(({ contender, figures }) =>
    figures && names[contender] ? [{ contender: names[contender], ms: Math.round(figures["longest echo ms"]!) }] : [],
  );
  if (waits.length === 0) return;
  const y = { field: "contender", type: "nominal", sort: null, title: null } as const;
  const x = { field: "ms", type: "quantitative", title: "milliseconds" } as const;
  await plot(join(folder, "broadcast.svg"), {
    title: "How long another client waits while an object broadcasts to 9,500",
    data: { values: waits },
    width: 520,
    height: { step: 34 },
    layer: [
      { mark: { type: "bar", height: 20, color: "#3f9be8" }, encoding: { y, x } },
      { mark: { type: "text", align: "left", dx: 6 }, encoding: { y, x, text: { field: "ms" } } },
    ],
  } as never);
}
