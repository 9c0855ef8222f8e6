// What comes of topics: the publications, and the place from which on they come. Written and read as in frame.ts.
import { type Bytes, encode, type FrameReader, frameOf, type Item, malformed, PLACE, PUBLICATIONS } from "./frame.ts";

/** Where a topic is: without a history the epoch is "" and the offset 0. */
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

/** From where on the messages of a topic come. */
export interface Recovery {
  readonly topic: string;
  readonly position: string | undefined;
  /** It is all that the client has missed. */
  readonly recovered: boolean;
}

/** Undefined without a history. */
export const positionOf = (epoch: string, offset: number): string | undefined =>
  epoch ? `${epoch}.${offset}` : undefined;

const named = ({ topic, epoch }: Place): Item[] =>
  [topic, epoch].map((text) => ({ bytes: encode(text), isBinary: false }));

/** The frame of payloads of one topic that follow each other, the first of which has that place. */
export const publicationsFrame = (first: Place, payloads: readonly Item[]): Bytes =>
  frameOf(PUBLICATIONS, [first.offset], [...named(first), ...payloads]);

/** The frame that says what the next publications follow. */
export const placeFrame = (place: Place, recovered: boolean): Bytes =>
  frameOf(PLACE, [Number(recovered), place.offset], named(place));

/** The publications of a frame of {@link PUBLICATIONS}, each read when it is asked for. */
export function* readPublications(reader: FrameReader): Generator<Published, void, undefined> {
  const { topic, epoch, offset } = readPlace(reader);
  if (reader.isAtEnd) malformed("no message");
  let next = offset;
  for (const data of reader.items()) {
    if (epoch && next > Number.MAX_SAFE_INTEGER) malformed("a number over 53 bits");
    yield { topic, position: positionOf(epoch, next++), data };
  }
}

/** What a frame of {@link PLACE} says. */
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
