// Random sequences of subscriptions and publications, compared with a plain reference. The test prints its seed; to run
// it again: SEED=… npm test -- topics-model. Each bug that it finds becomes a test in topics-regressions.test.ts.
import * as fc from "fast-check";
import { afterEach, assert, inject, it, vi } from "vitest";

import { stopClock } from "./support/alarm.ts";
import { positionOf, type ReferenceTopic } from "./support/topics-history.ts";
import { PlayedObject } from "./support/topics-played.ts";
import { Reference, type ReferenceSession } from "./support/topics-reference.ts";
import {
  AGE,
  TOPICS,
  type Act,
  type Histories,
  type History,
  type Kind,
  type Variant,
} from "./support/topics-script.ts";

const { seed, seconds } = inject("model");

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

class Model extends Reference {
  #count = 0;
  /** The number of empty payloads. There are few, because an empty payload can't carry its act's id. */
  empty = 0;
  commands = 0;

  id(): string {
    return `p${++this.#count}`;
  }
}

/** An act before its sessions and positions are known. */
interface Draft {
  do:
    | "publish"
    | "subscribe"
    | "unsubscribe"
    | "fill"
    | "empty"
    | "tick"
    | "close"
    | "clear"
    | "read"
    | "state"
    | "rollback";
  topic: number;
  by: number;
  isAwaited: boolean;
  isBinary: boolean;
  size: number;
  except: number[];
  key: string;
  since: "none" | "client" | "junk" | "ahead" | "position";
  index: number;
  last: number | undefined;
  more: Draft[];
}

/** Where the acts run: in a callback of a session, in the object, or by RPC. */
type Place = { session: string } | "object" | "rpc";

const isObjects = (one: Act["do"]) => one === "clear" || one === "read" || one === "state";

function positionFor({ since, index, topic: which }: Draft, model: Model, real: PlayedObject): string | undefined {
  if (since === "none") return undefined;
  if (since === "client" || since === "junk") return since;
  const topic = model.topics[TOPICS[which]!];
  const chosen = topic.all.length > 0 ? topic.all.at(-1 - (index % topic.all.length)) : undefined;
  const position =
    since === "ahead" && topic.epoch
      ? positionOf({ epoch: topic.epoch, offset: topic.newest + index })
      : chosen && positionOf(chosen);
  return position !== undefined && real.knows(position) ? position : "junk";
}

/** The acts that make sense in this place. */
function actsOf(
  drafts: readonly Draft[],
  place: Place,
  model: Model,
  real: PlayedObject,
  taken: Set<string> = new Set(),
): Act[] {
  const acts: Act[] = [];
  const isSession = typeof place === "object";
  // The session of a slow client may end at any publication.
  const open = model.openSessions.filter(
    ({ isCredited }) => !isCredited || model.variant.flowControl!.maxBufferedAmount > 1_000_000,
  );
  for (const draft of drafts) {
    const { do: what, isAwaited, by: who, isBinary, except } = draft;
    const topic = TOPICS[draft.topic]!;
    const { messages = 0, bytes = 0 } = model.histories[topic] ?? {};
    // In one turn all publications are stored together, so one that is trimmed at once may never have been there.
    const isOpenToDoubt = taken.has(topic) && (messages < 100 || bytes < 1_000_000);
    const key = isOpenToDoubt ? "" : draft.key;
    if (what === "publish") taken.add(topic);
    if (isSession ? isObjects(what) : place === "rpc" && what !== "publish" && what !== "tick" && !isObjects(what))
      continue;
    const publisher = place === "object" && open.length > 0 ? open[who % open.length]!.name : undefined;
    const by = isSession ? place.session : publisher;
    const id = model.id();
    const common = { id, isAwaited };
    if (what === "tick") acts.push({ ...common, do: what });
    else if (what === "rollback") {
      if (place === "rpc") continue;
      const more = actsOf(draft.more, place, model, real, taken).filter(
        (one) => one.do !== "close" && one.do !== "tick",
      );
      acts.push({ ...common, do: what, acts: more });
    } else if (isObjects(what)) {
      // The number of subscribers is not known for sure then.
      if (what === "state" && model.openSessions.some((one) => one.isCredited)) continue;
      const since = what === "read" ? positionFor(draft, model, real) : undefined;
      acts.push({ ...common, do: what as "read", topic, ...(what === "read" && { since, last: draft.last }) });
    } else if (what === "publish") {
      const names = except.flatMap((one) =>
        model.sessions.length > 0 ? [model.sessions[one % model.sessions.length]!.name] : [],
      );
      const isEmpty = draft.size === 0 && model.variant.isEnveloped && messages > 0 && model.empty++ < 5;
      const size = draft.size === 0 && !isEmpty ? 100 : draft.size;
      acts.push({
        ...common,
        do: what,
        topic,
        payload: { isBinary, size },
        except: names,
        key,
        ...((isSession || who % 2 > 0) && by && { by }),
      });
    } else if (by !== undefined) {
      if (what === "subscribe")
        acts.push({ ...common, do: what, topic, by, since: positionFor(draft, model, real), last: draft.last });
      else if (what === "unsubscribe") acts.push({ ...common, do: what, topic, by });
      else acts.push({ ...common, do: what as "fill", by });
      // Its onClose runs then, which later acts could not take into account.
      if (what === "close" && place === "object") break;
    }
  }
  return acts;
}

