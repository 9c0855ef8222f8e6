// What the rules ask for, written by hand and for this endpoint alone: what of Socle's distance to the floor is the rules'. The path
// is matched in the Worker and its parameters are told; the facts are kept; one callback runs at a time; a change of the object is
// found, and what can't be kept of it.
import { DurableObject } from "cloudflare:workers";

const PATH = /^\/bench\/echo\/([^/]+)$/;

type Message = string | ArrayBuffer;

interface Facts {
  id: string;
  uri: string;
  path: string;
  pathParameters: Record<string, string>;
}

type User = Record<string, unknown> & { messages: number };

class Session {
  readonly socket: WebSocket;
  readonly facts: string;
  readonly user: User;
  #copy: User;
  readonly waiting: Message[] = [];
  isBusy = false;
  isOpen = true;

  constructor(socket: WebSocket, facts: string, user: User) {
    this.socket = socket;
    this.facts = facts;
    this.user = user;
    this.#copy = { ...user };
  }

  send(message: Message): void {
    if (!this.isOpen) throw new Error("closed");
    this.socket.send(message);
  }

  keep(): void {
    let count = 0;
    for (const key in this.user) {
      if (this.user[key] !== this.#copy[key]) return this.write();
      count++;
    }
    if (Reflect.ownKeys(this.user).length !== count) this.write();
  }

  write(): void {
    let count = 0;
    for (const key in this.user) {
      const descriptor = Object.getOwnPropertyDescriptor(this.user, key);
      const value: unknown = descriptor?.value;
      if (!descriptor?.writable || typeof value === "function" || (typeof value === "object" && value))
        throw new Error(`not kept: ${key}`);
      count++;
    }
    if (Reflect.ownKeys(this.user).length !== count) throw new Error("not kept: what is hidden");
    const attached: unknown[] & { mark?: number } = [0, this.facts, this.user];
    attached.mark = 1;
    this.socket.serializeAttachment(attached);
    this.#copy = { ...this.user };
  }
}

export class Echo extends DurableObject {
  readonly #known = new Map<WebSocket, Session>();

  override fetch(request: Request): Response {
    const told = (request.cf as { told?: Pick<Facts, "path" | "pathParameters"> } | undefined)?.told;
    if (!told || request.headers.get("Upgrade")?.toLowerCase() !== "websocket")
      return new Response(null, { status: 426 });
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    const facts = JSON.stringify({ id: crypto.randomUUID(), uri: request.url, ...told } satisfies Facts);
    const session = new Session(socket, facts, { name: "anonymous", messages: 0 });
    this.#known.set(socket, session);
    session.write();
    this.ctx.acceptWebSocket(socket);
    return new Response(null, { status: 101, webSocket });
  }

  override webSocketMessage(socket: WebSocket, message: Message): Promise<void> | void {
    const session = this.#sessionOf(socket);
    if (session.isBusy) return void session.waiting.push(message);
    session.isBusy = true;
    try {
      const result: unknown = this.#onText(session, message);
      if (result instanceof Promise) return this.#drain(session, result);
      session.keep();
    } catch {
      socket.close(1011);
    }
    session.isBusy = false;
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#known.delete(socket);
    if (code === 1005 || code === 1006) socket.close();
    else socket.close(code);
  }

  #sessionOf(socket: WebSocket): Session {
    let session = this.#known.get(socket);
    if (!session) {
      const [, facts, user] = socket.deserializeAttachment() as [number, string, User];
      this.#known.set(socket, (session = new Session(socket, facts, user)));
    }
    return session;
  }

  #onText(session: Session, message: Message): unknown {
    session.user.messages++;
    session.send(message);
    return undefined;
  }

  async #drain(session: Session, pending: Promise<unknown>): Promise<void> {
    await pending;
    for (let message; (message = session.waiting.shift()) !== undefined;) await this.#onText(session, message);
    session.keep();
    session.isBusy = false;
  }
}

export default {
  fetch(request, { Echo: echo }) {
    const { pathname } = new URL(request.url);
    const [, room] = PATH.exec(pathname) ?? [];
    if (!room) return new Response("Not Found", { status: 404 });
    const { headers } = request;
    if (headers.get("Upgrade")?.toLowerCase() !== "websocket" || headers.get("Sec-WebSocket-Version") !== "13") {
      return new Response("Upgrade Required", { status: 426, headers: { Upgrade: "websocket" } });
    }
    const told = { path: "/bench/echo/{room}", pathParameters: { room: decodeURIComponent(room) } };
    return echo.getByName(pathname).fetch(new Request(request, { cf: { told } as CfProperties }));
  },
} satisfies ExportedHandler<{ Echo: DurableObjectNamespace }>;
