// Random input of clients against a Worker over TCP: values of decoders that an endpoint keeps, and frames of socle.v1.
// Whatever comes, a neighbour in the same object is answered, the memory is bounded, and no session is stuck. The test
// prints its seed; to run it again: SEED=… npm test -- hostile. Longer: SECONDS=… npm run test:long.
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

import * as fc from "fast-check";
import { afterEach, assert, it } from "vitest";
import { WebSocket } from "ws";

import type { Node, Typed } from "./hostile-values.ts";
import type { Command } from "./hostile-worker.ts";
import { memory, MIB } from "./memory.ts";
import { Client, Disk, type Server } from "./server.ts";

const { SEED = Date.now() % 2 ** 31, SECONDS = 0 } = process.env;
const seed = Number(SEED);
const seconds = Number(SECONDS);

/**
 * The neighbour's longest wait in milliseconds, and the growth of the process. Generous: test/attacks has the figures.
 */
const WAIT = 1000;
const GROWTH = 256 * MIB;
/** How long a session may leave a question unanswered, in milliseconds. A stall takes one second. */
const PATIENCE = 10_000;
/** The close codes that an attacked session may get. 1011 is not among them, because each endpoint has an `onError`. */
const CODES = [1002, 1008, 1009, 1013];

/** A process of its own, with a neighbour in the attacked object. */
class Scene {
  declare server: Server;
  declare neighbour: Client;
  /** The memory of the process before the attack, in bytes. */
  declare before: number;

  private constructor(readonly disk: Disk) {}

  static async open(): Promise<Scene> {
    const scene = new Scene(await Disk.create("test/e2e/hostile-worker.ts", [], ["experimental", "unsafe_module"]));
    await scene.start();
    return scene;
  }

  async start(): Promise<void> {
    this.server = await this.disk.start();
    this.neighbour = await this.server.connect("/neighbour");
    await this.isWell(PATIENCE);
    this.before = await memory(String(this.server.pid), "VmRSS");
  }

  /** Kills the process. The neighbour connects first, and waits until the lost sessions have ended. */
  async restart(): Promise<void> {
    await this.server.stop();
    await this.start();
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.disk.remove();
  }

  async connect(path: string, protocols: string[], perMessageDeflate: boolean): Promise<Client> {
    const client = new Client(new WebSocket(`ws://${this.server.host}${path}`, protocols, { perMessageDeflate }));
    await once(client.socket, "open");
    return client;
  }

  /** The neighbour is answered in time. */
  async isWell(wait = WAIT): Promise<void> {
    const since = performance.now();
    this.neighbour.send("well");
    const answer = await within(this.neighbour.next(), PATIENCE, "the neighbour is not answered");
    assert.equal(answer, "well");
    const waited = performance.now() - since;
    assert.isBelow(waited, wait, "the neighbour waits too long");
  }

  async isSmall(): Promise<void> {
    const grown = (await memory(String(this.server.pid), "VmRSS")) - this.before;
    assert.isBelow(grown / MIB, GROWTH / MIB, "the process grows by so many MiB");
  }

  async closes(): Promise<number> {
    return Number(await this.server.text("/closes"));
  }

  /** Waits until this many sessions have closed in all. */
  async hasClosed(expected: number): Promise<void> {
    for (const end = Date.now() + PATIENCE; ;) {
      const count = await this.closes();
      if (count === expected) return;
      assert.isBelow(Date.now(), end, `${count} sessions have closed, not ${expected}`);
      await pause(10);
    }
  }
}

