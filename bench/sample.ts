// What a window of a contender gives.

/** The figures of one window. The first is what is compared: less of it is better. */
export type Sample = Record<string, number>;

/** What a contender got wrong, instead of its figures. */
export type Outcome = Sample | string;
