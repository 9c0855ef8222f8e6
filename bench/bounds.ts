// What a case asks of a contender's figures: a number that each round gives, and the most that its median may be.
import type { Sample } from "./sample.ts";

/** A round's figures of a contender, of the one that the case compares with, and of any other that got all right. */
export interface Compared {
  mine: Sample;
  base: Sample;
  other: (name: string) => Sample | undefined;
}

export interface Bound {
  readonly atMost: number;
  /** What the number is, as it is written behind it. */
  readonly what: string;
  /** It says nothing of the others, nor does it take from it how far the base is from itself. */
  readonly isAlone?: boolean;
  /** Undefined where the other has no figures. */
  readonly value: (compared: Compared) => number | undefined;
}

/** The figure that is compared where a case has several. */
export const first = (sample: Sample): number => Object.values(sample)[0]!;

/** Of the base's figure. */
export const ratio = (atMost: number): Bound => ({
  atMost,
  what: "",
  value: ({ mine, base }) => first(mine) / first(base),
});

/** Of another contender's figure. */
export const within = (atMost: number, name: string, figure?: string): Bound => ({
  atMost,
  what: ` of ${name}${figure === undefined ? "" : `'s ${figure}`}`,
  value: ({ mine, other }) => {
    const its = other(name);
    const of = (sample: Sample) => (figure === undefined ? first(sample) : sample[figure]!);
    // It is not asked to be less than itself.
    return its && its !== mine ? of(mine) / of(its) : undefined;
  },
});

/** No more than another contender's. */
export const below = (name: string, figure?: string): Bound => within(1, name, figure);

/** How much the ratio may be above the one that another contender has. */
export const above = (name: string, atMost: number): Bound => ({
  atMost,
  what: ` above ${name}`,
  value: ({ mine, base, other }) => {
    const its = other(name);
    return its && (first(mine) - first(its)) / first(base);
  },
});

/** How much more than the base's a figure may be, in its own unit. */
export const more = (figure: string, atMost: number): Bound => ({
  atMost,
  what: ` more ${figure}`,
  value: ({ mine, base }) => mine[figure]! - base[figure]!,
});

/** Of a figure itself, the first if not said otherwise, whatever the others have. */
export const itself = (atMost: number, unit: string, figure?: string): Bound => ({
  atMost,
  what: ` ${unit}`,
  isAlone: true,
  value: ({ mine }) => (figure === undefined ? first(mine) : mine[figure]!),
});

/** How far from itself the base may be, where it takes part twice: beyond that the run is too noisy to say anything. */
export const STEADY: Bound = {
  atMost: 0.02,
  what: " from itself",
  value: ({ mine, base }) => first(mine) / first(base) - 1,
};
