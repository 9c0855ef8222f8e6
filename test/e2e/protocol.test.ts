// The frames and the session of docs/protocol.md, which others write their own ends by: ours reads and writes the same.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { Credit } from "../../src/flow-control/credit.ts";
import {
  ACKNOWLEDGEMENT,
  BATCH,
  DATA,
  dataFrame,
  encode,
  FrameReader,
  frameOf,
  malformed as refuse,
  OVERHEAD,
  ProtocolError,
  SETTINGS,
  type Item,
} from "../../src/flow-control/frame.ts";

type Message = string | { hex: string };
type End = "server" | "client";

interface Vector {
  name: string;
  frame: string;
  messages?: Message[];
  number?: number;
  text?: string;
  refused?: string;
  by?: End;
}

const page = await readFile(join(import.meta.dirname, "../../docs/protocol.md"), "utf8");

const vectors = JSON.parse(/^```json\n([^]*?)^```$/m.exec(page)![1]!) as Vector[];

const wellFormed = vectors.filter(({ refused }) => refused === undefined);

const malformed = (["server", "client"] as const).flatMap((end) =>
  vectors
    .filter(({ refused, by = end }) => refused !== undefined && by === end)
    .map(({ name, frame, messages, refused }) => ({ name, frame, messages, refused, end })),
);

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const itemOf = (message: Message): Item =>
  typeof message === "string"
    ? { bytes: encode(message), isBinary: false }
    : { bytes: bytesOf(message.hex), isBinary: true };

const contentOf = (data: string | ArrayBuffer): Message =>
  typeof data === "string" ? data : { hex: hexOf(new Uint8Array(data)) };

/** Reads a frame as the end does to which it came; what it holds is told also if it is malformed further on. */
function read(
  hex: string,
  end: End,
): { messages: Message[]; number?: number; text?: Message | undefined; error?: unknown } {
  const messages: Message[] = [];
  try {
    const reader = new FrameReader(bytesOf(hex).buffer);
    if (end === "server" && reader.type === ACKNOWLEDGEMENT) {
      const number = reader.number();
      if (!reader.isAtEnd) refuse("more than a number");
      return { messages, number };
    }
    if (end === "client" && reader.type === SETTINGS) {
      const number = reader.number();
      return { messages, number, text: Array.from(reader.items(), contentOf)[0] };
    }
    for (const data of reader.messages()) messages.push(contentOf(data));
    return { messages };
  } catch (error) {
    return { messages, error };
  }
}

function write({ frame, messages, number, text }: Vector): Uint8Array {
  const type = bytesOf(frame)[0]!;
  if (type === DATA) return dataFrame(itemOf(messages![0]!).bytes);
  if (type === BATCH) return frameOf(BATCH, [], messages!.map(itemOf));
  return frameOf(type, [number!], text === undefined ? [] : [itemOf(text)]);
}

describe("the test vectors", () => {
  it("F2: are of each type of frame, and of each reason to refuse one", () => {
    expect(new Set(wellFormed.map(({ frame }) => bytesOf(frame)[0]))).toEqual(
      new Set([DATA, BATCH, ACKNOWLEDGEMENT, SETTINGS]),
    );
    expect(new Set(malformed.map(({ refused }) => refused))).toEqual(
      new Set([
        "no message",
        "it ends within a number",
        "it ends within a message",
        "a number of over 53 bits",
        "more than a number",
        "a text that is no UTF-8",
      ]),
    );
  });

  it.each(wellFormed)("F2: $name is read", ({ frame, messages = [], number, text }) => {
    const end = number !== undefined && bytesOf(frame)[0] === ACKNOWLEDGEMENT ? "server" : "client";
    const { error, ...found } = read(frame, end);
    expect(error).toBeUndefined();
    expect({ number, text, ...found }).toEqual({ messages, number, text });
  });

  it.each(wellFormed)("F2: $name is written", (vector) => {
    expect(hexOf(write(vector))).toBe(vector.frame);
  });

  it.each(malformed)("F2: $name is refused by the $end", ({ frame, messages = [], refused, end }) => {
    const { error, ...found } = read(frame, end);
    expect(error).toBeInstanceOf(ProtocolError);
    expect((error as ProtocolError).message).toBe(`A frame that socle.v1 doesn't have: ${refused}.`);
    expect(found).toEqual({ messages });
  });
});

/** The rows of the table: a step, the messages in it that are sent or wait, what it acknowledges, and what is then out. */
const steps = Array.from(
  page.matchAll(/^\| (\d+) +\| (server|client) +\|.*\| +(waits: )?([\d, ]*?) +\| +(\d*) +\| +(\d+) +\|$/gm),
  ([, step, , waits, sizes, acknowledged, untaken]) => ({
    step: Number(step),
    waits: waits !== undefined,
    sizes: sizes!.split(",").filter(Boolean).map(Number),
    acknowledged: Number(acknowledged),
    untaken: Number(untaken),
  }),
);

const WINDOW = 200;

it("F3: the worked session has the credit that it says after each step", () => {
  expect(steps.map(({ step }) => step)).toEqual(steps.map((_, index) => index + 1));
  expect(steps.length).toBeGreaterThan(10);
  const credit = new Credit(WINDOW);
  for (const { step, waits, sizes, acknowledged, untaken } of steps) {
    for (const size of sizes) {
      expect(credit.has(size), `step ${step}`).toBe(!waits);
      if (!waits) credit.use(size);
    }
    if (acknowledged > 0) credit.acknowledge(acknowledged);
    // The largest message that would still go, and one byte more, which may go alone.
    const room = WINDOW - untaken - OVERHEAD;
    expect(credit.has(room), `step ${step}`).toBe(true);
    expect(credit.has(room + 1), `step ${step}`).toBe(untaken === 0);
  }
});

it.each([0, 2, 4])("F2: an acknowledgement of %i is refused after one of 2 of the 3 that were sent", (count) => {
  const credit = new Credit(WINDOW);
  for (let index = 0; index < 3; index++) credit.use(0);
  credit.acknowledge(2);
  expect(() => credit.acknowledge(count)).toThrow(ProtocolError);
});
