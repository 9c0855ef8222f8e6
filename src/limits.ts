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

/** What of the limits each timeout is: its milliseconds, and until when it is put off. */
const TIMEOUTS = [
  [IDLE_TIMEOUT, ACTIVE_UNTIL],
  [CLIENT_TIMEOUT, HEARD_UNTIL],
] as const;

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

export const hasTimeout = (limits: Limits): boolean => TIMEOUTS.some(([timeout]) => limits[timeout]);

/**
 * When the first of a session's timeouts is due; Infinity if it has none.
 *
 * @param answered when the platform last answered the client by itself: that puts off all of them
 */
export const dueTime = (limits: Limits, answered: number): number =>
  TIMEOUTS.reduce((due, [timeout, until]) => {
    const milliseconds = limits[timeout];
    if (!milliseconds) return due;
    return Math.min(due, Math.max(limits[until]!, answered && spanEnd(answered, milliseconds)) + milliseconds);
  }, Infinity);

/**
 * The end of the span in which a message came. Activity is written once per span, a twentieth of the timeout or a second.
 * All sessions with the same timeout have the same spans, so that one alarm serves many of them.
 */
export function spanEnd(time: number, timeout: number): number {
  const span = Math.max(Math.ceil(timeout / 20), 1000);
  return (Math.floor(time / span) + 1) * span;
}

/** Whether a message has more bytes than it may. A text is encoded only if its length leaves that open. */
export const isOver = (message: string | ArrayBuffer, max: number): boolean =>
  typeof message !== "string"
    ? message.byteLength > max
    : message.length * 3 > max && (message.length > max || new TextEncoder().encode(message).length > max);

/**
 * Takes one message from the budget of a token bucket, told by the time at which it will be full again.
 *
 * @returns the new such time; undefined if the budget is used up
 */
export function spend(
  { messages, perMs }: { messages: number; perMs: number },
  spentUntil: number,
  now: number,
): number | undefined {
  const spent = Math.max(spentUntil, now) + perMs / messages;
  // A little more, because the fractions add up inexactly.
  return spent - now > perMs + Math.min(perMs / messages / 2, 1) ? undefined : spent;
}
