// What becomes of values that nobody takes yet. A buffer is a description, not a store: the options of an endpoint give
// one to many channels, and it survives hibernation.
import { BufferSizeError } from "./errors.ts";

/**
 * How many values a channel holds, and what it does with one more. Made by {@link fixedBuffer},
 * {@link droppingBuffer} and {@link slidingBuffer}; it has no state, so channels may share it.
 */
export interface ChannelBuffer {
  readonly kind: "fixed" | "dropping" | "sliding";
  readonly size: number;
}

/**
 * Holds `n` values; one more waits until there is room.
 *
 * @param n a whole number from 0 up; 0 is no buffer: each put waits for its take
 * @throws {@link BufferSizeError}
 * @see core.async: `buffer`
 */
export const fixedBuffer = (n: number): ChannelBuffer => toBuffer({ kind: "fixed", size: n });

/**
 * Holds `n` values; one more is dropped, so a put never waits.
 *
 * @param n a whole number from 1 up
 * @throws {@link BufferSizeError}
 * @see core.async: `dropping-buffer`
 */
export const droppingBuffer = (n: number): ChannelBuffer => toBuffer({ kind: "dropping", size: n });

/**
 * Holds the `n` newest values; one more pushes the oldest out, so a put never waits.
 *
 * @param n a whole number from 1 up
 * @throws {@link BufferSizeError}
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
