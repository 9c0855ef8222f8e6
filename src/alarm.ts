// The object's one alarm, shared by the idle timeouts of its sessions and by the subclass that sets its own.
import { DeploymentError, isWithoutSqlite, report } from "./errors.ts";

/** An alarm that is so late, in milliseconds, isn't coming: the platform has given it up. */
const OVERDUE = 120_000;
/** The platform takes no time after about this. */
const LATEST = 9.2e12;

/** Present while some session has an idle timeout. Without it the platform's alarm is the subclass's alone. */
const ROW = "socle:alarm";
/** As many as the platform makes, with its delays: 2 s first, then twice as long each time. */
const RETRIES = 6;

/** When the idle timeouts are looked at, when the subclass wants its alarm, and how often that has failed. */
type Times = [idle: number, own: number | null, retries: number];

/** Whose alarm it shares: the subclass, if it has the method. */
interface Subclass {
  onAlarm?(info?: AlarmInvocationInfo): unknown;
}

export class Alarm {
  readonly #storage: DurableObjectStorage;
  readonly #subclass: Subclass;
  readonly #platform: Pick<DurableObjectStorage, "getAlarm" | "setAlarm" | "deleteAlarm">;
  /** The subclass's alarm is being read, to share the platform's with it. */
  #sharing: Promise<void> | undefined;
  /** The subclass's alarm that is being handled: it counts as gone, but stays in storage until it is done. */
  #handled: number | undefined;

  /** Takes the place of the storage's methods for alarms, so that the subclass goes on using them. */
  constructor(storage: DurableObjectStorage, subclass: Subclass) {
    this.#storage = storage;
    this.#subclass = subclass;
    const platform = {
      getAlarm: storage.getAlarm.bind(storage),
      setAlarm: storage.setAlarm.bind(storage),
      deleteAlarm: storage.deleteAlarm.bind(storage),
    };
    const deleteAll = storage.deleteAll.bind(storage);
    this.#platform = platform;
    const shared = <T>(ours: (times: Times) => Promise<T>, theirs: () => Promise<T>): Promise<T> => {
      const run = () => (this.#times ? ours(this.#times) : theirs());
      return this.#sharing ? this.#sharing.then(run) : run();
    };
    storage.getAlarm = (options) =>
      shared(
        // Who has no alarm of its own is a test's runner, and asks for the object's.
        async ([, own]) => (!subclass.onAlarm ? platform.getAlarm(options) : own === this.#handled ? null : own),
        () => platform.getAlarm(options),
      );
    storage.setAlarm = (time, options) => {
      if (!subclass.onAlarm) {
        throw new DeploymentError("setAlarm needs the method onAlarm in the class.");
      }
      const own = Number(time);
      // The platform says what is wrong with it.
      if (!(own > 0 && own < LATEST)) return platform.setAlarm(time, options);
      return shared(
        ([idle]) => this.#own(idle, own),
        () => platform.setAlarm(time, options),
      );
    };
    storage.deleteAlarm = (options) =>
      shared(
        ([idle]) => this.#own(idle, null),
        () => platform.deleteAlarm(options),
      );
    storage.deleteAll = async (options) => {
      await this.#sharing;
      const times = this.#times;
      if (!times) return deleteAll(options);
      // The sessions are still there. Whether the alarms are depends on the compatibility date.
      await (this.#sharing = deleteAll(options)
        .then(async () => this.#set(times[0], (await platform.getAlarm()) === null ? null : times[1]))
        .finally(() => (this.#sharing = undefined)));
    };
  }

  /** Has the idle timeouts looked at, at this time or before. */
  async wake(time: number): Promise<void> {
    while (!this.#times) {
      await (this.#sharing ??= this.#platform
        .getAlarm()
        .then((own) => this.#set(time, own))
        .catch((error: unknown) => {
          // Without an alarm there is no row either: the next activity tries again.
          this.#storage.kv.delete(ROW);
          throw error;
        })
        .finally(() => (this.#sharing = undefined)));
    }
    const [idle, own, retries] = this.#times;
    if (time < idle || idle < Date.now() - OVERDUE) await this.#set(Math.min(time, idle), own, retries);
  }

  /**
   * The platform's alarm has come: at its time, late, or a second time.
   *
   * @param info absent only if a test's runner calls the alarm, which has deleted the subclass's before
   * @param sweep looks at the idle timeouts, and tells when to look again
   */
  async ring(info: AlarmInvocationInfo | undefined, sweep: (now: number) => number | undefined): Promise<void> {
    const times = this.#times;
    if (!times) return this.#ringOwn(info);
    const now = Date.now();
    const [, own, retries] = times;
    const idle = times[0] > now ? times[0] : sweep(now);
    const isDue = own === null ? !info : own <= now;
    if (idle === undefined) {
      // From here on the platform's alarm is the subclass's alone.
      this.#storage.kv.delete(ROW);
      if (isDue) await this.#ringOwn(info);
      else if (own !== null) await this.#platform.setAlarm(own);
      return;
    }
    let next = own;
    let failures = retries;
    this.#storage.kv.put<Times>(ROW, [idle, own, retries]);
    if (isDue) {
      const scheduledTime = own ?? now;
      this.#handled = scheduledTime;
      next = null;
      try {
        await this.#subclass.onAlarm?.({ scheduledTime, isRetry: retries > 0, retryCount: retries });
      } catch (error) {
        report("onAlarm failed", error);
        if (failures < RETRIES) next = Date.now() + 2000 * 2 ** failures++;
      }
      // It may have set another.
      if (this.#handled === undefined) [, next, failures] = this.#times ?? [idle, null, 0];
      this.#handled = undefined;
    }
    await this.#set(this.#times?.[0] ?? idle, next, next === null ? 0 : failures);
  }

  /** The platform tries the subclass's alarm again, unless a session with a timeout has opened meanwhile. */
  async #ringOwn(info: AlarmInvocationInfo | undefined): Promise<void> {
    try {
      await this.#subclass.onAlarm?.(info);
    } catch (error) {
      const times = this.#times;
      if (!times) throw error;
      report("onAlarm failed", error);
      if (times[1] === null) await this.#set(times[0], Date.now() + 2000, 1);
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

  async #own(idle: number, own: number | null): Promise<void> {
    this.#handled = undefined;
    await this.#set(idle, own);
  }

  async #set(idle: number, own: number | null, retries = 0): Promise<void> {
    this.#storage.kv.put<Times>(ROW, [idle, own, retries]);
    const time = own === null || own === this.#handled ? idle : Math.min(idle, own);
    await this.#platform.setAlarm(Math.min(time, LATEST));
  }
}
