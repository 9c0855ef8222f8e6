// The Worker under test. Its tests register endpoints while they run, in the isolate that the objects run in too.
import {
  Endpoint,
  ServerContainer,
  type ContainerEvent,
  type EndpointOptions,
  type OtherEvent,
  type Session,
} from "socle";

export { Answers, Assistant } from "./assistant.ts";
export { Board } from "./board.ts";
export { Lounge } from "./lounge.ts";
export const container = new ServerContainer();
export class Endpoints extends container.Endpoint {}
export default container;

/** A container that tells its events to whoever listens. */
export const listener: { onEvent: (event: ContainerEvent, env: Cloudflare.Env) => void | Promise<void> } = {
  onEvent() {},
};
export const watched = new ServerContainer({
  endpoint: "Watched",
  onEvent: (event, env) => listener.onEvent(event, env),
});
export class Watched extends watched.Endpoint {}

/** A class endpoint with a request handler and an RPC method beside its callbacks. */
export class Room extends Endpoint<Cloudflare.Env, { name: string; heard: number }> {
  override onOpen(session: Session) {
    return { name: session.requestParameterMap.get("name") ?? "anonymous", heard: 0 };
  }

  override onText(member: { name: string; heard: number }, text: string, session: Session) {
    member.heard++;
    const reached = this.broadcast(`${member.name} ${member.heard}: ${text}`, { except: session });
    return session.asyncRemote.sendText(`reached ${reached}`);
  }

  override onRequest(request: Request) {
    return new Response(`${request.method} ${this.ctx.id.name}`);
  }

  announce(text: string): number {
    return this.broadcast(text);
  }
}

/** Has an alarm of its own. */
export class Clock extends Endpoint {
  /** How often an object was made. */
  static made = 0;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    Clock.made++;
  }

  override onText(_: unknown, text: string, session: Session) {
    return session.asyncRemote.sendText(text);
  }

  override onAlarm(_info?: AlarmInvocationInfo): void | Promise<void> {}
}

/** Its objects have no SQLite. */
export class Legacy extends Clock {}

/** Accepts sockets past Socle, at "/old" below its path, and has its `onRequest` as a property. */
export class Older extends Endpoint<Cloudflare.Env, string> {
  static override overrides = true;
  static override options: EndpointOptions<unknown> = { binding: "OLD" };
  readonly #ends: (number | string)[] = [];

  override fetch(request: Request): Promise<Response> {
    if (!request.url.endsWith("/old")) return super.fetch(request);
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    socket.serializeAttachment(JSON.parse(request.headers.get("attachment")!));
    return Promise.resolve(new Response(null, { status: 101, webSocket }));
  }

  override onRequest = (request: Request): Response => new Response(`${request.method} as a property`);

  override onOpen() {
    return "ours";
  }

  override onText(object: string, text: string, session: Session) {
    return session.asyncRemote.sendText(`${object}: ${text}`);
  }

  override onOtherSocket(socket: WebSocket, event: OtherEvent): void {
    if (event === "throw") throw new Error("from onOtherSocket");
    if (typeof event === "string") socket.send(`other: ${event}`);
    else if (event instanceof ArrayBuffer) socket.send(event);
    else this.#ends.push(event instanceof Error ? event.message : event.closeCode);
  }

  ends(): (number | string)[] {
    return this.#ends;
  }
}

/** Registered nowhere. */
class Guarded extends Endpoint {
  static override options: EndpointOptions = { allowedOrigins: ["https://a.test"] };
}
export class Sheltered extends Guarded {
  static override options: EndpointOptions = { idleTimeoutMs: 60_000 };
}

/** Registered with `shards` by its tests: each object says which it is, and what its root was told. */
export class Crowd extends Endpoint<Cloudflare.Env, string> {
  readonly #heard: string[] = [];

  override async onOpen(session: Session) {
    await session.asyncRemote.sendText(JSON.stringify([this.ctx.id.name, this.shard ?? null]));
    return "";
  }

  override async onText(_: string, text: string, session: Session) {
    await session.asyncRemote.sendText((await this.root.hear(`${this.shard}: ${text}`)).join());
  }

  override onRequest() {
    return new Response(JSON.stringify([this.ctx.id.name, this.shard ?? null]));
  }

  /** What was heard, and by which object. */
  hear(text: string): string[] {
    this.#heard.push(text);
    return [this.ctx.id.name ?? "nameless", ...this.#heard];
  }

  rootId(): string {
    return this.root.id.toString();
  }
}

/** Each of these says in which way its namespace was found. */
class Answering extends Endpoint {
  override onOpen(session: Session) {
    void session.asyncRemote.sendText(`${this.constructor.name} ${this.ctx.id.name}`);
  }
}
export class ChatRoom extends Answering {}
export class Bound extends Answering {}
export class Exported extends Answering {}
/** Exported by no binding and no migration. */
export class Nowhere extends Endpoint {}

container
  .addEndpoint("/room/{name}", Room)
  .addEndpoint("/chat-room", ChatRoom)
  .addEndpoint("/bound/{x}", { durableObject: "OTHER" })
  .addEndpoint("/exported", Exported)
  .addEndpoint("/nowhere", Nowhere);
