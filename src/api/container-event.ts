// The events that a container reports about its sessions, for logs and metrics.
import type { CloseReason } from "./close-reason.ts";
import type { SessionVersionError } from "./errors.ts";
import type { Session } from "./session.ts";

/**
 * The event that {@link ServerContainerOptions.onEvent} receives. The Worker sends `refusal`, and the objects send the
 * others.
 *
 * - `open`: a session has opened. `onOpen` has run, and Socle is about to answer with the 101.
 * - `close`: a session has ended, and its `onClose` has settled. `milliseconds` is how long it lasted, including
 *   hibernation. Also sent for a session that never opened because its `onOpen` failed.
 * - `error`: a callback failed, the client exceeded a limit, or the socket failed; `onError` is called as well. Or
 *   Socle gave up a lost session because its `onClose` reset the object again and again.
 * - `unreadable`: an object has a session in a form that this version of Socle does not know. It closed the session
 *   with 1012.
 * - `refusal`: a handshake opened no session. `status` is the status of the answer; it is 101 if the hook closed the
 *   connection with a code.
 * - `wake`: an object was created: for the first time, or because something woke it.
 */
export type ContainerEvent<Env = unknown> =
  | { readonly type: "open"; readonly session: Session<string, unknown, Env> }
  | {
      readonly type: "close";
      readonly session: Session<string, unknown, Env>;
      readonly closeReason: CloseReason;
      readonly milliseconds: number;
    }
  | { readonly type: "error"; readonly session: Session<string, unknown, Env>; readonly error: Error }
  | { readonly type: "unreadable"; readonly id: DurableObjectId; readonly error: SessionVersionError }
  | { readonly type: "refusal"; readonly request: Request; readonly status: number }
  | { readonly type: "wake"; readonly id: DurableObjectId };

/** Receives each event. */
export type EventListener = (event: ContainerEvent<never>, env: never) => unknown;
