// What is measured, and how: a round of a case gives a sample of each contender.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import { above, below, itself, more, ratio, type Bound } from "./bounds.ts";
import { Contender, entriesFor, FLOOR, KEEPING, PAST_ROUTER, PLAIN, type Work } from "./contender.ts";
import type { Outcome, Sample } from "./sample.ts";
import { medians } from "./statistics.ts";

export interface Case {
  readonly name: string;
  readonly title: string;
  /** Who has it takes part. */
  readonly work: Work;
  /** The contender that the others are compared with, if not the floor. */
  readonly base?: string;
  /** What is asked of each of ours. */
  readonly bounds?: readonly Bound[];
  /** What the first figure of a contender is more than another's, by what that is the cost of. */
  readonly parts?: Readonly<Record<string, readonly [whole: string, rest: string]>>;
  /** Whose the contenders' processes are, if each round doesn't have its own. The round itself may start them. */
  readonly processes?: "of the case" | "its own";
  /** The most rounds that it is run at first. */
  readonly rounds?: number;
  /** Once for each of its processes. */
  readonly prepare?: (contender: Contender) => Promise<unknown>;
  round(contenders: readonly Contender[], told: (name: string) => void): Promise<Map<string, Outcome>>;
}

export interface Pace {
  /** The length of a window, in seconds. */
  seconds: number;
  /** A short run for a first look. */
  isQuick: boolean;
}

/** An object hibernates ten seconds after its last event; whether it did is looked at. */
const HIBERNATION = 12_000;

/** The seconds in which all contenders warm up, at the same time. */
const warm = ({ isQuick }: Pace) => (isQuick ? 1 : 3);

/** The seconds of a slice of a window, and of what goes before it unmeasured. */
const SLICE = 0.5;
const LEAD = 0.05;

/** How many connections one process can serve here: workerd has two files open for each. */
const [, files = "1024"] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
const MOST = Math.floor((Number(files) - 1000) / 2);

/** Each time another begins, and nobody follows itself. */
const inRotation = <T>(all: readonly T[], time: number): T[] => {
  const from = time % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
};

/** One contender after the other, each when the former has nothing left to do. */
const inTurn =
  (measure: (contender: Contender) => Promise<Outcome>): Case["round"] =>
  async (contenders, told) => {
    const outcomes = new Map<string, Outcome>();
    for (const contender of contenders) {
      told(contender.name);
      outcomes.set(contender.name, await measure(contender));
      await contender.quiet();
    }
    return outcomes;
  };

interface Traffic {
  count: number;
  seconds: number;
  p50: number;
  p99: number;
  /** What was wrong with it. */
  wrong?: string | undefined;
}

/**
 * The server's processor time for each message that came out, or each connection, beside what the clients saw. A window
 * is made of slices that take turns, and its figures are their medians: what else the machine does falls on all
 * contenders alike, and only ever adds.
 */
const charged =
  (
    { seconds }: Pace,
    traffic: (contender: Contender, seconds: number) => Promise<Traffic>,
    prepare?: (contender: Contender) => Promise<unknown>,
  ): Case["round"] =>
  async (contenders, told) => {
    const slices = Math.max(1, Math.round(seconds / SLICE));
    const taken = contenders.map((contender) => ({ contender, samples: [] as Sample[], wrong: "" }));
    for (let slice = 0; slice < slices; slice++) {
      for (const one of inRotation(taken, slice)) {
        const { contender, samples } = one;
        told(contender.name);
        // The caches are still the former's.
        await traffic(contender, LEAD);
        await prepare?.(contender);
        const before = await contender.cpu();
        const { count, seconds: passed, p50, p99, wrong } = await traffic(contender, seconds / slices);
        await contender.quiet();
        const cpu = (await contender.cpu()) - before;
        samples.push({ "CPU µs": cpu / count, "per second": count / passed, "p50 ms": p50, "p99 ms": p99 });
        one.wrong ||= wrong ?? "";
      }
    }
    return new Map(taken.map(({ contender, samples, wrong }) => [contender.name, wrong || medians(samples)]));
  };

async function connections(contender: Contender, work: Work, count: number): Promise<void> {
  await contender.ask("drop", {});
  await contender.ask("open", { url: contender.url(work), count, protocol: contender.protocol });
  await contender.quiet();
}

/** Each of so many connections sends, waits for its answer, and sends again. */
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

/** Two of these differ in the one part alone, but that past the router the object checks what the router has checked. */
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

/** How many fresh processes of each contender make a round of `cold`. */
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
      // The server's process is to be cold, and the clients' is not.
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

