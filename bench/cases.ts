// The cases: a round of a case gives a sample of each contender.
import { randomUUID } from "node:crypto";

import { above, below, itself, more, ratio } from "./bounds.ts";
import { charged, connections, inRotation, inTurn, MOST, warm, type Case, type Pace } from "./case.ts";
import { FLOOR, KEEPING, PAST_ROUTER, PLAIN, type Contender } from "./contender.ts";
import { memory, wake } from "./hibernation.ts";
import type { Sample } from "./sample.ts";
import { shardCases } from "./shards.ts";
import { medians } from "./statistics.ts";
import { topicCases } from "./topics.ts";

/** Each of the connections sends, waits for its answer, and sends again. */
const echoing = (count: number, bytes: number, pace: Pace): Pick<Case, "prepare" | "round"> => ({
  async prepare(contender) {
    await connections(contender, "echo", count);
    await contender.ask("echo", { seconds: warm(pace), bytes });
  },
  round: charged(pace, (contender, seconds) => contender.ask("echo", { seconds, bytes })),
});

function echo(count: number, bytes: number, pace: Pace): Case {
  const size = bytes < 1024 ? `${bytes} bytes` : `${bytes / 1024} KiB`;
  return {
    name: `echo-${count}${bytes < 1024 ? "" : `-${bytes / 1024}k`}`,
    title: `Echo, ${count === 1 ? "1 connection" : `${count} connections`}, ${size}`,
    work: "echo",
    ...(bytes < 1024 && { bounds: [ratio(1.02), below("PartyServer"), above("crossws", 0.01)] }),
    ...echoing(count, bytes, pace),
  };
}

const object = (pace: Pace): Case => ({
  name: "object-20",
  title: "Echo whose session object changes, 20 connections, 32 bytes",
  work: "object",
  base: KEEPING,
  bounds: [ratio(1.06), below("PartyServer, changed state")],
  ...echoing(20, 32, pace),
});

const slow = (pace: Pace): Case => ({
  name: "slow",
  title: "Asynchronous echo, 20 connections: answers that take 3 ms and 0 ms, in order",
  work: "slow",
  prepare: (contender) => connections(contender, "slow", 20),
  round: charged(pace, async (contender, seconds) => {
    const { reordered, ...traffic } = await contender.ask("slow", { seconds });
    return { ...traffic, wrong: reordered > 0 ? "the answers of one connection come out of order" : undefined };
  }),
});

const broadcast = (pace: Pace): Case => ({
  name: "broadcast",
  title: "Broadcast to 500 connections, for each delivery",
  work: "room",
  bounds: [ratio(1.02), below("PartyServer"), above("crossws", 0.01)],
  async prepare(contender) {
    await connections(contender, "room", 500);
    await contender.ask("broadcast", { seconds: warm(pace) });
  },
  round: charged(pace, (contender, seconds) => contender.ask("broadcast", { seconds })),
});

/** As many connections as one process can serve, instead of the 10,000. */
const crowd = ({ isQuick }: Pace): Case => ({
  name: "broadcast-10000",
  title: `Broadcast to ${Math.min(10_000, MOST).toLocaleString("en")} connections: the longest that another's echo takes meanwhile, and how long until all have it`,
  work: "crowd",
  processes: "of the case",
  // One slice, and everything else that is in transit.
  bounds: [itself(50, "ms"), below("PartyServer")],
  ...(isQuick && { rounds: 1 }),
  async prepare(contender) {
    await connections(contender, "crowd", Math.min(10_000, MOST));
    await contender.ask("crowd", { times: 3 });
  },
  round: inTurn(async (contender) => {
    const before = await contender.cpu();
    const { longest, all } = await contender.ask("crowd", { times: 5 });
    const cpu = ((await contender.cpu()) - before) / 5000;
    return { "longest echo ms": longest, "all ms": all, "CPU ms": cpu };
  }),
});

/** Each pair differs in that part alone, except that the object repeats the router's checks if a request doesn't go through the router. */
const PARTS: Case["parts"] = {
  "Socle's router, beyond the floor's Worker": ["Socle, class", PAST_ROUTER],
  "Socle's object, beyond the floor's": [PAST_ROUTER, FLOOR],
};

const opening = (pace: Pace): Case => ({
  name: "opening",
  title: "Opening connections, twenty at a time",
  work: "opening",
  bounds: [ratio(1.2), below("PartyServer")],
  parts: PARTS,
  prepare: (contender) => connections(contender, "echo", 200),
  round: charged(
    pace,
    (contender, seconds) => contender.ask("opening", { url: contender.url("echo", "opening"), seconds, atMost: MOST }),
    (contender) => connections(contender, "echo", 0),
  ),
});

/** How many new processes of each contender make a round of `cold`. */
const PROCESSES = 15;

const FIRST = "first echo ms";
const SECOND = "second ms";

