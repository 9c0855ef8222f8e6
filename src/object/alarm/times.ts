// When an object's alarm is wanted, and by whom: what storage keeps of it, and what the object knows in its life.
import { formed, isKnown, unknownForm, type Formed } from "../../hibernation/form.ts";
import { isWithoutSqlite } from "../../hibernation/row.ts";
import { report } from "../../reporting/log.ts";

/** An alarm that is so late, in milliseconds, isn't coming: the platform has given it up. */
export const OVERDUE = 120_000;
/** The platform takes no time after about this. */
export const LATEST = 9.2e12;

/** Present while some session has a timeout. Without it the platform's alarm is the subclass's alone. */
const ROW = "socle:alarm";
/** When the subclass wants its alarm, and how often its `onAlarm` was begun for it. */
export type Own = readonly [own: number | null, tries: number];

/** When the idle timeouts are looked at, and the alarm of the subclass. */
export type Times = [idle: number, ...Own];

/** The subclass has no alarm. */
export const NONE = [null, 0] as const;

/** What an object knows in its life, beside the row. */
export interface State {
  /** The platform's alarm comes at this time or before; Infinity if nobody has looked. */
  idle: number;
  /** When the idle timeouts are to be looked at, and have no alarm yet. */
  wanted: number;
  /** What is wanted is being seen to. */
  arming: Promise<void> | undefined;
  /** The alarm is being set: the subclass's calls wait. */
  sharing: Promise<unknown> | undefined;
  isRinging: boolean;
  /** Looks at the timeouts while it rings. */
  timer: ReturnType<typeof setTimeout>;
  /** The subclass's alarm that rings, or has rung last. */
  running: Own;
  /** The subclass's alarm is being handled: it counts as gone, but stays in the row until it is done. */
  isHandled: boolean;
  /** The last session with a timeout has gone while it rang. */
  isReleased: boolean;
  /** The storage's own methods, in whose place Socle has put others. */
  readonly platform: Platform;
}

export type Platform = Pick<DurableObjectStorage, "getAlarm" | "setAlarm" | "deleteAlarm" | "deleteAll">;

/** On the storage itself: a second object on it, as a development server makes one, goes on with the first one's. */
const STATE = Symbol.for("socle.alarm");

/** The state of a storage's alarm. */
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
    // Its alarm is the subclass's alone.
    if (isWithoutSqlite(error)) return undefined;
    throw error;
  }
}

/** @param times undefined where no session has a timeout any more */
export function writeTimes({ kv }: DurableObjectStorage, times: Times | undefined): void {
  if (times) kv.put(ROW, formed([...times]));
  else kv.delete(ROW);
}
