// Endpoints whose process is killed. Each reports its journal since the process began, and its storage.
import { exports } from "cloudflare:workers";
import { addEndpoints, Endpoint, ServerContainer, type CloseReason, type Session } from "socle";

interface Held {
  name: string;
  heard: number;
  text: string;
}

/** What has happened to each object since the process began. */
const journals = new Map<string, string[]>();

function journal({ id }: DurableObjectState): string[] {
  const entries = journals.get(id.name!) ?? [];
  journals.set(id.name!, entries);
  return entries;
}

function tell(ctx: DurableObjectState): Response {
  const entries = journal(ctx);
  entries.push("request");
  return Response.json({ entries, keys: [...ctx.storage.kv.list()].map(([key]) => key) });
}

const callbacks = {
  onOpen({ ctx, requestParameterMap }: Session): Held {
    const name = requestParameterMap.get("name") ?? "";
    journal(ctx).push(`${name} opens`);
    return { name, heard: 0, text: "x".repeat(Number(requestParameterMap.get("length"))) };
  },
  async onText(held: Held, _text: string, { asyncRemote }: Session<string, Held>): Promise<void> {
    held.heard++;
    await asyncRemote.sendText(`${held.heard}`);
  },
  onClose(
    { name, heard, text }: Held,
    { ctx, userProperties }: Session<string, Held>,
    { closeCode }: CloseReason,
  ): void {
    journal(ctx).push(`${name} ends with ${closeCode} after ${heard}, ${text.length}, ${String(userProperties.user)}`);
  },
  onHandshake: (request: Request) => ({ userProperties: { user: new URL(request.url).searchParams.get("user") } }),
};

/** Its onClose needs data that the constructor loads, and takes a while. */
export class Lobby extends Endpoint<unknown, Held> {
  static override options = { trackSessions: true, onHandshake: callbacks.onHandshake };
  readonly #motto = "field";
  #loaded = "";

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env);
    void ctx.blockConcurrencyWhile(async () => {
      await scheduler.wait(50);
      this.#loaded = "loaded";
    });
  }

  override onOpen(session: Session): Held {
    return callbacks.onOpen(session);
  }

  override onText(held: Held, text: string, session: Session<string, Held>): Promise<void> {
    return callbacks.onText(held, text, session);
  }

  override async onClose(held: Held, session: Session<string, Held>, reason: CloseReason): Promise<void> {
    const loaded = this.#loaded;
    await scheduler.wait(50);
    callbacks.onClose(held, session, reason);
    journal(this.ctx).push(`${this.#motto}, ${loaded}`);
  }

  override async onRequest(request: Request): Promise<Response> {
    if (request.method === "POST") await this.ctx.storage.setAlarm(Date.now() + Number(await request.text()));
    return tell(this.ctx);
  }

  entries(): string[] {
    return [...journal(this.ctx), "call"];
  }

  override onAlarm(): void {
    journal(this.ctx).push("alarm");
    journals.set("witness", [...journal(this.ctx)]);
  }
}

/** A class without SQLite. */
export class Plain extends Endpoint<unknown, Held> {
  override onOpen(session: Session): Held {
    return callbacks.onOpen(session);
  }

  override async onText(held: Held, text: string, session: Session<string, Held>): Promise<void> {
    if (text === "large") held.text = "x".repeat(20_000);
    await callbacks.onText(held, text, session);
  }

  override async onError(_held: Held | undefined, { asyncRemote }: Session<string, Held>, error: Error): Promise<void> {
    await asyncRemote.sendText(String(error));
  }

  override onClose(_held: Held, _session: Session<string, Held>, { closeCode }: CloseReason): void {
    journal(this.ctx).push(`ends with ${closeCode}`);
  }

  override async onRequest(request: Request): Promise<Response> {
    if (request.method === "POST") await this.ctx.storage.setAlarm(Date.now() + Number(await request.text()));
    const entries = journal(this.ctx);
    entries.push("request");
    return Response.json(entries);
  }

  override onAlarm(): void {
    journal(this.ctx).push("alarm");
  }
}

const container = new ServerContainer<unknown>();

addEndpoints(container, {
  "/lobby/{name}": Lobby,
  "/plain/{name}": Plain,
  "/plain-tracked/{name}": { durableObject: Plain, trackSessions: true },
  "/tracked/{name}": { ...callbacks, trackSessions: true },
  "/untracked/{name}": callbacks,
});

export class Endpoints extends container.Endpoint {
  override onRequest(): Response {
    return tell(this.ctx);
  }
}

export default {
  async fetch(request: Request, env: unknown, ctx: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/witness") return Response.json(journals.get("witness") ?? []);
    // Requests that bypass the router, for which a map has no callback.
    const [, called] = /^\/call(\/.*)/.exec(pathname) ?? [];
    if (called) return Response.json(await container.stub<Lobby>(env, called).entries());
    const [, name] = /^\/object(\/.*)/.exec(pathname) ?? [];
    if (name)
      return (exports as unknown as { Endpoints: DurableObjectNamespace }).Endpoints.getByName(name).fetch(request);
    return container.fetch(request, env, ctx);
  },
};
