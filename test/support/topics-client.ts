// A client of topics in a model's sequence: it reads the frames that it gets, written from docs/protocol.md alone.
import type { Client } from "./client.ts";
import { acknowledgement } from "./flow-client.ts";
import type { Kind } from "./topics-script.ts";

/** A message, or the place of a topic. A message has no topic if its client knows no topics and it has no envelope. */
export type Event =
  | { type: "message"; topic?: string; position?: string | undefined; content: string; isBinary: boolean }
  | { type: "place"; topic: string; position: string | undefined; recovered: boolean };

/** The value that the option `envelope` makes of a publication. */
export interface Enveloped {
  topic: string;
  position: string | undefined;
  isBinary: boolean;
  content: string;
}

const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Frame {
  at = 1;

  constructor(readonly bytes: Uint8Array) {}

  number(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.bytes[this.at++]!;
      value += (byte % 128) * unit;
      if (byte < 128) return value;
    }
  }

  item(): { content: string; isBinary: boolean } {
    const header = this.number();
    const bytes = this.bytes.subarray(this.at, (this.at += Math.floor(header / 2)));
    return { content: text.decode(bytes), isBinary: header % 2 > 0 };
  }

  *items(): Generator<{ content: string; isBinary: boolean }, void, undefined> {
    while (this.at < this.bytes.length) yield this.item();
  }
}

function* eventsIn(frame: string | ArrayBuffer, speaks: boolean): Generator<Event, void, undefined> {
  if (typeof frame === "string" || !speaks) {
    yield message(frame);
    return;
  }
  const reader = new Frame(new Uint8Array(frame));
  const [type] = reader.bytes;
  if (type === 0) yield message(frame.slice(1));
  else if (type === 1) {
    for (const { content, isBinary } of reader.items()) yield isBinary ? message(bytesOf(content)) : message(content);
  } else if (type === 4 || type === 5) {
    const recovered = type === 5 && reader.number() === 1;
    const offset = reader.number();
    const topic = reader.item().content;
    const epoch = reader.item().content;
    const positionAt = (index: number) => (epoch ? `${epoch}.${offset + index}` : undefined);
    if (type === 5) yield { type: "place", topic, recovered, position: positionAt(0) };
    else
      for (const [index, item] of [...reader.items()].entries())
        yield { type: "message", topic, position: positionAt(index), ...item };
  } else if (type !== 3) throw new Error(`No frame of a server's: ${type}`);
}

const bytesOf = (content: string): ArrayBuffer => new TextEncoder().encode(content).buffer as ArrayBuffer;

function message(data: string | ArrayBuffer): Event {
  const isBinary = typeof data !== "string";
  const content = isBinary ? text.decode(data) : data;
  if (!content.startsWith("{")) return { type: "message", content, isBinary };
  return { type: "message", ...(JSON.parse(content) as Enveloped) };
}

export class TopicsClient {
  readonly events: Event[] = [];
  /** The number of events that were compared. */
  seen = 0;
  /** The number of messages that the client has acknowledged. */
  taken = 0;
  closed: number | undefined;
  #read = 0;

  constructor(
    readonly client: Client,
    readonly kind: Kind,
  ) {
    // The tests stop the clock, so only the close event shows the end.
    client.socket.addEventListener("close", ({ code }) => {
      this.closed = code;
    });
  }

  /** Decodes the frames that arrived. */
  read(): void {
    const { messages } = this.client;
    for (; this.#read < messages.length; this.#read++)
      this.events.push(...eventsIn(messages[this.#read]!, this.kind !== "plain"));
  }

  get untaken(): number {
    this.read();
    return this.events.filter(({ type }) => type === "message").length - this.taken;
  }

  /** Acknowledges this many more messages, which may be more than arrived. */
  take(count: number): void {
    if (count <= 0) return;
    this.taken += count;
    this.client.send(acknowledgement(this.taken));
  }
}
