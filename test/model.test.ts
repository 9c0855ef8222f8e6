// Random sequences of events, compared with a plain reference. The test prints its seed; to run it again:
// SEED=… npm test -- model. It prints the smallest counterexample, which becomes a test in regressions.test.ts.
import * as fc from "fast-check";
import { afterEach, assert, inject, it, vi } from "vitest";

import { stopClock } from "./support/alarm.ts";
import { PlayedObject } from "./support/played.ts";
import { Reference, TIMEOUT, type ReferenceSession } from "./support/reference.ts";
import type { Act, PayloadKind, Step, Variant } from "./support/script.ts";

const { seed, seconds } = inject("model");

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The reference of one sequence, which also gives names. */
class Model extends Reference {
  #count = 0;
  /** The number of commands that ran. */
  commands = 0;

  id(): string {
    return `m${++this.#count}`;
  }

  named(steps: Step[]): Act[] {
    return steps.map((step) => ({ ...step, id: this.id() }));
  }
}

type Run = (model: Model, real: PlayedObject) => Promise<void>;

/** A command, which runs only if it makes sense in the present state. */
class Command implements fc.AsyncCommand<Model, PlayedObject> {
  constructor(
    readonly text: string,
    readonly plan: (model: Model) => Run | undefined,
  ) {}

  check(model: Readonly<Model>): boolean {
    return this.plan(model as Model) !== undefined;
  }

  async run(model: Model, real: PlayedObject): Promise<void> {
    model.commands++;
    await this.plan(model)!(model, real);
  }

  toString(): string {
    return this.text;
  }
}

/** One of the sessions for which the command makes sense. */
const pick = (
  model: Model,
  who: number,
  fits: (session: ReferenceSession) => boolean,
): ReferenceSession | undefined => {
  const fitting = model.sessions.filter(fits);
  return fitting[who % fitting.length];
};

const isOpen = ({ isOpen: open, isAccepted }: ReferenceSession) => open && isAccepted;

const command = <T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  plan: (model: Model, argument: T) => Run | undefined,
): fc.Arbitrary<Command> =>
  arbitrary.map((argument) => new Command(`${name} ${JSON.stringify(argument)}`, (model) => plan(model, argument)));

/** The same for a command on one session. */
const commandOn = <T>(
  name: string,
  fits: (session: ReferenceSession, model: Model) => boolean,
  arbitrary: fc.Arbitrary<T>,
  run: (session: ReferenceSession, argument: T, model: Model, real: PlayedObject) => Promise<void>,
): fc.Arbitrary<Command> =>
  command(name, fc.tuple(fc.nat(3), arbitrary), (model, [who, argument]) => {
    const session = pick(model, who, (one) => fits(one, model));
    return session && ((_, real) => run(session, argument, model, real));
  });

const code = fc.constantFrom(1000, 1001, 1011, 3000, 4000, 4999);
const phrase = fc.constantFrom("", "see you", "𝒞".repeat(30));
const payload = fc.constantFrom<PayloadKind>("text", "text", "text", "slow", "failing", "bad");
const send: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("put" as const, "tuple" as const, "offer" as const), payload }),
  fc.record({ do: fc.constant("remote" as const), payload: fc.constantFrom<PayloadKind>("text", "bad") }),
);
const change: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom("tick" as const, "count" as const, "list" as const),
});
const ending: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("throw" as const, "finish" as const, "spoil" as const, "hold" as const) }),
  fc.record({ do: fc.constant("close" as const), code, phrase }),
);
const replace: fc.Arbitrary<Step> = fc.record({ do: fc.constant("replace" as const) });
const opening = fc.array(fc.oneof({ weight: 4, arbitrary: send }, { weight: 3, arbitrary: change }, ending), {
  maxLength: 4,
});
const steps = fc.array(
  fc.oneof({ weight: 8, arbitrary: send }, { weight: 6, arbitrary: change }, { weight: 2, arbitrary: ending }, replace),
  { maxLength: 5 },
);
const type = fc.constantFrom("text" as const, "binary" as const);

const open = command(
  "open",
  fc.record({ steps: opening, failsInClose: fc.boolean(), isFlowControlled: fc.boolean() }),
  (model, { steps: taken, ...others }) =>
    model.sessions.length < 6
      ? async (_, real) => {
          const id = model.id();
          const opened = { id, name: id, ...others, acts: model.named(taken) };
          model.open(opened);
          real.open(opened);
          await real.agree(model);
        }
      : undefined,
);

