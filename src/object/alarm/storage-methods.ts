// The storage's methods for alarms, as the subclass sees them: while a session has a timeout, they act on the
// subclass's own alarm.
import { DeploymentError } from "../../api/errors.ts";
import { LATEST, NONE, type State, type Times } from "./times.ts";

/** The subclass that shares the alarm, if it has the method. */
export interface Subclass {
  onAlarm?(info?: AlarmInvocationInfo): unknown;
}

/** The part of the object's alarm that they need. */
export interface SharedAlarm {
  readonly subclass: Subclass;
  /** The object is new or has crashed. */
  readonly isFresh: boolean;
  readonly times: Times | undefined;
  set(times: Times): Promise<void>;
  /** Handles the timeouts that are due, and returns when to look again. */
  sweep(now: number): number | undefined;
  /** All storage was deleted. */
  emptied(): void;
}

/**
 * Replaces the platform's methods. The class is only compiled when one is called, which in most objects never happens.
 */
export function shareMethods(storage: DurableObjectStorage, state: State, alarm: SharedAlarm): void {
  const methods = new StorageMethods(state, alarm);
  storage.getAlarm = (options) => methods.getAlarm(options);
  storage.setAlarm = (time, options) => methods.setAlarm(time, options);
  storage.deleteAlarm = (options) => methods.deleteAlarm(options);
  storage.deleteAll = (options) => methods.deleteAll(options);
}

class StorageMethods {
  readonly #state: State;
  readonly #alarm: SharedAlarm;

  constructor(state: State, alarm: SharedAlarm) {
    this.#state = state;
    this.#alarm = alarm;
  }

  getAlarm(options?: DurableObjectGetAlarmOptions): Promise<number | null> {
    const state = this.#state;
    const alarm = this.#alarm;
    const { platform } = state;
    return this.#shared(
      // A class without onAlarm doesn't ask: a test runner does, for the object's alarm.
      async ([idle, set]) => {
        if (!alarm.subclass.onAlarm) return platform.getAlarm(options);
        const isDue = set !== null && set <= Date.now() && !state.isRinging;
        // The platform gave it up, or it was aborted and will not run again.
        if (isDue && (await platform.getAlarm()) === null) await alarm.set([alarm.isFresh ? Infinity : idle, ...NONE]);
        else if (!state.isHandled) return set;
        return null;
      },
      () => platform.getAlarm(options),
    );
  }

  setAlarm(time: number | Date, options?: DurableObjectSetAlarmOptions): Promise<void> {
    const { platform } = this.#state;
    if (!this.#alarm.subclass.onAlarm) {
      throw new DeploymentError("setAlarm needs the method onAlarm in the class.");
    }
    const milliseconds = Number(time);
    // The platform throws the error for an invalid time.
    if (!(milliseconds > 0 && milliseconds < LATEST)) return platform.setAlarm(time, options);
    return this.#shared(
      (times) => this.#own(times, milliseconds),
      () => platform.setAlarm(time, options),
    );
  }

  deleteAlarm(options?: DurableObjectSetAlarmOptions): Promise<void> {
    return this.#shared(
      (times) => this.#own(times, null),
      () => this.#state.platform.deleteAlarm(options),
    );
  }

  /** Runs immediately, as the platform's does: later writes stay. */
  deleteAll(options?: DurableObjectPutOptions): Promise<void> {
    const { sharing } = this.#state;
    return sharing ? sharing.then(() => this.#deleteAll(options)) : this.#deleteAll(options);
  }

  #deleteAll(options?: DurableObjectPutOptions): Promise<void> {
    const state = this.#state;
    const alarm = this.#alarm;
    const { times } = alarm;
    const deleting = state.platform.deleteAll(options);
    // Any later request for an alarm needs to set one.
    state.idle = Infinity;
    alarm.emptied();
    if (!times) return deleting;
    const sharing = deleting
      .then(async () => {
        // The sessions are still there. Whether the alarm is depends on the compatibility date.
        const [, ...set] = times;
        const rest = (await state.platform.getAlarm()) === null ? NONE : set;
        state.isHandled = false;
        await alarm.set([alarm.sweep(Date.now()) ?? Infinity, ...rest]);
      })
      .finally(() => (state.sharing = undefined));
    state.sharing = sharing;
    return sharing;
  }

  /** Uses Socle's row if a session has a timeout, otherwise the platform. Waits while the alarm is being set. */
  #shared<T>(ours: (times: Times) => Promise<T>, theirs: () => Promise<T>): Promise<T> {
    const { sharing } = this.#state;
    const run = () => (this.#alarm.times ? ours(this.#alarm.times) : theirs());
    return sharing ? sharing.then(run) : run();
  }

  #own([idle]: Times, time: number | null): Promise<void> {
    this.#state.isHandled = false;
    return this.#alarm.set([idle, time, 0]);
  }
}
