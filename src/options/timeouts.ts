// `idleTimeoutMs`, `clientTimeoutMs`: how long a session may be silent. The object's alarm checks what is due.
import { ACTIVE_UNTIL, CLIENT_TIMEOUT, HEARD_UNTIL, IDLE_TIMEOUT, type Limits } from "../hibernation/limits.ts";
import type { Subject } from "../session/subject.ts";
import { TIMEOUT } from "./check.ts";
import type { Option } from "./option.ts";

/** Each timeout's places in the limits: its milliseconds, and the time to which it is put off. */
const IDLE = [IDLE_TIMEOUT, ACTIVE_UNTIL] as const;
const CLIENT = [CLIENT_TIMEOUT, HEARD_UNTIL] as const;

export const timeouts = {
  checks: { idleTimeoutMs: TIMEOUT, clientTimeoutMs: TIMEOUT },
  defaults: { idleTimeoutMs: 0 },
  inherited: { idleTimeoutMs: "defaultMaxSessionIdleTimeout" },
  variant: (limits) => [limits[IDLE_TIMEOUT] > 0, limits[CLIENT_TIMEOUT]! > 0],
  part(_, limits) {
    const sent = limits[IDLE_TIMEOUT] ? (session: Subject) => putOff(session, IDLE) : undefined;
    const heard = limits[CLIENT_TIMEOUT] ? (session: Subject) => putOff(session, CLIENT) : undefined;
    if (!sent && !heard) return undefined;
    const came = (session: Subject) => {
      sent?.(session);
      heard?.(session);
    };
    return {
      accepted(session) {
        // Also if onOpen has set a timeout: the sweep has skipped the session so far.
        session.limits[ACTIVE_UNTIL] = 0;
        came(session);
      },
      receive(session, message, take) {
        if (!session.dispatch.isFull) came(session);
        return take(session, message);
      },
      // Messages to a client say nothing about whether it is alive, so they don't call `heard`.
      sent,
      heard,
    };
  },
} as const satisfies Option<"idleTimeoutMs" | "clientTimeoutMs">;

function putOff(session: Subject, [timeout, until]: typeof IDLE | typeof CLIENT): void {
  const { limits } = session;
  const milliseconds = limits[timeout]!;
  const now = Date.now();
  if (!session.isOpen || now < limits[until]!) return;
  const end = spanEnd(now, milliseconds);
  session.limit(until, end);
  session.wake(end + milliseconds);
}

export const hasTimeout = (limits: Limits): boolean => Boolean(limits[IDLE_TIMEOUT] || limits[CLIENT_TIMEOUT]);

/** Whether each timeout has started. */
export const isUnderWay = (limits: Limits): boolean =>
  [IDLE, CLIENT].every(([timeout, until]) => !limits[timeout] || limits[until]);

/**
 * When the first of a session's timeouts is due; Infinity if it has none.
 *
 * @param answered when the platform last answered the client by itself, which puts off both timeouts
 */
export const dueTime = (limits: Limits, answered: number): number =>
  [IDLE, CLIENT].reduce((due, [timeout, until]) => {
    const milliseconds = limits[timeout];
    if (!milliseconds) return due;
    return Math.min(due, Math.max(limits[until]!, answered && spanEnd(answered, milliseconds)) + milliseconds);
  }, Infinity);

/**
 * The end of the span in which a message arrived. Activity is written once per span, a twentieth of the timeout or a
 * second. All sessions with the same timeout share the same spans, so one alarm serves many of them.
 */
function spanEnd(time: number, timeout: number): number {
  const span = Math.max(Math.ceil(timeout / 20), 1000);
  return (Math.floor(time / span) + 1) * span;
}
