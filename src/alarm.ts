// The object's one alarm, shared by the idle timeouts of its sessions and by the subclass that sets its own.
import { DeploymentError, isWithoutSqlite } from "./errors.ts";
import { placeOf, report, type Place } from "./log.ts";
import { wrote } from "./rollback.ts";

/** An alarm that is so late, in milliseconds, isn't coming: the platform has given it up. */
const OVERDUE = 120_000;
/** The platform takes no time after about this. */
const LATEST = 9.2e12;

/** Present while some session has an idle timeout. Without it the platform's alarm is the subclass's alone. */
const ROW = "socle:alarm";
/** As many as the platform makes, with its delays: 2 s first, then twice as long each time. */
const RETRIES = 6;
/** How often is looked whether an alarm that a crash has cut off comes again, in milliseconds. */
const PAUSE = 500;

/** When the subclass wants its alarm, and how often its `onAlarm` was begun for it. */
type Own = readonly [own: number | null, tries: number];

/** When the idle timeouts are looked at, and the alarm of the subclass. */
type Times = [idle: number, ...Own];

/** The subclass has no alarm. */
const NONE = [null, 0] as const;

/** Whose alarm it shares: the subclass, if it has the method. */
interface Subclass {
  onAlarm?(info?: AlarmInvocationInfo): unknown;
}

/** What an object knows in its life, beside the row. */
interface State {
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

type Platform = Pick<DurableObjectStorage, "getAlarm" | "setAlarm" | "deleteAlarm" | "deleteAll">;

/** On the storage itself: a second object on it, as a development server makes one, goes on with the first one's. */
const STATE = Symbol.for("socle.alarm");

export class Alarm {
  readonly #storage: DurableObjectStorage;
  readonly #subclass: Subclass;
  readonly #platform: Platform;
  readonly #state: State;
  readonly #sweep: (now: number) => number | undefined;
  /** The object is new, or a crash lies behind it: all its sockets have come since. */
  readonly isFresh: boolean;
  readonly #place: Place;

  /**
   * Takes the place of the storage's methods for alarms, so that the subclass goes on using them.
   *
   * @param sweep looks at the idle timeouts, and tells when to look again
   */
  constructor(ctx: DurableObjectState, subclass: Subclass, sweep: (now: number) => number | undefined) {
    const { storage } = ctx;
    this.#storage = storage;
    this.#subclass = subclass;
    this.#sweep = sweep;
    this.#place = placeOf(ctx);
    // As in lostSessions: a crash is known by the mark that it takes along.
    this.isFresh = ctx.getHibernatableWebSocketEventTimeout() === null;
    const shared = storage as DurableObjectStorage & { [STATE]?: State };
    this.#state = shared[STATE] ??= {
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
    };
    this.#platform = this.#state.platform;
    this.#install();
  }

