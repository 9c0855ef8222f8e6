// The frames and the session of docs/protocol.md, from which others write their own clients and servers: Socle's read
// and write the same.
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
  PLACE,
  ProtocolError,
  PUBLICATIONS,
  SETTINGS,
  type Item,
} from "../../src/wire/frame.ts";
import { readPositions, TOPICS, topicsName } from "../../src/wire/positions.ts";
import { placeFrame, publicationsFrame, readPublications, readRecovery } from "../../src/wire/publication.ts";
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
  topic?: string;
  epoch?: string;
  offset?: number;
  recovered?: boolean;
  after?: Message[];
  unsent?: boolean;
  refused?: string;
  by?: End;
}

const page = await readFile(join(import.meta.dirname, "../../docs/protocol.md"), "utf8");

interface Name {
  offer: string;
  positions: Record<string, string>;
  unsent?: boolean;
}

const [vectors, names] = Array.from(page.matchAll(/^```json\n([^]*?)^```$/gm), ([, block]) => JSON.parse(block!)) as [
  Vector[],
  Name[],
];

const wellFormed = vectors.filter(({ refused }) => refused === undefined);

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const itemOf = (message: Message): Item =>
  typeof message === "string"
    ? { bytes: encode(message), isBinary: false }
    : { bytes: bytesOf(message.hex), isBinary: true };

const contentOf = (data: string | ArrayBuffer): Message =>
  typeof data === "string" ? data : { hex: hexOf(new Uint8Array(data)) };

/** The data of a text frame or of a binary frame. */
const sent = (frame: Message): string | Uint8Array => (typeof frame === "string" ? frame : bytesOf(frame.hex));

/** Undefined for a text frame. */
const typeOf = (frame: Message): number | undefined =>
  typeof frame === "string" ? undefined : bytesOf(frame.hex.slice(0, 2))[0];

const isSettings = (frame: Message): boolean => typeOf(frame) === SETTINGS;

/** The position of a topic by its epoch and its offset; undefined without a history. */
const positionIn = ({ epoch, offset }: Vector, index = 0): string | undefined =>
  epoch ? `${epoch}.${BigInt(offset!) + BigInt(index)}` : undefined;

/** The messages of a vector, with their topics and positions. */
const publishedBy = (vector: Vector) =>
  (vector.messages ?? []).map((data, index) => ({ data, topic: vector.topic, position: positionIn(vector, index) }));

/** The recovery that a place reports. */
const recoveryOf = (vector: Vector) => ({
  topic: vector.topic,
  position: positionIn(vector),
  recovered: vector.recovered,
});

const refusal = (refused: string) => `Malformed socle.v1 frame: ${refused}`;

function write({ frame, messages, number, text, topic, epoch, offset, recovered }: Vector): Uint8Array {
  const type = bytesOf(frame)[0]!;
  if (type === DATA) return dataFrame(itemOf(messages![0]!).bytes);
  if (type === BATCH) return frameOf(BATCH, [], messages!.map(itemOf));
  if (type === ACKNOWLEDGEMENT) return acknowledgement(number!);
  const place = { topic: topic!, epoch: epoch!, offset: offset! };
  if (type === PUBLICATIONS) return publicationsFrame(place, messages!.map(itemOf));
  if (type === PLACE) return placeFrame(place, recovered!);
  return frameOf(type, [number!], text === undefined ? [] : [itemOf(text)]);
}

