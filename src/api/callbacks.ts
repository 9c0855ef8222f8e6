// The callbacks of an endpoint, as in Pedestal.
import type { CloseReason } from "./close-reason.ts";
import type { EndpointConfig } from "./endpoint-options.ts";
import type { Session } from "./session.ts";

/**
 * The callbacks of an endpoint. All are optional. A callback that returns a promise delays the next event of its
 * session until the promise settles.
 *
 * @see Pedestal: `:on-open`, `:on-text`, `:on-binary`, `:on-close`, `:on-error`
 */
export interface Callbacks<Env = unknown, T = unknown, Path extends string = string> {
  /**
   * Runs before the handshake is answered. Its return value, or the value of its promise, is the session object that
   * the other callbacks receive.
   */
  onOpen?(session: Session<Path, unknown, Env>, config: EndpointConfig): T | Promise<T>;
  /** A text message arrived. Without this callback, text messages are ignored. */
  onText?(sessionObject: T, text: string, session: Session<Path, NoInfer<T>, Env>): unknown;
  /** A binary message arrived. Without this callback, binary messages are ignored. */
  onBinary?(sessionObject: T, data: ArrayBuffer, session: Session<Path, NoInfer<T>, Env>): unknown;
  /**
   * The session has ended, for any reason. Runs last, and once. `sessionObject` is undefined if `onOpen` failed; you
   * may annotate it as `user: User | undefined`.
   */
  onClose?(sessionObject: NoInfer<T>, session: Session<Path, NoInfer<T>, Env>, closeReason: CloseReason): unknown;
  /**
   * A callback threw or rejected, or the socket failed. The session stays open unless this callback closes it. It also
   * receives a {@link LimitExceededError} if the client exceeded a limit; then the session closes. `sessionObject` is
   * undefined if `onOpen` failed.
   */
  onError?(sessionObject: NoInfer<T> | undefined, session: Session<Path, NoInfer<T>, Env>, error: Error): unknown;
}
