// The floor: the same work written by hand on the platform.
import { Hibernating, worker, type Attached } from "./by-hand.ts";

export class Echo extends Hibernating {
  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    socket.send(message);
  }
}

export class Room extends Hibernating {
  override webSocketMessage(_socket: WebSocket, message: string | ArrayBuffer): void {
    for (const socket of this.ctx.getWebSockets()) {
      try {
        socket.send(message);
      } catch {
        // This socket is closing. The others still get the message.
      }
    }
  }
}

/** Echoes the shortest messages, and sends others to all. */
export class Crowd extends Room {
  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (message === "echo") socket.send(message);
    else super.webSocketMessage(socket, message);
  }
}

/** Each message says how many milliseconds its answer takes. The runtime doesn't wait for it before the next message. */
export class Slow extends Hibernating {
  readonly #last = new WeakMap<WebSocket, Promise<void>>();

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const before = this.#last.get(socket) ?? Promise.resolve();
    const done = before.then(async () => {
      await scheduler.wait(Number(message));
      socket.send(message);
    });
    this.#last.set(socket, done);
    return done;
  }
}

let instances = 0;

export class Wake extends Hibernating {
  readonly #instance = ++instances;

  override webSocketMessage(socket: WebSocket): void {
    const { id } = socket.deserializeAttachment() as Attached;
    socket.send(`${id} ${this.#instance}`);
  }
}

/** 400 MB in messages of 64 KiB. */
const MESSAGES = 6104;

/** Sends everything to a client that asks for it, and tells other clients how many messages that was. */
export class Stalled extends Hibernating {
  #sent = 0;

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (message !== "send") return socket.send(`${this.#sent}`);
    for (let index = 0; index < MESSAGES; index++) {
      socket.send(String(index).padEnd(65_536, "."));
      this.#sent++;
    }
  }
}

export class Burst extends Hibernating {
  override webSocketMessage(): void {
    for (let index = 100; index < 200; index++) this.#broadcast(`message ${index} to all`);
  }

  #broadcast(message: string): void {
    for (const socket of this.ctx.getWebSockets()) {
      try {
        socket.send(message);
      } catch {
        // This socket is closing. The others still get the message.
      }
    }
  }
}

export default worker;
