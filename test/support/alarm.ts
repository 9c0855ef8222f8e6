// Reads and rings the platform's alarm of an object, and stops the clock so that tests can set it.
import { runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";

type Stub = DurableObjectStub;

/** The platform's own methods, which Socle overrides on the instance. */
export const platform = (storage: DurableObjectStorage) => Object.getPrototypeOf(storage) as DurableObjectStorage;

/** The time for which the platform's alarm is set. */
export const alarmOf = (stub: Stub): Promise<number | null> =>
  runInDurableObject(stub, (_, { storage }) => platform(storage).getAlarm.call(storage));

/** The keys of Socle's rows in the object's storage. */
export const rowsOf = (stub: Stub): Promise<string[]> =>
  runInDurableObject(stub, (_, { storage }) => [...storage.kv.list({ prefix: "socle" })].map(([key]) => key));

/** From now on the test sets the clock. It is ahead of time, so that the platform rings no alarm while a test runs. */
export const stopClock = () => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });

export const passTime = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

/** Calls the alarm handler as the platform does: once, if the alarm is due, and late if the clock is later. */
export const ring = (stub: Stub, isRetry = false): Promise<boolean> =>
  runInDurableObject(stub, async (object, { storage }) => {
    const scheduledTime = await platform(storage).getAlarm.call(storage);
    if (scheduledTime === null || scheduledTime > Date.now()) return false;
    await platform(storage).deleteAlarm.call(storage);
    await object.alarm!({ scheduledTime, isRetry, retryCount: Number(isRetry) });
    return true;
  });

/** Sets the clock to the time of the platform's alarm, and rings it. */
export async function ringAtAlarm(stub: Stub): Promise<void> {
  vi.setSystemTime((await alarmOf(stub))!);
  await ring(stub);
}
