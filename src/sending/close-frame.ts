// The Close frame: sent, or answered.
import { CloseReason } from "../api/close-reason.ts";
import { attempt, type Place } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";

/**
 * From the compatibility date 2026-04-07 on the platform echoes a client's Close frame by itself, also codes that may not
 * be sent, and ends the connection at a 1005 with a phrase. This leaves the answer to us, under any date.
 */
export const BY_US = { allowHalfOpen: true };

/**
 * Sends a Close frame, or completes the closing handshake, which the platform leaves to us: a code that may not be sent
 * (1005 is none at all) is answered by none. On a socket that is closing it does nothing.
 */
export function closeSocket(
  socket: WebSocket,
  { sendable, closeCode, reasonPhrase }: CloseReason,
  place?: Place,
): void {
  const close = () => {
    if (!sendable) return socket.close();
    try {
      socket.close(closeCode, reasonPhrase);
    } catch {
      // A client's phrase that is no UTF-8 grows as the platform decodes it, past what a Close frame carries.
      socket.close(closeCode);
    }
  };
  // The session ends all the same.
  attempt("a Close frame can't be sent", close, place);
}

/** Why a socket failed: the platform tells the code in the text only. */
export function reasonOf(error: unknown): CloseReason {
  const [, code = 1006] = /statusCode = (\d+)/.exec(toError(error).message) ?? [];
  return new CloseReason(Number(code));
}
