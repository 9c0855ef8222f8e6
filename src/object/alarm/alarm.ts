// The object's only alarm, shared by the timeouts of its sessions and by a subclass that sets its own.
import { isUnmarked } from "../../hibernation/life.ts";
import { wrote } from "../../hibernation/rollback.ts";
import { isWithoutSqlite } from "../../hibernation/row.ts";
import { placeOf, report, type Place } from "../../reporting/log.ts";
import { shareMethods, type SharedAlarm, type Subclass } from "./storage-methods.ts";
import {
  LATEST,
  NONE,
  OVERDUE,
  readTimes,
  stateOf,
  writeTimes,
  type Own,
  type Platform,
  type State,
  type Times,
} from "./times.ts";

/** As many retries as the platform makes, with its delays: 2 s first, then doubled each time. */
const RETRIES = 6;
/** How often to check whether an alarm that a crash interrupted runs again, in milliseconds. */
const PAUSE = 500;

export class Alarm implements SharedAlarm {
  readonly #storage: DurableObjectStorage;
  readonly subclass: Subclass;
  readonly #platform: Platform;
  readonly #state: State;
  readonly sweep: (now: number) => number | undefined;
  readonly emptied: () => void;
  /** The object is new or has crashed, so all its sockets are newer. */
  readonly isFresh: boolean;
  readonly #place: Place;

