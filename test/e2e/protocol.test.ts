// The frames and the session of docs/protocol.md, which others write their own ends by: ours reads and writes the same.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";

import { SocleWebSocket } from "../../src/client/index.ts";
import { Credit } from "../../src/options/flow-control/credit.ts";
import {
  acknowledgement,
  ACKNOWLEDGEMENT,
  BATCH,
  DATA,
  dataFrame,
  encode,
  FrameReader,
  frameOf,
  OVERHEAD,
  ProtocolError,
  SETTINGS,
  type Item,
} from "../../src/wire/frame.ts";
import { clientWithout } from "./realm.ts";
import { Client, workerd, type Server } from "./server.ts";

type Message = string | { hex: string };
type End = "server" | "client";

interface Vector {
  name: string;
  frame: string;
  messages?: Message[];
  number?: number;
  text?: string;
  after?: Message[];
  unsent?: boolean;
  refused?: string;
  by?: End;
}

const page = await readFile(join(import.meta.dirname, "../../docs/protocol.md"), "utf8");

const vectors = JSON.parse(/^```json\n([^]*?)^```$/m.exec(page)![1]!) as Vector[];

const wellFormed = vectors.filter(({ refused }) => refused === undefined);

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const itemOf = (message: Message): Item =>
  typeof message === "string"
    ? { bytes: encode(message), isBinary: false }
    : { bytes: bytesOf(message.hex), isBinary: true };

const contentOf = (data: string | ArrayBuffer): Message =>
  typeof data === "string" ? data : { hex: hexOf(new Uint8Array(data)) };

/** A text frame, or a binary one. */
const sent = (frame: Message): string | Uint8Array => (typeof frame === "string" ? frame : bytesOf(frame.hex));

const isSettings = (frame: Message): boolean => typeof frame !== "string" && frame.hex.startsWith("03");

const refusal = (refused: string) => `A frame that socle.v1 doesn't have: ${refused}.`;

function write({ frame, messages, number, text }: Vector): Uint8Array {
  const type = bytesOf(frame)[0]!;
  if (type === DATA) return dataFrame(itemOf(messages![0]!).bytes);
  if (type === BATCH) return frameOf(BATCH, [], messages!.map(itemOf));
  if (type === ACKNOWLEDGEMENT) return acknowledgement(number!);
  return frameOf(type, [number!], text === undefined ? [] : [itemOf(text)]);
}

describe("the test vectors", () => {
  it("F2: are of each type of frame, and of each reason to refuse one", () => {
    expect(new Set(wellFormed.map(({ frame }) => bytesOf(frame)[0]))).toEqual(
      new Set([DATA, BATCH, ACKNOWLEDGEMENT, SETTINGS]),
    );
    expect(new Set(vectors.flatMap(({ refused = [] }) => refused))).toEqual(
      new Set([
        "no message",
        "it ends within a number",
        "it ends within a message",
        "a number of over 53 bits",
        "more than a number",
        "a text that is no UTF-8",
        "settings that are not the first frame",
        "a window of 0",
        "settings that hold bytes",
      ]),
    );
  });

  it.each(wellFormed)("F2: $name is read", ({ frame, messages = [], number, text }) => {
    const reader = new FrameReader(bytesOf(frame).buffer);
    const found =
      number === undefined
        ? { messages: Array.from(reader.messages(), contentOf) }
        : { number: reader.number(), text: Array.from(reader.items(), contentOf)[0] };
    expect({ messages: [], number: undefined, text: undefined, ...found }).toEqual({ messages, number, text });
  });

  it.each(wellFormed.filter(({ unsent }) => !unsent))("F2: $name is written", (vector) => {
    expect(hexOf(write(vector))).toBe(vector.frame);
  });
});

