// A session's limits: size and rate of messages, and silence. Nothing about sockets is here.

/**
 * A session's limits and its use of them. They change during the session and hibernate as they are; names would cost
 * with each change.
 */
export type Limits = [
  idleTimeout: number,
  textSize: number,
  binarySize: number,
  /** The last message was sent or received before this time. */
  activeUntil: number,
  /** The messages so far have used up the rate limit's budget until this time. */
  spentUntil: number,
  /** What a client of `socle.v1` has not acknowledged, in the form of credit.ts. */
  credit?: number[] | undefined,
  clientTimeout?: number | undefined,
  /** The client last sent something before this time. */
  heardUntil?: number,
  /** A bit for each limit that the session has set itself. Absent if 0.1.0 kept it. */
  own?: number,
];

export const IDLE_TIMEOUT = 0;
export const TEXT_SIZE = 1;
export const BINARY_SIZE = 2;
export const ACTIVE_UNTIL = 3;
export const SPENT_UNTIL = 4;
export const CREDIT = 5;
export const CLIENT_TIMEOUT = 6;
export const HEARD_UNTIL = 7;
const OWN = 8;

/** The options with the initial limits of a session. */
interface LimitOptions {
  readonly idleTimeoutMs: number;
  readonly clientTimeoutMs?: number | undefined;
  readonly maxTextMessageBufferSize: number;
  readonly maxBinaryMessageBufferSize: number;
}

export function limitsOf(config: LimitOptions): Limits {
  const { idleTimeoutMs, maxTextMessageBufferSize, maxBinaryMessageBufferSize, clientTimeoutMs } = config;
  // Without holes: structured clone would write each element with its index.
  return [idleTimeoutMs, maxTextMessageBufferSize, maxBinaryMessageBufferSize, 0, 0, undefined, clientTimeoutMs, 0, 0];
}

/** The session sets a limit itself: no deploy changes it. */
export function own(limits: Limits, index: keyof Limits & number): void {
  if (limits[OWN] !== undefined) limits[OWN] |= 1 << index;
}

/** Replaces kept limits with the current ones, except those that the session has set itself. */
export function renewLimits(config: LimitOptions, kept: Limits): Limits {
  const { [OWN]: bits } = kept;
  if (bits === undefined) return kept;
  const now = limitsOf(config);
  for (const index of [IDLE_TIMEOUT, TEXT_SIZE, BINARY_SIZE, CLIENT_TIMEOUT] as const) {
    if (bits & (1 << index) || kept[index] === now[index]) continue;
    kept[index] = now[index]!;
    // The previous timeout may have put it off for longer than the new one allows.
    if (index === IDLE_TIMEOUT) kept[ACTIVE_UNTIL] = 0;
    if (index === CLIENT_TIMEOUT) kept[HEARD_UNTIL] = 0;
  }
  return kept;
}
