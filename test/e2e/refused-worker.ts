// Endpoints that end their sessions in or before onOpen, and a hand-written object that does the same.
import { exports } from "cloudflare:workers";
import { addEndpoints, Endpoint, ServerContainer, type EndpointOptions, type OtherEvent, type Session } from "socle";

/** The calls of onClose in this process, and events that no callback should get. */
const journal: unknown[] = [];

/** Reports which object it is: a different one once it has hibernated. */
class Refusing extends Endpoint<unknown, void> {
  readonly #life = crypto.randomUUID();

  override onOpen(session: Session): void {
    void session.asyncRemote.sendText("sorry");
    void session.asyncRemote.sendBinary(new Uint8Array([1, 2, 3]));
    const { how } = session.pathParameters;
    if (how === "throws") throw new Error("expected");
    if (how === "closes") session.close(4401, "sign in");
  }

  override onError(): void {}

  override onClose(_: unknown, session: Session, { closeCode }: { closeCode: number }): void {
    journal.push([session.requestURI.search, closeCode]);
  }

  override onOtherSocket(_: WebSocket, event: OtherEvent): void {
    journal.push(event instanceof Error ? event.message : JSON.stringify(event));
  }

  override onRequest({ url }: Request): Response {
    if (url.includes("?journal")) return Response.json(journal);
    return new Response(url.includes("?sockets") ? String(this.ctx.getWebSockets().length) : this.#life);
  }
}

const tags = (session: Session): string[] => {
  if (session.pathParameters.how === "tags") throw new Error("expected");
  return [];
};

export class Hibernating extends Refusing {
  static override options: EndpointOptions<unknown> = { tags };
}

export class Staying extends Refusing {
  static override options: EndpointOptions<unknown> = { tags, hibernate: false };
}

/** The same by hand. */
export class Plain extends Endpoint<unknown> {
  static override overrides = true;
  readonly #life = crypto.randomUUID();

  override fetch(request: Request): Promise<Response> {
    if (!request.headers.has("Upgrade")) return super.fetch(request);
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    socket.close(4401, "sign in");
    return Promise.resolve(new Response(null, { status: 101, webSocket }));
  }

  override onRequest(): Response {
    return new Response(this.#life);
  }
}

const container = new ServerContainer<unknown>();

addEndpoints(container, {
  "/hibernating/{how}/{name}": Hibernating,
  "/staying/{how}/{name}": Staying,
  "/plain/{how}/{name}": Plain,
});

export default {
  fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { Staying: namespace } = exports as unknown as { Staying: DurableObjectNamespace };
    // Bypasses the router, which then holds no socket.
    const isDirect = pathname.endsWith("/direct") && request.headers.has("Upgrade");
    return isDirect ? namespace.getByName(pathname).fetch(request) : container.fetch(request);
  },
};
