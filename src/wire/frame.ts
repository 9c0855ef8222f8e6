// The frames of `socle.v1`, written and read by both ends: docs/protocol.md. Nothing about sockets or credit is here.

/** The subprotocol. An application's own name precedes it, with a plus. */
export const PROTOCOL = "socle.v1";

/**
 * Negotiated if nothing else is: clients fail a connection that agrees on none of the offered subprotocols, without a
 * reason.
 */
export const PLAIN = "socle.plain";

/** How many bytes may be unacknowledged unless the server says otherwise. */
export const WINDOW = 262_144;

/** Added to the size of each message, so that empty messages are limited too. */
export const OVERHEAD = 32;

/** How many messages a batch may have: each costs more than the one byte of an empty text. */
export const MOST_IN_BATCH = 4096;

/** The first byte of a binary frame. A text message is a text frame. */
export const DATA = 0;
export const BATCH = 1;
export const ACKNOWLEDGEMENT = 2;
export const SETTINGS = 3;
/** These two are for topics, in publication.ts. */
export const PUBLICATIONS = 4;
export const PLACE = 5;

/** The other end sent an unknown frame of `socle.v1`, or acknowledged messages that it can't have taken. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export type Bytes = Uint8Array<ArrayBuffer>;

/** A text as its UTF-8, or a binary message. */
export interface Item {
  readonly bytes: Bytes;
  readonly isBinary: boolean;
}

/** Undefined if the platform lacks it, or throws. */
export function made<Value>(make: () => Value): Value | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** Every Worker has it. */
const encoder = /* @__PURE__ */ made(() => new TextEncoder());
// React Native has none, or a polyfill that can't be fatal.
const decoder = /* @__PURE__ */ made(() => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }));

export const malformed = (what: string): never => {
  throw new ProtocolError(`Malformed socle.v1 frame: ${what}`);
};

export const encode = (text: string): Bytes => encoder!.encode(text) as Bytes;

export function dataFrame(data: ArrayBuffer | ArrayBufferView): Bytes {
  // An ArrayBuffer has neither a buffer nor an offset.
  const { buffer = data as ArrayBuffer, byteOffset, byteLength } = data as Partial<ArrayBufferView>;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const frame = new Uint8Array(bytes.length + 1);
  frame.set(bytes, 1);
  return frame;
}

export const acknowledgement = (count: number): Bytes => Uint8Array.of(ACKNOWLEDGEMENT, ...digits(count));

/** Seven bits a byte, the lowest first, with the high bit in all but the last. */
const digits = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...digits(Math.floor(value / 128))];

/** A frame of numbers and items. An item is a number, twice its length plus one if it is binary, and its bytes. */
export function frameOf(type: number, numbers: readonly number[], items: readonly Item[] = []): Bytes {
  let length = 1 + numbers.length * 8;
  for (const { bytes } of items) length += bytes.length + 8;
  const frame = new Uint8Array(length);
  let at = 1;
  const write = (value: number) => {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) frame[at++] = (rest % 128) + 128;
    frame[at++] = rest;
  };
  frame[0] = type;
  for (const number of numbers) write(number);
  for (const { bytes, isBinary } of items) {
    write(bytes.length * 2 + Number(isBinary));
    frame.set(bytes, at);
    at += bytes.length;
  }
  return frame.subarray(0, at);
}

/** Reads a binary frame from its second byte on. */
export class FrameReader {
  readonly #bytes: Bytes;
  #at = 1;

  constructor(frame: ArrayBuffer) {
    this.#bytes = new Uint8Array(frame);
  }

  get type(): number | undefined {
    return this.#bytes[0];
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The messages of a {@link DATA} frame or a {@link BATCH} frame, each decoded when it is read. */
  *messages(): Generator<string | ArrayBuffer, void, undefined> {
    if (this.type === DATA) yield this.#bytes.slice(1).buffer;
    else if (this.type === BATCH && !this.isAtEnd) yield* this.items();
    else malformed("no message");
  }

  *items(): Generator<string | ArrayBuffer, void, undefined> {
    while (!this.isAtEnd) {
      const header = this.number();
      const bytes = this.take(Math.floor(header / 2));
      yield header % 2 ? bytes.slice().buffer : decode(bytes);
    }
  }

  number(): number {
    let value = 0;
    for (let unit = 1; unit <= 2 ** 49; unit *= 128) {
      const byte = this.#bytes[this.#at++] ?? malformed("too short");
      value += (byte % 128) * unit;
      if (byte < 128 && value <= Number.MAX_SAFE_INTEGER) return value;
    }
    return malformed("a number over 53 bits");
  }

  take(length: number): Bytes {
    const start = this.#at;
    this.#at += length;
    return this.#at > this.#bytes.length ? malformed("too short") : this.#bytes.subarray(start, this.#at);
  }
}

/** A byte in a URI. Non-ASCII bytes and the percent sign are escaped. */
const escaped = (byte: number): string =>
  byte > 127 || byte === 37 ? `%${byte.toString(16)}` : String.fromCharCode(byte);

/** Decodes UTF-8; throws for malformed bytes. */
export function decode(bytes: Bytes): string {
  try {
    // decodeURIComponent rejects the same bytes as a fatal decoder, and neither removes a byte order mark.
    return decoder ? decoder.decode(bytes) : decodeURIComponent(Array.from(bytes, escaped).join(""));
  } catch {
    return malformed("a text not in UTF-8");
  }
}
