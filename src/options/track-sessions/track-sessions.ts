// `trackSessions`: each session has a row in storage, so that its `onClose` has its data after a crash. attachment.ts
// writes the row, and lost-sessions.ts reads those that are left.
import { SWITCH } from "../check.ts";
import type { Option } from "../option.ts";

export const trackSessions = {
  checks: { trackSessions: SWITCH },
  defaults: { trackSessions: false },
} as const satisfies Option<"trackSessions">;
