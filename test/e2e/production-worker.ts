// Endpoints as they occur in production: refused with a code, cut texts, crashes between a change and its answer, and
// classes that a bundler renames or a wrapper hides.
import {
  addEndpoints,
  Endpoint,
  onOpenStartWsConnection,
  ServerContainer,
  WebSocketSendAsync,
  type SendChannel,
  type Session,
} from "socle";

/** What has happened in the process, for each object. */
const journals = new Map<string, string[]>();

function journal({ id }: DurableObjectState): string[] {
  const entries = journals.get(id.name!) ?? [];
  journals.set(id.name!, entries);
  return entries;
}

/** A text that ends with half an emoji. */
const CUT = "a cut emoji: 😀".slice(0, -1);

const itself = { [WebSocketSendAsync]: (remote: { sendText(text: string): Promise<void> }) => remote.sendText(CUT) };

/** Sends the cut text in the way that a message names. */
export class Cut extends Endpoint<unknown, SendChannel> {
  override onOpen(session: Session): SendChannel {
    if (session.queryString === "open") void session.asyncRemote.sendText(CUT);
    return onOpenStartWsConnection()(session);
  }

  override onText(send: SendChannel, way: string, session: Session) {
    if (way === "sendText") return session.asyncRemote.sendText(CUT);
    if (way === "channel") return send.put(CUT);
    if (way === "itself") return send.put(itself);
    if (way === "broadcast") return void this.broadcast(CUT);
    return session.close(4000, CUT);
  }
}

interface Counted {
  name: string;
  n: number;
}

/** Counts, and answers with the count. "long" continues after its answer, and "told" sends it to everybody else. */
export class Counter extends Endpoint<unknown, Counted> {
  override onOpen(session: Session): Counted {
    return { name: session.queryString, n: 0 };
  }

  override async onText(counted: Counted, text: string, session: Session<string, Counted>): Promise<void> {
    counted.n++;
    if (text === "told") {
      this.broadcast(String(counted.n), { except: session });
      await scheduler.wait(60_000);
    }
    if (text === "late") await scheduler.wait(1);
    if (text === "late") counted.n++;
    await session.asyncRemote.sendText(String(counted.n));
    if (text === "long") await scheduler.wait(60_000);
  }

  override onClose({ name, n }: Counted): void {
    journal(this.ctx).push(`${name}: ${n}`);
  }

  override onRequest(): Response {
    return Response.json(journal(this.ctx));
  }
}

/** Its onClose resets the object if the session's name says so. */
export class Resetting extends Endpoint<unknown, string> {
  override onOpen(session: Session): string {
    return session.queryString;
  }

  override onText(name: string, text: string, session: Session): Promise<void> {
    return session.asyncRemote.sendText(`${name}: ${text}`);
  }

  override async onClose(name: string): Promise<void> {
    if (name.startsWith("bad")) this.ctx.abort("reset by onClose");
    // Waits until the other callback is running too.
    await scheduler.wait(20);
    journal(this.ctx).push(name);
  }

  override onRequest(): Response {
    return Response.json(journal(this.ctx));
  }
}

interface Large {
  name: string;
  text: string;
}

/** A class whose session objects are in storage. */
export class Heavy extends Endpoint<unknown, Large> {
  override onOpen({ requestParameterMap }: Session): Large {
    const length = Number(requestParameterMap.get("length"));
    return { name: requestParameterMap.get("name")!, text: "x".repeat(length) };
  }

  override onClose({ text }: Large): void {
    journal(this.ctx).push(String(text.length));
  }

  override async onRequest(request: Request): Promise<Response> {
    if (request.method === "POST") return Response.json(this.broadcast(await request.text()));
    if (request.method === "DELETE") return Response.json(this.closeAll(4001));
    return Response.json([this.openSessionCount(), journal(this.ctx).length]);
  }
}

/** Accepts sockets by hand, without attachments. */
export class Plain extends Endpoint<unknown> {
  static override overrides = true;

  override fetch(request: Request): Promise<Response> {
    if (!request.headers.has("Upgrade")) return super.fetch(request);
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    return Promise.resolve(new Response(null, { status: 101, webSocket }));
  }

  override onRequest(): Response {
    return Response.json([this.ctx.getWebSockets().length]);
  }
}

/** Its alarm resets the object as often as it was told, with a retry or without. */
export class Alarming extends Endpoint<unknown> {
  override onText(_: unknown, text: string, session: Session) {
    return session.asyncRemote.sendText(text);
  }

  override onAlarm(info?: AlarmInvocationInfo): void {
    journal(this.ctx).push(`alarm ${info!.retryCount}`);
    const { resets, retryAlarm } = this.ctx.storage.kv.get<{ resets: number; retryAlarm: boolean }>("how")!;
    if (info!.retryCount < resets) this.ctx.abort("reset by onAlarm", { retryAlarm });
  }

  override async onRequest(request: Request): Promise<Response> {
    if (request.method === "POST") {
      this.ctx.storage.kv.put("how", await request.json());
      await this.ctx.storage.setAlarm(Date.now());
      // Storage is unusable after a reset with uncommitted writes.
      await this.ctx.storage.sync();
    }
    return Response.json(journal(this.ctx));
  }
}

class Base extends Endpoint<unknown> {
  override onOpen(session: Session) {
    void session.asyncRemote.sendText(`served by ${session.requestURI.pathname}`);
  }
}

/** Like tracing wrappers: a class around the class, and a proxy in front of it. */
const instrument = (Class: typeof Base) =>
  class extends Class {
    override fetch(request: Request): Promise<Response> {
      return super.fetch(request);
    }
  };
const stand = (Class: typeof Base) =>
  new Proxy(Class, { construct: (target, given) => Reflect.construct(target, given) });

export class Renamed extends Base {}
class Inner extends Base {
  static override overrides = true;
}
export const Wrapped = instrument(Inner);
export const Proxied = stand(class Inside extends Base {});

const container = new ServerContainer<unknown>();

addEndpoints(container, {
  "/cut/{name}": Cut,
  "/cut-flow/{name}": { durableObject: Cut, flowControl: true },
  "/count/{name}": { durableObject: Counter, trackSessions: true },
  "/reset/{name}": { durableObject: Resetting, trackSessions: true },
  "/heavy/{name}": { durableObject: Heavy, trackSessions: true },
  "/large/{name}": { durableObject: Heavy, idleTimeoutMs: 3_600_000 },
  "/alarm/{name}": { durableObject: Alarming, idleTimeoutMs: 3000 },
  "/plain/{name}": Plain,
  "/renamed": Renamed,
  "/bound/renamed": { durableObject: Renamed, binding: "Renamed" },
  "/bound/wrapped": { durableObject: Wrapped, binding: "Wrapped" },
  "/bound/proxied": { durableObject: Proxied, binding: "Proxied" },
  "/token": {
    onHandshake(request: Request) {
      const offered = request.headers.get("Sec-WebSocket-Protocol")?.split(/\s*,\s*/) ?? [];
      const token = offered.find((name) => name.startsWith("secret-"));
      return token
        ? { subprotocol: token, userPrincipal: token.slice(7) }
        : { closeCode: 4401, reasonPhrase: "Sign in", headers: { "X-Why": "no token" } };
    },
    onOpen: (session: Session) => void session.asyncRemote.sendText(`${String(session.userPrincipal)} is here`),
  },
});

export class Endpoints extends container.Endpoint {}

export default {
  fetch: async (request: Request): Promise<Response> =>
    // The page is for browsers.
    (await container.handle(request)) ??
    new Response("<title>page</title>", { headers: { "Content-Type": "text/html" } }),
};
