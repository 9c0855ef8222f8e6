// A client that reads the frames of topics, written from docs/protocol.md alone.
import { connect, type Client } from "./client.ts";
import type { Served } from "./endpoint.ts";

/** A message with or without a topic, the place of a topic, or the settings. */
export type Came =
  | { topic?: string; position?: string | undefined; data: string | Uint8Array }
  | { topic: string; position: string | undefined; recovered: boolean }
  | { window: number };

const base64url = (text: string): string =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** The subprotocols that a client of topics offers, with the positions from which it continues. */
export const offer = (positions: Record<string, string> = {}): string =>
  `socle.v1, socle.topics.${Object.keys(positions).length > 0 ? base64url(JSON.stringify(positions)) : ""}`;

function read(frame: string | ArrayBuffer): Came[] {
  if (typeof frame === "string") return [{ data: frame }];
  const bytes = new Uint8Array(frame);
  let at = 1;
  const number = () => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = bytes[at++]!;
      value += (byte % 128) * unit;
      if (byte < 128) return value;
    }
  };
  const item = () => {
    const header = number();
    const content = bytes.slice(at, (at += Math.floor(header / 2)));
    return header % 2 ? content : new TextDecoder().decode(content);
  };
  const place = () => {
    const offset = number();
    const topic = item() as string;
    const epoch = item() as string;
    return { topic, epoch, offset };
  };
  const items = () => {
    const found: (string | Uint8Array)[] = [];
    while (at < bytes.length) found.push(item());
    return found;
  };
  const positionOf = (epoch: string, offset: number) => (epoch ? `${epoch}.${offset}` : undefined);
  if (bytes[0] === 0) return [{ data: bytes.slice(1) }];
  if (bytes[0] === 1) return items().map((data) => ({ data }));
  if (bytes[0] === 3) return [{ window: number() }];
  if (bytes[0] === 4) {
    const { topic, epoch, offset } = place();
    return items().map((data, index) => ({ topic, position: positionOf(epoch, offset + index), data }));
  }
  const recovered = number() === 1;
  const { topic, epoch, offset } = place();
  return [{ topic, position: positionOf(epoch, offset), recovered }];
}

export class TopicClient {
  readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  static async connect({ path }: Pick<Served, "path">, query = "", positions?: Record<string, string>) {
    return new TopicClient(await connect(path + query, { "Sec-WebSocket-Protocol": offer(positions) }));
  }

  /** Everything that arrived so far. */
  get came(): Came[] {
    return this.client.messages.flatMap(read);
  }

  /** The number of frames of a type that arrived so far. */
  frames(type: number): number {
    return this.client.messages.filter((frame) => typeof frame !== "string" && new Uint8Array(frame)[0] === type)
      .length;
  }

  /** The data of all messages that arrived so far. */
  get texts(): unknown[] {
    return this.came.flatMap((one) => ("data" in one ? [one.data] : []));
  }

  /** Waits until this many messages, places and settings have arrived in all. */
  async has(count: number): Promise<Came[]> {
    while (this.came.length < count) await this.client.next();
    return this.came;
  }

  /** Waits until a text has arrived. */
  async until(text: string): Promise<Came[]> {
    while (!this.texts.includes(text)) await this.client.next();
    return this.came;
  }

  send(text: string): void {
    this.client.send(text);
  }

  /** Acknowledges this many messages in all. */
  acknowledge(count: number): void {
    const digits: number[] = [];
    for (let rest = count; ; rest = Math.floor(rest / 128)) {
      digits.push(rest < 128 ? rest : (rest % 128) + 128);
      if (rest < 128) break;
    }
    this.client.send(Uint8Array.of(2, ...digits));
  }

  /** Acknowledges each message that arrives, until there are enough. */
  async takeUntil(isEnough: () => boolean): Promise<void> {
    for (let taken = 0; !isEnough();) {
      while (this.texts.length === taken) await this.client.next();
      taken = this.texts.length;
      this.acknowledge(taken);
    }
  }
}
