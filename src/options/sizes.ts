// `maxTextMessageBufferSize`, `maxBinaryMessageBufferSize`: the maximum size of a message.
import { LimitExceededError } from "../api/errors.ts";
import { BINARY_SIZE, TEXT_SIZE, type Limits } from "../hibernation/limits.ts";
import { isOver } from "../sending/data.ts";
import { BYTES } from "./check.ts";
import type { Option } from "./option.ts";

/** The platform's own limit, past which it ends the connection by itself. */
const PLATFORM = 2 ** 25;

const isLimited = (limits: Limits): boolean => limits[TEXT_SIZE] < PLATFORM || limits[BINARY_SIZE] < PLATFORM;

export const sizes = {
  checks: { maxTextMessageBufferSize: BYTES, maxBinaryMessageBufferSize: BYTES },
  defaults: { maxTextMessageBufferSize: PLATFORM, maxBinaryMessageBufferSize: PLATFORM },
  inherited: {
    maxTextMessageBufferSize: "defaultMaxTextMessageBufferSize",
    maxBinaryMessageBufferSize: "defaultMaxBinaryMessageBufferSize",
  },
  variant: isLimited,
  part(_, limits) {
    if (!isLimited(limits)) return undefined;
    return {
      receive(session, message, take) {
        const name = typeof message === "string" ? "maxTextMessageBufferSize" : "maxBinaryMessageBufferSize";
        const max = session[name];
        if (!isOver(message, max)) return take(session, message);
        return session.dispatch.refuse(
          new LimitExceededError(1009, `The client sent a message of over ${max} bytes: see ${name}.`),
        );
      },
    };
  },
} as const satisfies Option<"maxTextMessageBufferSize" | "maxBinaryMessageBufferSize">;