const cold = ({ isQuick }: Pace): Case => {
  const processes = isQuick ? 3 : PROCESSES;
  return {
    name: "cold",
    title: "The first connection and its echo in a fresh process, and the second to the same object",
    work: "opening",
    processes: "of the case",
    bounds: [more(FIRST, 1.5), more(SECOND, 0.5), below("PartyServer", FIRST), below("PartyServer", SECOND)],
    parts: PARTS,
    async prepare(contender) {
      // Warms the clients' process. The server's stays cold.
      for (let index = 0; index < 20; index++) await contender.ask("greet", { url: contender.url("echo") });
      await contender.ask("drop", {});
    },
    async round(contenders, told) {
      const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
      for (let process = 0; process < processes; process++) {
        for (const contender of inRotation(contenders, process)) {
          told(`${contender.name}, process ${process + 1} of ${processes}`);
          samples.get(contender.name)!.push(await coldSample(contender));
        }
      }
      return new Map([...samples].map(([name, taken]) => [name, medians(taken)]));
    },
  };
};

/** The process listens before the first connection is opened. The time until then is a separate figure. */
async function coldSample(contender: Contender): Promise<Sample> {
  const start = await contender.restart();
  await contender.quiet();
  const started = await contender.cpu();
  // The disk outlives the process, so the object is new too.
  const url = contender.url("echo", randomUUID());
  const firstEcho = await contender.ask("greet", { url });
  await contender.quiet();
  const greeted = await contender.cpu();
  const second = await contender.ask("greet", { url });
  await contender.quiet();
  const ended = await contender.cpu();
  await contender.ask("drop", {});
  return {
    [FIRST]: firstEcho,
    "CPU ms": (greeted - started) / 1000,
    [SECOND]: second,
    "its CPU ms": (ended - greeted) / 1000,
    "start ms": start,
    "start CPU ms": started / 1000,
  };
}

const closing = ({ isQuick }: Pace): Case => ({
  name: "closing",
  title: "The client's close, until its close event",
  work: "echo",
  rounds: isQuick ? 1 : 3,
  round: inTurn(async (contender) => {
    const times = [];
    for (const code of [1000, undefined, 4001]) {
      const { ms, code: got } = await contender.ask("close", { url: contender.url("echo"), code });
      const call = `close(${code ?? ""})`;
      if (ms === undefined) return `a client's ${call} has no answer in 3 s`;
      if (got !== (code ?? 1005)) return `a client's ${call} is answered with ${got}`;
      times.push(ms);
    }
    return { ms: times.reduce((sum, ms) => sum + ms, 0) / times.length };
  }),
});

/** The bytes of a message to the stalled client. The contenders send 400 MB of these. */
const STALLED_BYTES = 65_536;

const stalled = ({ isQuick }: Pace): Case => ({
  name: "stalled",
  title: "Resident memory that a client adds which never reads, with 400 MB to send to it in 64 KiB messages",
  work: "stalled",
  bounds: [itself(16, "MiB")],
  // The figure hardly varies.
  rounds: isQuick ? 1 : 5,
  // The memory of the object and its code doesn't count as the client's.
  async prepare(contender) {
    await connections(contender, "stalled", 1);
    await contender.ask("ask", { connection: 0 });
  },
  round: inTurn(async (contender) => {
    const before = await contender.memory();
    await contender.ask("stall", { url: contender.url("stalled"), protocol: contender.protocol });
    await contender.quiet();
    const { answer } = await contender.ask("ask", { connection: 0 });
    await contender.quiet();
    const MiB = ((await contender.memory()) - before) / 2 ** 20;
    const { answer: later } = await contender.ask("ask", { connection: 0 });
    // A contender that has sent nothing needs no memory either.
    if (Number(later) === 0) return "nothing is sent";
    return answer === later ? { MiB, "MB sent": (Number(later) * STALLED_BYTES) / 1e6 } : "it never comes to rest";
  }),
});

const burst = (pace: Pace): Case => ({
  name: "burst",
  title: "Bursts of 100 broadcasts of 20 bytes to 200 connections, for each delivery",
  work: "burst",
  // A tenth is ten times as many messages with the same processor time.
  bounds: [ratio(0.1)],
  async prepare(contender) {
    await connections(contender, "burst", 200);
    await contender.ask("burst", { seconds: warm(pace) });
  },
  round: charged(pace, (contender, seconds) => contender.ask("burst", { seconds })),
});

const echoFlow = (pace: Pace): Case => ({
  name: "echo-flow",
  title: "Echo, 20 connections, 20 bytes, with flowControl and without",
  work: "echo-flow",
  base: PLAIN,
  bounds: [ratio(1.1)],
  ...echoing(20, 20, pace),
});

export function casesOf(pace: Pace): Case[] {
  const all = [
    echo(1, 32, pace),
    echo(20, 32, pace),
    echo(200, 32, pace),
    echo(20, 1024, pace),
    echo(20, 65_536, pace),
    object(pace),
    slow(pace),
    broadcast(pace),
    crowd(pace),
    opening(pace),
    cold(pace),
    closing(pace),
    wake(1, 16, pace),
    wake(1000, 4, pace),
    wake(Math.min(10_000, MOST), 1, pace),
    memory(pace),
    stalled(pace),
    burst(pace),
    echoFlow(pace),
    ...topicCases(pace),
    ...shardCases(pace),
  ];
  // Opening the thousands of connections of the other objects that wake would take too long.
  const quick = new Set([
    "echo-20",
    "object-20",
    "slow",
    "broadcast",
    "opening",
    "cold",
    "closing",
    "wake-1",
    "memory",
    "stalled",
    "burst",
    "echo-flow",
    "publish-100",
    "history-1",
    "replay",
  ]);
  return pace.isQuick ? all.filter(({ name }) => quick.has(name)) : all;
}
