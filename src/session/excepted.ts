// The sessions that do not receive a message to many.
import type { PublishOptions } from "../api/topics.ts";

/** The ids of excepted sessions. */
export function idsOf(except: PublishOptions["except"] = []): ReadonlySet<string> {
  const isOne = typeof except === "string" || !(Symbol.iterator in except);
  return new Set(Array.from(isOne ? [except] : except, (one) => (typeof one === "string" ? one : one.id)));
}
