// Checks what workerd logs while the tests run, in every suite: an uncaught exception or an unhandled rejection fails
// the run.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };

/**
 * Entries that the runtime calls uncaught although a test provokes them, and the caller or client gets the error. The file has
 * a pattern on each line, for grep too:
 *
 * - the error that was passed to ctx.abort;
 * - an exception of a method that was called by RPC, or of onRequest: the caller gets it (two forms);
 * - a client that breaks the protocol, or sends more than 32 MiB at once: it gets the close code;
 * - the end of a connection that is gone, which the runtime doesn't call uncaught. It isn't shown either.
 */
const PROVOKED = readFileSync(join(import.meta.dirname, "provoked.txt"), "utf8")
  .trim()
  .split("\n")
  .map((pattern) => new RegExp(pattern));

const uncaught = (log: string): string[] =>
  log.split("\n").filter((line) => /uncaught|unhandled/i.test(line) && !PROVOKED.some((one) => one.test(line)));

export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "socle-log-"));
  const log = join(folder, "workerd.log");
  Object.assign(process.env, {
    WORKERD: workerd,
    RUNTIME_LOG: log,
    MINIFLARE_WORKERD_PATH: join(import.meta.dirname, "workerd"),
  });
  return async () => {
    // There is no file if no test has started the runtime.
    const found = existsSync(log) ? uncaught(await readFile(log, "utf8")) : [];
    await rm(folder, { recursive: true });
    if (found.length > 0) throw new Error(`workerd's log has what nobody caught:\n${found.join("\n")}`);
  };
}
