// The storage's methods for alarms, which the subclass goes on using: while a session has a timeout they are about its own.
import { DeploymentError } from "../../api/errors.ts";
import { LATEST, NONE, type State, type Times } from "./times.ts";

/** Whose alarm it shares: the subclass, if it has the method. */
export interface Subclass {
  onAlarm?(info?: AlarmInvocationInfo): unknown;
}

/** What they need of the object's alarm. */
export interface SharedAlarm {
  readonly subclass: Subclass;
  /** The object is new, or a crash lies behind it. */
  readonly isFresh: boolean;
  readonly times: Times | undefined;
  set(times: Times): Promise<void>;
  /** Looks at the timeouts, and tells when to look again. */
  sweep(now: number): number | undefined;
}

/** Puts others in the place of the platform's. */
export function shareMethods(storage: DurableObjectStorage, state: State, alarm: SharedAlarm): void {
  const { platform } = state;
  const { subclass } = alarm;
  const shared = <T>(ours: (times: Times) => Promise<T>, theirs: () => Promise<T>): Promise<T> => {
    const run = () => (alarm.times ? ours(alarm.times) : theirs());
    return state.sharing ? state.sharing.then(run) : run();
  };
  const own = ([idle]: Times, time: number | null): Promise<void> => {
    state.isHandled = false;
    return alarm.set([idle, time, 0]);
  };
  storage.getAlarm = (options) =>
    shared(
      // Who has no alarm of its own is a test's runner, and asks for the object's.
      async ([idle, set]) => {
        if (!subclass.onAlarm) return platform.getAlarm(options);
        const isDue = set !== null && set <= Date.now() && !state.isRinging;
        // It was given up, or aborted not to come again.
        if (isDue && (await platform.getAlarm()) === null) await alarm.set([alarm.isFresh ? Infinity : idle, ...NONE]);
        else if (!state.isHandled) return set;
        return null;
      },
      () => platform.getAlarm(options),
    );
  storage.setAlarm = (time, options) => {
    if (!subclass.onAlarm) {
      throw new DeploymentError("setAlarm needs the method onAlarm in the class.");
    }
    const milliseconds = Number(time);
    // The platform says what is wrong with it.
    if (!(milliseconds > 0 && milliseconds < LATEST)) return platform.setAlarm(time, options);
    return shared(
      (times) => own(times, milliseconds),
      () => platform.setAlarm(time, options),
    );
  };
  storage.deleteAlarm = (options) =>
    shared(
      (times) => own(times, null),
      () => platform.deleteAlarm(options),
    );
  const deleteAll = (options?: DurableObjectPutOptions): Promise<void> => {
    const times = alarm.times;
    const deleting = platform.deleteAll(options);
    if (!times) return deleting;
    const sharing = deleting
      .then(async () => {
        // The sessions are still there. Whether the alarms are depends on the compatibility date.
        const [, ...set] = times;
        const rest = (await platform.getAlarm()) === null ? NONE : set;
        state.isHandled = false;
        await alarm.set([alarm.sweep(Date.now()) ?? Infinity, ...rest]);
      })
      .finally(() => (state.sharing = undefined));
    state.sharing = sharing;
    return sharing;
  };
  // At once, as the platform does: what is written behind it stays.
  storage.deleteAll = (options) => (state.sharing ? state.sharing.then(() => deleteAll(options)) : deleteAll(options));
}