async function within<Value>(promise: Promise<Value>, milliseconds: number, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(what)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

let scene: Scene | undefined;
/** Runs one attack at a time. When the time is over, the test does not wait for the last one. */
let last: Promise<unknown> = Promise.resolve();

afterEach(async () => {
  await last;
  await scene?.close();
  scene = undefined;
});

function attacked(attack: (scene: Scene) => Promise<void>): Promise<void> {
  const attacking = last.then(() => run(attack));
  last = attacking.catch(() => {});
  return attacking;
}

async function run(attack: (scene: Scene) => Promise<void>): Promise<void> {
  scene ??= await Scene.open();
  try {
    await attack(scene);
    await scene.isWell();
    await scene.isSmall();
  } catch (error) {
    // A failure may leave the process in any state, so the next attack gets another one.
    await scene.close();
    scene = undefined;
    throw error;
  }
}

/** The messages up to the expected one; the close code if that comes first. */
async function until(client: Client, isLast: (message: string) => boolean): Promise<string[] | number> {
  const messages: string[] = [];
  const read = async () => {
    while (messages.length === 0 || !isLast(messages.at(-1)!)) {
      const message = await client.next();
      messages.push(typeof message === "string" ? message : Buffer.from(message).toString("latin1"));
    }
    return messages;
  };
  const code = async () => (await client.closed).code;
  return within(
    read().catch(() => code()),
    PATIENCE,
    "the session neither answers nor closes",
  );
}

const WHICH = "the session closed with another code";

const parameters = {
  seed,
  numRuns: seconds ? Infinity : 150,
  // Each test has a third of the time, including the search for a smaller counterexample.
  interruptAfterTimeLimit: (seconds ? seconds / 3 : 60) * 1000,
};
const timeout = (seconds + 120) * 1000;

const keys = fc.oneof(
  fc.constantFrom("socle", "socle:channel", "socle:session:", "buffer", "kind", "size", "length", "then", "toJSON"),
  fc.constantFrom("__proto__", "constructor", "hasOwnProperty", "0", "4294967294", ""),
  fc.string({ maxLength: 8 }),
);

const digits = fc.oneof(
  fc.bigInt({ min: -3n, max: 3n }),
  fc.constantFrom(4_294_967_294n, 4_294_967_295n, 2n ** 53n, 2n ** 64n, -1n),
  fc.bigInt(),
);

const types = fc.constantFrom<Typed>(
  "ArrayBuffer",
  "DataView",
  "Uint8Array",
  "Uint16Array",
  "Float64Array",
  "BigInt64Array",
);

const levels = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 100, max: 20_000 }));

/** A send channel as the attachment keeps it. */
const channel: fc.Arbitrary<Node> = fc.tuple(digits, keys).map(([number, key]) => ({
  kind: "object",
  entries: [
    ["socle:channel", { kind: "bigint", digits: String(number) }],
    [
      "buffer",
      {
        kind: "object",
        entries: [
          ["kind", key === "kind" ? "sliding" : "fixed"],
          ["size", 10],
        ],
      },
    ],
  ],
}));

const { node } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom<Node>({ kind: "undefined" }, { kind: "cycle" }),
      digits.map((number): Node => ({ kind: "bigint", digits: String(number) })),
      fc.double({ min: -1e16, max: 1e16 }).map((time): Node => ({ kind: "date", time })),
      fc.record({ kind: fc.constantFrom("pattern" as const, "error" as const), text: fc.stringMatching(/^\w{0,8}$/) }),
      fc.record({
        kind: fc.constant("bytes" as const),
        type: types,
        length: fc.oneof(fc.nat(40), fc.nat(250_000)),
        before: fc.oneof(fc.constant(0), fc.nat(1000)),
      }),
      // The decoder fills the holes of an array.
      fc.record({
        kind: fc.constant("sparse" as const),
        length: fc.oneof(fc.nat(100), fc.integer({ min: 40_000_000, max: 4_294_967_295 })),
      }),
      channel,
    ),
    fc.record({
      kind: fc.constantFrom("array" as const, "set" as const),
      members: fc.array(tie("node"), { maxLength: 6 }),
    }),
    fc.record({
      kind: fc.constantFrom("object" as const, "map" as const),
      entries: fc.array(fc.tuple(keys, tie("node")), { maxLength: 6 }),
    }),
    fc.record({
      kind: fc.constant("nested" as const),
      within: fc.constantFrom("array" as const, "object" as const, "map" as const, "set" as const),
      levels,
      member: tie("node"),
    }),
    fc.record({ kind: fc.constant("twice" as const), member: tie("node") }),
  ),
}));

