// The platform's alarm of an object, and a clock to which the tests set it.
import { runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";

type Stub = DurableObjectStub;

/** The platform's own methods, which Socle has put others in front of. */
export const platform = (storage: DurableObjectStorage) => Object.getPrototypeOf(storage) as DurableObjectStorage;

/** When the platform's alarm comes. */
export const alarmOf = (stub: Stub): Promise<number | null> =>
  runInDurableObject(stub, (_, { storage }) => platform(storage).getAlarm.call(storage));

/** The rows of Socle's in the object's storage. */
export const rowsOf = (stub: Stub): Promise<string[]> =>
  runInDurableObject(stub, (_, { storage }) => [...storage.kv.list({ prefix: "socle" })].map(([key]) => key));

/** From here on the tests set the clock. It is ahead, so that no alarm comes by the platform's while a test runs. */
export const stopClock = () => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });

export const passTime = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

/** Delivers the platform's alarm, as the platform does: if it is due, once, and late if the clock says so. */
export const ring = (stub: Stub, isRetry = false): Promise<boolean> =>
  runInDurableObject(stub, async (object, { storage }) => {
    const scheduledTime = await platform(storage).getAlarm.call(storage);
    if (scheduledTime === null || scheduledTime > Date.now()) return false;
    await platform(storage).deleteAlarm.call(storage);
    await object.alarm!({ scheduledTime, isRetry, retryCount: Number(isRetry) });
    return true;
  });

/** Sets the clock to the platform's alarm, and delivers it. */
export async function ringAtAlarm(stub: Stub): Promise<void> {
  vi.setSystemTime((await alarmOf(stub))!);
  await ring(stub);
}
