// `serializeSession`, `deserializeSession`: for a session object that isn't plain data. session-object.ts calls them.
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