  /** Has the idle timeouts looked at, at this time or before, and at a time before for which there was no alarm. */
  async wake(time: number): Promise<void> {
    const state = this.#state;
    if (time < state.idle || state.idle <= Date.now() - OVERDUE) {
      state.wanted = Math.min(state.wanted, time);
      // The platform's alarm is not touched while it rings: it would not be tried again.
      if (state.isRinging) {
        const [, ...own] = this.#times ?? ([Infinity, ...state.running] as Times);
        this.#storage.kv.put<Times>(ROW, [state.wanted, ...own]);
        wrote(this.#storage, this);
        this.#watch();
      }
    }
    if (state.wanted < Infinity) await (state.arming ??= this.#arm().finally(() => (state.arming = undefined)));
  }

  /** An alarm could not be set, and the object has an event. */
  get isMissing(): boolean {
    return this.#state.wanted < Infinity && !this.#state.arming && !this.#state.isRinging;
  }

  /** A transaction has taken along what was set in it: whether there is an alarm has to be looked at again. */
  rewrite(): void {
    const state = this.#state;
    state.wanted = Math.min(state.wanted, state.idle);
    state.idle = Infinity;
    const [, own, tries] = this.#times ?? [];
    const [handled, begun] = state.running;
    if (state.isRinging) state.isHandled = own === handled && tries === begun;
  }

  /** The last session with a timeout has gone. */
  async release(): Promise<void> {
    const state = this.#state;
    state.isReleased = state.isRinging;
    await state.sharing;
    const times = this.#times;
    if (times && !state.isRinging) await this.#set([Infinity, times[1], times[2]]);
  }

  /**
   * The platform's alarm has come: at its time, late, or a second time.
   *
   * @param info absent only if a test's runner calls the alarm, which has deleted the subclass's before
   */
  async ring(info: AlarmInvocationInfo | undefined): Promise<void> {
    const state = this.#state;
    state.isRinging = true;
    state.running = NONE;
    try {
      await state.sharing;
      const times = this.#times;
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
    // A time that nobody has looked at in this life is of sessions that a crash has ended.
    const isStale = this.isFresh && state.idle === Infinity;
    const next = looked > now && !isStale ? looked : (this.#sweep(now) ?? Infinity);
    state.idle = next;
    const isDue = own === null ? !info : own <= now;
    // A crash in the middle of an onAlarm is a failure too, of which the platform tells.
    const tries = Math.max(begun, info?.retryCount ?? 0);
    if (next === Infinity && tries === 0) {
      // From here on the platform's alarm is the subclass's alone.
      this.#storage.kv.delete(ROW);
      if (!isDue) return own === null ? undefined : await this.#platform.setAlarm(own);
      await this.#storage.sync();
      return this.#ringAlone(info);
    }
    let rest: Own = isDue ? NONE : [own, begun];
    if (isDue && tries <= RETRIES) {
      const scheduledTime = own ?? now;
      this.#storage.kv.put<Times>(ROW, [next, scheduledTime, tries + 1]);
      // It may reset the object, which takes along what is not committed.
      await this.#storage.sync();
      rest = await this.#run({ scheduledTime, isRetry: tries > 0, retryCount: tries });
    }
    if (state.isReleased) state.idle = this.#sweep(Date.now()) ?? Infinity;
    await this.#goOn([Math.min(state.idle, state.wanted), ...rest]);
  }

  /** The object is awake while `onAlarm` runs, which may take minutes: a timer closes what falls due meanwhile. */
  #watch(): void {
    const state = this.#state;
    clearTimeout(state.timer);
    const due = Math.min(state.idle, state.wanted);
    if (due === Infinity) return;
    state.timer = setTimeout(() => {
      Object.assign(state, { idle: this.#sweep(Date.now()) ?? Infinity, wanted: Infinity });
      this.#watch();
    }, due - Date.now());
  }

  /** If it can't be set it is wanted, and the object's next event sees to it. */
  #goOn(times: Times): Promise<void> {
    const setting = this.#set(times).catch((error: unknown) => {
      this.#state.wanted = Math.min(this.#state.wanted, times[0], times[1] ?? Infinity);
      throw error;
    });
    return this.#unlessRun(setting);
  }

  /** What fails has the platform ring again, and is only told when onAlarm has run: that must not run again. */
  async #unlessRun(setting: Promise<void>): Promise<void> {
    try {
      await setting;
    } catch (error) {
      if (this.#state.running === NONE) throw error;
      report("the idle timeouts have no alarm", error, this.#place);
    }
  }

  /** The platform tries the subclass's alarm again, unless a session with a timeout has opened meanwhile. */
  async #ringAlone(info: AlarmInvocationInfo | undefined): Promise<void> {
    const { scheduledTime = Date.now(), retryCount = 0 } = info ?? {};
    const state = this.#state;
    state.running = [scheduledTime, retryCount + 1];
    let failure: { error: unknown } | undefined;
    try {
      await this.#subclass.onAlarm?.(info);
    } catch (error) {
      failure = { error };
    }
    const times = this.#times;
    if (!times && failure) throw failure.error;
    if (!times) return;
    const set = await this.#platform.getAlarm();
    const rest: Own = failure ? this.#failed(failure.error, retryCount) : NONE;
    await this.#goOn([times[0], ...(set === null ? rest : ([set, 0] as const))]);
  }

  /** Runs the subclass's alarm. @returns its next */
  async #run(info: AlarmInvocationInfo): Promise<Own> {
    const state = this.#state;
    let rest: Own = NONE;
    state.isHandled = true;
    state.running = [info.scheduledTime, info.retryCount + 1];
    this.#watch();
    try {
      await this.#subclass.onAlarm?.(info);
    } catch (error) {
      rest = this.#failed(error, info.retryCount);
    }
    // It may have set another, or deleted it.
    if (!state.isHandled) [, ...rest] = this.#times ?? [Infinity, ...NONE];
    return rest;
  }

  /** We try it again, with the platform's delays: it would try the idle timeouts again with it, and give up on both. */
  #failed(error: unknown, tries: number): Own {
    report("onAlarm failed", error, this.#place);
    return tries < RETRIES ? [Date.now() + 2000 * 2 ** tries, tries + 1] : NONE;
  }

  /** Sees to it that the platform's alarm comes by the time that is wanted. While it rings its end does so. */
  async #arm(): Promise<void> {
    const state = this.#state;
    for (let waited = 0; state.wanted < Infinity && !state.isRinging; waited += PAUSE) {
      await state.sharing;
      const sharing = this.#share(waited >= OVERDUE).finally(() => (state.sharing = undefined));
      state.sharing = sharing;
      if (!(await sharing)) await scheduler.wait(PAUSE);
    }
  }

