// When an object's alarm is wanted, and by whom: the row in storage, and the state in memory.
import { formed, isKnown, unknownForm, type Formed } from "../../hibernation/form.ts";
import { isWithoutSqlite } from "../../hibernation/row.ts";
import { report } from "../../reporting/log.ts";

/** An alarm that is this late, in milliseconds, will not run: the platform has given it up. */
export const OVERDUE = 120_000;
/** The platform accepts no time later than about this. */
export const LATEST = 9.2e12;

/** Exists while some session has a timeout. Without it the platform's alarm belongs to the subclass alone. */
const ROW = "socle:alarm";
/** When the subclass wants its alarm, and how often its `onAlarm` was started for it. */
export type Own = readonly [own: number | null, tries: number];

/** When to check the timeouts, and the alarm of the subclass. */
export type Times = [idle: number, ...Own];

/** The subclass has no alarm. */
export const NONE = [null, 0] as const;

/** The state in memory. */
export interface State {
  /** The platform's alarm runs at this time or before; Infinity if that was not checked. */
  idle: number;
  /** When to check the timeouts, for which no alarm is set yet. */
  wanted: number;
  /** Set while `wanted` is being handled. */
  arming: Promise<void> | undefined;
  /** Set while the alarm is being set: the subclass's calls wait for it. */
  sharing: Promise<unknown> | undefined;
  isRinging: boolean;
  /** Checks the timeouts while the alarm runs. */
  timer: ReturnType<typeof setTimeout>;
  /** The subclass's alarm that is running, or ran last. */
  running: Own;
  /** The subclass's alarm is running: it counts as gone, but stays in the row until it is done. */
  isHandled: boolean;
  /** The last session with a timeout ended while the alarm ran. */
  isReleased: boolean;
  /** The storage's own methods, which Socle has replaced. */
  readonly platform: Platform;
}

export type Platform = Pick<DurableObjectStorage, "getAlarm" | "setAlarm" | "deleteAlarm" | "deleteAll">;

/**
 * On the storage itself: a second object on the same storage, as a development server makes one, continues with the
 * state of the first.
 */
const STATE = Symbol.for("socle.alarm");

export function stateOf(storage: DurableObjectStorage): State {
  const shared = storage as DurableObjectStorage & { [STATE]?: State };
  return (shared[STATE] ??= {
    idle: Infinity,
    wanted: Infinity,
    arming: undefined,
    sharing: undefined,
    isRinging: false,
    timer: 0 as never,
    running: NONE,
    isHandled: false,
    isReleased: false,
    platform: {
      getAlarm: storage.getAlarm.bind(storage),
      setAlarm: storage.setAlarm.bind(storage),
      deleteAlarm: storage.deleteAlarm.bind(storage),
      deleteAll: storage.deleteAll.bind(storage),
    },
  });
}

export function readTimes({ kv }: DurableObjectStorage): Times | undefined {
  try {
    const times = kv.get<Times & Formed>(ROW);
    if (!times || isKnown(times)) return times;
    report("the alarm's row can't be read, so all of it counts as due", unknownForm(times));
    return [0, 0, 0];
  } catch (error) {
    // Without SQLite the alarm belongs to the subclass alone.
    if (isWithoutSqlite(error)) return undefined;
    throw error;
  }
}

/** @param times undefined if no session has a timeout any more */
export function writeTimes({ kv }: DurableObjectStorage, times: Times | undefined): void {
  if (times) kv.put(ROW, formed([...times]));
  else kv.delete(ROW);
}