/** The process listens before the first connection is opened: what it takes until then is a figure of its own. */
async function coldSample(contender: Contender): Promise<Sample> {
  const start = await contender.restart();
  await contender.quiet();
  const started = await contender.cpu();
  // The disk outlives the process: the object is a new one too.
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

/** @param objects how many there are of such, to have more samples from one wait */
function wake(count: number, objects: number, { isQuick }: Pace): Case {
  const answers = new Map<Contender, string[]>();
  const askAll = async (contender: Contender) => {
    const times = [];
    const got = [];
    for (let index = 0; index < objects; index++) {
      const { ms, answer } = await contender.ask("ask", { connection: index * count });
      times.push(ms);
      got.push(answer);
    }
    const before = answers.get(contender);
    answers.set(contender, got);
    return { times: times.toSorted((a, b) => a - b), before, got };
  };
  return {
    name: `wake-${count}`,
    title: `A hibernated object's first answer, with ${count.toLocaleString("en")} connection${count > 1 ? "s" : ""}`,
    work: "wake",
    processes: "of the case",
    bounds: [ratio(1.1)],
    ...(isQuick && { rounds: 1 }),
    async prepare(contender) {
      await contender.ask("drop", {});
      for (let index = 0; index < objects; index++) {
        await contender.ask("open", { url: contender.url("wake", `${count}-${index}`), count });
      }
      await askAll(contender);
    },
    async round(contenders, told) {
      told("waiting until all hibernate");
      await pause(HIBERNATION);
      const measure = inTurn(async (contender) => {
        const { times, before, got } = await askAll(contender);
        const same = got.findIndex((answer, index) => answer === before?.[index]);
        if (same >= 0) return "the object does not hibernate";
        if (got.some((answer, index) => answer.split(" ")[0] !== before?.[index]?.split(" ")[0])) {
          return "the connection comes back as another";
        }
        return { ms: times[Math.floor(times.length / 2)]! };
      });
      return measure(contenders, told);
    },
  };
}

const memory = ({ isQuick }: Pace): Case => {
  const count = isQuick ? 1000 : 5000;
  return {
    name: "memory",
    title: `Resident memory of an idle connection, of ${count.toLocaleString("en")}, hibernated`,
    work: "wake",
    bounds: [ratio(1.1)],
    processes: "its own",
    // It hardly varies, and takes a minute.
    rounds: isQuick ? 1 : 3,
    async round(_, told) {
      const outcomes = new Map<string, Outcome>();
      const contenders = [];
      for (const entry of entriesFor("wake")) {
        told(entry.name);
        const contender = await Contender.start(entry);
        // What the first connections cost is not the connections'.
        await connections(contender, "wake", 100);
        await contender.ask("ask", { connection: 0 });
        await contender.ask("drop", {});
        await contender.quiet();
        const before = await contender.memory();
        const growth: number[] = [];
        for (let opened = 0; opened < count; opened += count / 5) {
          await contender.ask("open", { url: contender.url("wake"), count: count / 5 });
          growth.push((await contender.memory()) - before);
        }
        const { answer } = await contender.ask("ask", { connection: 0 });
        contenders.push({ contender, before, open: (await contender.memory()) - before, growth, answer });
      }
      told("waiting until all hibernate");
      await pause(HIBERNATION);
      for (const { contender, before, open, growth, answer } of contenders) {
        const hibernated = (await contender.memory()) - before;
        const { answer: later } = await contender.ask("ask", { connection: 0 });
        const curve = growth.map((bytes, index) => [`MiB at ${((index + 1) * count) / 5}`, bytes / 2 ** 20] as const);
        outcomes.set(
          contender.name,
          answer === later
            ? "the object does not hibernate"
            : { KiB: hibernated / count / 1024, "KiB awake": open / count / 1024, ...Object.fromEntries(curve) },
        );
        await contender.stop();
      }
      return outcomes;
    },
  };
};

/** The bytes of a message to the stalled client; the contenders have 400 MB of them. */
const STALLED_BYTES = 65_536;

const stalled = ({ isQuick }: Pace): Case => ({
  name: "stalled",
  title: "Resident memory that a client adds which never reads, with 400 MB to send to it in 64 KiB messages",
  work: "stalled",
  bounds: [itself(16, "MiB")],
  // It hardly varies.
  rounds: isQuick ? 1 : 5,
  // What the object and its code need is not the client's.
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
    // What has sent nothing needs no memory either.
    if (Number(later) === 0) return "nothing is sent";
    return answer === later ? { MiB, "MB sent": (Number(later) * STALLED_BYTES) / 1e6 } : "it never comes to rest";
  }),
});

const burst = (pace: Pace): Case => ({
  name: "burst",
  title: "Bursts of 100 broadcasts of 20 bytes to 200 connections, for each delivery",
  work: "burst",
  // Ten times as many messages with the same processor time.
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
  ];
  // To open the thousands of connections of the other objects that wake would take too long.
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
  ]);
  return pace.isQuick ? all.filter(({ name }) => quick.has(name)) : all;
}
