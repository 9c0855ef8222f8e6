// Statistics of a few noisy rounds.

/** The quantile of the values, interpolated between two of them. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const low = Math.floor(place);
  const [a = NaN, b = a] = sorted.slice(low, low + 2);
  return a + (b - a) * (place - low);
}

/** The median of each figure. */
export const medians = (samples: readonly Record<string, number>[]): Record<string, number> =>
  Object.fromEntries(
    Object.keys(samples[0]!).map((key) => [
      key,
      quantile(
        samples.map((sample) => sample[key]!),
        0.5,
      ),
    ]),
  );

export interface Spread {
  median: number;
  low: number;
  high: number;
}

export const spread = (values: readonly number[]): Spread => ({
  median: quantile(values, 0.5),
  low: quantile(values, 0.25),
  high: quantile(values, 0.75),
});

export type Verdict = "holds" | "missed" | "undecided";

/** The median decides, but a run that is too noisy is undecided. */
export const judge = (median: number, atMost: number, isSteady = true): Verdict => {
  if (!isSteady) return "undecided";
  return median <= atMost ? "holds" : "missed";
};
