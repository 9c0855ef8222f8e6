// The errors that Socle throws. Each message says what to change. None is ever sent to a client.
import type { CloseReason } from "./close-reason.ts";

/**
 * An endpoint or a container is declared wrongly. Thrown at the declaration. Logged if only a request can reveal the
 * mistake, such as a class without a binding.
 *
 * @see Jakarta: `DeploymentException`
 */
export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}

/**
 * You sent a message on a session that has ended or is closing, or put one on a closed channel. Check `session.isOpen`
 * first. It is also the reason of `session.signal`.
 */
export class SessionClosedError extends Error {
  override readonly name = "SessionClosedError";
  /** Why the session ended, if that is known. It is set in the reason of `session.signal`. */
  declare readonly closeReason?: CloseReason;

  constructor(closeReason?: CloseReason) {
    super(
      closeReason
        ? `The session has ended with ${closeReason.closeCode}: see closeReason.`
        : "Not sent: the session is closed, see session.isOpen.",
    );
    if (closeReason) this.closeReason = closeReason;
  }
}

/** What you sent is not a payload, or the value given as a session is not one. */
export class PayloadError extends TypeError {
  override readonly name = "PayloadError";
}

/**
 * More bytes are queued for the client than `maxBufferedAmount` allows: the client takes messages more slowly than you
 * send them. Check `session.asyncRemote.bufferedAmount` first, or send with a {@link SendChannel}, whose `put` waits.
 */
export class BufferFullError extends Error {
  override readonly name = "BufferFullError";
}

/** A dropping or sliding buffer dropped this message before it was sent. */
export class MessageDroppedError extends Error {
  override readonly name = "MessageDroppedError";
}

/**
 * Hibernation would lose or change this session object. The message names the property. Socle keeps the last object
 * that it could keep.
 */
export class SessionObjectError extends TypeError {
  override readonly name = "SessionObjectError";
}

/**
 * A session was kept by other code, before a deploy or a rollback, and can't continue with the endpoint's current code.
 * It ends with 1012, and its `onClose` receives undefined. The log and `onEvent` receive the error. {@link Error.cause}
 * is what `migrateSession` threw.
 */
export class SessionVersionError extends Error {
  override readonly name = "SessionVersionError";
}

/**
 * An argument of `subscribe`, `publish` or another method of topics is invalid: the topic, the id, the position, or a
 * number of publications. Nothing was done.
 */
export class TopicError extends TypeError {
  override readonly name = "TopicError";
}

/**
 * The session would have more topics, or the object more histories or more bytes of histories, than it may. Nothing was
 * done.
 */
export class TopicLimitError extends RangeError {
  override readonly name = "TopicLimitError";
}

/**
 * Under `shards`, too much is queued for the root, or for a shard that receives publications. Nothing was published:
 * publish less, or try again later.
 */
export class OverloadedError extends Error {
  override readonly name = "OverloadedError";
}

/**
 * Under `shards`, the root or a shard could not be reached in several attempts. It may have done what you asked. You
 * can repeat a `publish` that has an `id`.
 */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** An invalid limit was assigned to a session's `maxIdleTimeout` or to one of its sizes. The previous limit stays. */
export class LimitError extends RangeError {
  override readonly name = "LimitError";
}

/**
 * The client has exceeded a limit. `onError` receives it; without `onError` Socle logs it. Then the session closes with
 * {@link closeCode}.
 *
 * ```ts
 * onError(_, session, error) {
 *   if (error instanceof LimitExceededError) console.warn(session.id, error.closeCode);
 * }
 * ```
 */
export class LimitExceededError extends Error {
  override readonly name = "LimitExceededError";
  /**
   * 1008 for too many messages in a time, or for taking none under `flowControl`; 1009 for a message that is too large;
   * 1013 for too many queued messages.
   */
  declare readonly closeCode: 1008 | 1009 | 1013;

  constructor(closeCode: LimitExceededError["closeCode"], message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}
