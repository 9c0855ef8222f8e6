// What the rounds of a case came to: for each contender the ratios to the floor, or to what else the case compares with, of
// the same round, and the figures.
import type { Case, Outcome, Sample } from "./cases.ts";
import { FLOOR } from "./contender.ts";
import { judge, medians, spread, type Spread, type Verdict } from "./statistics.ts";

export interface Row {
  contender: string;
  /** What it gets wrong, instead of figures. */
  wrong?: string;
  /** To the base of the same round. */
  ratio?: Spread;
  bound?: number;
  /** What the bound is of, if not of the ratio. */
  unit?: string;
  verdict?: Verdict;
  /** Medians. */
  figures?: Sample;
  /** Of each round. */
  ratios?: number[];
  /** To the contenders that Socle is to stay below. */
  below?: Record<string, Spread>;
}

export interface CaseData {
  name: string;
  title: string;
  /** What the ratios are to, if not to the floor. */
  base?: string;
  rounds: number;
  rows: Row[];
}

export interface Results {
  date: string;
  machine: string;
  windowSeconds: number;
  cases: CaseData[];
  bundles?: Record<string, { bytes: number; gzipped: number }>;
  ownPart?: Record<string, { "ns a message": number; sends: number; writes: number }>;
}

export const isOurs = (contender: string): boolean => contender.startsWith("Socle");

export const boundOf = ({ bounds }: Case, contender: string): number | undefined =>
  bounds?.[contender] ?? (isOurs(contender) ? bounds?.["Socle"] : undefined);

const first = (sample: Sample): number => Object.values(sample)[0]!;

export class Result {
  readonly #case: Case;
  readonly #rounds: Map<string, Outcome>[] = [];

  constructor(one: Case) {
    this.#case = one;
  }

  add(outcomes: Map<string, Outcome>): void {
    this.#rounds.push(outcomes);
  }

  get isUndecided(): boolean {
    return this.data.rows.some(({ verdict }) => verdict === "undecided");
  }

  get data(): CaseData {
    const { name, title, base } = this.#case;
    const contenders = [...(this.#rounds[0]?.keys() ?? [])];
    const rows = contenders.map((one) => this.#row(one));
    return { name, title, ...(base !== undefined && { base }), rounds: this.#rounds.length, rows };
  }

  #row(contender: string): Row {
    const outcomes = this.#rounds.map((round) => round.get(contender)!);
    const wrong = outcomes.find((outcome) => typeof outcome === "string");
    if (wrong !== undefined) return { contender, wrong };
    const samples = outcomes as Sample[];
    const figures = medians(samples);
    const { base = FLOOR, below, most } = this.#case;
    const ratios = this.#ratios(contender, base);
    if (!ratios) return { contender, figures };
    const row: Row = { contender, figures, ratio: spread(ratios), ratios };
    const bound = boundOf(this.#case, contender);
    if (bound !== undefined) Object.assign(row, { bound, verdict: judge(row.ratio!, bound) });
    if (!isOurs(contender)) return row;
    if (most !== undefined) {
      const [unit] = Object.keys(figures);
      Object.assign(row, { bound: most, unit, verdict: judge(spread(samples.map(first)), most) });
    }
    const beaten = (below ?? []).flatMap((other) => {
      const compared = this.#ratios(contender, other);
      return compared ? [[other, spread(compared)] as const] : [];
    });
    if (beaten.length > 0) row.below = Object.fromEntries(beaten);
    return row;
  }

  /** Undefined if the other got something wrong. */
  #ratios(contender: string, other: string): number[] | undefined {
    const pairs = this.#rounds.map((round) => [round.get(contender)!, round.get(other)!] as const);
    if (pairs.some((pair) => pair.some((outcome) => typeof outcome === "string"))) return undefined;
    return pairs.map(([mine, its]) => first(mine as Sample) / first(its as Sample));
  }

  table(): string {
    const { title, base = FLOOR, rounds, rows } = this.data;
    const keys = Object.keys(rows.find(({ figures }) => figures)?.figures ?? {});
    const number = (value: number) => value.toPrecision(value < 1000 ? 3 : Math.ceil(Math.log10(value)));
    const cells = rows.map(({ contender, wrong, ratio, bound, unit, verdict, figures, below }) => {
      if (wrong !== undefined) return [contender, wrong, ""].concat(keys.map(() => ""));
      const beaten = Object.entries(below ?? {}).map(([other, { median }]) => `${median.toFixed(2)} of ${other}`);
      const said = verdict ? `${verdict} (≤ ${[bound, unit].filter(Boolean).join(" ")})` : "";
      return [
        contender,
        ratio && contender !== base
          ? `${ratio.median.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`
          : "1",
        [said, ...beaten].filter(Boolean).join(", "),
      ].concat(keys.map((key) => number(figures![key]!)));
    });
    const lines = [["", `ratio to ${base} (quartiles)`, "bound", ...keys], ...cells];
    const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length), 3));
    const print = (line: string[]) => `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
    const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
    return `## ${title} (${rounds} rounds)\n\n${[print(lines[0]!), rule, ...lines.slice(1).map(print)].join("\n")}`;
  }
}
