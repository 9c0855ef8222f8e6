// The frames of `socle.v1`, written and read by both ends: docs/protocol.md. Nothing of sockets or of credit here.

/** The subprotocol. An application's own stands before it, with a plus. */
export const PROTOCOL = "socle.v1";

/** On which a server agrees if on nothing else: clients accept no connection on which nothing is agreed on, and don't say why. */
export const PLAIN = "socle.plain";

/** How many bytes may be untaken unless the server says otherwise. */
export const WINDOW = 262_144;

/** Each message counts as so many bytes more than it has, so that empty ones have an end too. */
export const OVERHEAD = 32;

/** How many messages a batch may have: each costs more than the byte that an empty text is. */
export const MOST_IN_BATCH = 4096;

/** The first byte of a binary frame. A text message is a text frame. */
export const DATA = 0;
export const BATCH = 1;
export const ACKNOWLEDGEMENT = 2;
export const SETTINGS = 3;
/** Of a topic: these two are in publication.ts. */
export const PUBLICATIONS = 4;
export const PLACE = 5;

/** The other end sent a frame that `socle.v1` doesn't have, or acknowledged what it can't have taken. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export type Bytes = Uint8Array<ArrayBuffer>;

/** A text as its UTF-8, or a binary message. */
export interface Item {
  readonly bytes: Bytes;
  readonly isBinary: boolean;
}

/** Undefined where the platform lacks it, or doesn't make it. */
export function made<Value>(make: () => Value): Value | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** A Worker has it. */
const encoder = /* @__PURE__ */ made(() => new TextEncoder());
// React Native has none, or a polyfill that can't be fatal.
const decoder = /* @__PURE__ */ made(() => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }));

export const malformed = (what: string): never => {
  throw new ProtocolError(`Malformed socle.v1 frame: ${what}`);
};

export const encode = (text: string): Bytes => encoder!.encode(text) as Bytes;

export function dataFrame(data: ArrayBuffer | ArrayBufferView): Bytes {
  // A buffer has neither a buffer nor an offset.
  const { buffer = data as ArrayBuffer, byteOffset, byteLength } = data as Partial<ArrayBufferView>;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const frame = new Uint8Array(bytes.length + 1);
  frame.set(bytes, 1);
  return frame;
}

/** The frame of an acknowledgement. */
export const acknowledgement = (count: number): Bytes => Uint8Array.of(ACKNOWLEDGEMENT, ...digits(count));

/** Seven bits a byte, the lowest first, with the high bit in all but the last. */
const digits = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...digits(Math.floor(value / 128))];

/** A frame of numbers and items: an item is twice its length, plus one if it is binary, and its bytes. */
export function frameOf(type: number, numbers: readonly number[], items: readonly Item[] = []): Bytes {
  let length = 1 + numbers.length * 8;
  for (const { bytes } of items) length += bytes.length + 8;
  const frame = new Uint8Array(length);
  let at = 1;
  // Seven bits a byte, the lowest first, with the high bit in all but the last.
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

/** A binary frame, read from its second byte on. */
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

  /** The messages of a frame of {@link DATA} or of a {@link BATCH}, each read when it is asked for. */
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

/** A byte in a URI. One that is not ASCII has two digits, and so has the percent sign. */
const escaped = (byte: number): string =>
  byte > 127 || byte === 37 ? `%${byte.toString(16)}` : String.fromCharCode(byte);

/** The text of UTF-8; what is none is malformed. */
export function decode(bytes: Bytes): string {
  try {
    // What a fatal decoder refuses is no URI either, and neither of the two takes off a byte order mark.
    return decoder ? decoder.decode(bytes) : decodeURIComponent(Array.from(bytes, escaped).join(""));
  } catch {
    return malformed("a text not in UTF-8");
  }
}
