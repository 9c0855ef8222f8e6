// The results of a case: for each contender the ratios to the floor, or to the case's other base, in
// the same round, the figures, and the verdicts on the bounds.
import { first, STEADY, type Bound } from "./bounds.ts";
import type { Case } from "./case.ts";
import { again, FLOOR } from "./contender.ts";
import type { Outcome, Sample } from "./sample.ts";
import { judge, medians, quantile, spread, type Spread, type Verdict } from "./statistics.ts";

export interface Judged {
  median: number;
  atMost: number;
  /** What the number means, printed after it. */
  what: string;
  verdict: Verdict;
}

export interface Row {
  contender: string;
  /** What the contender gets wrong, instead of figures. */
  wrong?: string;
  /** Ratios to the base of the same round. */
  ratio?: Spread;
  /** Medians. */
  figures?: Sample;
  /** The ratio of each round. */
  ratios?: number[];
  bounds?: Judged[];
}

export interface CaseData {
  name: string;
  title: string;
  /** The base of the ratios, if not the floor. */
  base?: string;
  rounds: number;
  rows: Row[];
  /** Named costs: differences of the first figure between two contenders. */
  parts?: Record<string, Spread>;
}

export interface Results {
  date: string;
  machine: string;
  windowSeconds: number;
  cases: CaseData[];
  bundles?: Record<string, { bytes: number; gzipped: number }>;
  ownPart?: Record<string, { "ns a message": number; sends: number; writes: number }>;
  evaluation?: Record<string, { ms: number }>;
}

const isOurs = (contender: string): boolean => contender.startsWith("Socle");

export class Result {
  readonly #case: Case;
  readonly #base: string;
  readonly #rounds: Map<string, Outcome>[] = [];

  constructor(one: Case) {
    this.#case = one;
    this.#base = one.base ?? FLOOR;
  }

  add(outcomes: Map<string, Outcome>): void {
    this.#rounds.push(outcomes);
  }

  get isUndecided(): boolean {
    return this.data.rows.some(({ bounds }) => bounds?.some(({ verdict }) => verdict === "undecided"));
  }

  get data(): CaseData {
    const { name, title, base, parts } = this.#case;
    const contenders = [...(this.#rounds[0]?.keys() ?? [])];
    const rows = contenders.map((one) => this.#row(one));
    return {
      name,
      title,
      ...(base !== undefined && { base }),
      rounds: this.#rounds.length,
      rows,
      ...(parts && { parts: this.#parts(parts) }),
    };
  }

  #row(contender: string): Row {
    const samples = this.#samples(contender);
    if (typeof samples === "string") return { contender, wrong: samples };
    const figures = medians(samples);
    const bases = this.#samples(this.#base);
    if (typeof bases === "string") return { contender, figures };
    const ratios = samples.map((sample, round) => first(sample) / first(bases[round]!));
    const bounds = this.#boundsOf(contender).flatMap((bound) => this.#judge(bound, contender) ?? []);
    return { contender, figures, ratio: spread(ratios), ratios, ...(bounds.length > 0 && { bounds }) };
  }

  /** Only Socle's contenders have bounds. The base's second run has the bound that the base is steady. */
  #boundsOf(contender: string): readonly Bound[] {
    const { bounds = [] } = this.#case;
    if (contender === again(this.#base)) return bounds.some(({ isAlone }) => !isAlone) ? [STEADY] : [];
    return isOurs(contender) && contender !== this.#base ? bounds : [];
  }

  /** Undefined if a contender that the bound uses has no figures. */
  #judge(bound: Bound, contender: string): Judged | undefined {
    const median = this.#median(bound, contender);
    if (median === undefined) return undefined;
    const { atMost, what, isAlone } = bound;
    const verdict =
      bound === STEADY ? judge(Math.abs(median), atMost) : judge(median, atMost, isAlone || this.#isSteady);
    return { median, atMost, what, verdict };
  }

  #median({ value }: Bound, contender: string): number | undefined {
    const values = this.#rounds.map((round) => {
      const figures = (name: string) => {
        const outcome = round.get(name);
        return typeof outcome === "string" ? undefined : outcome;
      };
      return value({ mine: figures(contender)!, base: figures(this.#base)!, other: figures });
    });
    const known = values.filter((one) => one !== undefined);
    return known.length === values.length ? quantile(known, 0.5) : undefined;
  }

  /** Whether the base differs from itself by no more than the allowed noise. True if it takes part only once. */
  get #isSteady(): boolean {
    const twin = again(this.#base);
    if (typeof this.#samples(twin) === "string") return true;
    return Math.abs(this.#median(STEADY, twin)!) <= STEADY.atMost;
  }

  /** The contender's figures in each round, or what it gets wrong. */
  #samples(contender: string): Sample[] | string {
    const outcomes = this.#rounds.map((round) => round.get(contender) ?? "it does not take part");
    return outcomes.find((outcome) => typeof outcome === "string") ?? (outcomes as Sample[]);
  }

  #parts(parts: NonNullable<Case["parts"]>): Record<string, Spread> {
    const differences = Object.entries(parts).flatMap(([part, [whole, rest]]) => {
      const [wholes, rests] = [this.#samples(whole), this.#samples(rest)];
      if (typeof wholes === "string" || typeof rests === "string") return [];
      return [[part, spread(wholes.map((sample, round) => first(sample) - first(rests[round]!)))] as const];
    });
    return Object.fromEntries(differences);
  }

  table(): string {
    const { title, base = FLOOR, rounds, rows, parts = {} } = this.data;
    const keys = Object.keys(rows.find(({ figures }) => figures)?.figures ?? {});
    const number = (value: number) => value.toPrecision(value < 1000 ? 3 : Math.ceil(Math.log10(value)));
    const cells = rows.map(({ contender, wrong, ratio, figures }) => {
      if (wrong !== undefined) return [contender, wrong].concat(keys.map(() => ""));
      return [
        contender,
        ratio && contender !== base
          ? `${ratio.median.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`
          : "1",
      ].concat(keys.map((key) => number(figures![key]!)));
    });
    const lines = [["", `ratio to ${base} (quartiles)`, ...keys], ...cells];
    const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length), 3));
    const print = (line: string[]) => `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
    const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
    const printed = [print(lines[0]!), rule, ...lines.slice(1).map(print)];
    const split = Object.entries(parts).map(
      ([part, { median, low, high }]) => `${part}: ${number(median)} ${keys[0]} (${number(low)} to ${number(high)})`,
    );
    const judged = rows.flatMap(({ contender, bounds = [] }) => bounds.map((one) => `${contender}: ${said(one)}`));
    const below = [split, judged].filter(({ length }) => length > 0).map((some) => `\n${some.join("\n")}`);
    return [`## ${title} (${rounds} rounds)`, "", ...printed, ...below].join("\n");
  }
}

/** The verdict on a bound, as text. */
export const said = ({ median, atMost, what, verdict }: Judged): string =>
  `${verdict}: ${Number(median.toFixed(3))}${what} (≤ ${atMost})`;
