// The frames of topics: publications, and the position from which on they follow. Written and read as in frame.ts.
import { type Bytes, encode, type FrameReader, frameOf, type Item, malformed, PLACE, PUBLICATIONS } from "./frame.ts";

/** The position of a topic. Without a history the epoch is "" and the offset 0. */
export interface Place {
  readonly topic: string;
  readonly epoch: string;
  readonly offset: number;
}

/** A message of a topic. */
export interface Published {
  readonly topic: string;
  readonly position: string | undefined;
  readonly data: string | ArrayBuffer;
}

/** The position from which on the messages of a topic follow. */
export interface Recovery {
  readonly topic: string;
  readonly position: string | undefined;
  /** The messages that follow are all that the client has missed. */
  readonly recovered: boolean;
}

/** Undefined without a history. */
export const positionOf = (epoch: string, offset: number): string | undefined =>
  epoch ? `${epoch}.${offset}` : undefined;

const named = ({ topic, epoch }: Place): Item[] =>
  [topic, epoch].map((text) => ({ bytes: encode(text), isBinary: false }));

/** The frame of consecutive publications of one topic. The first one has that place. */
export const publicationsFrame = (first: Place, payloads: readonly Item[]): Bytes =>
  frameOf(PUBLICATIONS, [first.offset], [...named(first), ...payloads]);

/** The frame with the position that the next publications follow. */
export const placeFrame = (place: Place, recovered: boolean): Bytes =>
  frameOf(PLACE, [Number(recovered), place.offset], named(place));

/** The publications of a {@link PUBLICATIONS} frame, each decoded when it is read. */
export function* readPublications(reader: FrameReader): Generator<Published, void, undefined> {
  const { topic, epoch, offset } = readPlace(reader);
  if (reader.isAtEnd) malformed("no message");
  let next = offset;
  for (const data of reader.items()) {
    if (epoch && next > Number.MAX_SAFE_INTEGER) malformed("a number over 53 bits");
    yield { topic, position: positionOf(epoch, next++), data };
  }
}

/** The content of a {@link PLACE} frame. */
export function readRecovery(reader: FrameReader): Recovery {
  const recovered = reader.number();
  const { topic, epoch, offset } = readPlace(reader);
  if (recovered > 1 || !reader.isAtEnd) malformed("no position");
  return { topic, position: positionOf(epoch, offset), recovered: recovered > 0 };
}

function readPlace(reader: FrameReader): Place {
  const offset = reader.number();
  const [topic, epoch] = reader.items();
  return typeof topic !== "string" || typeof epoch !== "string" || !topic || (offset && !epoch)
    ? malformed("no position")
    : { topic, epoch, offset };
}
