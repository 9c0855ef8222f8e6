// What a channel does with values that nobody takes yet. A buffer describes this and stores nothing: an endpoint's
// options give one to many channels, and it survives hibernation.
import { BufferSizeError } from "./errors.ts";

/**
 * How many values a channel holds, and what it does with one more. Made by {@link fixedBuffer}, {@link droppingBuffer}
 * and {@link slidingBuffer}. It has no state, so channels may share one.
 */
export interface ChannelBuffer {
  readonly kind: "fixed" | "dropping" | "sliding";
  readonly size: number;
}

/**
 * Holds `n` values; a further put waits until there is room.
 *
 * @param n a whole number from 0; with 0 there is no buffer, and each put waits for its take
 * @throws {@link BufferSizeError} for any other size
 * @see core.async: `buffer`
 */
export const fixedBuffer = (n: number): ChannelBuffer => toBuffer({ kind: "fixed", size: n });

/**
 * Holds `n` values and drops a further one, so a put never waits.
 *
 * @param n a whole number from 1
 * @throws {@link BufferSizeError} for any other size
 * @see core.async: `dropping-buffer`
 */
export const droppingBuffer = (n: number): ChannelBuffer => toBuffer({ kind: "dropping", size: n });

/**
 * Holds the `n` newest values and drops the oldest, so a put never waits.
 *
 * ```ts
 * startWsConnection(session, { sendBufferOrN: slidingBuffer(1) });
 * ```
 *
 * @param n a whole number from 1
 * @throws {@link BufferSizeError} for any other size
 * @see core.async: `sliding-buffer`
 */
export const slidingBuffer = (n: number): ChannelBuffer => toBuffer({ kind: "sliding", size: n });

/** A number is the size of a fixed buffer. */
export function toBuffer(bufferOrN: ChannelBuffer | number): ChannelBuffer {
  const buffer: ChannelBuffer = typeof bufferOrN === "number" ? { kind: "fixed", size: bufferOrN } : bufferOrN;
  if (Number.isSafeInteger(buffer?.size) && buffer.size >= (buffer.kind === "fixed" ? 0 : 1)) return buffer;
  throw new BufferSizeError(
    `Invalid buffer size ${String(buffer?.size ?? bufferOrN)}: use a whole number from 0, or from 1 for a dropping or sliding buffer.`,
  );
}
