// The Worker under test. Tests register endpoints while they run, in the isolate in which the objects run too.
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

/** The container `watched` passes its events to this listener, which a test can replace. */
export const listener: { onEvent: (event: ContainerEvent, env: Cloudflare.Env) => void | Promise<void> } = {
  onEvent() {},
};
export const watched = new ServerContainer({
  endpoint: "Watched",
  onEvent: (event, env) => listener.onEvent(event, env),
});
export class Watched extends watched.Endpoint {}

/** A class endpoint with a request handler and an RPC method in addition to its callbacks. */
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

/** A class with an alarm of its own. */
export class Clock extends Endpoint {
  /** How often the constructor ran. */
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

/** A class whose objects have no SQLite. */
export class Legacy extends Clock {}

/** A class that accepts sockets without Socle, at "/old" below its path, and has `onRequest` as a property. */
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

/** A base class that is not registered. */
class Guarded extends Endpoint {
  static override options: EndpointOptions = { allowedOrigins: ["https://a.test"] };
}
export class Sheltered extends Guarded {
  static override options: EndpointOptions = { idleTimeoutMs: 60_000 };
}

/** Tests register it with `shards`. Each object reports its own name and shard, and what its root was told. */
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

  /** Called on the root: returns the name of the object that heard the texts, and the texts. */
  hear(text: string): string[] {
    this.#heard.push(text);
    return [this.ctx.id.name ?? "nameless", ...this.#heard];
  }

  rootId(): string {
    return this.root.id.toString();
  }
}

/** Each of these classes reports its own name, to show how its namespace was found. */
class Answering extends Endpoint {
  override onOpen(session: Session) {
    void session.asyncRemote.sendText(`${this.constructor.name} ${this.ctx.id.name}`);
  }
}
export class ChatRoom extends Answering {}
export class Bound extends Answering {}
export class Exported extends Answering {}
/** A class without a binding and without a migration. */
export class Nowhere extends Endpoint {}

container
  .addEndpoint("/room/{name}", Room)
  .addEndpoint("/chat-room", ChatRoom)
  .addEndpoint("/bound/{x}", { durableObject: "OTHER" })
  .addEndpoint("/exported", Exported)
  .addEndpoint("/nowhere", Nowhere);
