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
  /** All in storage was deleted. */
  emptied(): void;
}

/** Puts them in the place of the platform's. They are compiled when they are called, which in most objects is never. */
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
      // Who has no alarm of its own is a test's runner, and asks for the object's.
      async ([idle, set]) => {
        if (!alarm.subclass.onAlarm) return platform.getAlarm(options);
        const isDue = set !== null && set <= Date.now() && !state.isRinging;
        // It was given up, or aborted not to come again.
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
    // The platform says what is wrong with it.
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

  /** At once, as the platform does: what is written behind it stays. */
  deleteAll(options?: DurableObjectPutOptions): Promise<void> {
    const { sharing } = this.#state;
    return sharing ? sharing.then(() => this.#deleteAll(options)) : this.#deleteAll(options);
  }

  #deleteAll(options?: DurableObjectPutOptions): Promise<void> {
    const state = this.#state;
    const alarm = this.#alarm;
    const { times } = alarm;
    const deleting = state.platform.deleteAll(options);
    // What asks for an alarm from now on needs one.
    state.idle = Infinity;
    alarm.emptied();
    if (!times) return deleting;
    const sharing = deleting
      .then(async () => {
        // The sessions are still there. Whether the alarms are depends on the compatibility date.
        const [, ...set] = times;
        const rest = (await state.platform.getAlarm()) === null ? NONE : set;
        state.isHandled = false;
        await alarm.set([alarm.sweep(Date.now()) ?? Infinity, ...rest]);
      })
      .finally(() => (state.sharing = undefined));
    state.sharing = sharing;
    return sharing;
  }

  /** By our row where a session has a timeout, else by the platform; when the alarm is not being set. */
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