  /**
   * Replaces the storage's methods for alarms, so that the subclass can keep using them.
   *
   * @param sweep handles what is due, and returns when to look again
   * @param emptied is called when all storage was deleted
   */
  constructor(
    ctx: DurableObjectState,
    subclass: Subclass,
    sweep: (now: number) => number | undefined,
    emptied: () => void,
  ) {
    const { storage } = ctx;
    this.#storage = storage;
    this.subclass = subclass;
    this.sweep = sweep;
    this.emptied = emptied;
    this.#place = placeOf(ctx);
    // A crash removes the mark, see life.ts.
    this.isFresh = isUnmarked(ctx);
    this.#state = stateOf(storage);
    this.#platform = this.#state.platform;
    shareMethods(storage, this.#state, this);
  }

  /** Requests a sweep at this time or before, and also at an earlier time for which no alarm could be set. */
  async wake(time: number): Promise<void> {
    const state = this.#state;
    if (time < state.idle || state.idle <= Date.now() - OVERDUE) {
      state.wanted = Math.min(state.wanted, time);
      // The platform's alarm is not changed while it runs: the platform would not retry it.
      if (state.isRinging) {
        const [, ...own] = this.times ?? ([Infinity, ...state.running] as Times);
        writeTimes(this.#storage, [state.wanted, ...own]);
        wrote(this.#storage, this);
        this.#watch();
      }
    }
    if (state.wanted < Infinity) await (state.arming ??= this.#arm().finally(() => (state.arming = undefined)));
  }

  /** An alarm could not be set; the object's next event tries again. */
  get isMissing(): boolean {
    return this.#state.wanted < Infinity && !this.#state.arming && !this.#state.isRinging;
  }

  /** A transaction may have undone the alarm that was set in it, so it has to be checked again. */
  rewrite(): void {
    const state = this.#state;
    state.wanted = Math.min(state.wanted, state.idle);
    state.idle = Infinity;
    const [, own, tries] = this.times ?? [];
    const [handled, begun] = state.running;
    if (state.isRinging) state.isHandled = own === handled && tries === begun;
  }

  /** The last session with a timeout has ended. */
  async release(): Promise<void> {
    const state = this.#state;
    state.isReleased = state.isRinging;
    await state.sharing;
    const times = this.times;
    if (times && !state.isRinging) await this.set([this.sweep(Date.now()) ?? Infinity, times[1], times[2]]);
  }

  /**
   * The platform's alarm runs: on time, late, or as a retry.
   *
   * @param info absent only if a test runner calls the alarm; it has deleted the subclass's alarm before
   */
  async ring(info: AlarmInvocationInfo | undefined): Promise<void> {
    const state = this.#state;
    state.isRinging = true;
    state.running = NONE;
    try {
      await state.sharing;
      const times = this.times;
      await (times ? this.#ring(times, info) : this.#ringAlone(info));
    } finally {
      clearTimeout(state.timer);
      Object.assign(state, { isRinging: false, isHandled: false, isReleased: false });
    }
    await this.#unlessRun(this.wake(Infinity));
  }

  async #ring([looked, own, begun]: Times, info: AlarmInvocationInfo | undefined): Promise<void> {
    const state = this.#state;
    const now = Date.now();
    // A time that was not checked in this life belongs to sessions that a crash has ended.
    const isStale = this.isFresh && state.idle === Infinity;
    const next = looked > now && !isStale ? looked : (this.sweep(now) ?? Infinity);
    state.idle = next;
    const isDue = own === null ? !info : own <= now;
    // A crash during onAlarm is a failure too, which the platform reports.
    const tries = Math.max(begun, info?.retryCount ?? 0);
    if (next === Infinity && tries === 0) {
      // From here on the platform's alarm belongs to the subclass alone.
      writeTimes(this.#storage, undefined);
      if (!isDue) return own === null ? undefined : await this.#platform.setAlarm(own);
      await this.#storage.sync();
      return this.#ringAlone(info);
    }
    let rest: Own = isDue ? NONE : [own, begun];
    if (isDue && tries <= RETRIES) {
      const scheduledTime = own ?? now;
      writeTimes(this.#storage, [next, scheduledTime, tries + 1]);
      // onAlarm may reset the object, which loses what is not committed.
      await this.#storage.sync();
      rest = await this.#run({ scheduledTime, isRetry: tries > 0, retryCount: tries });
    }
    if (state.isReleased) state.idle = this.sweep(Date.now()) ?? Infinity;
    await this.#goOn([Math.min(state.idle, state.wanted), ...rest]);
  }

  /** `onAlarm` may run for minutes, and keeps the object awake: a timer closes sessions that become due meanwhile. */
  #watch(): void {
    const state = this.#state;
    clearTimeout(state.timer);
    const due = Math.min(state.idle, state.wanted);
    if (due === Infinity) return;
    state.timer = setTimeout(() => {
      Object.assign(state, { idle: this.sweep(Date.now()) ?? Infinity, wanted: Infinity });
      this.#watch();
    }, due - Date.now());
  }

  /** If the alarm can't be set, the object's next event tries again. */
  #goOn(times: Times): Promise<void> {
    const setting = this.set(times).catch((error: unknown) => {
      this.#state.wanted = Math.min(this.#state.wanted, times[0], times[1] ?? Infinity);
      throw error;
    });
    return this.#unlessRun(setting);
  }

  /**
   * An error makes the platform run the alarm again. After onAlarm has run it is only logged, because onAlarm must not
   * run twice.
   */
  async #unlessRun(setting: Promise<void>): Promise<void> {
    try {
      await setting;
    } catch (error) {
      if (this.#state.running === NONE) throw error;
      report("the alarm for idle timeouts can't be set", error, this.#place);
    }
  }

  /** The platform retries the subclass's alarm, unless a session with a timeout has opened meanwhile. */
  async #ringAlone(info: AlarmInvocationInfo | undefined): Promise<void> {
    const { scheduledTime = Date.now(), retryCount = 0 } = info ?? {};
    const state = this.#state;
    state.running = [scheduledTime, retryCount + 1];
    let failure: { error: unknown } | undefined;
    try {
      await this.subclass.onAlarm?.(info);
    } catch (error) {
      failure = { error };
    }
    const times = this.times;
    if (!times && failure) throw failure.error;
    if (!times) return;
    const set = await this.#platform.getAlarm();
    const rest: Own = failure ? this.#failed(failure.error, retryCount) : NONE;
    await this.#goOn([times[0], ...(set === null ? rest : ([set, 0] as const))]);
  }

  /** Runs the subclass's alarm. @returns its next alarm */
  async #run(info: AlarmInvocationInfo): Promise<Own> {
    const state = this.#state;
    let rest: Own = NONE;
    state.isHandled = true;
    state.running = [info.scheduledTime, info.retryCount + 1];
    this.#watch();
    try {
      await this.subclass.onAlarm?.(info);
    } catch (error) {
      rest = this.#failed(error, info.retryCount);
    }
    // onAlarm may have set another alarm, or deleted it.
    if (!state.isHandled) [, ...rest] = this.times ?? [Infinity, ...NONE];
    return rest;
  }

  /**
   * Socle retries onAlarm itself, with the platform's delays: the platform would run the timeouts again with it, and
   * give up on both.
   */
  #failed(error: unknown, tries: number): Own {
    report("onAlarm failed", error, this.#place);
    return tries < RETRIES ? [Date.now() + 2000 * 2 ** tries, tries + 1] : NONE;
  }

  /** Sets the platform's alarm for the requested time. While the alarm runs, its end does this. */
  async #arm(): Promise<void> {
    const state = this.#state;
    for (let waited = 0; state.wanted < Infinity && !state.isRinging; waited += PAUSE) {
      await state.sharing;
      const sharing = this.#share(waited).finally(() => (state.sharing = undefined));
      state.sharing = sharing;
      if (!(await sharing)) await scheduler.wait(PAUSE);
    }
  }

  /**
   * Shares the platform's alarm with the subclass, or moves it to an earlier time. It leaves an alarm alone that a
   * crash interrupted: that alarm runs again, unless it is moved; or it doesn't, and soon disappears.
   *
   * @returns false if such an alarm was left alone
   */
  async #share(waited: number): Promise<boolean> {
    const state = this.#state;
    try {
      const alarm = await this.#platform.getAlarm();
      const times = this.times;
      const { wanted } = state;
      const now = Date.now();
      const isGone = alarm === null || alarm <= now - OVERDUE;
      if (state.isRinging) return true;
      // The platform restores it a moment after the reset: an alarm that was due and is missing is looked for twice.
      const isCutOff = alarm === null ? waited === 0 && (times?.[1] ?? now + 1) <= now : !isGone && alarm <= now;
      if (this.isFresh && isCutOff && waited < OVERDUE) return false;
      // Without a row the alarm belongs to the subclass alone.
      const [idle, ...set] = times ?? ([Infinity, alarm, 0] as Times);
      // If it is due and there is no alarm, the platform gave it up, or it was aborted and will not run again.
      const rest: Own = isGone && (set[0] ?? 0) <= now ? NONE : set;
      if (times && !isGone && alarm <= idle && idle <= wanted) state.idle = idle;
      else await this.set([Math.min(idle, wanted), ...rest], isGone ? null : alarm, times === undefined);
      if (state.wanted === wanted) state.wanted = Infinity;
      return true;
    } catch (error) {
      // An object without SQLite never has an alarm.
      if (isWithoutSqlite(error)) state.wanted = Infinity;
      throw error;
    }
  }

  /** @param alarm the platform's, if it was read: an earlier one need not be moved */
  async set(times: Times, alarm?: number | null, isNew = false): Promise<void> {
    const [idle, own, tries] = times;
    const state = this.#state;
    wrote(this.#storage, this);
    writeTimes(this.#storage, idle === Infinity && tries === 0 ? undefined : times);
    try {
      const time = Math.min(idle, own ?? Infinity, LATEST);
      if (idle === Infinity && own === null) await this.#platform.deleteAlarm();
      else if ((alarm ?? Infinity) > time) await this.#platform.setAlarm(time);
      state.idle = idle;
      if (idle <= state.wanted) state.wanted = Infinity;
    } catch (error) {
      // Without an alarm there must be no row either.
      if (isNew) writeTimes(this.#storage, undefined);
      throw error;
    }
  }

  get times(): Times | undefined {
    return readTimes(this.#storage);
  }
}
