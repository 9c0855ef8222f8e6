// Timers, and the clock that is looked at beside them.

export type Timer = ReturnType<typeof setTimeout>;

/** In milliseconds, by a clock that the time of day doesn't move. */
export const now = (): number => ((globalThis as { performance?: Performance }).performance ?? Date).now();
