// Measures hibernating objects: their first answer, and the memory of an idle connection.
import { setTimeout as pause } from "node:timers/promises";

import { ratio, type Bound } from "./bounds.ts";
import { connections, HIBERNATION, inTurn, type Case, type Pace } from "./case.ts";
import { Contender, entriesFor, type Work } from "./contender.ts";
import type { Outcome } from "./sample.ts";

/** The request to an object that has hibernated. */
interface Asked {
  readonly name: string;
  readonly what: string;
  readonly work: Work;
  readonly base?: string;
  readonly bounds: readonly Bound[];
  /** Its first connection sends the request. */
  readonly open: (contender: Contender, room: string, count: number) => Promise<unknown>;
}

const ANSWER: Asked = {
  name: "wake",
  what: "first answer",
  work: "wake",
  bounds: [ratio(1.1)],
  open: (contender, room, count) => contender.ask("open", { url: contender.url("wake", room), count }),
};

/** @param objects how many such objects, for more samples from one wait */
export function wake(count: number, objects: number, { isQuick }: Pace, asked = ANSWER): Case {
  const { name, what, work, base, bounds, open } = asked;
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
    name: `${name}-${count}`,
    title: `A hibernated object's ${what}, with ${count.toLocaleString("en")} connection${count > 1 ? "s" : ""}`,
    work,
    ...(base !== undefined && { base }),
    processes: "of the case",
    bounds,
    ...(isQuick && { rounds: 1 }),
    async prepare(contender) {
      await contender.ask("drop", {});
      for (let index = 0; index < objects; index++) await open(contender, `${count}-${index}`, count);
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

export const memory = ({ isQuick }: Pace): Case => {
  const count = isQuick ? 1000 : 5000;
  return {
    name: "memory",
    title: `Resident memory of an idle connection, of ${count.toLocaleString("en")}, hibernated`,
    work: "wake",
    bounds: [ratio(1.1)],
    processes: "its own",
    // The figure hardly varies, and takes a minute.
    rounds: isQuick ? 1 : 3,
    async round(_, told) {
      const outcomes = new Map<string, Outcome>();
      const contenders = [];
      for (const entry of entriesFor("wake")) {
        told(entry.name);
        const contender = await Contender.start(entry);
        // The first connections have a cost of their own, which doesn't count.
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