describe("the test vectors", () => {
  it("F2: are of each type of frame, and of each reason to refuse one", () => {
    expect(new Set(wellFormed.map(({ frame }) => bytesOf(frame)[0]))).toEqual(
      new Set([DATA, BATCH, ACKNOWLEDGEMENT, SETTINGS, PUBLICATIONS, PLACE]),
    );
    expect(new Set(vectors.flatMap(({ refused = [] }) => refused))).toEqual(
      new Set([
        "no message",
        "too short",
        "a number over 53 bits",
        "more than a number",
        "a text not in UTF-8",
        "settings must come first",
        "settings with bytes",
        "no position",
      ]),
    );
  });

  it.each(wellFormed.filter(({ topic }) => topic === undefined))("F2: $name is read", (vector) => {
    const { frame, messages = [], number, text } = vector;
    const reader = new FrameReader(bytesOf(frame).buffer);
    const found =
      number === undefined
        ? { messages: Array.from(reader.messages(), contentOf) }
        : { number: reader.number(), text: Array.from(reader.items(), contentOf)[0] };
    expect({ messages: [], number: undefined, text: undefined, ...found }).toEqual({ messages, number, text });
  });

  it.each(wellFormed.filter(({ topic }) => topic !== undefined))("T9: $name is read", (vector) => {
    const reader = new FrameReader(bytesOf(vector.frame).buffer);
    const found =
      reader.type === PLACE
        ? readRecovery(reader)
        : Array.from(readPublications(reader), (one) => ({ ...one, data: contentOf(one.data) }));
    expect(found).toEqual(reader.type === PLACE ? recoveryOf(vector) : publishedBy(vector));
  });

  it.each(wellFormed.filter(({ unsent }) => !unsent))("F2, T9: $name is written", (vector) => {
    expect(hexOf(write(vector))).toBe(vector.frame);
  });

  it.each(names)("T9: $offer is read", ({ offer, positions }) => {
    expect(readPositions(offer)).toEqual(new Map(Object.entries(positions)));
  });

  it.each(names.filter(({ unsent }) => !unsent))("T9: $offer is written", ({ offer, positions }) => {
    expect(topicsName(Object.entries(positions))).toBe(offer);
  });

  it("T9: a name of 4,096 characters is read, and none of more", () => {
    const named = (length: number) =>
      TOPICS + Buffer.from(JSON.stringify({ a: "x".repeat(length) })).toString("base64url");
    const most = 3072 - '{"a":""}'.length;
    expect(named(most)).toHaveLength(TOPICS.length + 4096);
    expect(readPositions(named(most)).get("a")).toHaveLength(most);
    expect(readPositions(named(most + 1))).toEqual(new Map());
    expect(topicsName([["a", "x".repeat(most)]])).toBe(named(most));
    expect(topicsName([["a", "x".repeat(most + 1)]])).toBe(TOPICS);
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
    const got: unknown[] = [];
    const recoveries: unknown[] = [];
    socket.addEventListener("message", ({ data, topic, position }) =>
      got.push({ data: contentOf(data as string | ArrayBuffer), topic, position }),
    );
    socket.addEventListener("recovery", ({ topic, position, recovered }) =>
      recoveries.push({ topic, position, recovered }),
    );
    const peer = new Client((await arrived)[0]);
    onTestFinished(() => peer.socket.terminate());
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    return { socket, peer, got, recoveries };
  }

  const plainly = (data: Message) => ({ data, topic: undefined, position: undefined });

  const toClient = vectors.filter(
    ({ by, number, frame }) => by !== "server" && (number === undefined || isSettings({ hex: frame })),
  );

  it.each(toClient.filter(({ refused, number }) => refused === undefined && number !== 0))(
    "F2, T9: $name is taken",
    async (vector) => {
      const { frame, messages = [], text, after = [], recovered } = vector;
      const { peer, got, recoveries } = await connect();
      peer.send(...after.map(sent), bytesOf(frame));
      if (text !== undefined) peer.send(text);
      peer.send("end");
      // The client acknowledges the messages in the frame, but not those that nobody counts.
      let count = 0;
      while (count <= messages.length) {
        const reader = new FrameReader(Uint8Array.from((await peer.next()) as Uint8Array).buffer);
        expect(reader.type).toBe(ACKNOWLEDGEMENT);
        count = reader.number();
      }
      expect(count).toBe(messages.length + 1);
      const behind = text === undefined ? ["end"] : [text, "end"];
      expect(got).toEqual([...publishedBy(vector), ...behind.map(plainly)]);
      expect(recoveries).toEqual(recovered === undefined ? [] : [recoveryOf(vector)]);
    },
  );

  it.each(toClient.filter(({ refused, number }) => refused === undefined && number === 0))(
    "T9: after $name nothing is acknowledged",
    async ({ frame, text = "pong" }) => {
      const { socket, peer, got } = await connect();
      peer.send(bytesOf(frame), text, "end");
      await expect.poll(() => got).toEqual([text, "end"].map(plainly));
      socket.send("behind");
      expect(await peer.next()).toBe("behind");
    },
  );

  it.each(toClient.filter(({ refused }) => refused !== undefined))(
    "F2, T9: $name is refused with 4002, behind what came before",
    async ({ frame, messages = [], after = [], refused }) => {
      const { peer, got, recoveries } = await connect();
      peer.send(...after.map(sent), bytesOf(frame), "behind");
      expect(await peer.closed).toEqual({ code: 4002, reason: refusal(refused!) });
      const before = after.filter((one) => !isSettings(one) && typeOf(one) !== PLACE).length;
      expect(got.slice(before)).toMatchObject(messages.map((data) => ({ data })));
      expect(recoveries).toHaveLength(after.filter((one) => typeOf(one) === PLACE).length);
    },
  );

  it.each(wellFormed.filter(({ frame }) => typeOf({ hex: frame }) === ACKNOWLEDGEMENT))(
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

  /** A client whose endpoint reports each message. The settings, which the server sends first, are taken. */
  async function connect(protocol: string[] = ["socle.v1"], perMessageDeflate = false): Promise<Client> {
    const client = new Client(new WebSocket(`ws://${server.host}/told`, protocol, { perMessageDeflate }));
    onTestFinished(() => client.socket.terminate());
    await once(client.socket, "open");
    if (protocol.length > 0) await client.settings();
    return client;
  }

  /** The messages that a frame reports. */
  function toldBy(frame: string | Uint8Array): Message[] {
    const texts = typeof frame === "string" ? [frame] : [...new FrameReader(Uint8Array.from(frame).buffer).messages()];
    return texts.map((one) => {
      const { text, bytes } = JSON.parse(one as string) as { text?: string; bytes?: number[] };
      return text ?? { hex: hexOf(Uint8Array.from(bytes!)) };
    });
  }

  /** The messages that the endpoint reports, in frames of any kind, up to "end". */
  async function told(client: Client): Promise<Message[]> {
    const got: Message[] = [];
    while (got.at(-1) !== "end") got.push(...toldBy(await client.next()));
    return got;
  }

  const isFromServer = ({ frame }: Vector) => typeOf({ hex: frame })! >= SETTINGS;

  it.each(wellFormed.filter((vector) => vector.number === undefined && !isFromServer(vector)))(
    "F2: takes $name",
    async ({ frame, messages }) => {
      const client = await connect();
      client.send(bytesOf(frame), "end");
      expect(await told(client)).toEqual([...messages!, "end"]);
    },
  );

  it.each(
    vectors.filter(
      (vector) =>
        vector.number !== undefined || isFromServer(vector) || (vector.refused !== undefined && vector.by !== "client"),
    ),
  )("F2, T9: refuses $name with 1002, behind what came before", async (vector) => {
    const { frame, messages = [] } = vector;
    const client = await connect();
    client.send(bytesOf(frame), "behind");
    expect((await client.closed).code).toBe(1002);
    expect(client.unread.flatMap(toldBy)).toEqual(isFromServer(vector) ? [] : messages);
  });

  it("P18: reads nothing of a batch of a million messages, by permessage-deflate, and answers others meanwhile", async () => {
    const other = await connect();
    const client = await connect(["socle.v1"], true);
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
    // Complete text frames, masked with zeros.
    const text = (...bytes: number[]) => new Uint8Array([0x81, 0x80 + bytes.length, 0, 0, 0, 0, ...bytes]);
    client.connection.write(text(0xff, 0xfe));
    client.connection.write(text(0x61, 0xe2, 0x82));
    client.send("end");
    expect(await told(client)).toEqual(["\ufffd\ufffd", "a\ufffd", "end"]);
    expect(await client.close(1000)).toMatchObject({ code: 1000 });
  });
});

/**
 * The rows of the table: a step, its messages that are sent or queued, what it acknowledges, and what is then
 * unacknowledged.
 */
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
    // The largest message that still fits, and one of one byte more, which may go alone.
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
