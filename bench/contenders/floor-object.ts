// The floor with an object for each connection: in memory, and in the attachment whenever it has changed.
import { Hibernating, worker, type Attached } from "./by-hand.ts";

interface Keeping extends Attached {
  user: { name: string; messages: number };
}

export class Echo extends Hibernating {
  /** The objects read since the wake: the platform gives the same socket each time until hibernation. */
  readonly #kept = new WeakMap<WebSocket, Keeping>();

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    let kept = this.#kept.get(socket);
    if (!kept) {
      kept = socket.deserializeAttachment() as Keeping;
      this.#kept.set(socket, kept);
    }
    kept.user.messages++;
    // Before the answer, so a client that has the answer can rely on the change.
    socket.serializeAttachment(kept);
    socket.send(message);
  }

  protected override attached(request: Request): Keeping {
    return { ...super.attached(request), user: { name: "anonymous", messages: 0 } };
  }
}

export default worker;
