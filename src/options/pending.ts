// `maxPendingMessages`: how many messages may be queued for a callback. All endpoints have it, so the dispatch checks
// it itself.
import { isWhole } from "./check.ts";
import type { Option } from "./option.ts";

export const pending = {
  checks: { maxPendingMessages: ["a whole number from 1", isWhole(1)] },
  defaults: { maxPendingMessages: 1000 },
} as const satisfies Option<"maxPendingMessages">;
