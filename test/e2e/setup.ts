// Shows the log of a test file's Workers from the first failing test on, and if a hook fails.
import { afterAll, afterEach } from "vitest";

import { keep } from "./worker-log.ts";

let hasFailed = false;

keep(false);
afterEach(({ task }) => {
  hasFailed ||= task.result?.state === "fail";
  keep(hasFailed);
});
// oxlint-disable-next-line no-empty-pattern -- Vitest wants a pattern here.
afterAll(({}, suite) => keep(hasFailed || suite.tasks.some(({ result }) => result?.state === "fail")));
