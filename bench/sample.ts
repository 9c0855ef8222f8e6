// The sample that a window of a contender gives.

/** The figures of one window. The first is compared, and less is better. */
export type Sample = Record<string, number>;

/** What a contender got wrong, instead of its figures. */
export type Outcome = Sample | string;
