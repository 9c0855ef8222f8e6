// Prints a study as the Markdown tables of docs/scale.md.
import type { Loss } from "./loss.ts";
import { RATES, SOON, type AtRate, type Studied, type Study } from "./study.ts";

const whole = (value: number) => Math.round(value).toLocaleString("en-US");

/** Two significant digits, or all before the point. */
const rough = (value: number) => (value >= 100 ? whole(value) : String(Number(value.toPrecision(2))));

const percent = (part: number) => (part < 0.005 ? "0 %" : `${Math.round(part * 100)} %`);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

const at = ({ rates }: Studied, rate: number): AtRate | undefined => rates.find((one) => one.rate === rate);
const cells = (one: Studied, some: readonly number[], cell: (at: AtRate) => string) =>
  some.map((rate) => {
    const found = at(one, rate);
    return found ? cell(found) : "–";
  });
const heads = (rates: readonly number[]) => rates.map((rate) => `${whole(rate)}/s`);

const latencies = ({ configurations }: Study) =>
  table(
    ["listeners, objects", ...heads(RATES), `highest rate with p99 within ${SOON / 1000} s`, "highest rate"],
    configurations.map((one) => [
      one.name,
      ...cells(one, RATES, ({ median, p99 }) => `${whole(median)} / ${whole(p99)}`),
      `${rough(one.soon)}/s`,
      `${rough(one.most)}/s`,
    ]),
  );

const work = ({ configurations }: Study) =>
  table(
    ["listeners, objects", "objects", "most calls by one object", "requests", ...heads(RATES), "first saturated"],
    configurations.map((one) => [
      one.name,
      whole(one.objects),
      whole(one.calls),
      ...cells(one, [1], ({ requests }) => whole(requests)),
      ...cells(one, RATES, ({ busiest }) => Object.values(busiest).map(percent).join(", ")),
      one.full,
    ]),
  );

const dollars = (value: number) => `$${whole(value)}`;

const costs = ({ configurations }: Study) =>
  table(
    [
      "listeners, objects",
      "requests",
      "duration",
      "rows",
      "Worker",
      ...RATES.map((rate) => `month, ${whole(rate)}/s`),
      "event, 1/s",
      "event, 10/s",
    ],
    configurations.map((one) => [
      one.name,
      ...cells(one, [1], ({ month }) => dollars(month.requests)),
      ...cells(one, [1], ({ month }) => dollars(month.duration)),
      ...cells(one, [1], ({ month }) => dollars(month.rowsWritten)),
      ...cells(one, [1], ({ month }) => dollars(month.workerRequests + month.workerCpu)),
      ...cells(one, RATES, ({ month }) => `**${dollars(month.total)}**`),
      ...cells(one, [1, 10], ({ event }) => dollars(event)),
    ]),
  );

const seconds = (value: number) => `${value.toFixed(1)} s`;

const lost = ({ losses }: Study) =>
  table(
    [
      "lost object",
      "disconnected",
      "half reconnected",
      "99 of 100",
      "all",
      "attempts per client",
      "missed per client",
      "requests to the root",
      "waiting listeners",
      "late",
      "slowest",
    ],
    losses.map(({ what, cut, back, tries, missed, recovered, questions, waiting, late, slowest }: Loss) => [
      what,
      cut === 0 ? "none" : whole(cut),
      ...(back ?? []).map(seconds),
      ...(back ? [] : ["", "", ""]),
      back ? tries.toFixed(1) : "",
      back ? `${missed.toFixed(1)}, ${recovered ? "recovered" : "**lost**"}` : "",
      back && !recovered ? "" : whole(questions),
      waiting === 0 ? "" : whole(waiting),
      waiting === 0 ? "" : String(late),
      seconds(slowest / 1000),
    ]),
  );

/** In the order of the page. */
export const tables = (study: Study): readonly [title: string, table: string][] => [
  ["Delay from the call that publishes to the last listener, in milliseconds: median / p99", latencies(study)],
  ["Work of the objects for one publication, and load of the busiest of each kind: root, relay, shard", work(study)],
  ["Cost: the parts of a month at 1/s, and the totals", costs(study)],
  ["Loss of an object, at one publication a second", lost(study)],
];

export const report = (study: Study): string =>
  tables(study)
    .map(([title, rows]) => `**${title}**\n\n${rows}`)
    .join("\n\n");
