// A block of a history: consecutive publications in one row.
import { FrameReader, frameOf, encode, decode, type Bytes, type Item } from "../wire/frame.ts";

/** The first byte, which a reader of frames skips. */
const START = 0;

/** A publication in a block. */
export interface Recorded {
  readonly offset: number;
  /** When it was published, in milliseconds since 1970. */
  readonly time: number;
  /** "" without an id. */
  readonly id: string;
  readonly item: Item;
  /** How many bytes of the block it takes. */
  readonly size: number;
}

/** A publication in the form of a block: its time, its id, its payload. */
export const recordOf = (time: number, id: string, item: Item): Bytes =>
  frameOf(START, [time], [{ bytes: encode(id), isBinary: false }, item]).subarray(1);

/** A block of consecutive records, or the addition to one. */
export function blockOf(records: readonly Bytes[], isNew: boolean): Bytes {
  let at = Number(isNew);
  const block = new Uint8Array(records.reduce((size, { length }) => size + length, at));
  for (const record of records) {
    block.set(record, at);
    at += record.length;
  }
  return block;
}

/** The publications of a block. The first one has that offset. */
export function* recordsIn(block: ArrayBuffer, first: number): Generator<Recorded, void, undefined> {
  const reader = new FrameReader(block);
  let start = 1;
  for (let offset = first; !reader.isAtEnd; offset++) {
    const time = reader.number();
    const id = itemOf(reader);
    const item = itemOf(reader);
    const end = item.bytes.byteOffset + item.bytes.length;
    yield { offset, time, id: id.bytes.length > 0 ? decode(id.bytes) : "", item, size: end - start };
    start = end;
  }
}

/** The bytes are those of the block, not a copy. */
function itemOf(reader: FrameReader): Item {
  const header = reader.number();
  return { bytes: reader.take(Math.floor(header / 2)), isBinary: header % 2 > 0 };
}
