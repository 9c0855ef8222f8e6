// What workerd writes while the tests run, in every suite: an exception that nobody caught, or a rejection that nobody
// handled, fails the run.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };

/**
 * What the runtime itself calls uncaught though the test provokes it, and the caller or the client is told. One pattern a line,
 * for grep too:
 *
 * - by ctx.abort: the error it is given;
 * - thrown by a method that was called by RPC, or by onRequest: the caller gets it; two forms;
 * - a client that breaks the protocol, or sends more than 32 MiB at once: its close has the code;
 * - an end of a socket that is gone, which isn't called uncaught, and is not shown either.
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
    // There is none if no test has started the runtime.
    const found = existsSync(log) ? uncaught(await readFile(log, "utf8")) : [];
    await rm(folder, { recursive: true });
    if (found.length > 0) throw new Error(`workerd's log has what nobody caught:\n${found.join("\n")}`);
  };
}