/** JSON in which strings such as "12n" are read as BigInts. */
const json = fc.oneof(
  fc.json(),
  levels.map((count) => "[".repeat(count) + "]".repeat(count)),
  levels.map((count) => `${'{"a":'.repeat(Math.min(count, 6000))}1${"}".repeat(Math.min(count, 6000))}`),
  fc
    .tuple(digits, fc.jsonValue())
    .map(
      ([number, size]) =>
        `{"v":{"socle:channel":"${number}n","buffer":{"kind":"fixed","size":${JSON.stringify(size)}}}}`,
    ),
);

type Act = Command | "hibernate";

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ keep: node, in: fc.constantFrom("object" as const, "properties" as const) }) },
  { weight: 2, arbitrary: json.map((text) => ({ json: text })) },
  { weight: 1, arbitrary: fc.constant("hibernate" as const) },
);

it(
  "P16, P21: whatever value a decoder makes, it comes back the same or is refused, and the neighbour doesn't hear of it",
  async () => {
    console.log(`hostile: SEED=${seed}`);
    const property = fc.asyncProperty(
      fc.constantFrom("/kept", "/tracked"),
      fc.array(act, { minLength: 1, maxLength: 5 }),
      (path, acts) =>
        attacked(async (on) => {
          const before = await on.closes();
          const client = await on.connect(path, [], false);
          const tell = async (): Promise<string | undefined> => {
            client.send('"tell"');
            const told = await until(client, (message) => !message.startsWith("!"));
            if (typeof told !== "number") return told.at(-1);
            assert.include(CODES, told, WHICH);
            return undefined;
          };
          for (const one of [...acts, "hibernate"] as const) {
            if (one !== "hibernate") {
              client.send(JSON.stringify(one));
              await on.isWell();
              continue;
            }
            const kept = await tell();
            await on.server.text("/hibernate");
            const again = await tell();
            if (again !== undefined) assert.equal(again, kept, "after hibernation it is another");
          }
          client.socket.close(4000);
          await within(client.closed, PATIENCE, "the Close frame is not answered");
          await on.hasClosed(before + 1);
        }),
    );
    await fc.assert(property, parameters);
  },
  timeout,
);

const kept: fc.Arbitrary<Command> = act.filter((one) => one !== "hibernate");

it(
  "P8, P16, P21, R26: whatever values they had, the sessions that a crash ends have an onClose each",
  async () => {
    const property = fc.asyncProperty(fc.array(kept, { minLength: 1, maxLength: 12 }), (values) =>
      attacked(async (on) => {
        for (const value of values) {
          const client = await on.connect("/tracked", [], false);
          client.send(JSON.stringify(value), '"well"');
          const told = await until(client, (message) => message === "well");
          assert.isTrue(typeof told !== "number", `${WHICH}: ${String(told)}`);
        }
        await on.restart();
        await on.hasClosed(values.length);
      }),
    );
    await fc.assert(property, { ...parameters, numRuns: seconds ? Infinity : 15 });
  },
  timeout,
);

/** Bytes that a counterexample shows in hexadecimal, with repeated bytes written once and a count. */
class Frame {
  constructor(readonly bytes: Uint8Array) {}

  [fc.toStringMethod](): string {
    const parts: string[] = [];
    for (let at = 0, end = 0; at < this.bytes.length; at = end) {
      while (this.bytes[end] === this.bytes[at] && end < this.bytes.length) end++;
      const one = this.bytes[at]!.toString(16).padStart(2, "0");
      parts.push(end - at < 8 ? one.repeat(end - at) : ` ${one}*${end - at} `);
    }
    return `frame ${parts.join("")}`;
  }
}

const number = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))];

/** LEB128, also of numbers that are too large, and longer than necessary. */
const numbers = fc.oneof(
  fc.nat(300).map(number),
  fc.maxSafeNat().map(number),
  fc.nat(12).map((length) => Array<number>(length).fill(0xff).concat(1)),
  fc.nat(12).map((length) => Array<number>(length).fill(0x80).concat(0)),
);

