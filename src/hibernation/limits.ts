// What a session may take: how much at once, how often, and how long it may be silent. Nothing of sockets here.

/**
 * A session's limits and where it stands against them. They change while it lives, and hibernate with it as they are: names
 * would cost with each change.
 */
export type Limits = [
  idleTimeout: number,
  textSize: number,
  binarySize: number,
  /** The last message came or went before this time. */
  activeUntil: number,
  /** The messages so far have used up the rate limit's budget until this time. */
  spentUntil: number,
  /** What a client of `socle.v1` has not taken, as that keeps it. */
  credit?: number[] | undefined,
  clientTimeout?: number | undefined,
  /** Something last came from the client before this time. */
  heardUntil?: number,
  /** Which of them the session has set itself, a bit each. 0.1.0 did not say. */
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

/** The options with which a session begins. */
interface LimitOptions {
  readonly idleTimeoutMs: number;
  readonly clientTimeoutMs?: number | undefined;
  readonly maxTextMessageBufferSize: number;
  readonly maxBinaryMessageBufferSize: number;
}

export function limitsOf(config: LimitOptions): Limits {
  const { idleTimeoutMs, maxTextMessageBufferSize, maxBinaryMessageBufferSize, clientTimeoutMs } = config;
  // Without a hole: structured clone would write each by its index.
  return [idleTimeoutMs, maxTextMessageBufferSize, maxBinaryMessageBufferSize, 0, 0, undefined, clientTimeoutMs, 0, 0];
}

/** A session sets one of them itself: no deploy changes it. */
export function own(limits: Limits, index: keyof Limits & number): void {
  if (limits[OWN] !== undefined) limits[OWN] |= 1 << index;
}

/** Of those that were kept, what the session did not set itself becomes what it is now. */
export function renewLimits(config: LimitOptions, kept: Limits): Limits {
  const { [OWN]: bits } = kept;
  if (bits === undefined) return kept;
  const now = limitsOf(config);
  for (const index of [IDLE_TIMEOUT, TEXT_SIZE, BINARY_SIZE, CLIENT_TIMEOUT] as const) {
    if (bits & (1 << index) || kept[index] === now[index]) continue;
    kept[index] = now[index]!;
    // Put off by the former timeout: that may be for longer than this one.
    if (index === IDLE_TIMEOUT) kept[ACTIVE_UNTIL] = 0;
    if (index === CLIENT_TIMEOUT) kept[HEARD_UNTIL] = 0;
  }
  return kept;
}
