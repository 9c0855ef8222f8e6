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
  clientTimeout?: number,
  /** Something last came from the client before this time. */
  heardUntil?: number,
];

export const IDLE_TIMEOUT = 0;
export const TEXT_SIZE = 1;
export const BINARY_SIZE = 2;
export const ACTIVE_UNTIL = 3;
export const SPENT_UNTIL = 4;
export const CREDIT = 5;
export const CLIENT_TIMEOUT = 6;
export const HEARD_UNTIL = 7;

/** The options with which a session begins. */
interface LimitOptions {
  readonly idleTimeoutMs: number;
  readonly clientTimeoutMs?: number | undefined;
  readonly maxTextMessageBufferSize: number;
  readonly maxBinaryMessageBufferSize: number;
}

export function limitsOf(config: LimitOptions): Limits {
  const { idleTimeoutMs, maxTextMessageBufferSize, maxBinaryMessageBufferSize, clientTimeoutMs } = config;
  const limits: Limits = [idleTimeoutMs, maxTextMessageBufferSize, maxBinaryMessageBufferSize, 0, 0];
  if (clientTimeoutMs) limits.push(undefined, clientTimeoutMs, 0);
  return limits;
}
