// A bound on a contender's figures: a number that each round gives, and the most that its median may be.
import type { Sample } from "./sample.ts";

/** The figures of one round: of the contender, of the base that the case compares with, and of any other that has some. */
export interface Compared {
  mine: Sample;
  base: Sample;
  other: (name: string) => Sample | undefined;
}

export interface Bound {
  readonly atMost: number;
  /** What the number means, printed after it. */
  readonly what: string;
  /** It compares with no other contender, so a noisy base doesn't make it undecided. */
  readonly isAlone?: boolean;
  /** Undefined if the other contender has no figures. */
  readonly value: (compared: Compared) => number | undefined;
}

/** The figure that is compared if a case has several. */
export const first = (sample: Sample): number => Object.values(sample)[0]!;

/** The ratio to the base's figure. */
export const ratio = (atMost: number): Bound => ({
  atMost,
  what: "",
  value: ({ mine, base }) => first(mine) / first(base),
});

/** The ratio to another contender's figure. */
export const within = (atMost: number, name: string, figure?: string): Bound => ({
  atMost,
  what: ` of ${name}${figure === undefined ? "" : `'s ${figure}`}`,
  value: ({ mine, other }) => {
    const its = other(name);
    const of = (sample: Sample) => (figure === undefined ? first(sample) : sample[figure]!);
    // A contender isn't compared with itself.
    return its && its !== mine ? of(mine) / of(its) : undefined;
  },
});

/** No more than another contender's. */
export const below = (name: string, figure?: string): Bound => within(1, name, figure);

/** How much the ratio to the base may exceed another contender's ratio. */
export const above = (name: string, atMost: number): Bound => ({
  atMost,
  what: ` above ${name}`,
  value: ({ mine, base, other }) => {
    const its = other(name);
    return its && (first(mine) - first(its)) / first(base);
  },
});

/** How much a figure may exceed the base's, in its own unit. */
export const more = (figure: string, atMost: number): Bound => ({
  atMost,
  what: ` more ${figure}`,
  value: ({ mine, base }) => mine[figure]! - base[figure]!,
});

/** An absolute limit of a figure, by default the first, whatever the others have. */
export const itself = (atMost: number, unit: string, figure?: string): Bound => ({
  atMost,
  what: ` ${unit}`,
  isAlone: true,
  value: ({ mine }) => (figure === undefined ? first(mine) : mine[figure]!),
});

/** How much the base may differ from itself if it takes part twice. Above that the run is too noisy to decide anything. */
export const STEADY: Bound = {
  atMost: 0.02,
  what: " from itself",
  value: ({ mine, base }) => first(mine) / first(base) - 1,
};
