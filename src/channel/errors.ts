// The errors of channels. They are apart from Socle's other errors because `socle/channel` stands alone.

/**
 * `undefined` or `null` was put on a channel, where `undefined` means "closed". `put` and `offer` throw it
 * synchronously.
 *
 * @see core.async: `Can't put nil on a channel`
 */
export class NullPutError extends TypeError {
  override readonly name = "NullPutError";
}

/**
 * 1,024 puts are already waiting on the channel, so nothing is taking from it. `put` throws it synchronously.
 *
 * @see core.async: `No more than 1024 pending puts are allowed on a single channel`
 */
export class PendingLimitError extends Error {
  override readonly name = "PendingLimitError";
}

/** The size of a buffer is invalid, or the value given as a buffer is not one. */
export class BufferSizeError extends RangeError {
  override readonly name = "BufferSizeError";
}

/** The `signal` of a take or a put is not an `AbortSignal`. */
export class SignalError extends TypeError {
  override readonly name = "SignalError";
}