/** The log entries about slow clients and about clients that lie. */
const EXPECTED = /a slow session ends with 1013|BufferFullError|ProtocolError/;

type Run = (model: Model, real: PlayedObject) => Promise<void>;

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
    await real.agree(model);
  }

  toString(): string {
    return this.text;
  }
}

const command = <T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  plan: (model: Model, argument: T) => Run | undefined,
): fc.Arbitrary<Command> =>
  arbitrary.map((argument) => new Command(`${name} ${JSON.stringify(argument)}`, (model) => plan(model, argument)));

const commandOn = <T>(
  name: string,
  fits: (session: ReferenceSession) => boolean,
  arbitrary: fc.Arbitrary<T>,
  run: (session: ReferenceSession, argument: T, model: Model, real: PlayedObject) => Promise<void>,
): fc.Arbitrary<Command> =>
  command(name, fc.tuple(fc.nat(3), arbitrary), (model, [who, argument]) => {
    const fitting = model.openSessions.filter(fits);
    const session = fitting[who % fitting.length];
    return session && ((_, real) => run(session, argument, model, real));
  });

const commonly = (depth: number): fc.Arbitrary<Draft["do"]> =>
  fc.constantFrom<Draft["do"]>(
    ...(["publish", "publish", "publish", "publish", "subscribe", "subscribe", "subscribe", "unsubscribe"] as const),
    ...(["publish", "publish", "tick", "close", "clear", "read", "state", "fill", "empty"] as const),
    depth > 0 ? "rollback" : "publish",
  );

const draft = (depth: number, what?: fc.Arbitrary<Draft["do"]>): fc.Arbitrary<Draft> =>
  fc.record({
    do: what ?? commonly(depth),
    topic: fc.constantFrom(0, 0, 1, 1, 1, 2),
    by: fc.nat(5),
    isAwaited: fc.boolean(),
    isBinary: fc.boolean(),
    size: fc.constantFrom(100, 100, 100, 200, 500, 0, 6000, 20_000),
    except: fc.array(fc.nat(5), { maxLength: 1 }),
    key: fc.constantFrom("", "", "", "a", "b"),
    since: fc.constantFrom<Draft["since"]>(
      "none",
      "none",
      "client",
      "junk",
      "ahead",
      "position",
      "position",
      "position",
    ),
    index: fc.nat(6),
    last: fc.constantFrom(undefined, 0, 1, 3, 1000),
    more: depth > 0 ? fc.array(draft(depth - 1), { maxLength: 4 }) : fc.constant([]),
  });
const drafts = fc.array(draft(1), { minLength: 1, maxLength: 6 });
const publishes = fc.array(draft(0, fc.constant("publish")), { minLength: 1, maxLength: 5 });

/**
 * Acts in onOpen, for two cases: publications trim the history while the replay waits for the 101, and a position of
 * the client is used once.
 */
const beginning = fc.oneof(
  { weight: 4, arbitrary: fc.array(draft(1), { maxLength: 5 }) },
  draft(0).map((one): Draft[] => {
    const large: Draft = { ...one, do: "publish", size: 20_000, key: "" };
    return [{ ...one, do: "subscribe" }, large, large, { ...large, size: 100 }];
  }),
  draft(0).map((one): Draft[] => {
    const back: Draft = { ...one, do: "subscribe", since: "client" };
    return [back, { ...one, do: "unsubscribe" }, back];
  }),
);

const often = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

const isIdle = (model: Model) =>
  model.variant.hibernates &&
  model.openSessions.every((one) => Object.values(one.streams).every(({ isComplete }) => isComplete));

/**
 * With other settings, publications that were trimmed may appear again. The reference takes over how many: not more
 * than may be kept, and not fewer than before.
 */
async function adopt(model: Model, real: PlayedObject, former: Histories): Promise<void> {
  for (const name of TOPICS) {
    const topic = model.topics[name];
    const before = former[name];
    const least = before && topic.kept(before);
    topic.touch();
    topic.gone = 0;
    const mine = namesOf(topic);
    const kept = await real.kept(name);
    assert.deepEqual(kept, mine.slice(mine.length - kept.length));
    if (least && topic.history) assert.isAtLeast(kept.length, Math.min(mine.length, least.length));
    topic.gone = topic.newest - kept.length;
  }
}

