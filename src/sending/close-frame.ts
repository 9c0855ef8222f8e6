// Sends or answers a Close frame.
import { CloseReason } from "../api/close-reason.ts";
import { attempt, type Place } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";

/**
 * From the compatibility date 2026-04-07 on, the platform echoes a client's Close frame by itself, even with codes that
 * may not be sent, and ends the connection at a 1005 with a phrase. This option leaves the answer to Socle under any
 * date.
 */
export const BY_US = { allowHalfOpen: true };

/**
 * Sends a Close frame, or completes the closing handshake, which the platform leaves to Socle. A code that may not be
 * sent is answered without a code; 1005 stands for none. Does nothing on a socket that is closing.
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
      // A client's phrase that is not UTF-8 grows when the platform decodes it, and may then be too long for a Close
      // frame.
      socket.close(closeCode);
    }
  };
  // The session ends anyway.
  attempt("a Close frame can't be sent", close, place);
}

/** Why a socket failed. Only the platform's text has the code. */
export function reasonOf(error: unknown): CloseReason {
  const [, code = 1006] = /statusCode = (\d+)/.exec(toError(error).message) ?? [];
  return new CloseReason(Number(code));
}
