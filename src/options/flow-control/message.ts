// A message for a client of `socle.v1`: as a frame of its own, or as a part of one.
import type { TopicMessage } from "../../sending/topic-message.ts";
import { BATCH, dataFrame, encode, frameOf, type Item } from "../../wire/frame.ts";
import { publicationsFrame } from "../../wire/publication.ts";

/** A message of at least this many bytes gets a frame of its own: copying it into a batch would cost more. */
export const LARGE = 16_384;

/** A message as a frame of its own, and as an item of a batch. A large text is never in a batch. */
export interface OutgoingMessage {
  readonly data: string | Uint8Array<ArrayBuffer>;
  readonly length: number;
  readonly item: Item | undefined;
  readonly publication?: TopicMessage;
}

/** Cached, because a broadcast sends the same text to many. */
let last: OutgoingMessage | undefined;

export function messageOf(data: string | ArrayBuffer | ArrayBufferView): OutgoingMessage {
  if (typeof data !== "string") {
    const frame = dataFrame(data);
    return { data: frame, length: frame.length - 1, item: { bytes: frame.subarray(1), isBinary: true } };
  }
  if (last?.data === data) return last;
  const bytes = encode(data);
  const { length } = bytes;
  if (length >= LARGE) return { data, length, item: undefined };
  return (last = { data, length, item: { bytes, isBinary: false } });
}

/** Whether two consecutive messages share a frame. */
export const isRun = ({ publication: one }: OutgoingMessage, { publication: next }: OutgoingMessage): boolean =>
  one && next ? next.follows(one) : one === next;

/** The frame of messages that are sent together. */
export function frameOfRun(
  run: readonly OutgoingMessage[],
  uncounted: string | undefined,
): string | Uint8Array<ArrayBuffer> {
  const [{ data, publication }] = run as [OutgoingMessage];
  const isAlone = run.length === 1;
  if (publication && isAlone) return publication.frame;
  const items = run.map(({ item }) => item!);
  if (publication) return publicationsFrame(publication.place, items);
  const isAnswer = uncounted !== undefined && typeof data === "string" && data.toWellFormed() === uncounted;
  return isAlone && !isAnswer ? data : frameOf(BATCH, [], items);
}
