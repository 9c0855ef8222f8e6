// The cost of shards: the same listeners in one object and in several shards, with publications one at a time and many in flight.
import { charged, warm, type Case, type Pace } from "./case.ts";
import { TOPICS, type Contender } from "./contender.ts";
import type { Outcome } from "./sample.ts";

/** The listeners of all shards together. Only the number of shards differs from case to case. */
const LISTENERS = 64;

/** How many publications one message asks for. The client sends the next message when all have them. */
const TOGETHER = 200;

/** Makes figures per publication, not per delivery. */
const traffic = (each: number) => async (contender: Contender, seconds: number) => {
  const { count, ...others } = await contender.ask("broadcast", { seconds, message: `${each}`, each });
  return { ...others, count: count / LISTENERS };
};

function shards(count: number, work: "topic" | "history", pace: Pace): Case {
  const objects = count === 1 ? "1 shard" : `${count} shards`;
  const isKept = work === "history";
  return {
    name: `shards-${count}${isKept ? "-history" : ""}`,
    title: `A publication to ${LISTENERS} subscribers in ${objects}, with ${isKept ? "a" : "no"} history: ${TOGETHER} in flight, and the latency of one alone`,
    work: "shards",
    base: TOPICS,
    rounds: 3,
    async prepare(contender) {
      await contender.ask("drop", {});
      for (let shard = 0; shard < count; shard++) {
        const url = contender.url(work, "one", `?topic=news&shard=${shard}`);
        await contender.ask("open", { url, count: LISTENERS / count });
      }
      await traffic(TOGETHER)(contender, warm(pace));
    },
    async round(contenders, told) {
      const together = await charged(pace, traffic(TOGETHER))(contenders, told);
      const alone = await charged(pace, traffic(1))(contenders, told);
      return new Map<string, Outcome>(
        [...together].map(([name, many]): [string, Outcome] => {
          const one = alone.get(name)!;
          if (typeof many === "string" || typeof one === "string") return [name, "it has no figures"];
          const { "CPU µs": cpu = NaN, "per second": publications = NaN } = many;
          const { "CPU µs": itsCpu = NaN, "p50 ms": p50 = NaN, "p99 ms": p99 = NaN } = one;
          return [
            name,
            {
              "CPU µs": cpu,
              "per second": publications,
              "deliveries a second": publications * LISTENERS,
              "alone, CPU µs": itsCpu,
              "p50 ms": p50,
              "p99 ms": p99,
            },
          ];
        }),
      );
    },
  };
}

export const shardCases = (pace: Pace): Case[] =>
  [1, 8, 32].flatMap((count) => [shards(count, "topic", pace), shards(count, "history", pace)]);
