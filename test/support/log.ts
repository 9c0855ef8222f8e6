// What Socle tells the Worker's log.
import { expect } from "vitest";

/** An entry's text, which names the endpoint's path or the object, both of which the tests make by `freshPath`. */
export const logEntry = (what: string): string => expect.stringMatching(RegExp(`^socle: ${what} at /test-[\\w/-]+:$`));