const namesOf = (topic: ReferenceTopic): [offset: number, id: string][] =>
  topic.history ? topic.kept().map(({ offset, content }) => [offset, content.split("|")[0]!]) : [];

/** A client that reconnects with its last positions. */
const open = command(
  "open",
  fc.record({
    kind: fc.constantFrom<Kind>("plain", "flow", "topics", "topics", "topics"),
    drafts: beginning,
    // A deploy may come before, and without a history nothing tells which act has an empty payload.
    closing: fc.array(
      draft(0).filter(({ size }) => size > 0),
      { maxLength: 2 },
    ),
    comesBack: fc.option(fc.nat(5)),
    isSlow: fc.boolean(),
  }),
  (model, { kind, drafts: taken, closing, comesBack, isSlow }) =>
    model.openSessions.length < 5 && model.sessions.length < 12
      ? async (_, real) => {
          const name = model.id();
          const former =
            comesBack === null ? undefined : model.sessions[comesBack % Math.max(model.sessions.length, 1)]?.name;
          const positions = TOPICS.flatMap((topic) => {
            const position = former === undefined ? "junk" : real.newestOf(former, topic);
            return position === undefined || (former !== undefined && !real.knows(position))
              ? []
              : [[topic, position] as const];
          });
          // Nobody knows when a slow session ends.
          const closes = model.variant.flowControl && kind !== "plain" ? [] : closing;
          const acts = actsOf(taken, { session: name }, model, real);
          const opening = { name, kind, positions, acts, closing: actsOf(closes, { session: name }, model, real) };
          model.open(opening);
          model.sessions.at(-1)!.isSlow = isSlow && model.sessions.at(-1)!.isCredited;
          await real.open(opening);
        }
      : undefined,
);

const commands = [
  ...often(4, open),
  ...often(
    8,
    commandOn(
      "message",
      (one) => one.opening.kind === "plain" || !one.isCredited || !one.isSlow,
      drafts,
      async (one, taken, model, real) => {
        const script = { id: model.id(), acts: actsOf(taken, { session: one.name }, model, real) };
        one.receive(script);
        real.send(one.name, script);
      },
    ),
  ),
  ...often(
    8,
    command("inside", drafts, (model, taken) => async (_, real) => {
      const acts = actsOf(taken, "object", model, real);
      model.run(acts);
      await real.inside(acts);
    }),
  ),
  ...often(
    4,
    command("by RPC", drafts, (model, taken) => async (_, real) => {
      const acts = actsOf(taken, "rpc", model, real);
      model.run(acts);
      await real.byRpc(acts);
    }),
  ),
  ...often(
    3,
    commandOn(
      "takes some",
      ({ isSlow }) => isSlow,
      fc.integer({ min: 1, max: 3 }),
      async (one, count, _, real) => real.take(one.name, count),
    ),
  ),
  ...often(
    2,
    commandOn(
      "is slow no more",
      ({ isSlow }) => isSlow,
      fc.constant(0),
      async (one) => void (one.isSlow = false),
    ),
  ),
  ...often(
    2,
    commandOn(
      "becomes slow",
      ({ isSlow, isCredited }) => isCredited && !isSlow,
      fc.constant(0),
      async (one) => void (one.isSlow = true),
    ),
  ),
  commandOn(
    "lies",
    ({ isCredited }) => isCredited,
    fc.constant(0),
    async (one, _, __, real) => {
      real.lie(one.name);
      one.end(1002, true);
    },
  ),
  commandOn(
    "leaves",
    () => true,
    fc.constantFrom(1000, 4001),
    async (one, code, _, real) => {
      real.leave(one.name, code);
      one.end(code, true);
    },
  ),
  ...often(
    3,
    command("hibernate", fc.constant(0), (model) => (isIdle(model) ? (_, real) => real.hibernate() : undefined)),
  ),
  command("crash", fc.option(publishes), (model, taken) =>
    isIdle(model) && !model.openSessions.some(({ opening }) => opening.closing.length > 0)
      ? async (_, real) => {
          // If a buffer may be full, nobody knows which end comes first.
          const isFull = (model.variant.flowControl?.maxBufferedAmount ?? Infinity) < 1_000_000;
          const acts = taken && !isFull ? actsOf(taken, "object", model, real) : [];
          for (const one of model.openSessions) for (const stream of Object.values(one.streams)) stream.cut();
          await (acts.length > 0 ? real.insideAndCrash(acts) : real.drop());
          // The publications that had no place yet are lost, from one of them on.
          for (const name of TOPICS) {
            const topic = model.topics[name];
            const newest = topic.history && (await real.positionOf(name))?.split(".")[1];
            for (const act of acts) {
              if (act.do !== "publish" || act.topic !== name) continue;
              if (!topic.history || (newest !== undefined && topic.newest < Number(newest))) topic.publish(act);
            }
            assert.deepEqual(await real.kept(name), namesOf(topic));
          }
          for (const one of model.openSessions) one.end(1006, true);
        }
      : undefined,
  ),
  ...often(
    2,
    command("deploy", fc.tuple(fc.nat(), fc.boolean()), (model, [variation, isDeferred]) =>
      isIdle(model) && (isDeferred || !model.openSessions.some(({ opening }) => opening.closing.length > 0))
        ? async (_, real) => {
            const former = model.histories;
            const [one] = fc.sample(histories, { seed: variation, numRuns: 1 });
            model.histories = one!;
            if (!isDeferred) for (const session of model.openSessions) session.end(1006, true);
            await real.deploy(one!, isDeferred);
            await adopt(model, real, former);
          }
        : undefined,
    ),
  ),
  ...often(
    2,
    command("time passes", fc.constantFrom(0.3, 0.6, 1.02, 1.2), (model, part) => async (_, real) => {
      await real.pass(part * AGE);
      for (const name of TOPICS) {
        const topic = model.topics[name];
        const isQuiet =
          topic.history &&
          topic.epoch &&
          topic.kept().length === 0 &&
          !model.openSessions.some(({ topics }) => topics.has(name));
        if (isQuiet && (await real.positionOf(name)) === undefined) topic.forget();
      }
    }),
  ),
];

