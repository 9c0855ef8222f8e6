// The floor, where it keeps an object for each connection too: in memory, and in the attachment whenever it has changed.
import { Hibernating, worker, type Attached } from "./by-hand.ts";

interface Keeping extends Attached {
  user: { name: string; messages: number };
}

export class Echo extends Hibernating {
  /** Those that were read since the object woke: the platform gives the same socket each time until it hibernates. */
  readonly #kept = new WeakMap<WebSocket, Keeping>();

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    let kept = this.#kept.get(socket);
    if (!kept) {
      kept = socket.deserializeAttachment() as Keeping;
      this.#kept.set(socket, kept);
    }
    kept.user.messages++;
    // Before the answer: who has it may count on the change.
    socket.serializeAttachment(kept);
    socket.send(message);
  }

  protected override attached(request: Request): Keeping {
    return { ...super.attached(request), user: { name: "anonymous", messages: 0 } };
  }
}

export default worker;