const content = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => new Uint8Array(Buffer.from(text))),
  fc
    .constantFrom("well", "ping", "pong", "say 20 1000", "say 200 9000")
    .map((text) => new Uint8Array(Buffer.from(text))),
);

/** A batch of many equal messages. */
const many = fc
  .tuple(
    fc.oneof(fc.nat(200), fc.constantFrom(4095, 4096, 4097, 16_383, 16_384, 65_536, 4_000_000), fc.nat(100_000)),
    fc.constantFrom([0], [1], [2, 97], [5, 1, 2]),
  )
  .map(([count, item]) => Buffer.concat([Uint8Array.of(1), Buffer.alloc(count * item.length, Uint8Array.from(item))]));

const { batch } = fc.letrec<{ batch: Uint8Array }>((tie) => ({
  batch: fc
    .array(
      fc.oneof(
        { maxDepth: 3 },
        fc.tuple(fc.boolean(), content),
        fc.tuple(
          fc.boolean(),
          tie("batch").map((one) => one as Uint8Array<ArrayBuffer>),
        ),
      ),
      { maxLength: 12 },
    )
    .map((items) =>
      Uint8Array.from([
        1,
        ...items.flatMap(([isBinary, one]) => [...number(one.length * 2 + Number(isBinary)), ...one]),
      ]),
    ),
}));

const valid = fc.oneof(
  content.map((one) => Uint8Array.of(0, ...one)),
  batch,
  many,
  numbers.map((one) => Uint8Array.of(2, ...one)),
  fc.tuple(numbers, content).map(([one, two]) => Uint8Array.of(3, ...one, ...two)),
  fc.tuple(fc.nat(255), numbers, content).map(([type, one, two]) => Uint8Array.of(type, ...one, ...two)),
  fc.uint8Array({ maxLength: 30 }),
);

const mutated = fc
  .tuple(valid, fc.nat(), fc.nat(255), fc.constantFrom("change", "cut", "add"))
  .map(([frame, at, byte, how]) => {
    const place = at % (frame.length + 1);
    if (how === "cut") return frame.subarray(0, place);
    const rest = frame.subarray(how === "change" ? place + 1 : place);
    return Buffer.concat([frame.subarray(0, place), Uint8Array.of(byte), rest]);
  });

const frames = fc.oneof(
  { weight: 2, arbitrary: valid.map((bytes) => new Frame(bytes)) },
  { weight: 2, arbitrary: mutated.map((bytes) => new Frame(bytes)) },
  { weight: 1, arbitrary: fc.constantFrom("ping", "pong", "say 20 1000", "say 200 9000", "x".repeat(16_385)) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 100 }) },
  { weight: 1, arbitrary: fc.constant("hibernate") },
);

it(
  "P18, F2: whatever frames of socle.v1 come, the session answers or is closed with a known code, and so is no other",
  async () => {
    const property = fc.asyncProperty(
      fc.constantFrom("/flow", "/flow-slow"),
      fc.array(frames, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (path, sent, compresses) =>
        attacked(async (on) => {
          const before = await on.closes();
          const client = await on.connect(path, ["socle.v1"], compresses);
          for (const one of sent) {
            if (one === "hibernate") await on.server.text("/hibernate");
            else if (client.socket.readyState === WebSocket.OPEN) client.send(one instanceof Frame ? one.bytes : one);
            await on.isWell();
          }
          if (client.socket.readyState === WebSocket.OPEN) client.send("well");
          const answered = await until(client, (message) => message.includes("well"));
          assert.isTrue(typeof answered !== "number" || CODES.includes(answered), `${WHICH}: ${String(answered)}`);
          client.socket.close(4000);
          await within(client.closed, PATIENCE, "the Close frame is not answered");
          await on.hasClosed(before + 1);
        }),
    );
    await fc.assert(property, parameters);
  },
  timeout,
);
