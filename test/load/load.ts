// Clients that open, talk, drop, reconnect and close, over TCP, while the objects are evicted at random. Nothing may be
// lost. npm run test:load [-- --clients 2000 --seconds 60 --seed 1]
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

import { WebSocket } from "ws";

import { Disk } from "../e2e/server.ts";
import watchLog from "../support/runtime-log.ts";

const { values: options } = parseArgs({
  options: {
    clients: { type: "string", default: "2000" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
});
const clients = Number(options.clients);
const seconds = Number(options.seconds);

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ECHOES = Array.from({ length: 20 }, (_, index) => `/counted/${index}`);
const ROOMS = Array.from({ length: 50 }, (_, index) => `/chat/${index}`);

const figures = {
  connections: 0,
  refusedConnections: 0,
  sent: 0,
  answered: 0,
  refused: 0,
  said: 0,
  heard: 0,
  dropped: 0,
  open: 0,
};
const faults: string[] = [];

const fault = (text: string) => void (faults.length < 20 && faults.push(text));

type End = "close" | "code" | "drop";

/** One connection. */
class Connection {
  readonly socket: WebSocket;
  readonly opened: Promise<boolean>;
  readonly closed: Promise<void>;
  /** The answers that the client still expects. */
  readonly unanswered: string[] = [];
  /** The last number that was heard of each sender. */
  readonly heard = new Map<string, number>();
  #answered = () => {};

  constructor(
    url: string,
    readonly name: string,
  ) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.opened = new Promise((resolve) => {
      this.socket.on("open", () => {
        figures.connections++;
        figures.open++;
        resolve(true);
      });
      this.socket.on("error", () => resolve(false));
    });
    this.closed = new Promise((resolve) => {
      this.socket.on("close", () => resolve());
    });
    this.socket.on("message", (data) => this.#receive((data as Buffer).toString()));
  }

  echo(text: string): void {
    figures.sent++;
    this.unanswered.push(`echo: ${text}`);
    this.socket.send(text);
  }

  /** Waits until every message is answered. */
  async settled(): Promise<void> {
    while (this.unanswered.length > 0 && this.socket.readyState === WebSocket.OPEN) {
      await Promise.race([new Promise<void>((resolve) => (this.#answered = resolve)), this.closed]);
    }
  }

  async end(how: End): Promise<void> {
    if (how === "drop") {
      figures.dropped++;
      this.socket.terminate();
    } else if (how === "code") this.socket.close(4000, "bye");
    else this.socket.close();
    await this.closed;
    figures.open--;
    // The session has ended. Answers come in order, so the last of its messages are those without an answer: they are
    // refused.
    figures.refused += this.unanswered.length;
  }

  #receive(text: string): void {
    if (text.startsWith("echo: ")) {
      const expected = this.unanswered.shift();
      if (expected !== text) fault(`${this.name}: "${text}" came for "${expected}"`);
      figures.answered++;
      this.#answered();
      return;
    }
    const message = JSON.parse(text) as { type: string; name: string; text: string };
    if (message.type !== "message") return;
    figures.heard++;
    const number = Number(message.text);
    const last = this.heard.get(message.name);
    if (last !== undefined && number !== last + 1) fault(`${this.name}: ${message.name} said ${number} after ${last}`);
    this.heard.set(message.name, number);
  }
}

/** The life of a client: it connects again and again until the time is over. */
async function live(host: string, index: number, random: () => number, until: () => boolean): Promise<void> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  for (let life = 0; !until(); life++) {
    const name = `c${index}-${life}`;
    const isChat = index % 2 === 1;
    const path = isChat ? `${pick(ROOMS)}?name=${name}` : pick(ECHOES);
    const connection = new Connection(`ws://${host}${path}`, name);
    if (!(await connection.opened)) {
      figures.refusedConnections++;
      fault(`${name} could not connect to ${path}`);
      await pause(500);
      continue;
    }
    const messages = 2 + Math.floor(random() * 8);
    for (let message = 0; message < messages && !until(); message++) {
      if (isChat) {
        figures.said++;
        connection.socket.send(String(message));
      } else for (let burst = random() * 3; burst > 0; burst--) connection.echo(`${name}-${message}-${burst}`);
      await pause(random() * (isChat ? 8000 : 4000));
      if (connection.socket.readyState !== WebSocket.OPEN) {
        fault(`${name} was closed by the server`);
        break;
      }
    }
    const how = pick<End>(["close", "code", "drop"]);
    // Some clients wait for their answers, and some leave before.
    if (!isChat && random() < 0.5) {
      await connection.settled();
      if (connection.unanswered.length > 0) fault(`${name}: ${connection.unanswered.length} messages are unanswered`);
    }
    await connection.end(how);
  }
}

/** Resolves once the condition holds; false if it does not hold within the bound. */
async function eventually(holds: () => Promise<boolean>, bound: number): Promise<boolean> {
  for (const end = Date.now() + bound; Date.now() < end;) {
    if (await holds()) return true;
    await pause(250);
  }
  return holds();
}

const finish = await watchLog();
const disk = await Disk.create("test/load/worker.ts", [], ["experimental", "unsafe_module"]);
const server = await disk.start();

interface Journal {
  sessions: number;
  odd: number;
  wakes: number;
  evictions: number;
}
const journal = async () => JSON.parse(await server.text("/journal")) as Journal;

async function memory(): Promise<number> {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${server.pid}/status`, "utf8"))!;
  return Number(kilobytes) / 1024;
}

let isOver = false;
let phase = "warm-up";
const progress = setInterval(() => {
  const { open, connections, sent, answered, said, heard } = figures;
  process.stderr.write(
    `${phase}: ${open} open of ${connections}, ${answered}/${sent} answered, ${said} said, ${heard} heard\n`,
  );
}, 5000);

/** All clients live for a while, and the objects are evicted meanwhile. */
async function load(duration: number, seed: number): Promise<void> {
  isOver = false;
  const random = randomOf(seed);
  const lives = Array.from({ length: clients }, async (_, index) => {
    await pause(random() * 2000);
    await live(server.host, index, randomOf(seed + index + 1), () => isOver);
  });
  const evicting = (async () => {
    for (const end = Date.now() + duration * 1000; Date.now() < end;) {
      const paths = [...ECHOES, ...ROOMS];
      const path = paths[Math.floor(random() * paths.length)]!;
      const answer = await server.text(`/evict?path=${encodeURIComponent(path)}`);
      if (!/^evicted|not currently running/.test(answer)) fault(`${path} can't be evicted: ${answer}`);
      await pause(20 + random() * 60);
    }
  })();
  await pause(duration * 1000);
  isOver = true;
  await Promise.all([...lives, evicting]);
}

const seed = Number(options.seed);
console.log(`${clients} clients for ${seconds} s, seed ${seed}`);
// Warms up as long as the load itself, so that the heap of the process has grown to what such a load takes.
await load(seconds, seed + 1_000_000);
await eventually(async () => (await journal()).odd === 0, 30_000);
await pause(3000);
const before = await memory();
phase = "load";
await load(seconds, seed);
phase = "end";

await eventually(async () => (await journal()).odd === 0, 30_000);
const { sessions, odd, wakes, evictions } = await journal();
let open = 0;
let rows = 0;
for (const path of [...ECHOES, ...ROOMS]) {
  const [ofThis, inThis] = JSON.parse(await server.text(`/left?path=${encodeURIComponent(path)}`)) as [number, number];
  open += ofThis;
  rows += inThis;
}
const isBack = await eventually(async () => (await memory()) <= before * 1.2, 60_000);
const after = await memory();
clearInterval(progress);

const { sent, answered, refused } = figures;
if (sent !== answered + refused) fault(`${sent} messages were sent, ${answered} answered and ${refused} refused`);
if (odd > 0) fault(`${odd} of ${sessions} sessions have not exactly one open and one close`);
if (open > 0) fault(`${open} sessions are still open`);
if (rows > 0) fault(`${rows} rows are left in storage`);
if (!isBack) fault(`the process has ${after.toFixed(0)} MiB, and had ${before.toFixed(0)} MiB after the warm-up`);

console.table({
  ...figures,
  "sessions in the log": sessions,
  "of them not one open, one close": odd,
  evictions,
  "objects made": wakes,
  "open at the end": open,
  "rows at the end": rows,
  "MiB after warm-up": Math.round(before),
  "MiB at the end": Math.round(after),
});
await server.stop();
await disk.remove();
await finish().catch((error: unknown) => fault(String(error)));
for (const one of faults) console.error(one);
console.log(faults.length > 0 ? `FAILED: ${faults.length} faults` : "nothing lost");
process.exitCode = faults.length > 0 ? 1 : 0;
