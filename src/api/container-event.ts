// What a container tells the outside of its sessions, for logs and metrics.
import type { CloseReason } from "./close-reason.ts";
import type { SessionVersionError } from "./errors.ts";
import type { Session } from "./session.ts";

/**
 * What {@link ServerContainerOptions.onEvent} is given.
 *
 * - `open`: a session has opened; `onOpen` has run, and the 101 is about to be answered.
 * - `close`: a session has ended, and its `onClose` has settled. `milliseconds` is how long it lasted, hibernation included.
 *   It also comes for one that never opened, because its `onOpen` failed.
 * - `error`: a callback failed, a limit was exceeded, or the socket failed; beside `onError`. Or a lost session was given up,
 *   whose `onClose` reset the object again and again.
 * - `unreadable`: an object has a session in a form that this version of Socle does not know, which it closed with 1012.
 * - `refusal`: a handshake opened no session; `status` is the answer's, 101 where the hook closes with a code. It comes from the
 *   Worker, the others from objects.
 * - `wake`: an object was made: at first, or because something woke it.
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

/** Is told of each event. */
export type EventListener = (event: ContainerEvent<never>, env: never) => unknown;
