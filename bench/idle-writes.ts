// Counts the writes caused by an idle timeout, and fails above the bound: many sessions in one object, over TCP.
//
//   node bench/idle-writes.ts [--sessions 1000] [--seconds 60] [--rate 10] [--timeout 30]
//
// The rate is in messages a second from each client, each of which is answered; the timeout in seconds.
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { WebSocket } from "ws";

import type { Counts } from "./idle-writes-worker.ts";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "1000" },
    seconds: { type: "string", default: "60" },
    rate: { type: "string", default: "10" },
    timeout: { type: "string", default: "30" },
  },
});
const sessions = Number(values.sessions);
const seconds = Number(values.seconds);
const rate = sessions * Number(values.rate);
const timeout = Number(values.timeout) * 1000;
if (![sessions, seconds, rate, timeout].every((value) => value > 0)) throw new Error("Each option is a number over 0.");

/** A span, in which activity is written at most once. */
const span = Math.max(timeout / 20, 1000);

const { outputFiles } = await build({
  entryPoints: [join(root, "bench/idle-writes-worker.ts")],
  bundle: true,
  format: "esm",
  target: "es2024",
  external: ["cloudflare:*"],
  define: { TIMEOUT: String(timeout) },
  write: false,
});
const contents = outputFiles[0]!.text;
const miniflare = new Miniflare({
  workers: [
    {
      config: {
        name: "socle-bench",
        compatibilityDate: "2026-10-01",
        manifest: { mainModule: "worker.js", modulesRoot: root, modules: { "worker.js": { type: "esm", contents } } },
        exports: { Idle: { type: "durable-object", storage: "sqlite" } },
      },
    },
  ],
});
const { host } = await miniflare.ready;
const counted = async (): Promise<Counts> => (await fetch(`http://${host}/idle`)).json();

/** On a terminal each line replaces the previous one. */
const progress = (line: string) => process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : `${line}\n`);

let answers = 0;
async function connect(): Promise<WebSocket> {
  const client = new WebSocket(`ws://${host}/idle`, { perMessageDeflate: false });
  await once(client, "open");
  client.on("message", () => answers++);
  return client;
}

const start = Date.now();
const clients: WebSocket[] = [];
while (clients.length < sessions) {
  const few = Math.min(50, sessions - clients.length);
  clients.push(...(await Promise.all(Array.from({ length: few }, connect))));
}
const opened = await counted();
progress(`${sessions} sessions are open`);

const begun = Date.now();
let sent = 0;
let told = begun;
for (let now = begun; now < begun + seconds * 1000; now = Date.now()) {
  // No more than the object answers within a second, because a longer queue would show nothing.
  const due = Math.min(((now - begun) / 1000) * rate, answers + rate);
  for (; sent < due; sent++) clients[sent % sessions]!.send("still here");
  if (now - told >= (process.stdout.isTTY ? 1000 : 10_000)) {
    told = now;
    progress(`${Math.round((now - begun) / 1000)} s of ${seconds}, ${answers} messages answered`);
  }
  await pause(10);
}
const last = await counted();
const end = Date.now();
progress("");
const ended = clients.filter(({ readyState }) => readyState !== WebSocket.OPEN).length;
for (const client of clients) client.terminate();
await miniflare.dispose();

const achieved = Math.round(((last.messages - opened.messages) * 1000) / (end - begun));
console.log(
  `${sessions} sessions in one object, with an idle timeout of ${timeout / 1000} s, so spans of ${span / 1000} s.`,
);
console.log(`${last.messages} messages in ${seconds} s: ${achieved} a second of the ${rate} asked for, each answered.`);
if (achieved < rate * 0.95) console.log("This machine can't keep that rate.");
if (ended > 0) console.log(`${ended} sessions have ended, though their clients were not idle.`);

/** How many spans have begun since the first session was opened. */
const spans = Math.floor(end / span) - Math.floor(start / span);
const rows = [
  // One for the session object, and one for the first activity.
  { writes: "attachments, opening: 2 a session", counted: opened.attachments, bound: 2 * sessions },
  {
    writes: `attachments, then: 1 a session in each of ${spans} spans`,
    counted: last.attachments - opened.attachments,
    bound: spans * sessions,
  },
  // The first session sets the alarm. Sessions are due only at the ends of spans, so it rings once in a span, and is set again.
  { writes: "alarms: 1, and 1 in each span", counted: last.alarms, bound: 1 + spans },
];
console.table(Object.fromEntries(rows.map(({ writes, ...row }) => [writes, row])));
const past = rows.filter((row) => row.counted > row.bound);
for (const { writes } of past) console.log(`Above the bound: ${writes}.`);
process.exit(past.length > 0 || ended > 0 ? 1 : 0);
