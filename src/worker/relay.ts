// The Worker holds a client whose session ended before it began.
import { CloseReason } from "../api/close-reason.ts";
import { ENDED } from "../endpoint/handshake.ts";
import { attempt } from "../reporting/log.ts";
import { BY_US, closeSocket } from "../sending/close-frame.ts";

/**
 * Holds a client instead of an object whose session has ended. The client is closed immediately. If it doesn't answer
 * the Close frame, the Worker waits, which is not billed by duration.
 */
export function relay(response: Response): Response {
  const ended = response.webSocket!;
  const { 0: webSocket, 1: socket } = new WebSocketPair();
  for (const one of [ended, socket]) {
    one.binaryType = "arraybuffer";
    one.accept(BY_US);
  }
  ended.addEventListener("message", ({ data }) => attempt("a message was not sent", () => socket.send(data as string)));
  ended.addEventListener("close", ({ code, reason }) => {
    for (const one of [ended, socket]) closeSocket(one, new CloseReason(code, reason));
  });
  const headers = new Headers(response.headers);
  headers.delete(ENDED);
  return new Response(null, { status: 101, webSocket, headers });
}
