// Endpoints for clients that reconnect. Their records are outside the objects, so that reading them wakes none.
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";
import { SocleClient } from "socle/client";

/** What has happened at a path since the process began. */
export interface Told {
  /** How many objects were created: one for each wake. */
  made: number;
  /** How many sessions have opened. */
  opened: number;
  /** Each text with its sender, and the number of the sender's connection. */
  texts: [name: string, attempt: number, text: string][];
  errors: string[];
  closes: number[];
}

const told = new Map<string, Told>();

function toldOf(path: string): Told {
  let one = told.get(path);
  if (!one) told.set(path, (one = { made: 0, opened: 0, texts: [], errors: [], closes: [] }));
  return one;
}

const pathOf = ({ requestURI }: Session) => requestURI.pathname;

const record = (session: Session, text: string) => {
  const { requestParameterMap } = session;
  const from = requestParameterMap.get("name") ?? "";
  toldOf(pathOf(session)).texts.push([from, Number(requestParameterMap.get("attempt")), text]);
};

const callbacks = {
  onText: (_: unknown, text: string, session: Session) => record(session, text),
  onError: (_: unknown, session: Session, { message }: Error) => void toldOf(pathOf(session)).errors.push(message),
  onClose: (_: unknown, session: Session, { closeCode }: { closeCode: number }) =>
    void toldOf(pathOf(session)).closes.push(closeCode),
};

/** Whether handshakes are answered with 503. */
let isOut = false;

/** A session has the topics that it asks for. */
export class Hall extends Endpoint<unknown, undefined, "/hall/{name}"> {
  static override options = {
    topics: {
      history: (topic: string) =>
        topic === "short" ? { messages: 5 } : { messages: 1_000_000, bytes: 64_000_000, replayBytes: 64_000_000 },
    },
    onHandshake: () => (isOut ? new Response("Out", { status: 503 }) : undefined),
  };

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env);
    toldOf(ctx.id.name!).made++;
  }

  override async onOpen(session: Session): Promise<undefined> {
    toldOf(pathOf(session)).opened++;
    const topics = session.requestParameterMap.get("topics") ?? "";
    for (const topic of topics.split(",").filter(Boolean)) await session.subscribe(topic, { since: "client" });
  }

  override async onText(_: undefined, text: string, session: Session): Promise<void> {
    record(session, text);
    if (text.startsWith("echo")) await session.asyncRemote.sendText(text);
  }

  override async onBinary(_: undefined, data: ArrayBuffer, { asyncRemote }: Session): Promise<void> {
    await asyncRemote.sendBinary(data);
  }

  override onError(object: undefined, session: Session, error: Error): void {
    callbacks.onError(object, session, error);
  }

  override onClose(object: undefined, session: Session, reason: { closeCode: number }): void {
    callbacks.onClose(object, session, reason);
  }

  /** Publishes, closes all sessions with a code, or returns the history. */
  override async onRequest(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const topic = searchParams.get("topic") ?? "long";
    if (request.method === "POST") return Response.json(await this.publish(topic, await request.text()));
    if (request.method === "DELETE") return Response.json(this.closeAll(Number(searchParams.get("code"))));
    return Response.json(await this.publications(topic));
  }
}

const container = new ServerContainer<unknown>();
container.addEndpoint("/hall/{name}", { durableObject: Hall });

addEndpoint(container, "/limited/{room}", {
  ...callbacks,
  flowControl: true,
  rateLimit: { messages: 100, perMs: 1000 },
});

addEndpoint(container, "/pending/{room}", {
  ...callbacks,
  flowControl: true,
  maxPendingMessages: 10,
  async onText(_: unknown, text: string, session: Session) {
    await scheduler.wait(Number(session.requestParameterMap.get("takes")));
    record(session, text);
    if (text === "end") session.close(4500);
  },
});

export class Endpoints extends container.Endpoint {}

/** What a client in a Worker gets from an endpoint. */
async function visit(url: string): Promise<Response> {
  const client = new SocleClient(url);
  const lines = client.topic("long")[Symbol.asyncIterator]();
  const messages = client[Symbol.asyncIterator]();
  client.send("echo");
  const echo = (await messages.next()).value;
  await fetch(url.replace("ws", "http"), { method: "POST", body: "line" });
  const line = (await lines.next()).value?.data;
  const { status } = client;
  client.close();
  return Response.json({ echo, line, status, end: (await lines.next()).done });
}

export default {
  /**
   * "/told/{path}" returns the record of a path, "/out" and "/in" set whether handshakes are refused, and for
   * "/from/{path}" a Worker is the client.
   */
  async fetch(request: Request, env: unknown, ctx: ExecutionContext): Promise<Response> {
    const { pathname, host, search } = new URL(request.url);
    if (pathname.startsWith("/told/")) return Response.json(toldOf(pathname.slice(5)));
    if (pathname.startsWith("/from/")) return visit(`ws://${host}${pathname.slice(5)}${search}`);
    if (pathname !== "/out" && pathname !== "/in") return container.fetch(request, env, ctx);
    isOut = pathname === "/out";
    return new Response();
  },
};
