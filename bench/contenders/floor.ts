// The floor: the same work written by hand on the platform, with the care that an engineer who knows it would take.
import { DurableObject } from "cloudflare:workers";

interface Attached {
  id: string;
}

/** Hibernates, writes the attachment once, and answers each Close frame. */
abstract class Floor extends DurableObject {
  override fetch(): Response {
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    const attached: Attached = { id: crypto.randomUUID() };
    socket.serializeAttachment(attached);
    return new Response(null, { status: 101, webSocket });
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    try {
      // 1005 and 1006 may not be sent.
      if (code === 1005 || code === 1006) socket.close();
      else socket.close(code, reason);
    } catch {
      // A code that the platform doesn't send: the handshake still has to end.
      socket.close();
    }
  }

  override webSocketError(socket: WebSocket): void {
    socket.close(1011);
  }
}

export class Echo extends Floor {
  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    socket.send(message);
  }
}

export class Room extends Floor {
  override webSocketMessage(_socket: WebSocket, message: string | ArrayBuffer): void {
    for (const socket of this.ctx.getWebSockets()) {
      try {
        socket.send(message);
      } catch {
        // It is closing: the others still get the message.
      }
    }
  }
}

/** Each message says how many milliseconds its answer takes; the runtime doesn't wait for it before the next. */
export class Slow extends Floor {
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

export class Wake extends Floor {
  readonly #instance = ++instances;

  override webSocketMessage(socket: WebSocket): void {
    const { id } = socket.deserializeAttachment() as Attached;
    socket.send(`${id} ${this.#instance}`);
  }
}

/** 400 MB in messages of 64 KiB. */
const MESSAGES = 6104;

/** Sends all there is to who asks for it, and tells others how many messages that were. */
export class Stalled extends Floor {
  #sent = 0;

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (message !== "send") return socket.send(`${this.#sent}`);
    for (let index = 0; index < MESSAGES; index++) {
      socket.send(String(index).padEnd(65_536, "."));
      this.#sent++;
    }
  }
}

export class Burst extends Floor {
  override webSocketMessage(): void {
    for (let index = 100; index < 200; index++) this.#broadcast(`message ${index} to all`);
  }

  #broadcast(message: string): void {
    for (const socket of this.ctx.getWebSockets()) {
      try {
        socket.send(message);
      } catch {
        // It is closing: the others still get the message.
      }
    }
  }
}

interface Env {
  Echo: DurableObjectNamespace<Echo>;
  Room: DurableObjectNamespace<Room>;
  Slow: DurableObjectNamespace<Slow>;
  Wake: DurableObjectNamespace<Wake>;
  Stalled: DurableObjectNamespace<Stalled>;
  Burst: DurableObjectNamespace<Burst>;
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    const [, bench, work, name] = pathname.split("/");
    const { Echo: echo, Room: room, Slow: slow, Wake: wake, Stalled: stalled, Burst: burst } = env;
    const namespace = { echo, room, slow, wake, stalled, burst }[work ?? ""];
    if (bench !== "bench" || !namespace || !name) return new Response("Not Found", { status: 404 });
    if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("Upgrade Required", { status: 426, headers: { Upgrade: "websocket" } });
    }
    return namespace.getByName(name).fetch(request);
  },
} satisfies ExportedHandler<Env>;