const messages = commandOn(
  "messages",
  isOpen,
  fc.array(fc.tuple(type, steps), { minLength: 1, maxLength: 4 }),
  async (one, sent, model, real) => {
    for (const [kind, taken] of sent) {
      const script = { id: model.id(), acts: model.named(taken) };
      // Send it also if the message before has closed the session: the client does not know yet.
      real.send(one.name, kind, script);
      one.receive(kind, script);
    }
    await real.agree(model);
  },
);

const together = commandOn(
  "messages in one frame",
  (one) => isOpen(one) && one.opening.isFlowControlled,
  fc.array(fc.tuple(type, steps), { minLength: 1, maxLength: 4 }),
  async (one, sent, model, real) => {
    const scripts = sent.map(([kind, taken]) => [kind, { id: model.id(), acts: model.named(taken) }] as const);
    real.sendTogether(one.name, scripts);
    for (const [kind, script] of scripts) one.receive(kind, script);
    await real.agree(model);
  },
);

/** The client acknowledges more than it can have taken, or less than before. */
const lie = commandOn(
  "the client lies",
  (one) => isOpen(one) && one.opening.isFlowControlled,
  fc.boolean(),
  async (one, isBehind, model, real) => {
    real.acknowledge(one.name, isBehind ? Math.max(one.taken - 1, 0) : one.taken + one.untaken.count + 1);
    one.lost(1002, "", "ProtocolError");
    await real.agree(model);
  },
);

/** Makes some commands more frequent than others. */
const often = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

const commands = [
  ...often(16, messages),
  ...often(4, together),
  ...often(
    8,
    commandOn(
      "the client takes all",
      (one) => isOpen(one) && one.opening.isFlowControlled && one.untaken.count > 0,
      fc.constant(0),
      async (one, _, model, real) => {
        one.take();
        await real.take(one.name, one.taken);
        await real.agree(model);
      },
    ),
  ),
  lie,
  ...often(4, open),
  commandOn(
    "messages, and the client closes",
    (one) => isOpen(one),
    fc.record({
      sent: fc.array(fc.tuple(type, fc.array(change)), { maxLength: 3 }),
      closes: fc.option(fc.tuple(code, phrase)),
    }),
    async (one, { sent, closes }, model, real) => {
      for (const [kind, taken] of sent) {
        const script = { id: model.id(), acts: model.named(taken) };
        real.send(one.name, kind, script);
        one.receive(kind, script);
      }
      const [closeCode, reason] = closes ?? [1005, ""];
      one.lost(closeCode, reason);
      await real.leave(one.name, closes?.[0], reason, !one.isIdle);
      await real.agree(model);
    },
  ),
  ...often(
    6,
    commandOn(
      "the callback goes on",
      ({ held }) => held !== undefined,
      fc.constant(0),
      async (one, _, model, real) => {
        await real.release(one.held!);
        one.release();
        await real.agree(model);
      },
    ),
  ),
  ...often(
    4,
    commandOn(
      "the payload goes on",
      ({ slow }) => slow !== undefined,
      fc.constant(0),
      async (one, _, model, real) => {
        await real.release(one.slow!.id);
        one.deliver();
        await real.agree(model);
      },
    ),
  ),
  ...often(
    2,
    commandOn("sent from outside", isOpen, send, async (one, step, model, real) => {
      const [act] = model.named([step]);
      one.act(act!);
      await real.act(one.name, act!);
      await real.agree(model);
    }),
  ),
  commandOn("session.close", isOpen, fc.tuple(code, phrase), async (one, [closeCode, reason], model, real) => {
    one.close(closeCode, reason);
    await real.close(one.name, closeCode, reason);
    await real.agree(model);
  }),
  commandOn("the client vanishes", isOpen, fc.constant(0), async (one, _, model, real) => {
    one.lost(1006, "");
    await real.lose(one.name);
    await real.agree(model);
  }),
  commandOn("the socket fails", isOpen, fc.constant(0), async (one, _, model, real) => {
    one.lost(1006, "", "the socket");
    await real.lose(one.name, new Error("the socket"));
    await real.agree(model);
  }),
  ...often(
    4,
    command("changes another's session object", fc.tuple(fc.nat(5), fc.nat(5)), (model, [who, whom]) => {
      const [one, other] = [who, whom].map((index) =>
        pick(model, index, (session) => isOpen(session) && session.isIdle),
      );
      return one && other && one !== other
        ? async (_, real) => {
            const script = { id: model.id(), acts: model.named([{ do: "touch", other: other.name }]) };
            one.receive("text", script);
            real.send(one.name, "text", script);
            await real.agree(model);
          }
        : undefined;
    }),
  ),
  command("broadcast", fc.option(fc.nat(3)), (_, who) => async (model, real) => {
    const text = model.id();
    const except = who === null ? undefined : pick(model, who, isOpen)?.name;
    assert.equal(await real.broadcast(text, except), model.broadcast(text, except));
    await real.agree(model);
  }),
  command("closeAll", fc.tuple(code, phrase), (model, [closeCode, reason]) =>
    model.openSessions.length > 2
      ? async (_, real) => {
          const count = model.openSessions.length;
          model.closeAll(closeCode, reason);
          assert.equal(await real.closeAll(closeCode, reason), count);
          await real.agree(model);
        }
      : undefined,
  ),
  command("silence", fc.constantFrom(0.4, 0.4, 1.2), (_, part) => async (model, real) => {
    model.pass(part * TIMEOUT);
    await real.pass(part * TIMEOUT);
    await real.agree(model);
  }),
  ...["hibernate" as const, "close" as const].map((webSockets) =>
    command(webSockets === "close" ? "crash" : "hibernate", fc.constant(0), (model) =>
      model.variant.hibernates && model.sessions.every((session) => session.isIdle)
        ? async (_, real) => {
            await real.evict(webSockets);
            if (webSockets === "close") model.crash();
            // This call wakes the object.
            assert.equal(await real.openSessionCount(), model.openSessions.length);
            await real.agree(model);
          }
        : undefined,
    ),
  ),
  command("deploy", fc.tuple(fc.nat(3), fc.boolean()), (model, [version, isDeferred]) =>
    model.variant.hibernates && model.sessions.every((session) => session.isIdle)
      ? async (_, real) => {
          await real.deploy(version, isDeferred ? "hibernate" : "close");
          if (!isDeferred) model.crash();
          assert.equal(await real.openSessionCount(), model.openSessions.length);
          await real.agree(model);
        }
      : undefined,
  ),
];

