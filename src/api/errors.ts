// What Socle refuses. Each message says what to change; none of it is ever sent to a client.
import type { CloseReason } from "./close-reason.ts";

/**
 * An endpoint or a container is declared wrongly. Thrown where it is declared; logged where only a request can show it
 * (a class without a binding).
 *
 * @see Jakarta: `DeploymentException`
 */
export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}

/**
 * A message was sent on a session that has ended or is closing, or put on a channel that is closed: look at
 * `session.isOpen` first. It is also the reason of `session.signal`.
 */
export class SessionClosedError extends Error {
  override readonly name = "SessionClosedError";
  /** Why the session ended, where that is known: it is in the reason of `session.signal`. */
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

/** What was sent is no payload, or what is to send it is no session. */
export class PayloadError extends TypeError {
  override readonly name = "PayloadError";
}

/**
 * More waits for the client than `maxBufferedAmount` allows: it takes messages more slowly than they are sent. Look at
 * `session.asyncRemote.bufferedAmount` first, or send by a {@link SendChannel}, whose `put` waits.
 */
export class BufferFullError extends Error {
  override readonly name = "BufferFullError";
}

/** A dropping or sliding buffer dropped this message before it was sent. */
export class MessageDroppedError extends Error {
  override readonly name = "MessageDroppedError";
}

/**
 * A session object that hibernation would lose or change. The message names the property; the last object that could
 * be kept stays.
 */
export class SessionObjectError extends TypeError {
  override readonly name = "SessionObjectError";
}

/**
 * A session was kept by other code than the endpoint's of now, before a deploy or a rollback, and can't go on: it ends with 1012, and
 * its `onClose` gets undefined. The log has it, and `onEvent`; {@link Error.cause} is what `migrateSession` threw.
 */
export class SessionVersionError extends Error {
  override readonly name = "SessionVersionError";
}

/** What `subscribe` or `publish` was given can't be: a topic, an id, a position, a number of publications. Nothing was done. */
export class TopicError extends TypeError {
  override readonly name = "TopicError";
}

/** More topics than a session may subscribe, or more histories, or more bytes of them, than an object may have. Nothing was done. */
export class TopicLimitError extends RangeError {
  override readonly name = "TopicLimitError";
}

/**
 * Under `shards` more waits for the root, or for a shard that gets publications, than may wait. Nothing was published: publish less, or
 * try again later.
 */
export class OverloadedError extends Error {
  override readonly name = "OverloadedError";
}

/**
 * Under `shards` the root, or a shard, can't be reached, though it was tried again. What was asked of it may have happened; a
 * `publish` with an `id` can be tried again.
 */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** A limit that can't be, assigned to a session's `maxIdleTimeout` or one of its sizes; the former stays. */
export class LimitError extends RangeError {
  override readonly name = "LimitError";
}

/**
 * The client has exceeded a limit. Given to `onError`, or logged without one; the session then closes with
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
   * 1008 for too many messages in a time, or for taking none under `flowControl`; 1009 for one too large; 1013 for too many
   * that wait.
   */
  declare readonly closeCode: 1008 | 1009 | 1013;

  constructor(closeCode: LimitExceededError["closeCode"], message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}
