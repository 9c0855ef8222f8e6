import unsafe from "workerd:unsafe";

// The example, and beside it what the load test asks: how often each session opened and closed, and what is left.
import { Endpoints as Base, Chat as ExampleChat, default as container } from "../../example-worker/index.ts";
import { onOpenStartWsConnection, type SendChannel, type Session } from "../../src/index.ts";

/** In the isolate: eviction, which ends an object, leaves it. */
const opened = new Map<string, number>();
const closed = new Map<string, number>();
let wakes = 0;
let evictions = 0;

const count = (sessions: Map<string, number>, { id }: Session) => sessions.set(id, (sessions.get(id) ?? 0) + 1);

const onOpen = onOpenStartWsConnection();

/** The example's echo, counted, in several objects. */
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

export class Endpoints extends Base {
  constructor(ctx: DurableObjectState, env: never) {
    super(ctx, env);
    wakes++;
  }

  left(): [open: number, rows: number] {
    return [this.openSessionCount(), left(this.ctx)];
  }
}

export class Chat extends ExampleChat {
  constructor(ctx: DurableObjectState, env: never) {
    super(ctx, env);
    wakes++;
  }

  override onOpen(session: Parameters<ExampleChat["onOpen"]>[0]) {
    count(opened, session);
    return super.onOpen(session);
  }

  // The example's own takes the member alone.
  override onClose(member: Parameters<ExampleChat["onClose"]>[0], session?: Session): void {
    if (session) count(closed, session);
    super.onClose(member);
  }

  left(): [open: number, rows: number] {
    return [this.openSessionCount(), left(this.ctx)];
  }
}

export default {
  async fetch(request: Request, env: never, ctx: ExecutionContext): Promise<Response> {
    const url = new URL(request.url);
    const stub = () => container.stub<Endpoints>(env, url.searchParams.get("path")!);
    if (url.pathname === "/evict") {
      try {
        // The sockets stay.
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
