// The base of the floor: a Worker and its objects, written by hand with the care that an engineer who knows the platform
// would take.
import { DurableObject } from "cloudflare:workers";

export interface Attached {
  id: string;
}

/** Hibernates, writes the attachment once, and answers each Close frame. */
export abstract class Hibernating extends DurableObject {
  override fetch(request: Request): Response | Promise<Response> {
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    const attached = this.attached(request);
    socket.serializeAttachment(attached);
    this.accepted(socket, attached);
    return new Response(null, { status: 101, webSocket });
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    try {
      // 1005 and 1006 may not be sent.
      if (code === 1005 || code === 1006) socket.close();
      else socket.close(code, reason);
    } catch {
      // The platform doesn't send this code, but the handshake still has to end.
      socket.close();
    }
  }

  override webSocketError(socket: WebSocket): void {
    socket.close(1011);
  }

  /** The attachment of a new connection. */
  protected attached(_request: Request): Attached {
    return { id: crypto.randomUUID() };
  }

  protected accepted(_socket: WebSocket, _attached: Attached): void {}
}

/** A Worker has the objects of its works. */
type Env = Partial<
  Record<
    "Echo" | "Room" | "Slow" | "Wake" | "Stalled" | "Burst" | "Crowd" | "Topic" | "History",
    DurableObjectNamespace<Hibernating>
  >
>;

export const worker = {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    const [, bench, work, name] = pathname.split("/");
    const { Echo: echo, Room: room, Slow: slow, Wake: wake, Stalled: stalled, Burst: burst } = env;
    const { Crowd: crowd, Topic: topic, History: history } = env;
    const namespace = { echo, room, slow, wake, stalled, burst, crowd, topic, history }[work ?? ""];
    if (bench !== "bench" || !namespace || !name) return new Response("Not Found", { status: 404 });
    if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("Upgrade Required", { status: 426, headers: { Upgrade: "websocket" } });
    }
    return namespace.getByName(name).fetch(request);
  },
} satisfies ExportedHandler<Env>;