  /**
   * Shares the platform's alarm with the subclass, whose alone it was, or moves it to an earlier time. It does nothing to one that a
   * crash has cut off: that comes again, and would not if it was moved; or it doesn't, and is soon gone.
   *
   * @returns whether that was not so
   */
  async #share(isLate: boolean): Promise<boolean> {
    const state = this.#state;
    try {
      const alarm = await this.#platform.getAlarm();
      const times = this.#times;
      const { wanted } = state;
      const now = Date.now();
      const isGone = alarm === null || alarm <= now - OVERDUE;
      if (state.isRinging) return true;
      if (this.isFresh && !isGone && alarm <= now && !isLate) return false;
      // Without a row the alarm is the subclass's alone.
      const [idle, ...set] = times ?? ([Infinity, alarm, 0] as Times);
      // What is due and has no alarm has been given up, or was aborted not to come again.
      const rest: Own = isGone && (set[0] ?? 0) <= now ? NONE : set;
      if (times && !isGone && alarm <= idle && idle <= wanted) state.idle = idle;
      else await this.#set([Math.min(idle, wanted), ...rest], isGone ? null : alarm, times === undefined);
      if (state.wanted === wanted) state.wanted = Infinity;
      return true;
    } catch (error) {
      // An object without SQLite never has one.
      if (isWithoutSqlite(error)) state.wanted = Infinity;
      throw error;
    }
  }

  /** @param alarm the platform's, if it was read: one that comes before need not be moved */
  async #set(times: Times, alarm?: number | null, isNew = false): Promise<void> {
    const [idle, own, tries] = times;
    const { kv } = this.#storage;
    const state = this.#state;
    wrote(this.#storage, this);
    if (idle === Infinity && tries === 0) kv.delete(ROW);
    else kv.put<Times>(ROW, times);
    try {
      const time = Math.min(idle, own ?? Infinity, LATEST);
      if (idle === Infinity && own === null) await this.#platform.deleteAlarm();
      else if ((alarm ?? Infinity) > time) await this.#platform.setAlarm(time);
      state.idle = idle;
      if (idle <= state.wanted) state.wanted = Infinity;
    } catch (error) {
      // Without an alarm there is no row either.
      if (isNew) kv.delete(ROW);
      throw error;
    }
  }

  get #times(): Times | undefined {
    try {
      return this.#storage.kv.get<Times>(ROW);
    } catch (error) {
      // Its alarm is the subclass's alone.
      if (isWithoutSqlite(error)) return undefined;
      throw error;
    }
  }

  #install(): void {
    const storage = this.#storage;
    const state = this.#state;
    const platform = this.#platform;
    const subclass = this.#subclass;
    const shared = <T>(ours: (times: Times) => Promise<T>, theirs: () => Promise<T>): Promise<T> => {
      const run = () => (this.#times ? ours(this.#times) : theirs());
      return state.sharing ? state.sharing.then(run) : run();
    };
    const own = ([idle]: Times, time: number | null): Promise<void> => {
      state.isHandled = false;
      return this.#set([idle, time, 0]);
    };
    storage.getAlarm = (options) =>
      shared(
        // Who has no alarm of its own is a test's runner, and asks for the object's.
        async ([idle, set]) => {
          if (!subclass.onAlarm) return platform.getAlarm(options);
          const isDue = set !== null && set <= Date.now() && !state.isRinging;
          // It was given up, or aborted not to come again.
          if (isDue && (await platform.getAlarm()) === null) await this.#set([this.isFresh ? Infinity : idle, ...NONE]);
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
      const times = this.#times;
      const deleting = platform.deleteAll(options);
      if (!times) return deleting;
      const sharing = deleting
        .then(async () => {
          // The sessions are still there. Whether the alarms are depends on the compatibility date.
          const [, ...set] = times;
          const rest = (await platform.getAlarm()) === null ? NONE : set;
          state.isHandled = false;
          await this.#set([this.#sweep(Date.now()) ?? Infinity, ...rest]);
        })
        .finally(() => (state.sharing = undefined));
      state.sharing = sharing;
      return sharing;
    };
    // At once, as the platform does: what is written behind it stays.
    storage.deleteAll = (options) =>
      state.sharing ? state.sharing.then(() => deleteAll(options)) : deleteAll(options);
  }
}
