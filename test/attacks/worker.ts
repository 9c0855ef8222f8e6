// The attacked Worker: endpoints with the limits that docs/security.md recommends, all in one object with the
// neighbour, and a hand-written object that does the same.
import { DurableObject } from "cloudflare:workers";
import {
  addEndpoint,
  droppingBuffer,
  Endpoint,
  onOpenStartWsConnection,
  ServerContainer,
  slidingBuffer,
  type ChannelBuffer,
  type SendChannel,
  type Session,
} from "socle";
import unsafe from "workerd:unsafe";

interface Env {
  Endpoints: DurableObjectNamespace;
  ByHand: DurableObjectNamespace;
  EndingByHand: DurableObjectNamespace;
}

const SIZE = 16_384;
const MB = 1_000_000;
/** As large as an automatic response may be. */
const PONG = "pong".padEnd(2048, ".");

/** How often sessions have closed with each code since the process began. */
const closes: Record<string, number> = {};

const container = new ServerContainer<Env>({
  defaultMaxTextMessageBufferSize: SIZE,
  defaultMaxBinaryMessageBufferSize: SIZE,
  onEvent(event) {
    if (event.type === "close") closes[event.closeReason.closeCode] = (closes[event.closeReason.closeCode] ?? 0) + 1;
  },
});

/** Puts an endpoint into the neighbour's object. */
const one = { instance: () => "one", maxPendingMessages: 50 };

const echo = (_: unknown, text: string, { asyncRemote }: Session) => asyncRemote.sendText(text);

addEndpoint(container, "/neighbour", { ...one, onText: echo });

addEndpoint(container, "/picture", {
  ...one,
  maxBinaryMessageBufferSize: 2 * MB,
  onOpen: (): { picture: Uint8Array } => ({ picture: new Uint8Array() }),
  onBinary: (own: { picture: Uint8Array }, data) => void (own.picture = new Uint8Array(data)),
  onText: echo,
});

/** Reads strings such as "123n" in JSON as BigInts. */
const revive = (_: string, value: unknown): unknown =>
  typeof value === "string" && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;

addEndpoint(container, "/json", {
  ...one,
  maxTextMessageBufferSize: 4 * SIZE,
  onOpen: (): { value?: unknown } => ({}),
  onText(own, text: string, { asyncRemote }: Session) {
    if (text.startsWith("[")) own.value = JSON.parse(text);
    else if (text.startsWith("{")) own.value = JSON.parse(text, revive);
    else return asyncRemote.sendText(text);
    return undefined;
  },
  onError: (_, session: Session, error) => session.asyncRemote.sendText(error.name),
});

addEndpoint(container, "/wide", {
  ...one,
  maxTextMessageBufferSize: 4 * SIZE,
  onOpen: (): { value?: unknown } => ({}),
  onText(own, text: string, { asyncRemote }: Session) {
    if (text.length > 100) own.value = JSON.parse(text);
    return asyncRemote.sendText(text.slice(0, 10));
  },
});

addEndpoint(container, "/tracked", {
  ...one,
  trackSessions: true,
  onOpen: () => ({ text: "x".repeat(MB) }),
  onText: echo,
});

addEndpoint(container, "/batch", { ...one, flowControl: true, onText: () => {} });
addEndpoint(container, "/batch-slow", { ...one, flowControl: true, onText: () => scheduler.wait(10) });

/** Passes each text on to everybody else. */
addEndpoint(container, "/room", {
  ...one,
  flowControl: { stallTimeoutMs: 2000 },
  autoResponse: { request: "ping", response: PONG },
  onText(_, text: string, session: Session) {
    for (const other of session.openSessions) if (other !== session) void other.asyncRemote.sendText(text);
    return session.asyncRemote.sendText("said");
  },
});

const ping = { ...one, autoResponse: { request: "ping", response: "pong" } };

addEndpoint(container, "/pings", { ...ping });
addEndpoint(container, "/pings-awake", { ...ping, hibernate: false });

addEndpoint(container, "/hang", {
  ...one,
  hibernate: false,
  onOpen: () => ({ bytes: new Uint8Array(200_000) }),
  onText(_, text: string, session: Session) {
    if (text === "hang") return new Promise<void>(() => {});
    for (const { sessionObject } of session.openSessions) void sessionObject;
    return session.asyncRemote.sendText(text);
  },
});

addEndpoint(container, "/throws", {
  ...one,
  onText(_, text: string) {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    if (text === "rejects") return Promise.reject(proxy as Error);
    throw proxy;
  },
});

const slow = (sendBufferOrN: ChannelBuffer) => ({
  ...one,
  flowControl: { window: 1024 },
  onOpen: onOpenStartWsConnection({ sendBufferOrN }),
  onText(_: SendChannel, text: string, session: Session<string, SendChannel>) {
    for (const other of session.openSessions) if (other !== session) void other.sessionObject.put(text);
    return session.asyncRemote.sendText("said");
  },
});

addEndpoint(container, "/sliding", slow(slidingBuffer(1)));
addEndpoint(container, "/dropping", slow(droppingBuffer(1)));

