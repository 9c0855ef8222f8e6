// Draws a study as SVG for docs/scale.md.
import { plot } from "../plots.ts";
import type { Study } from "./study.ts";

const COLORS = {
  "one object": "#000000",
  shards: "#0b63c5",
  "shards, frames": "#7cc4f5",
  "shards, no history": "#2a9d8f",
  partysub: "#d9622b",
};

const SIZES = { 100_000: "100,000 listeners", 1_000_000: "1,000,000", 10_000_000: "10,000,000" };

export async function draw({ configurations }: Study, file: string): Promise<void> {
  const values = configurations.flatMap(({ name, system, listeners, objects, rates }) => {
    const kind = system === "relays" ? "shards" : system;
    const extra = /, (frames|no history)$/.exec(name)?.[0] ?? "";
    const size = SIZES[listeners as keyof typeof SIZES] ?? "up to 32,768";
    return rates.map(({ rate, p99, month }, index) => ({
      // After the end of its line.
      label: index === rates.length - 1 ? objects.toLocaleString("en-US") : "",
      name,
      size,
      how: `${kind}${extra}`,
      rate,
      p99,
      dollars: month.total,
    }));
  });
  const rowOf = (title: string, field: string, unit: string) => ({
    title,
    facet: {
      column: {
        field: "size",
        type: "nominal",
        title: null,
        sort: ["up to 32,768", ...Object.values(SIZES)],
        header: { labelFontSize: 11 },
      },
    },
    spec: {
      width: 190,
      height: 200,
      layer: [
        { mark: { type: "line", point: true } },
        { mark: { type: "text", align: "left", dx: 6, fontSize: 10 }, encoding: { text: { field: "label" } } },
      ],
      encoding: {
        x: {
          field: "rate",
          type: "quantitative",
          scale: { type: "log", domain: [0.1, 1000] },
          axis: { values: [0.1, 1, 10, 100, 1000], format: "~g" },
          title: "publications a second",
        },
        y: { field, type: "quantitative", scale: { type: "log" }, axis: { format: "~s", tickCount: 4 }, title: unit },
        color: {
          field: "how",
          type: "nominal",
          title: null,
          scale: { domain: Object.keys(COLORS), range: Object.values(COLORS) },
        },
        detail: { field: "name" },
      },
    },
  });
  await plot(file, {
    data: { values },
    vconcat: [
      rowOf("From the call that publishes to the last listener, p99, by the number of objects", "p99", "milliseconds"),
      rowOf("A month", "dollars", "US dollars"),
    ],
  } as never);
}
