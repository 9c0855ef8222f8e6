// What the bench makes of its rounds. The figures themselves are no tests.
import { describe, expect, it } from "vitest";

import type { Case, Outcome } from "../../bench/cases.ts";
import { Result } from "../../bench/results.ts";
import { judge, quantile, spread } from "../../bench/statistics.ts";

function resultOf(rounds: Record<string, Outcome>[], of: Partial<Case> = {}): Result {
  const result = new Result({ name: "echo", title: "Echo", work: "echo", round: () => Promise.reject(), ...of });
  for (const round of rounds) result.add(new Map(Object.entries(round)));
  return result;
}

describe("the bench", () => {
  it("gives the median and the quartiles, between two values by their distance", () => {
    expect(spread([5, 1, 4, 2, 3])).toEqual({ low: 2, median: 3, high: 4 });
    expect(quantile([1, 2], 0.5)).toBe(1.5);
    expect(quantile([7], 0.25)).toBe(7);
  });

  it("decides nothing where the quartiles lie on both sides of a bound", () => {
    expect(judge({ low: 0.9, median: 1, high: 1.03 }, 1.03)).toBe("holds");
    expect(judge({ low: 1.01, median: 1.02, high: 1.04 }, 1.03)).toBe("undecided");
    expect(judge({ low: 1.04, median: 1.1, high: 1.2 }, 1.03)).toBe("missed");
  });

  it("compares with the floor of the same round, not with its median", () => {
    const rounds = [10, 20, 40].map((cpu) => ({ "the floor": { cpu }, "Socle, class": { cpu: cpu * 1.02 } }));
    const { rows } = resultOf(rounds, { bounds: { Socle: 1.03 } }).data;
    expect(rows[1]).toMatchObject({ bound: 1.03, verdict: "holds", figures: { cpu: 20.4 } });
    expect(rows[1]!.ratios!.every((ratio) => Math.abs(ratio - 1.02) < 1e-9)).toBe(true);
    expect(rows[0]).not.toHaveProperty("bound");
  });

  it("has a bound of a variant's own win over Socle's, and goes on while one is undecided", () => {
    const rounds = [1, 1.2].map((cpu) => ({
      "the floor": { cpu: 1 },
      "Socle, class": { cpu },
      "Socle, changed object": { cpu },
    }));
    const result = resultOf(rounds, { bounds: { Socle: 1.1, "Socle, changed object": 1.3 } });
    expect(result.data.rows.map(({ verdict }) => verdict)).toEqual([undefined, "undecided", "holds"]);
    expect(result.isUndecided).toBe(true);
  });

  it("says what a contender gets wrong instead of a figure, if in one round only", () => {
    const rounds = [
      { "the floor": { cpu: 1 }, other: { cpu: 1 }, "Socle, class": { cpu: 0.5 } },
      { "the floor": { cpu: 1 }, other: "it hangs", "Socle, class": { cpu: 0.5 } },
    ];
    const result = resultOf(rounds, { below: ["other"] });
    expect(result.data.rows[1]).toEqual({ contender: "other", wrong: "it hangs" });
    expect(result.data.rows[2]).not.toHaveProperty("below");
    expect(result.table()).toContain("| it hangs");
  });

  it("compares with another contender than the floor where the case says so", () => {
    const rounds = [2, 4].map((cpu) => ({ "Socle, channel": { cpu }, "Socle, flowControl": { cpu: cpu * 1.5 } }));
    const result = resultOf(rounds, { base: "Socle, channel", bounds: { "Socle, flowControl": 1.1 } });
    expect(result.data.rows[1]).toMatchObject({ ratios: [1.5, 1.5], bound: 1.1, verdict: "missed" });
    expect(result.data.rows[0]).not.toHaveProperty("verdict");
    expect(result.table()).toContain("| ratio to Socle, channel (quartiles)");
  });

  it("has bounds of the figure itself, for Socle alone", () => {
    const rounds = [1, 20, 20].map((MiB) => ({ "the floor": { MiB: 400 }, "Socle, flowControl": { MiB } }));
    const result = resultOf(rounds, { most: 16 });
    expect(result.data.rows.map(({ verdict }) => verdict)).toEqual([undefined, "undecided"]);
    expect(result.data.rows[1]).toMatchObject({ bound: 16, unit: "MiB", figures: { MiB: 20 } });
    expect(result.table()).toContain("| undecided (≤ 16 MiB)");
  });

  it("compares Socle with the other libraries, round by round", () => {
    const rounds = [2, 4].map((cpu) => ({
      "the floor": { cpu },
      other: { cpu: cpu * 2 },
      "Socle, class": { cpu },
    }));
    const { rows } = resultOf(rounds, { below: ["other"] }).data;
    expect(rows[2]!.below).toEqual({ other: { low: 0.5, median: 0.5, high: 0.5 } });
  });
});