addEndpoint(container, "/limited", { ...one, onText: echo });
addEndpoint(container, "/rated", { ...one, rateLimit: { messages: 30, perMs: 10_000 }, onText: echo });
addEndpoint(container, "/refused", { ...one, onHandshake: () => new Response("no", { status: 401 }) });

export class Endpoints extends container.Endpoint {}

/** Ends its sessions as they open. */
export class Ending extends Endpoint<Env> {
  readonly #name = crypto.randomUUID();

  override onOpen(session: Session): void {
    void session.asyncRemote.sendText(this.#name);
    session.close(4401);
  }

  override onRequest(): Response {
    return new Response(this.#name);
  }
}

addEndpoint(container, "/ending/{number}", Ending);

/** The same by hand. */
export class EndingByHand extends DurableObject<Env> {
  readonly #name = crypto.randomUUID();

  override fetch(request: Request): Response {
    if (!request.headers.has("Upgrade")) return new Response(this.#name);
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    socket.send(this.#name);
    socket.close(4401);
    return new Response(null, { status: 101, webSocket });
  }
}

/** Serves a socket with the API that can't hibernate, with bytes in memory for the session. It answers no ping. */
function awake(socket: WebSocket, bytes: Uint8Array): void {
  socket.accept();
  socket.addEventListener("message", ({ data }) => {
    if (data !== "ping" && data !== "hang") socket.send(data as string);
    else bytes[0] = 1;
  });
  socket.addEventListener("close", ({ code }) => (closes[code] = (closes[code] ?? 0) + 1));
}

type Kinds = Record<string, (socket: WebSocket, message: string | ArrayBuffer) => void | Promise<void>>;

/** A hand-written object that does the same at the same paths. */
export class ByHand extends DurableObject<Env> {
  #rates = new WeakMap<WebSocket, number>();

  readonly #kinds: Kinds = {
    picture: (socket, message) => {
      if (typeof message === "string") return socket.send(message);
      return this.ctx.storage.kv.put(socket.deserializeAttachment() as string, new Uint8Array(message));
    },
    json: (socket, text) => {
      if (typeof text === "string" && /^[[{]/.test(text)) socket.serializeAttachment(JSON.parse(text, revive));
      else socket.send(text);
    },
    wide: (socket, message) => {
      const text = message as string;
      if (text.length > 100) this.ctx.storage.kv.put(socket.deserializeAttachment() as string, JSON.parse(text));
      socket.send(text.slice(0, 10));
    },
    tracked: () => {},
    room: (socket, text) => {
      for (const other of this.ctx.getWebSockets("room")) if (other !== socket) other.send(text);
      socket.send("said");
    },
    rated: (socket, text) => {
      const count = (this.#rates.get(socket) ?? 0) + 1;
      this.#rates.set(socket, count);
      if (count > 30) socket.close(1008);
      else socket.send(text);
    },
  };

  override fetch(request: Request): Response {
    const [, , kind = ""] = new URL(request.url).pathname.split("/");
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    if (kind === "hang" || kind === "pings-awake") {
      awake(socket, new Uint8Array(kind === "hang" ? 200_000 : 0));
      return new Response(null, { status: 101, webSocket });
    }
    if (kind === "pings") {
      this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    }
    this.ctx.acceptWebSocket(socket, [kind]);
    const id = crypto.randomUUID();
    socket.serializeAttachment(id);
    if (kind === "tracked") this.ctx.storage.kv.put(id, "x".repeat(MB));
    return new Response(null, { status: 101, webSocket });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void | Promise<void> {
    const [kind = ""] = this.ctx.getTags(socket);
    const size = typeof message === "string" ? message.length : message.byteLength;
    if (size > (kind === "picture" ? 2 * MB : 4 * SIZE)) return socket.close(1009);
    return this.#kinds[kind] ? this.#kinds[kind](socket, message) : socket.send(message);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    closes[code] = (closes[code] ?? 0) + 1;
    socket.close();
  }

  override webSocketError(): void {
    closes[1006] = (closes[1006] ?? 0) + 1;
  }

  /** Reads the rows that a crash has left, one by one. */
  recover(): number {
    const { kv } = this.ctx.storage;
    let length = 0;
    for (let rows; (rows = [...kv.list<string>({ limit: 1 })]).length > 0;) {
      length += rows[0]![1].length;
      kv.delete(rows[0]![0]);
    }
    return length;
  }
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    const byHand = env.ByHand.getByName("one") as DurableObjectStub<ByHand>;
    if (pathname === "/closes") return Response.json(closes);
    if (pathname === "/recover") return Response.json(await byHand.recover());
    if (pathname === "/hibernate") {
      for (const stub of [env.Endpoints.getByName("one"), byHand]) {
        // An object that doesn't run can't hibernate.
        await unsafe.evict(stub, { webSockets: "hibernate" }).catch(() => {});
      }
      return new Response("hibernated");
    }
    if (pathname === "/hand/refused") return new Response("no", { status: 401 });
    if (pathname.startsWith("/hand/ending/")) return env.EndingByHand.getByName(pathname).fetch(request);
    if (pathname.startsWith("/hand/")) return byHand.fetch(request);
    return container.fetch(request, env, ctx);
  },
};
