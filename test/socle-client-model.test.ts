// Random schedules of network faults, and how a `SocleClient` handles them. The test prints its seed; to run it again:
// SEED=… npm test -- socle-client-model. Each bug that it finds becomes a test in socle-client.test.ts.
import * as fc from "fast-check";
import type { SocleClient } from "socle/client";
import { afterEach, assert, inject, it, vi } from "vitest";

import { SimulatedPage, Simulation } from "./support/simulated-client.ts";
import type { ServerOptions } from "./support/simulated-server.ts";

const { seed, seconds } = inject("model");

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

type Act =
  | { do: "publish"; topic: number; count: number }
  | { do: "send"; count: number }
  | { do: "advance" | "sleep"; ms: number }
  | { do: "cut" | "silence" | "freeze" | "heal" | "refuse" | "offline" | "online" | "show" | "hide" | "clear" }
  | { do: "end"; code: number }
  | { do: "slow"; ms: number };

const TOPICS = ["a", "b"];

const times = fc.constantFrom(0, 1, 9, 10, 11, 25, 100, 500, 3000, 12_500, 25_000, 40_000, 200_000);

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      topic: fc.nat(1),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: times }) },
  fc.record({ do: fc.constant("sleep" as const), ms: times }),
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(["cut", "cut", "silence", "freeze", "refuse", "offline", "online", "show", "hide", "clear"] as const),
      ),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Act>({ do: "heal" }) },
  fc.record({ do: fc.constant("end" as const), code: fc.constantFrom(1001, 1008, 1011, 1012, 1013) }),
  fc.record({ do: fc.constant("slow" as const), ms: fc.constantFrom(0, 1, 30, 900) }),
);

const servers: fc.Arbitrary<ServerOptions> = fc.record({
  kept: fc.constantFrom(2, 5, 1_000_000),
  maxPendingMessages: fc.constantFrom(1, 4, 1000),
  rateLimit: fc.constantFrom(undefined, { messages: 1, perMs: 100 }, { messages: 7, perMs: 1000 }),
  topics: fc.constant(TOPICS),
}) as fc.Arbitrary<ServerOptions>;

/** Checks one topic: all publications arrive in order, and a gap is reported before anything newer. */
class Watched {
  readonly faults: string[] = [];
  /** The position of the last publication, or of the one before the next. */
  position = "";

  recovery(recovered: boolean, position: string): void {
    if (recovered && position !== this.position)
      this.faults.push(`recovered from ${position}, behind ${this.position}`);
    this.position = position;
  }

  message(position: string): void {
    const [epoch, offset] = position.split(".");
    if (this.position !== `${epoch}.${Number(offset) - 1}`)
      this.faults.push(`${position} came behind ${this.position}`);
    this.position = position;
  }
}

/** Random numbers that are the same in each run of a seed. */
function chances(from: number): () => number {
  let state = from;
  return () => (state = (state * 16_807 + 1) % 2_147_483_647) / 2_147_483_647;
}

async function play(
  simulation: Simulation,
  page: SimulatedPage,
  client: SocleClient,
  acts: readonly Act[],
): Promise<number> {
  const { clock, network, server } = simulation;
  let sent = 0;
  for (const one of acts) {
    if (one.do === "publish") for (let count = 0; count < one.count; count++) server.publish(TOPICS[one.topic]!, "x");
    else if (one.do === "send") for (let count = 0; count < one.count; count++) client.send(`${sent++}`);
    else if (one.do === "advance") await clock.advance(one.ms);
    else if (one.do === "sleep") await clock.sleep(one.ms);
    else if (one.do === "cut") network.cut();
    else if (one.do === "silence") network.isSilent = true;
    else if (one.do === "freeze") network.freeze();
    else if (one.do === "refuse") network.isRefusing = true;
    else if (one.do === "heal") network.isSilent = network.isRefusing = false;
    else if (one.do === "offline" || one.do === "online") page.online(one.do === "online");
    else if (one.do === "show" || one.do === "hide") page.show(one.do === "show");
    else if (one.do === "slow") network.latency = () => Math.round(Math.random() * one.ms);
    else {
      if (one.do === "clear") server.clear(TOPICS[0]!);
      server.closeAll(one.do === "end" ? one.code : 1012);
    }
  }
  return sent;
}

it(
  "C1-C5: under random faults nothing comes twice or is left out unsaid, a dead network is noticed, and close() leaves nothing",
  async () => {
    let sequences = 0;
    const property = fc.asyncProperty(
      servers,
      fc.array(act, { minLength: 1, maxLength: 60, size: "max" }),
      fc.nat(),
      async (options, acts, chance) => {
        sequences++;
        vi.spyOn(Math, "random").mockImplementation(chances(chance));
        const page = new SimulatedPage();
        const simulation = new Simulation(options);
        const { clock, network, statuses } = simulation;
        const client = simulation.client();
        const watched = TOPICS.map((name) => {
          const one = new Watched();
          const topic = client.topic(name);
          topic.addEventListener("recovery", ({ recovered, position }) => one.recovery(recovered, position!));
          topic.addEventListener("message", ({ position }) => one.message(position!));
          return one;
        });
        const sent = await play(simulation, page, client, acts);
        network.isSilent = true;
        await clock.advance(35_000);
        assert.notEqual(client.status, "open", "a dead network is noticed");
        network.isSilent = network.isRefusing = false;
        network.latency = () => 10;
        page.show(true);
        page.online(true);
        // As long as the queued messages take under the rate limit.
        await clock.advance(600_000);
        for (const topic of TOPICS) simulation.server.publish(topic, "the last");
        await clock.advance(1000);
        assert.equal(client.status, "open");
        assert.deepEqual(
          watched.map(({ faults, position }) => ({ faults, position })),
          TOPICS.map((topic) => {
            const { epoch, newest } = simulation.server.histories.get(topic)!;
            return { faults: [], position: `${epoch}.${newest}` };
          }),
        );
        const came = simulation.received.flat().map(Number);
        assert.isTrue(
          came.every((one, index) => index === 0 || one > came[index - 1]!),
          `in order, and once: ${came.join()}`,
        );
        const lost = statuses.reduce((sum, { mayBeLost }) => sum + mayBeLost, 0);
        assert.isAtMost(sent - came.length, lost, "what has not come was said to be lost, maybe");
        client.close();
        assert.deepEqual([page.listeners, network.open], [0, 0]);
        await clock.advance(100_000);
        assert.deepEqual([clock.size, network.sockets.size], [0, 0]);
      },
    );
    console.log(`client model: SEED=${seed}`);
    await fc.assert(property, {
      seed,
      numRuns: seconds ? Infinity : 200,
      interruptAfterTimeLimit: (seconds || 60) * 1000,
    });
    console.log(`client model: ${sequences} sequences`);
  },
  (seconds + 120) * 1000,
);
