// A block of a history: publications that follow each other, as one row has them.
import { FrameReader, frameOf, encode, decode, type Bytes, type Item } from "../wire/frame.ts";

/** The first byte, which a reader of frames passes over. */
const START = 0;

/** A publication as a block has it. */
export interface Recorded {
  readonly offset: number;
  /** When it was published, in milliseconds since 1970. */
  readonly time: number;
  /** "" for one that has none. */
  readonly id: string;
  readonly item: Item;
  /** How many bytes of the block it has. */
  readonly size: number;
}

/** A publication as it is added to a block: its time, its id, its payload. */
export const recordOf = (time: number, id: string, item: Item): Bytes =>
  frameOf(START, [time], [{ bytes: encode(id), isBinary: false }, item]).subarray(1);

/** A block of records that follow each other, or what is added to one. */
export function blockOf(records: readonly Bytes[], isNew: boolean): Bytes {
  let at = Number(isNew);
  const block = new Uint8Array(records.reduce((size, { length }) => size + length, at));
  for (const record of records) {
    block.set(record, at);
    at += record.length;
  }
  return block;
}

/** The publications of a block, the first of which has that offset. */
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

/** As it stands there: its bytes are those of the block. */
function itemOf(reader: FrameReader): Item {
  const header = reader.number();
  return { bytes: reader.take(Math.floor(header / 2)), isBinary: header % 2 > 0 };
}