const variant: fc.Arbitrary<Variant> = fc.record({
  hibernates: fc.nat(3).map(Boolean),
  hasOnError: fc.boolean(),
  tracks: fc.boolean(),
  isLarge: fc.boolean(),
  flowControl: fc.record({ window: fc.integer({ min: 1, max: 200 }), maxBufferedAmount: fc.nat(150) }),
  buffer: fc.oneof(
    fc.record({ kind: fc.constant("fixed" as const), size: fc.nat(2) }),
    fc.record({ kind: fc.constantFrom("dropping" as const, "sliding" as const), size: fc.integer({ min: 1, max: 2 }) }),
  ),
});

it(
  "R10-R31, D2: random sequences end as the reference says: order, session objects, what clients receive, how sessions end",
  async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    let sequences = 0;
    let ran = 0;
    const sequence = fc.asyncProperty(
      variant,
      fc.commands(commands, { maxCommands: 40, size: "large" }),
      async (chosen, sequenceOf) => {
        stopClock();
        sequences++;
        const model = new Model(chosen);
        const real = new PlayedObject(chosen);
        for (const name of ["a", "b"]) {
          const opened = { id: name, name, failsInClose: false, isFlowControlled: name === "b", acts: [] };
          model.open(opened);
          real.open(opened);
        }
        await real.agree(model);
        await fc.asyncModelRun(() => ({ model, real }), sequenceOf);
        ran += model.commands;
        // Everything that is held continues, and ends.
        for (const session of model.sessions) {
          while (!session.isIdle) {
            const { held, slow } = session;
            if (held === undefined && slow === undefined) {
              session.take();
              await real.take(session.name, session.taken);
            } else {
              await real.release(held ?? slow!.id);
              if (held === undefined) session.deliver();
              else session.release();
            }
            await real.agree(model);
          }
        }
        model.closeAll(1001, "");
        await real.closeAll(1001, "");
        await real.agree(model);
        await real.evict("hibernate");
        assert.equal(await real.openSessionCount(), 0);
        assert.equal(await real.rows(), 0);
        await real.agree(model);
      },
    );
    console.log(`model: SEED=${seed}`);
    await fc.assert(sequence, {
      seed,
      endOnFailure: false,
      numRuns: seconds ? Infinity : 300,
      // The search for a smaller counterexample gets no extra time.
      interruptAfterTimeLimit: (seconds || 240) * 1000,
    });
    console.log(`model: ${sequences} sequences of ${ran} commands in all`);
  },
  (seconds + 300) * 1000,
);
