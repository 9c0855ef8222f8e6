// What an endpoint does: Pedestal's callbacks.
import type { CloseReason } from "./close-reason.ts";
import type { EndpointConfig } from "./endpoint-options.ts";
import type { Session } from "./session.ts";

/** The callbacks of an endpoint. All are optional. One that returns a promise holds the session's next event. */
export interface Callbacks<Env = unknown, T = unknown, Path extends string = string> {
  /** Runs before the handshake is answered. What it returns is the session object of the other callbacks. */
  onOpen?(session: Session<Path, unknown, Env>, config: EndpointConfig): T | Promise<T>;
  /** A text message. Without it text messages are ignored. */
  onText?(sessionObject: T, text: string, session: Session<Path, NoInfer<T>, Env>): unknown;
  /** A binary message. Without it binary messages are ignored. */
  onBinary?(sessionObject: T, data: ArrayBuffer, session: Session<Path, NoInfer<T>, Env>): unknown;
  /**
   * The session has ended, in whatever way. Runs last, and once. `sessionObject` is undefined if `onOpen` failed: its
   * annotation may say so, `user: User | undefined`.
   */
  onClose?(sessionObject: NoInfer<T>, session: Session<Path, NoInfer<T>, Env>, closeReason: CloseReason): unknown;
  /**
   * A callback threw or rejected, or the socket failed: the session stays open unless this closes it. Or the client
   * exceeded a limit, a {@link LimitExceededError}: then it closes. `sessionObject` is undefined if `onOpen` failed.
   */
  onError?(sessionObject: NoInfer<T> | undefined, session: Session<Path, NoInfer<T>, Env>, error: Error): unknown;
}
