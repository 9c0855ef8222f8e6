// Measures what attacks cost other clients: how long a client of the same object waits for an echo meanwhile, and how
// much the memory of the process grows. It runs each attack on a hand-written object too, and prints a Markdown table.
// The exit code is 1 if a figure exceeds its bound. npm run test:attacks [-- P18 "32 MiB"]
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { WebSocket } from "ws";

import { memory, MIB } from "../e2e/memory.ts";
import { ask, dial, frame, frames, HANDSHAKE, requestOf } from "../e2e/raw.ts";
import { Client, Disk, type Server } from "../e2e/server.ts";
import watchLog from "../support/runtime-log.ts";
import type { Told } from "./neighbour.ts";

/** The neighbour's longest wait in milliseconds, and the growth of the process beyond what the limits allow, in MiB. */
const WAIT = 100;
const GROWTH = 64;
/**
 * An attack that takes longer is given up, in milliseconds. By hand it is given up sooner, because nothing bounds it.
 */
const PATIENCE = 12_000;
const PATIENCE_BY_HAND = 8000;

const MB = 1_000_000;

interface Attack {
  /** The rule of docs/behaviour.md that bounds it; "" if only the platform's own limits do. */
  rule: string;
  name: string;
  /** Another Worker than that of the other attacks. */
  worker?: string;
  /** A hand-written object has nothing comparable. */
  isOurs?: true;
  /** Checks whether an object hibernates, so there is no neighbour, which would keep it awake. */
  isAlone?: true;
  /** In MiB: the memory that the limits allow its sessions, and what the runtime itself takes. */
  allowed?: number;
  /**
   * @returns how the attack ended
   * @throws if the result is wrong
   */
  run(scene: Scene): Promise<string>;
}

/** A client of the attacked object. */
class Neighbour {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async connect(url: string): Promise<Neighbour> {
    const process = fork(join(import.meta.dirname, "neighbour.ts"), [url]);
    await once(process, "message");
    return new Neighbour(process);
  }

