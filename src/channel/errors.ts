// What a channel refuses. Kept apart from Socle's other errors: `socle/channel` stands alone.

/**
 * `undefined` or `null` was put on a channel, where `undefined` means "closed".
 *
 * @see core.async: `Can't put nil on a channel`
 */
export class NullPutError extends TypeError {
  override readonly name = "NullPutError";
}

/**
 * 1,024 puts wait on the channel already, so nobody serves its other end.
 *
 * @see core.async: `No more than 1024 pending puts are allowed on a single channel`
 */
export class PendingLimitError extends Error {
  override readonly name = "PendingLimitError";
}

/** A buffer was asked for with a size that no buffer has, or something that is no buffer was given as one. */
export class BufferSizeError extends RangeError {
  override readonly name = "BufferSizeError";
}

/** What was to give up a take or a put is no `AbortSignal`. */
export class SignalError extends TypeError {
  override readonly name = "SignalError";
}
