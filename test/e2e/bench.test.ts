// How the benchmark computes its results from its rounds. The figures themselves are not tested.
import { describe, expect, it } from "vitest";

import { above, below, itself, more, ratio, within } from "../../bench/bounds.ts";
import type { Case } from "../../bench/case.ts";
import { Result } from "../../bench/results.ts";
import type { Outcome } from "../../bench/sample.ts";
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

  it("has medians decide, and nothing where the floor is too far from itself", () => {
    expect(judge(1.02, 1.02)).toBe("holds");
    expect(judge(1.021, 1.02)).toBe("missed");
    for (const [again, steady, verdict] of [
      [1.015, "holds", "missed"],
      [0.985, "holds", "missed"],
      [1.03, "missed", "undecided"],
      [0.97, "missed", "undecided"],
    ]) {
      const round = {
        "the floor": { cpu: 1 },
        "the floor again": { cpu: again as number },
        "Socle, class": { cpu: 2 },
      };
      const result = resultOf([round, round], { bounds: [ratio(1.02)] });
      expect(result.data.rows.map(({ bounds }) => bounds?.[0]?.verdict)).toEqual([undefined, steady, verdict]);
      expect(result.isUndecided).toBe(verdict === "undecided");
    }
  });

  it("compares with the floor of the same round, not with its median", () => {
    const rounds = [10, 20, 40].map((cpu) => ({ "the floor": { cpu }, "Socle, class": { cpu: cpu * 1.02 } }));
    const { rows } = resultOf(rounds, { bounds: [ratio(1.03)] }).data;
    expect(rows[1]).toMatchObject({ figures: { cpu: 20.4 }, bounds: [{ atMost: 1.03, verdict: "holds" }] });
    expect(rows[1]!.ratios!.every((one) => Math.abs(one - 1.02) < 1e-9)).toBe(true);
    expect(rows[0]).not.toHaveProperty("bounds");
  });

  it("has the bounds hold for each of Socle's, and for nobody else", () => {
    const rounds = [{ "the floor": { cpu: 1 }, other: { cpu: 2 }, "Socle, a": { cpu: 1 }, "Socle, b": { cpu: 1.2 } }];
    const { rows } = resultOf(rounds, { bounds: [ratio(1.1)] }).data;
    expect(rows.map(({ bounds }) => bounds?.[0]?.verdict)).toEqual([undefined, undefined, "holds", "missed"]);
  });

  it("has bounds of what a figure is more than the floor's, in the figure's unit", () => {
    const rounds = [1, 2, 9].map((ms) => ({
      "the floor": { "first ms": 5 * ms, "second ms": ms },
      "Socle, class": { "first ms": 5 * ms + 1.5, "second ms": ms + 0.75 },
    }));
    const result = resultOf(rounds, { bounds: [more("first ms", 1.5), more("second ms", 0.5)] });
    expect(result.data.rows[1]!.bounds).toMatchObject([
      { median: 1.5, verdict: "holds" },
      { median: 0.75, verdict: "missed" },
    ]);
    expect(result.table()).toContain("Socle, class: missed: 0.75 more second ms (≤ 0.5)");
  });

  it("has bounds of how far the ratio may be above another library's", () => {
    const round = {
      "the floor": { cpu: 100 },
      other: { cpu: 101 },
      "Socle, a": { cpu: 102 },
      "Socle, b": { cpu: 103 },
    };
    const { rows } = resultOf([round, round], { bounds: [above("other", 0.01)] }).data;
    expect(rows.map(({ bounds }) => bounds?.[0]?.verdict)).toEqual([undefined, undefined, "holds", "missed"]);
  });

  it("tells the parts of a figure: what one contender has more than another in the same round", () => {
    const rounds = [1, 3, 2].map((us) => ({
      "the floor": { us: 9 * us },
      whole: { us: 12 * us },
      half: { us: 10 * us },
    }));
    const result = resultOf(rounds, {
      parts: { router: ["whole", "half"], object: ["half", "the floor"], nobody: ["whole", "absent"] },
    });
    expect(result.data.parts).toEqual({
      router: { low: 3, median: 4, high: 5 },
      object: { low: 1.5, median: 2, high: 2.5 },
    });
    expect(result.table()).toContain("router: 4.00 us (3.00 to 5.00)");
  });

  it("says what a contender gets wrong instead of a figure, if in one round only", () => {
    const rounds = [
      { "the floor": { cpu: 1 }, other: { cpu: 1 }, "Socle, class": { cpu: 0.5 } },
      { "the floor": { cpu: 1 }, other: "it hangs", "Socle, class": { cpu: 0.5 } },
    ];
    const result = resultOf(rounds, { bounds: [below("other"), above("other", 1), ratio(1)] });
    expect(result.data.rows[1]).toEqual({ contender: "other", wrong: "it hangs" });
    expect(result.data.rows[2]!.bounds).toEqual([{ median: 0.5, atMost: 1, what: "", verdict: "holds" }]);
    expect(result.table()).toContain("| it hangs");
  });

  it("compares with another contender than the floor where the case says so", () => {
    const rounds = [2, 4].map((cpu) => ({
      "Socle, channel": { cpu },
      "Socle, channel, again": { cpu },
      "Socle, flowControl": { cpu: cpu * 1.5 },
    }));
    const result = resultOf(rounds, { base: "Socle, channel", bounds: [ratio(1.1)] });
    expect(result.data.rows[0]).not.toHaveProperty("bounds");
    expect(result.data.rows[1]!.bounds).toMatchObject([{ median: 0, atMost: 0.02, verdict: "holds" }]);
    expect(result.data.rows[2]).toMatchObject({ ratios: [1.5, 1.5], bounds: [{ atMost: 1.1, verdict: "missed" }] });
    expect(result.table()).toContain("| ratio to Socle, channel (quartiles)");
  });

  it("has bounds of the figure itself, for Socle alone", () => {
    const rounds = [1, 20, 20].map((MiB) => ({ "the floor": { MiB: 400 }, "Socle, flowControl": { MiB } }));
    const result = resultOf(rounds, { bounds: [itself(16, "MiB")] });
    expect(result.data.rows[0]).not.toHaveProperty("bounds");
    expect(result.data.rows[1]).toMatchObject({ figures: { MiB: 20 }, bounds: [{ median: 20, verdict: "missed" }] });
    expect(result.table()).toContain("Socle, flowControl: missed: 20 MiB (≤ 16)");
  });

  it("decides about a figure itself, which may be another than the first, also where the floor is too far from itself", () => {
    const round = {
      "the floor": { cpu: 1, rows: 2 },
      "the floor again": { cpu: 2, rows: 2 },
      "Socle, topics": { cpu: 1, rows: 1 },
    };
    const { rows } = resultOf([round], { bounds: [itself(1.1, "rows", "rows"), ratio(1)] }).data;
    expect(rows[2]!.bounds).toMatchObject([
      { median: 1, what: " rows", verdict: "holds" },
      { median: 1, verdict: "undecided" },
    ]);
    const alone = resultOf([round], { bounds: [itself(1.1, "rows", "rows")] });
    expect(alone.data.rows[1]).not.toHaveProperty("bounds");
    expect(alone.isUndecided).toBe(false);
  });

  it("compares one of Socle's with another of them, and none with itself", () => {
    const round = { "the floor": { cpu: 1 }, "Socle, broadcast": { cpu: 2 }, "Socle, topics": { cpu: 2.3 } };
    const { rows } = resultOf([round], { bounds: [within(1.1, "Socle, broadcast")] }).data;
    expect(rows.map(({ bounds }) => bounds?.map(({ verdict }) => verdict))).toEqual([undefined, undefined, ["missed"]]);
  });

  it("compares Socle with the other libraries, round by round", () => {
    const rounds = [2, 4].map((cpu) => ({
      "the floor": { cpu, ms: 1 },
      other: { cpu: cpu * 2, ms: cpu },
      "Socle, class": { cpu, ms: cpu * 3 },
    }));
    const { rows } = resultOf(rounds, { bounds: [below("other"), below("other", "ms")] }).data;
    expect(rows[2]!.bounds).toMatchObject([
      { median: 0.5, verdict: "holds" },
      { median: 3, what: " of other's ms", verdict: "missed" },
    ]);
  });
});
