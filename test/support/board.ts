// A Durable Object that serves HTTP, RPC and WebSockets: docs/composition.md shows it.
import { Endpoint, type Session } from "socle";

export interface Env extends Cloudflare.Env {
  ASSETS: Fetcher;
}

export type Note = { author: string; text: string };

export class Board extends Endpoint<Env, { author: string }, "/board/{name}"> {
  readonly #sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec("CREATE TABLE IF NOT EXISTS notes (author TEXT, text TEXT)");
  }

  // WebSockets
  override onOpen(session: Session<"/board/{name}">) {
    return { author: session.requestParameterMap.get("author") ?? "anonymous" };
  }

  override onText({ author }: { author: string }, text: string) {
    this.post(author, text);
  }

  override onClose({ author }: { author: string }) {
    this.post(author, "has left");
  }

  // HTTP: GET, POST and whatever else comes
  override async onRequest(request: Request): Promise<Response> {
    if (request.method === "GET") return Response.json(this.notes());
    if (request.method !== "POST") return new Response(null, { status: 405, headers: { Allow: "GET, POST" } });
    return Response.json({ reached: this.post("HTTP", await request.text()) }, { status: 201 });
  }

  // RPC
  post(author: string, text: string): number {
    this.#sql.exec("INSERT INTO notes VALUES (?, ?)", author, text);
    return this.broadcast(`${author}: ${text}`);
  }

  notes(): Note[] {
    return this.#sql.exec<Note>("SELECT author, text FROM notes").toArray();
  }

  // Its own alarm, beside the one of the idle timeout
  async clearAt(time: number): Promise<void> {
    await this.ctx.storage.setAlarm(time);
  }

  override onAlarm() {
    this.#sql.exec("DELETE FROM notes");
    this.broadcast("cleared");
  }
}