  async ask(question: "begin" | "tell"): Promise<Told> {
    this.#process.send(question);
    const [told] = (await once(this.#process, "message")) as [Told];
    return told;
  }

  leave(): void {
    this.#process.disconnect();
  }
}

/** The attacked process, and the neighbour. */
class Scene {
  readonly #disk: Disk;
  readonly #prefix: string;
  readonly #attack: Attack;
  declare server: Server;
  #neighbour: Neighbour | undefined;
  /** The memory of the process before the attack, in bytes. */
  #before = 0;

  constructor(disk: Disk, attack: Attack, isByHand: boolean) {
    this.#disk = disk;
    this.#attack = attack;
    this.#prefix = isByHand ? "/hand" : "";
  }

  async start(): Promise<void> {
    this.server = await this.#disk.start();
    if (!this.#attack.isAlone) {
      this.#neighbour = await Neighbour.connect(`ws://${this.server.host}${this.path("/neighbour")}`);
      await pause(700);
      await this.#neighbour.ask("begin");
    }
    this.#before = await memory(String(this.server.pid), "VmRSS");
  }

  async stop(): Promise<void> {
    this.#neighbour?.leave();
    await this.server.stop();
  }

  /** Kills the process. The next client waits until the lost sessions have ended. */
  async restart(): Promise<void> {
    await this.stop();
    this.server = await this.#disk.start();
    await this.server.text("/closes");
    this.#before = await memory(String(this.server.pid), "VmRSS");
  }

  get isByHand(): boolean {
    return this.#prefix !== "";
  }

  path(path: string): string {
    return this.#prefix + path;
  }

  /** The neighbour's longest wait in milliseconds; infinite if its connection has ended. */
  async wait(): Promise<number> {
    if (!this.#neighbour) return NaN;
    const { longest, closed } = await this.#neighbour.ask("tell");
    return closed === undefined ? longest : Infinity;
  }

  /** How much the memory of the process has grown at most since the start, in MiB. */
  async growth(): Promise<number> {
    return ((await memory(String(this.server.pid), "VmHWM")) - this.#before) / MIB;
  }

  async connect(path: string, protocols: string[] = [], perMessageDeflate = false): Promise<Client> {
    const url = `ws://${this.server.host}${this.path(path)}`;
    const client = new Client(new WebSocket(url, protocols, { perMessageDeflate }));
    await once(client.socket, "open");
    return client;
  }

  /** A connection that neither reads nor answers a Close frame. */
  async raw(path: string, headers: readonly string[] = []): Promise<Socket> {
    const { socket, status } = await ask(this.server.host, requestOf(this.path(path), [...HANDSHAKE, ...headers]));
    if (status !== 101) throw new Error(`The handshake was answered with ${status}`);
    return socket;
  }

  async closes(): Promise<Record<string, number>> {
    return JSON.parse(await this.server.text("/closes")) as Record<string, number>;
  }

  /** Waits a while for this many closes. */
  async closed(count: number, patience = 3000): Promise<string> {
    for (const end = Date.now() + patience; ;) {
      const closes = await this.closes();
      const all = Object.values(closes).reduce((sum, one) => sum + one, 0);
      if (all >= count || Date.now() > end) return countsOf(closes, count - all);
      await pause(50);
    }
  }

  async hibernate(): Promise<void> {
    await this.server.text("/hibernate");
  }
}

/** The close codes, and how often each came. */
function countsOf(closes: Record<string, number>, open = 0): string {
  const codes = Object.entries(closes).map(([code, count]) => (count === 1 ? code : `${count} × ${code}`));
  return [...codes, ...(open > 0 ? [`${open} open`] : [])].join(", ");
}

const write = (socket: Socket, data: Uint8Array) => new Promise<void>((resolve) => socket.write(data, () => resolve()));

const times = <Value>(count: number, make: (index: number) => Value): Value[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Runs the same many times, a limited number at a time. */
async function each(count: number, atOnce: number, run: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    times(atOnce, async () => {
      while (next < count) await run(next++);
    }),
  );
}

/** Sends texts, each after the answer to the one before. Returns the milliseconds for each. */
async function talk(client: Client, count: number, text = "x"): Promise<number> {
  const since = performance.now();
  for (let index = 0; index < count; index++) {
    client.send(text);
    await client.next();
  }
  return (performance.now() - since) / count;
}

const milliseconds = (value: number) => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;

const ended = ({ code }: { code: number }) => String(code);

/** Types of frames of `socle.v1`. In a batch a byte of 0 is an empty text. */
const BATCH = 1;
const ACKNOWLEDGEMENT = 2;

const FLOW = ["Sec-WebSocket-Protocol: socle.v1"];

const utf8 = (value: string) => Buffer.from(value);

/** Sends one large binary message, and then small texts. */
const picture = (bytes: number) => async (scene: Scene) => {
  const client = await scene.connect("/picture");
  client.send(new Uint8Array(bytes).fill(7));
  return `${milliseconds(await talk(client, 100))} a text`;
};

/** The answers to the messages before a probe and to the probe; or the code with which the session closed. */
async function probe(client: Client, ...messages: string[]): Promise<string> {
  const answers: string[] = [];
  client.send(...messages, "well");
  while (answers.at(-1) !== "well") {
    answers.push(String(await client.next().catch((error: Error) => Promise.reject(new Error(told(answers, error))))));
  }
  return answers.join(", ");
}

const told = (answers: readonly string[], { message }: Error) => [...answers, message].join(", ");

/** The message becomes a part of the session object, the object hibernates, and the client leaves. */
const kept = (json: string) => async (scene: Scene) => {
  const client = await scene.connect("/json");
  const before = await probe(client, json);
  await scene.hibernate();
  const after = await probe(client);
  client.socket.close(4000);
  await client.closed;
  return `${before}; after hibernation ${after}; ${await scene.closed(1)}`;
};

/** The message becomes a part of the session object. Then the client sends small texts. */
const wide = (json: string) => async (scene: Scene) => {
  const client = await scene.connect("/wide");
  client.send(json);
  await client.next();
  return `${milliseconds(await talk(client, 100))} a text`;
};

const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

async function recovery(scene: Scene): Promise<string> {
  await each(150, 10, () => scene.connect("/tracked"));
  await scene.restart();
  const since = performance.now();
  if (scene.isByHand) await scene.server.text("/recover");
  else await (await scene.connect("/neighbour")).vanish();
  return `${scene.isByHand ? "" : `${await scene.closed(150, 10_000)}; `}after ${milliseconds(performance.now() - since)}`;
}

/** The seconds after which an object is asked whether it is still the same. Each time it is another object. */
const LATER = [9, 11, 13, 16, 20, 25, 35];
const AWAKE = 25;

async function unanswered(scene: Scene): Promise<string> {
  const isSame = await Promise.all(
    LATER.map(async (seconds) => {
      const path = `/ending/${seconds}`;
      const name = await scene.server.text(scene.path(path));
      const socket = await scene.raw(path);
      await pause(seconds * 1000);
      const later = await scene.server.text(scene.path(path));
      socket.destroy();
      return name === later;
    }),
  );
  const awake = LATER.findLast((_, index) => isSame[index]) ?? 0;
  const asleep = LATER.find((seconds) => seconds > awake);
  const how = asleep ? `awake for ${awake} to ${asleep} s` : `awake for over ${awake} s`;
  if (awake >= AWAKE) throw new Error(how);
  return how;
}

/** A binary frame of a type, with this many equal bytes, which compress to almost nothing. */
const binary =
  (path: string, type: number, length: number, byte = 0) =>
  async (scene: Scene) => {
    const client = await scene.connect(path, scene.isByHand ? [] : ["socle.v1"], true);
    const bytes = new Uint8Array(length + 1).fill(byte);
    bytes[0] = type;
    client.send(bytes);
    return ended(await client.closed);
  };

/** Many clients that read nothing, and one that speaks. */
const silent = (path: string, count: number, sentences: number, sentence: string) => async (scene: Scene) => {
  await each(count, 10, async () => (await scene.raw(path, scene.isByHand ? [] : FLOW)).pause());
  const speaker = await scene.connect(path);
  for (let said = 0; said < sentences; said += 20) {
    speaker.send(...Array<string>(20).fill(sentence));
    await speaker.take(20);
  }
  return scene.closed(count, path === "/room" ? 3000 : 0);
};

async function logged(scene: Scene, run: (scene: Scene) => Promise<string>): Promise<string> {
  const lines = async () => (await readFile(process.env.RUNTIME_LOG!, "utf8")).split("\n").length;
  const before = await lines();
  const how = await run(scene);
  const count = (await lines()) - before;
  // The log has ten entries in ten seconds, each with the stack of its error.
  if (count > 500) throw new Error(`${count} lines in the log; ${how}`);
  return `${count} lines in the log; ${how}`;
}

async function pings(scene: Scene, path: string): Promise<string> {
  const socket = await scene.raw(path);
  socket.pause();
  await Promise.race([write(socket, frames(200_000, 1, utf8("ping"))), pause(3000)]);
  await pause(500);
  return scene.closed(1, 0);
}

/** Callbacks that never settle, and then sessions that open, look at the others and leave. */
const hang = (count: number, visits: number) => async (scene: Scene) => {
  const witness = await scene.connect("/hang");
  const hanging: Client[] = [];
  await each(count, 20, async () => hanging.push(await scene.connect("/hang")));
  await talk(witness, 200);
  const before = await talk(witness, 100);
  for (const client of hanging) client.send("hang");
  await each(visits, 20, async () => {
    const client = await scene.connect("/hang");
    await talk(client, 1);
    await client.close(4000);
  });
  const after = await talk(witness, 100);
  const how = `${milliseconds(before)} a message before, ${milliseconds(after)} after`;
  // Generous, because the two are measured one after the other.
  if (after > before * 2 + 0.2) throw new Error(how);
  return how;
};

async function thrown(scene: Scene): Promise<string> {
  for (const how of ["throws", "rejects"]) {
    const client = await scene.connect("/throws");
    client.send(how);
    await Promise.race([client.closed, pause(3000).then(() => Promise.reject(new Error(`${how}: it stays open`)))]);
  }
  return scene.closed(2);
}

/** A client that disappeared without a Close frame, in a room where others talk. */
async function vanished(scene: Scene): Promise<string> {
  const socket = await scene.raw("/talking");
  const speaker = await scene.connect("/talking");
  let how = "";
  for (let second = 0; second < 8 && how !== "1001"; second++) {
    await talk(speaker, 1);
    how = await scene.closed(1, 1000);
  }
  socket.destroy();
  if (how !== "1001") throw new Error(how);
  return how;
}

const large = (message: string) => async (scene: Scene) => {
  const client = await scene.connect("/limited");
  client.send(message);
  return ended(await client.closed);
};

async function handshakes(scene: Scene): Promise<string> {
  const sockets: Socket[] = [];
  await each(1000, 1000, async () => sockets.push(await scene.raw("/limited")));
  for (const socket of sockets) socket.destroy();
  return scene.closed(1000);
}

const flood = (path: string, count: number, payload: Uint8Array) => async (scene: Scene) => {
  const socket = await scene.raw(path);
  await write(socket, frames(count, 1, payload));
  // The object has read everything before this frame.
  const closed = once(socket, "close");
  await write(socket, frame(8, new Uint8Array()));
  await closed;
  return scene.closed(1);
};

async function refused(scene: Scene): Promise<string> {
  const statuses: Record<string, number> = {};
  await each(2000, 50, async () => {
    const { socket, status } = await ask(scene.server.host, requestOf(scene.path("/refused"), HANDSHAKE));
    socket.destroy();
    statuses[status] = (statuses[status] ?? 0) + 1;
  });
  return countsOf(statuses);
}

/** Many clients that each write the same and wait for the reaction. */
const junk = (count: number, data: Uint8Array) => async (scene: Scene) => {
  await each(count, 20, async () => {
    const socket = await scene.raw("/limited");
    const answered = Promise.race([once(socket, "data"), once(socket, "close")]);
    await write(socket, data);
    await answered;
    socket.destroy();
  });
  return scene.closed(count);
};

async function unended(scene: Scene): Promise<string> {
  const sockets = await Promise.all(times(20, () => scene.raw("/limited")));
  const data = Buffer.concat([frame(1, utf8("x"), false), frames(20_000, 0, utf8("x"), false)]);
  await Promise.all(sockets.map((socket) => write(socket, data)));
  await pause(1000);
  for (const socket of sockets) socket.destroy();
  return scene.closed(20);
}

async function loris(scene: Scene): Promise<string> {
  const sockets = await Promise.all(times(500, () => dial(scene.server.host)));
  for (const byte of requestOf(scene.path("/limited"), HANDSHAKE).slice(0, 60)) {
    for (const socket of sockets) socket.write(byte);
    await pause(50);
  }
  for (const socket of sockets) socket.destroy();
  return scene.closed(0);
}

const attacks: Attack[] = [
  { rule: "", name: "nothing", run: async () => pause(2000, "") },
  { rule: "P16", name: "a picture of 1 MB in the session object, then 100 texts", run: picture(MB) },
  { rule: "P16", name: "a picture of 2 MB, then 100 texts", run: picture(2 * MB) },
  { rule: "P16", name: "JSON of 1,000 levels, kept through hibernation", run: kept(nested(1000)) },
  { rule: "P16", name: "JSON of 3,000 levels, kept through hibernation", run: kept(nested(3000)) },
  { rule: "P16", name: "JSON of 30,000 levels, kept through hibernation", run: kept(nested(30_000)) },
  { rule: "P16", name: "64 kB of JSON, of 32,000 numbers, then 100 texts", run: wide(`[${"0,".repeat(31_999)}0]`) },
  // Each comparison notes the objects that it has visited.
  {
    rule: "P16",
    name: "64 kB of JSON, of 21,000 objects, then 100 texts",
    allowed: 32,
    run: wide(`[${"{},".repeat(20_999)}{}]`),
  },
  {
    rule: "P21",
    name: "JSON that looks like the 4,294,967,294th send channel",
    run: kept(`{"v":{"socle:channel":"4294967294n","buffer":{"kind":"fixed","size":10}}}`),
  },
  { rule: "P8", name: "150 lost sessions of 1 MB end after a crash", isAlone: true, allowed: 32, run: recovery },
  {
    rule: "P17",
    name: "ended in onOpen, and the client doesn't answer the Close frame",
    isAlone: true,
    run: unanswered,
  },
  { rule: "P18", name: "32 million texts in one batch", allowed: 64, run: binary("/batch", BATCH, 32 * MIB - 1) },
  {
    rule: "P18",
    name: "4,096 texts in one batch, a slow callback",
    isOurs: true,
    run: binary("/batch-slow", BATCH, 4096),
  },
  {
    rule: "P18",
    name: "an acknowledgement of 32 MiB",
    allowed: 64,
    run: binary("/batch", ACKNOWLEDGEMENT, 32 * MIB - 1, 0x80),
  },
  {
    rule: "P19",
    name: "20 silent readers in a room in which one says 10,000 times what autoResponse says",
    // A window and maxBufferedAmount for each, and as much again for what the runtime does with it.
    allowed: 20 * 2.5,
    run: silent("/room", 20, 10_000, "pong".padEnd(2048, ".")),
  },
  { rule: "P20", name: "200,000 unread pings", run: (scene) => pings(scene, "/pings") },
  // The memory of the events until they are collected, as by hand.
  {
    rule: "P20",
    name: "200,000 unread pings, hibernate: false",
    allowed: 96,
    run: (scene) => pings(scene, "/pings-awake"),
  },
  // 200 kB for each until they are collected, as by hand.
  {
    rule: "P23",
    name: "a callback that never settles, then 1,000 sessions that come and go",
    allowed: 96,
    run: hang(1, 1000),
  },
  // 200 kB for each.
  { rule: "P23", name: "300 callbacks that never settle", allowed: 60, run: hang(300, 0) },
  { rule: "P24", name: "a revoked proxy is thrown", isOurs: true, run: thrown },
  ...["sliding", "dropping"].map((buffer) => ({
    rule: "P26",
    name: `100 readers of a ${buffer} buffer that read nothing, 500 broadcasts`,
    isOurs: true as const,
    run: (scene: Scene) => logged(scene, silent(`/${buffer}`, 100, 500, "x".repeat(100))),
  })),
  {
    rule: "P28",
    name: "gone without a word in a room that talks",
    worker: "test/attacks/client-timeout-worker.ts",
    isOurs: true,
    run: vanished,
  },
  { rule: "R19", name: "a text of 32 MiB", allowed: 64, run: large("x".repeat(32 * MIB)) },
  { rule: "R19", name: "a text of 32 MiB, of three bytes each", allowed: 64, run: large("€".repeat((32 * MIB) / 3)) },
  {
    rule: "R19",
    name: "50,000 texts of a byte, no rate limit",
    allowed: 64,
    run: flood("/limited", 50_000, utf8("x")),
  },
  { rule: "R19", name: "50,000 texts of a byte, a rate limit", allowed: 64, run: flood("/rated", 50_000, utf8("x")) },
  { rule: "R10", name: "1,000 handshakes at once", allowed: 64, run: handshakes },
  { rule: "R6", name: "2,000 handshakes that the hook refuses", run: refused },
  { rule: "", name: "500 handshakes, a byte each 50 ms", run: loris },
  {
    rule: "R14",
    name: "20,000 texts that are no UTF-8",
    allowed: 64,
    run: flood("/limited", 20_000, Uint8Array.of(0xff, 0xfe)),
  },
  { rule: "R14", name: "200 frames of a reserved opcode", run: junk(200, frame(3, utf8("x"))) },
  { rule: "R14", name: "200 pings of 126 bytes", run: junk(200, frame(9, new Uint8Array(126))) },
  {
    rule: "R14",
    name: "a text in 16,000 fragments of a byte, ten times",
    run: junk(
      10,
      Buffer.concat([frame(1, utf8("x"), false), frames(15_998, 0, utf8("x"), false), frame(0, utf8("x"))]),
    ),
  },
  { rule: "R14", name: "20,000 fragments of a text that never ends, by 20 clients", run: unended },
];

interface Figures {
  wait: number;
  growth: number;
  how: string;
  isWrong: boolean;
}

/** Runs an attack on a new process with a new disk. */
async function suffer(attack: Attack, isByHand: boolean): Promise<Figures> {
  const disk = await Disk.create(attack.worker ?? "test/attacks/worker.ts", [], ["experimental", "unsafe_module"]);
  const scene = new Scene(disk, attack, isByHand);
  const figures = { wait: NaN, growth: NaN, how: "", isWrong: false };
  try {
    await scene.start();
    const patience = attack.isAlone ? 60_000 : isByHand ? PATIENCE_BY_HAND : PATIENCE;
    const giveUp = async () => {
      await pause(patience, undefined, { ref: false });
      throw new Error(`not over after ${patience / 1000} s`);
    };
    figures.how = await Promise.race([attack.run(scene), giveUp()]);
    // Time for the consequences of the attack.
    await pause(300);
  } catch (error) {
    const [how] = (error as Error).message.split("\n", 1);
    Object.assign(figures, { how, isWrong: true });
  }
  if (scene.server) {
    Object.assign(figures, { wait: await scene.wait(), growth: await scene.growth() });
    await scene.stop();
  }
  await disk.remove();
  return figures;
}

const finish = await watchLog();
const asked = process.argv.slice(2);
const chosen = attacks.filter(
  ({ rule, name }) => asked.length === 0 || asked.some((one) => rule === one || name.includes(one)),
);
const faults: string[] = [];
const since = Date.now();

console.log("| rule | attack | wait in ms | by hand | growth in MiB | by hand | how it ended | by hand |");
console.log("| ---- | ------ | ---------- | ------- | ------------- | ------- | ------------ | ------- |");
for (const attack of chosen) {
  const { rule, name } = attack;
  const suffering = suffer(attack, false);
  // Without a neighbour the two can run at the same time.
  if (!attack.isAlone) await suffering;
  const byHand = attack.isOurs ? undefined : await suffer(attack, true);
  const ours = await suffering;
  // The wait that the runtime itself causes is allowed.
  const maxWait = Math.max(WAIT, 2 * (byHand?.wait || 0));
  const maxGrowth = GROWTH + (attack.allowed ?? 0);
  const figure = (value: number, max: number, what: string) => {
    if (Number.isNaN(value)) return "";
    const isOver = value > max;
    if (isOver) faults.push(`${rule} ${name}: ${what} ${Math.round(value)}, at most ${Math.round(max)}`);
    return `${isOver ? `**${Math.round(value)}**` : Math.round(value)} ≤ ${Math.round(max)}`;
  };
  if (ours.isWrong) faults.push(`${rule} ${name}: ${ours.how}`);
  const row = [
    rule,
    name,
    figure(ours.wait, maxWait, "ms waited"),
    byHand && !attack.isAlone ? Math.round(byHand.wait) : "",
    figure(ours.growth, maxGrowth, "MiB grown by"),
    byHand ? Math.round(byHand.growth) : "",
    ours.isWrong ? `**${ours.how}**` : ours.how,
    byHand?.how ?? "",
  ];
  console.log(`| ${row.join(" | ")} |`);
}
await finish().catch((error: unknown) => faults.push(String(error)));
console.log(`\n${chosen.length} attacks in ${Math.round((Date.now() - since) / 1000)} s`);
for (const one of faults) console.log(one);
console.log(faults.length > 0 ? `FAILED: ${faults.length} figures` : "all within their bounds");
process.exit(faults.length > 0 ? 1 : 0);