describe.each([
  { name: "the client", client: () => Promise.resolve(SocleWebSocket) },
  { name: "the client without a TextDecoder", client: () => clientWithout("TextDecoder") },
])("the test vectors, sent to $name", ({ client }) => {
  let sockets: WebSocketServer;

  beforeAll(async () => {
    sockets = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "socle.v1" });
    await once(sockets, "listening");
  });

  afterAll(() => sockets?.close());

  async function connect() {
    const arrived = once(sockets, "connection") as Promise<[WebSocket]>;
    const socket = new (await client())(`ws://127.0.0.1:${(sockets.address() as AddressInfo).port}/`, [], {
      WebSocket,
    });
    socket.binaryType = "arraybuffer";
    const got: Message[] = [];
    socket.addEventListener("message", ({ data }) => got.push(contentOf(data as string | ArrayBuffer)));
    const peer = new Client((await arrived)[0]);
    onTestFinished(() => peer.socket.terminate());
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    return { peer, got };
  }

  const toClient = vectors.filter(
    ({ by, number, frame }) => by !== "server" && (number === undefined || isSettings({ hex: frame })),
  );

  it.each(toClient.filter(({ refused }) => refused === undefined))(
    "F2: $name is taken",
    async ({ frame, messages = [], text, after = [] }) => {
      const { peer, got } = await connect();
      peer.send(...after.map(sent), bytesOf(frame));
      if (text !== undefined) peer.send(text);
      peer.send("end");
      // What nobody counts isn't acknowledged, and what the frame holds is.
      let count = 0;
      while (count <= messages.length) {
        const reader = new FrameReader(Uint8Array.from((await peer.next()) as Uint8Array).buffer);
        expect(reader.type).toBe(ACKNOWLEDGEMENT);
        count = reader.number();
      }
      expect(count).toBe(messages.length + 1);
      expect(got).toEqual([...messages, ...(text === undefined ? [] : [text]), "end"]);
    },
  );

  it.each(toClient.filter(({ refused }) => refused !== undefined))(
    "F2: $name is refused with 4002, behind what came before",
    async ({ frame, messages = [], after = [], refused }) => {
      const { peer, got } = await connect();
      peer.send(...after.map(sent), bytesOf(frame), "behind");
      expect(await peer.closed).toEqual({ code: 4002, reason: refusal(refused!) });
      expect(got.slice(after.filter((one) => !isSettings(one)).length)).toEqual(messages);
    },
  );

  it.each(vectors.filter(({ number, frame }) => number !== undefined && !isSettings({ hex: frame })))(
    "F2: $name is refused with 4002, as no client is sent one",
    async ({ frame }) => {
      const { peer, got } = await connect();
      peer.send(bytesOf(frame), "behind");
      expect(await peer.closed).toEqual({ code: 4002, reason: refusal("no message") });
      expect(got).toEqual([]);
    },
  );
});

describe("the server", () => {
  let server: Server;

  beforeAll(async () => {
    server = await workerd("test/e2e/client-worker.ts");
  });

  afterAll(() => server?.stop());

  /** One whose endpoint tells of each message what it was. */
  async function connect(protocol: string[] = ["socle.v1"]): Promise<Client> {
    const client = new Client(new WebSocket(`ws://${server.host}/told`, protocol, { perMessageDeflate: false }));
    onTestFinished(() => client.socket.terminate());
    await once(client.socket, "open");
    return client;
  }

  /** The messages that a frame tells of. */
  function toldBy(frame: string | Uint8Array): Message[] {
    const texts = typeof frame === "string" ? [frame] : [...new FrameReader(Uint8Array.from(frame).buffer).messages()];
    return texts.map((one) => {
      const { text, bytes } = JSON.parse(one as string) as { text?: string; bytes?: number[] };
      return text ?? { hex: hexOf(Uint8Array.from(bytes!)) };
    });
  }

  /** What the endpoint has told, however it was framed, until it tells of "end". */
  async function told(client: Client): Promise<Message[]> {
    const got: Message[] = [];
    while (got.at(-1) !== "end") got.push(...toldBy(await client.next()));
    return got;
  }

  it.each(wellFormed.filter(({ number }) => number === undefined))("F2: takes $name", async ({ frame, messages }) => {
    const client = await connect();
    client.send(bytesOf(frame), "end");
    expect(await told(client)).toEqual([...messages!, "end"]);
  });

  it.each(
    vectors.filter(({ number, refused, by }) => number !== undefined || (refused !== undefined && by !== "client")),
  )("F2: refuses $name with 1002, behind what came before", async ({ frame, messages = [] }) => {
    const client = await connect();
    client.send(bytesOf(frame), "behind");
    expect((await client.closed).code).toBe(1002);
    expect(client.unread.flatMap(toldBy)).toEqual(messages);
  });

  it("P18: reads nothing of a batch of a million messages, by permessage-deflate, and answers others meanwhile", async () => {
    const other = await connect();
    const client = new Client(new WebSocket(`ws://${server.host}/told`, ["socle.v1"]));
    onTestFinished(() => client.socket.terminate());
    await once(client.socket, "open");
    expect(client.socket.extensions).toContain("permessage-deflate");
    client.send(Uint8Array.of(BATCH, ...new Uint8Array(4095), 6, 0x65, 0x6e, 0x64));
    expect(await told(client)).toEqual([...Array.from({ length: 4095 }, () => ""), "end"]);
    client.send(new Uint8Array(2 ** 20).fill(BATCH, 0, 1));
    other.send("end");
    expect((await client.closed).code).toBe(1009);
    expect(client.unread).toEqual([]);
    expect(await told(other)).toEqual(["end"]);
  });

  it.each([
    ["socle.v1", ["socle.v1"]],
    ["no subprotocol", []],
  ])("F2: is given U+FFFD by the platform for what is no UTF-8 in a text frame, on %s", async (_, protocols) => {
    const client = await connect(protocols);
    // Whole text frames, masked with zeros.
    const text = (...bytes: number[]) => new Uint8Array([0x81, 0x80 + bytes.length, 0, 0, 0, 0, ...bytes]);
    client.connection.write(text(0xff, 0xfe));
    client.connection.write(text(0x61, 0xe2, 0x82));
    client.send("end");
    expect(await told(client)).toEqual(["\ufffd\ufffd", "a\ufffd", "end"]);
    expect(await client.close(1000)).toMatchObject({ code: 1000 });
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
