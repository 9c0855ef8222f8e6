// A client of `socle.v1`, written from docs/protocol.md alone. It acknowledges a message only when its test says so.
import { connect, type Client } from "./client.ts";
import type { Served } from "./endpoint.ts";

export type Data = string | Uint8Array;

export const PLAIN = { "Sec-WebSocket-Protocol": "socle.v1" };

const utf8 = new TextEncoder();

/** Encodes a number with seven bits a byte, the lowest first. The high bit is set in all bytes but the last. */
export function number(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))];
}

export const bytes = (...values: (number | readonly number[])[]): Uint8Array => Uint8Array.from(values.flat());

export const acknowledgement = (count: number): Uint8Array => bytes(2, number(count));

/** Encodes a text or bytes as an item of a batch. */
export function item(data: Data): number[] {
  const content = typeof data === "string" ? utf8.encode(data) : data;
  return [...number(content.length * 2 + (typeof data === "string" ? 0 : 1)), ...content];
}

export const batch = (...items: readonly Data[]): Uint8Array => bytes(1, ...items.map(item));

/** The names of the texts in the settings, in their order. */
const TEXTS = ["response", "request", "maxPendingMessages", "messages", "perMs"] as const;

/** The first frame of a server. An absent text is empty. */
export type Settings = { window: number } & Record<(typeof TEXTS)[number], string>;

/** The contents of a server's frame. */
export function contents(frame: string | ArrayBuffer): { messages: Data[]; settings?: Settings } {
  if (typeof frame === "string") return { messages: [frame] };
  const [type, ...rest] = new Uint8Array(frame);
  let at = 0;
  const read = () => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = rest[at++]!;
      value += (byte % 128) * unit;
      if (byte < 128) return value;
    }
  };
  const items = () => {
    const found: Data[] = [];
    while (at < rest.length) {
      const header = read();
      const content = Uint8Array.from(rest.slice(at, (at += Math.floor(header / 2))));
      found.push(header % 2 ? content : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content));
    }
    return found;
  };
  if (type === 0) return { messages: [Uint8Array.from(rest)] };
  if (type === 1) return { messages: items() };
  if (type !== 3) throw new Error(`No frame of a server's: ${type}`);
  const window = read();
  const texts = items();
  if (texts.length > TEXTS.length || texts.some((text) => typeof text !== "string")) {
    throw new Error(`No settings: ${texts.join()}`);
  }
  const named = TEXTS.map((name, index) => [name, texts[index] ?? ""]);
  return { messages: [], settings: { window, ...Object.fromEntries(named) } as Settings };
}

/** Takes the first frame, which has to be the settings. */
export async function nextSettings(client: Client): Promise<Settings> {
  const { settings } = contents(await client.next());
  if (!settings) throw new Error("The first frame is no settings.");
  return settings;
}

export class FlowClient {
  /** The number of messages that the client has acknowledged. */
  taken = 0;

  constructor(readonly client: Client) {}

  /** Also waits for the settings, so that all later frames are messages. */
  static async connect({ path }: Pick<Served, "path">, protocols = "socle.v1", query = ""): Promise<FlowClient> {
    const client = await connect(path + query, { "Sec-WebSocket-Protocol": protocols });
    await nextSettings(client);
    return new FlowClient(client);
  }

  get settings(): Settings {
    return contents(this.client.messages[0]!).settings!;
  }

  /** The frames after the settings, undecoded. */
  get frames(): readonly (string | ArrayBuffer)[] {
    return this.client.messages.slice(1);
  }

  /** All messages that arrived so far. */
  get messages(): Data[] {
    return this.client.messages.flatMap((frame) => contents(frame).messages);
  }

  /** The messages that the server counts: all but the text frames that the settings exempt. */
  get counted(): Data[] {
    return this.frames.flatMap((frame) => (frame === this.settings.response ? [] : contents(frame).messages));
  }

  /** Waits until this many messages have arrived in all. */
  async has(count: number): Promise<Data[]> {
    while (this.messages.length < count) await this.client.next();
    return this.messages;
  }

  /** Acknowledges this many more messages, by default all that arrived. */
  take(count = this.counted.length - this.taken): void {
    if (count === 0) return;
    this.taken += count;
    this.client.send(acknowledgement(this.taken));
  }
}
