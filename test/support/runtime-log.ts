// Checks what workerd logs while the tests run, in every suite: an uncaught exception or an unhandled rejection fails
// the run.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };

/** Entries that the runtime calls uncaught although a test provokes them, and the caller or client gets the error. */
const PROVOKED = [
  // The error that was passed to ctx.abort.
  /outputGateBroken; jsg\.Error: (crash|reset|taken down)\b/,
  // An exception of a method that was called by RPC, or of onRequest: the caller gets it.
  /uncaught exception; source = Uncaught \(in promise\); stack = (PayloadError: Not sent|CloseReasonError: |Error: secret\b)/,
  /uncaught exception; exception = workerd\/jsg\/value\.h:\d+: failed: jsg\.Error: secret\b/,
  // A client that breaks the protocol, or sends more than 32 MiB at once: it gets the close code.
  /WebSocket protocol error; protocolError\.statusCode = 100[29]/,
];

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
