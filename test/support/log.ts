// Entries that Socle writes to the Worker's log.
import { expect } from "vitest";

/** Matches an entry that names the endpoint's path or the object. Tests make both with `freshPath`. */
export const logEntry = (what: string): string => expect.stringMatching(RegExp(`^socle: ${what} at /test-[\\w/-]+:$`));
