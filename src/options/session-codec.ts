// `serializeSession`, `deserializeSession`: a session object that is no plain data. The session object calls them.
import { FUNCTION } from "./check.ts";
import type { Option } from "./option.ts";

export const sessionCodec = {
  checks: { serializeSession: FUNCTION, deserializeSession: FUNCTION },
  register({ config, refuse }) {
    if (!config.serializeSession !== !config.deserializeSession) {
      refuse("needs both serializeSession and deserializeSession");
    }
  },
} as const satisfies Option<"serializeSession" | "deserializeSession">;
