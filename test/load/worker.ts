import unsafe from "workerd:unsafe";

// The Worker under load. It reports how often each session opened and closed, and what is left in storage.
import { Endpoint, onOpenStartWsConnection, ServerContainer, type SendChannel, type Session } from "../../src/index.ts";

const container = new ServerContainer();

/** Kept in the isolate, which outlives the eviction of an object. */
const opened = new Map<string, number>();
const closed = new Map<string, number>();
let wakes = 0;
let evictions = 0;

const count = (sessions: Map<string, number>, { id }: Session) => sessions.set(id, (sessions.get(id) ?? 0) + 1);

const onOpen = onOpenStartWsConnection();

/** An echo, in several objects. */
container.addEndpoint("/counted/{room}", {
  onOpen: (session, config) => {
    count(opened, session);
    return onOpen(session, config);
  },
  onText: (send, text) => send.put(`echo: ${text}`),
  onBinary: (send, data) => send.put(data),
  onClose: (_: SendChannel, session: Session) => void count(closed, session),
});

function left({ storage }: DurableObjectState): number {
  return [...storage.kv.list()].length;
}

export class Endpoints extends container.Endpoint {
  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    wakes++;
  }

  left(): [open: number, rows: number] {
    return [this.openSessionCount(), left(this.ctx)];
  }
}

/** A room in which everybody hears each text. */
export class Chat extends Endpoint<Cloudflare.Env, { name: string }> {
  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    wakes++;
  }

  override onOpen(session: Session): { name: string } {
    count(opened, session);
    const name = session.requestParameterMap.get("name")!;
    this.broadcast(JSON.stringify({ type: "joined", name }));
    return { name };
  }

  override onText({ name }: { name: string }, text: string, session: Session): void {
    this.broadcast(JSON.stringify({ type: "message", name, text }), { except: session });
  }

  override onClose({ name }: { name: string }, session: Session): void {
    count(closed, session);
    this.broadcast(JSON.stringify({ type: "left", name }));
  }

  left(): [open: number, rows: number] {
    return [this.openSessionCount(), left(this.ctx)];
  }
}

container.addEndpoint("/chat/{room}", Chat);

export default {
  async fetch(request: Request, env: Cloudflare.Env, ctx: ExecutionContext): Promise<Response> {
    const url = new URL(request.url);
    const stub = () => container.stub<Endpoints>(env, url.searchParams.get("path")!);
    if (url.pathname === "/evict") {
      try {
        // The sockets stay open.
        await unsafe.evict(stub(), { webSockets: "hibernate" });
        evictions++;
        return new Response("evicted");
      } catch (error) {
        return new Response(String(error), { status: 409 });
      }
    }
    if (url.pathname === "/left") return Response.json(await stub().left());
    if (url.pathname === "/journal") {
      const sessions = [...new Set([...opened.keys(), ...closed.keys()])];
      const odd = sessions.filter((id) => opened.get(id) !== 1 || closed.get(id) !== 1);
      return Response.json({ sessions: sessions.length, odd: odd.length, wakes, evictions });
    }
    return container.fetch(request, env, ctx);
  },
};
