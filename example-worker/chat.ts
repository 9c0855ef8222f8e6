// A chat room: each path `/chat/{room}` is an object of its own, with its history in its own SQLite.
import { Endpoint, type EndpointOptions, type HandshakeContext, type Session } from "socle";

import type { Env } from "./env.ts";
import { sameOrigin } from "./origin.ts";

/** What a client sends, as JSON. */
type Said = { type: "message"; text: string } | { type: "typing" };

/** A line of the history. */
export interface Line {
  id: number;
  name: string;
  text: string;
  /** In milliseconds since 1970. */
  at: number;
}

/** What a room sends, as JSON. */
export type ChatMessage =
  | { type: "welcome"; name: string; members: string[]; history: Line[] }
  | { type: "joined" | "returned" | "left" | "typing"; name: string }
  | ({ type: "message" } & Line);

/** What the object behind a room knows of itself. */
export interface RoomFacts {
  sessions: number;
  /** Kept in the history. */
  messages: number;
  /** How often the object was made: at first, and each time that something woke it. */
  wakes: number;
  /** Since when it is in memory, in milliseconds since 1970. */
  awakeSince: number;
}

/** How many lines a room keeps, and how many of them one who joins is given. */
const KEPT = 500;
const GIVEN = 50;

const json = (message: ChatMessage): string => JSON.stringify(message);

/** What a text of a client's says; undefined if it is nothing that a room knows. */
function said(text: string): Said | undefined {
  try {
    const { type, text: line } = JSON.parse(text) as Partial<Record<string, unknown>>;
    if (type === "typing") return { type };
    return type === "message" && typeof line === "string" && line.trim() ? { type, text: line.trim() } : undefined;
  } catch {
    return undefined;
  }
}

/** Nobody comes without a name. It is asked in the Worker: no object wakes for one who is refused. */
function wantName(request: Request, _context: HandshakeContext): Response | { userPrincipal: string } {
  const name = new URL(request.url).searchParams.get("name")?.trim();
  if (!name || name.length > 40) return new Response("Give a name of at most 40 characters", { status: 400 });
  return { userPrincipal: name };
}

/** The session object is the member's name. */
export class Chat extends Endpoint<Env, string, "/chat/{room}"> {
  static override options: EndpointOptions = {
    allowedOrigins: sameOrigin,
    onHandshake: wantName,
    maxTextMessageBufferSize: 4096,
    rateLimit: { messages: 30, perMs: 10_000 },
    // A page that has gone to sleep doesn't answer; one that is there sends a ping.
    clientTimeoutMs: 120_000,
    autoResponse: { request: "ping", response: "pong" },
    // After a crash or a deploy the others are told who is gone.
    trackSessions: true,
  };

  readonly #sql = this.ctx.storage.sql;
  readonly #awakeSince = Date.now();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, text TEXT, at INTEGER)",
    );
    ctx.storage.kv.put("wakes", this.#wakes + 1);
  }

  override onOpen({ userPrincipal, requestParameterMap, asyncRemote }: Session<"/chat/{room}">): string {
    const name = userPrincipal as string;
    // A client that comes back says what it has seen.
    const after = Number(requestParameterMap.get("after")) || 0;
    // The session is not open yet: the members are the others, and they alone get the broadcast.
    const others = [...this.openSessions()].map(({ sessionObject }) => sessionObject);
    const history = this.#history(after);
    void asyncRemote.sendText(json({ type: "welcome", name, members: [...others, name].toSorted(), history }));
    this.broadcast(json({ type: after ? "returned" : "joined", name }));
    return name;
  }

  override onText(name: string, text: string, session: Session): void {
    const message = said(text);
    if (!message) return session.close(1003, "A room takes JSON: a message or typing");
    if (message.type === "typing") this.broadcast(json({ type: "typing", name }), { except: session });
    else this.broadcast(json({ type: "message", ...this.#write(name, message.text) }));
  }

  override onClose(name: string): void {
    // Nobody came whose onOpen failed.
    if (name) this.broadcast(json({ type: "left", name }));
  }

  /** A client that exceeds a limit is closed by Socle; the log need not have it. */
  override onError(_name: string, session: Session, error: Error): void {
    if (error.name !== "LimitExceededError") console.error(`${session.requestURI.pathname}:`, error);
  }

  /** By RPC, for the page's panel. To ask wakes the object. */
  facts(): RoomFacts {
    const { messages } = this.#sql.exec<{ messages: number }>("SELECT count(*) AS messages FROM line").one();
    return { sessions: this.openSessionCount(), messages, wakes: this.#wakes, awakeSince: this.#awakeSince };
  }

  get #wakes(): number {
    return this.ctx.storage.kv.get<number>("wakes") ?? 0;
  }

  #history(after: number): Line[] {
    const newest = this.#sql.exec("SELECT * FROM line WHERE id > ? ORDER BY id DESC LIMIT ?", after, GIVEN).toArray();
    return (newest as unknown as Line[]).toReversed();
  }

  #write(name: string, text: string): Line {
    const at = Date.now();
    const { id } = this.#sql
      .exec<{ id: number }>("INSERT INTO line (name, text, at) VALUES (?, ?, ?) RETURNING id", name, text, at)
      .one();
    this.#sql.exec("DELETE FROM line WHERE id <= ?", id - KEPT);
    return { id, name, text, at };
  }
}