const history = (messages: number[]): fc.Arbitrary<History> =>
  fc.record({
    messages: fc.constantFrom(...messages),
    bytes: fc.constantFrom(450, 1050, 30_050, 16_777_216, 16_777_216),
    replayBytes: fc.constantFrom(350, 1050, 1_048_576, 1_048_576),
  });
const histories = fc.record({
  long: fc.option(history([10, 100, 1_000_000]), { nil: undefined, freq: 8 }),
  short: fc.option(history([1, 2, 3, 5]), { nil: undefined, freq: 8 }),
  bare: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, history([3])),
});

const variant: fc.Arbitrary<Variant> = fc.record({
  hibernates: fc.nat(5).map(Boolean),
  tracks: fc.boolean(),
  isEnveloped: fc.boolean(),
  isLarge: fc.nat(3).map((one) => one === 0),
  flowControl: fc.option(
    // Whether a small buffer is full would depend on when an acknowledgement arrives: topic-frames.test.ts fills one.
    fc.record({ window: fc.constantFrom(1, 300, 1000), maxBufferedAmount: fc.constant(1_048_576) }),
    { nil: undefined, freq: 2 },
  ),
  histories,
});

it(
  "T1-T11: random sequences of subscriptions and publications end as the reference says: order, histories, who gets what",
  async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    let sequences = 0;
    let ran = 0;
    const sequence = fc.asyncProperty(
      variant,
      fc.commands(commands, { maxCommands: 50, size: "large" }),
      async (chosen, sequenceOf) => {
        stopClock();
        log.mockClear();
        sequences++;
        const model = new Model(chosen);
        const real = new PlayedObject(chosen);
        try {
          await fc.asyncModelRun(() => ({ model, real }), sequenceOf);
          ran += model.commands;
          for (const session of model.sessions) session.isSlow = false;
          await real.agree(model);
          // All sessions end, and all publications become too old.
          for (const { name } of model.openSessions) {
            const acts: Act[] = [{ id: model.id(), isAwaited: false, do: "close", by: name }];
            model.run(acts);
            await real.inside(acts);
            await real.agree(model);
          }
          for (let times = 0; times < 4; times++) await real.pass(AGE * 1.1);
          // While somebody is subscribed, the object checks a quiet topic once a day.
          for (let times = 0; times < 2; times++) await real.pass(100_000_000);
          assert.deepEqual(await real.left(), []);
          const lines = log.mock.calls.map((line) => line.map(String).join(" "));
          assert.deepEqual(
            lines.filter((line) => !EXPECTED.test(line)),
            [],
          );
        } catch (error) {
          (error as Error).message +=
            `\n${JSON.stringify(chosen)}\n${real.trace.join("\n")}\n${log.mock.calls.map((line) => line.map(String).join(" ")).join("\n")}\n`;
          throw error;
        }
      },
    );
    console.log(`topics model: SEED=${seed}`);
    await fc.assert(sequence, {
      seed,
      endOnFailure: false,
      numRuns: seconds ? Infinity : 200,
      interruptAfterTimeLimit: (seconds || 240) * 1000,
    });
    console.log(`topics model: ${sequences} sequences of ${ran} commands in all`);
  },
  (seconds + 300) * 1000,
);
