// `rateLimit`: how many messages a client may send in a time.
import { LimitExceededError } from "../api/errors.ts";
import type { RateLimit } from "../api/rate-limit.ts";
import { SPENT_UNTIL } from "../hibernation/limits.ts";
import type { Subject } from "../session/subject.ts";
import { spend } from "./budget.ts";
import { isPair, isWhole } from "./check.ts";
import type { Option } from "./option.ts";

export const rateLimit = {
  checks: { rateLimit: ["{ messages, perMs } of whole numbers from 1", isPair("messages,perMs", isWhole(1))] },
  part({ rateLimit: limit }) {
    if (!limit) return undefined;
    const { messages, perMs } = limit;
    return {
      receive(session, message, take) {
        if (session.dispatch.isFull || isSpent(session, limit)) return take(session, message);
        return session.dispatch.refuse(
          new LimitExceededError(1008, `The client sent more than ${messages} messages in ${perMs} ms: see rateLimit.`),
        );
      },
    };
  },
} as const satisfies Option<"rateLimit">;

/** Spends one message of the budget. @returns false if the budget is used up */
function isSpent(session: Subject, limit: RateLimit): boolean {
  const { limits } = session;
  const now = Date.now();
  const spentUntil = spend(limit, limits[SPENT_UNTIL], now);
  if (spentUntil === undefined) return false;
  // An eviction between two writes gives back at most a twentieth of the budget, and nothing of a budget that is used
  // up.
  const part = limit.perMs / 20;
  const isUsedUp = spend(limit, spentUntil, now) === undefined;
  if (isUsedUp || Math.floor(spentUntil / part) > Math.floor(limits[SPENT_UNTIL] / part)) {
    session.limit(SPENT_UNTIL, spentUntil);
  } else limits[SPENT_UNTIL] = spentUntil;
  return true;
}
