// The sessions that are not to get a message for many.
import type { PublishOptions } from "../api/topics.ts";

/** Their ids. */
export function idsOf(except: PublishOptions["except"] = []): ReadonlySet<string> {
  const isOne = typeof except === "string" || !(Symbol.iterator in except);
  return new Set(Array.from(isOne ? [except] : except, (one) => (typeof one === "string" ? one : one.id)));
}
