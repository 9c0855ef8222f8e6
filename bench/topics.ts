// The cost of topics: publications with and without a history, the first after a wake, replays, and the memory of subscriptions.
import { setTimeout as pause } from "node:timers/promises";

import { itself, within } from "./bounds.ts";
import { charged, connections, HIBERNATION, inTurn, MOST, warm, type Case, type Pace } from "./case.ts";
import { BROADCAST, Contender, entriesFor, TOPICS, type Entry } from "./contender.ts";
import { COLLECT, REPLAYED } from "./contenders/subscribed.ts";
import { wake } from "./hibernation.ts";
import type { Outcome } from "./sample.ts";

const publish = (count: number, pace: Pace): Case => ({
  name: `publish-${count}`,
  title: `A publication without a history to ${count.toLocaleString("en")} subscriber${count > 1 ? "s" : ""}, for each delivery`,
  work: "publish",
  base: TOPICS,
  // With one subscriber the requesting message dominates, and with thousands the sockets do.
  ...(count === 100 && { bounds: [within(1.1, BROADCAST)] }),
  // Opening thousands takes longer than a round.
  ...(count > 1000 && { processes: "of the case" }),
  async prepare(contender) {
    await connections(contender, "topic", count);
    await contender.ask("broadcast", { seconds: warm(pace) });
  },
  round: charged(pace, (contender, seconds) => contender.ask("broadcast", { seconds })),
});

/** How many rows the object of the first connection has written. */
async function rows(contender: Contender): Promise<number> {
  const { answer } = await contender.ask("ask", { connection: 0, message: "rows" });
  return Number(answer);
}

/** @param each how many publications one message asks for */
function history(each: number, pace: Pace): Case {
  const traffic = (contender: Contender, seconds: number) =>
    contender.ask("broadcast", { seconds, message: `${each}`, each });
  return {
    name: `history-${each}`,
    title: `A publication of 200 bytes with a history, ${each === 1 ? "alone" : `${each} in a turn`}, to 1 subscriber`,
    work: "history",
    base: TOPICS,
    // One row for the turn, and a few for the blocks that are full or too old.
    bounds: [itself(each === 1 ? 1.1 : 0.1, "rows", "rows")],
    async prepare(contender) {
      await connections(contender, "history", 1);
      await traffic(contender, warm(pace));
    },
    async round(contenders, told) {
      const outcomes = await charged(pace, traffic)(contenders, told);
      const counted = inTurn(async (contender) => {
        const outcome = outcomes.get(contender.name)!;
        const before = await rows(contender);
        const { count } = await traffic(contender, 1);
        const written = (await rows(contender)) - before;
        return typeof outcome === "string" ? outcome : { ...outcome, rows: written / count };
      });
      return counted(contenders, told);
    },
  };
}

const replay = (pace: Pace): Case => ({
  name: "replay",
  title: `A replay of ${REPLAYED} publications of 200 bytes to a client that subscribes, for each publication`,
  work: "history",
  base: TOPICS,
  async prepare(contender) {
    await connections(contender, "history", 1);
    await contender.ask("broadcast", { seconds: warm(pace), message: "20", each: 20 });
    await contender.ask("broadcast", { seconds: warm(pace), message: "replay", each: REPLAYED });
  },
  round: charged(pace, (contender, seconds) =>
    contender.ask("broadcast", { seconds, message: "replay", each: REPLAYED }),
  ),
});

/** One connection is subscribed to the published topic, the others to another: the case measures how long it takes to find it. */
const firstPublish = (count: number, objects: number, pace: Pace): Case =>
  wake(count, objects, pace, {
    name: "first-publish",
    what: "first publication, to 1 subscriber",
    work: "topic",
    base: TOPICS,
    // 6 µs a connection. With fewer connections the wake itself is too large a part.
    bounds: count > 5000 ? [itself((count * 6) / 1000, "ms")] : [],
    async open(contender, room) {
      await contender.ask("open", { url: contender.url("topic", room, "?topic=news"), count: 1 });
      await contender.ask("open", { url: contender.url("topic", room, "?topic=other"), count: count - 1 });
    },
  });

/** Bytes of the server's memory while its sessions are opened, and afterwards. */
class Crowd {
  readonly contender: Contender;
  readonly #before: number;

  private constructor(contender: Contender, before: number) {
    this.contender = contender;
    this.#before = before;
  }

  static async start(entry: Entry): Promise<Crowd> {
    const contender = await Contender.start(entry, ["--expose-gc"]);
    // The first connections have a cost of their own, which doesn't count.
    await connections(contender, "topic", 100);
    await contender.ask("ask", { connection: 0, message: COLLECT });
    await contender.ask("drop", {});
    await contender.quiet();
    return new Crowd(contender, await contender.memory());
  }

  async open(count: number, topics: string): Promise<void> {
    await this.contender.ask("open", { url: this.contender.url("topic"), count: 1 });
    // Of the same length, because a URL may be kept.
    const url = this.contender.url("topic", "one", `?topic=other&topics=${topics}`);
    await this.contender.ask("open", { url, count });
    await this.contender.quiet();
  }

  /** Makes the object find out who is subscribed to which topic. */
  async publish(): Promise<string> {
    const { answer } = await this.contender.ask("ask", { connection: 0, message: COLLECT });
    // After one publication on a topic everything of it is in memory.
    await this.contender.ask("ask", { connection: 0, message: COLLECT });
    await this.contender.quiet();
    return answer;
  }

  async growth(): Promise<number> {
    return (await this.contender.memory()) - this.#before;
  }
}

const subscription = (): Case => {
  const count = 5000;
  const topics = 10;
  return {
    name: "subscription",
    title: `Resident memory of a subscription, of ${topics} of each of ${count.toLocaleString("en")} sessions, more than without`,
    work: "subscription",
    base: TOPICS,
    bounds: [itself(200, "bytes")],
    processes: "its own",
    rounds: 3,
    async round(_, told) {
      const taken = [];
      for (const entry of entriesFor("subscription")) {
        told(entry.name);
        const [crowd, without] = [await Crowd.start(entry), await Crowd.start(entry)];
        await crowd.open(count, `${topics}`);
        await without.open(count, "00");
        const answers = [await crowd.publish(), await without.publish()];
        const more = async () => ((await crowd.growth()) - (await without.growth())) / count / topics;
        taken.push({ name: entry.name, crowd, without, more, answers, open: await more() });
      }
      told("waiting until all hibernate");
      await pause(HIBERNATION);
      const outcomes = new Map<string, Outcome>();
      for (const { name, crowd, without, more, answers, open } of taken) {
        const later = [await crowd.publish(), await without.publish()];
        outcomes.set(
          name,
          later.some((answer, index) => answer === answers[index])
            ? "the object does not hibernate"
            : { bytes: open, "bytes woken": await more() },
        );
        for (const { contender } of [crowd, without]) await contender.stop();
      }
      return outcomes;
    },
  };
};

export const topicCases = (pace: Pace): Case[] => [
  publish(1, pace),
  publish(100, pace),
  publish(5000, pace),
  history(1, pace),
  history(20, pace),
  replay(pace),
  firstPublish(1000, 4, pace),
  firstPublish(Math.min(10_000, MOST), 1, pace),
  subscription(),
];
