// A chat room: each path `/chat/{room}` is an object of its own, and what is said is published on a topic of it, with a history.
import { Endpoint, type EndpointOptions, type HandshakeContext, type Session } from "socle";

import type { Env } from "./env.ts";
import { sameOrigin } from "./origin.ts";

/** What a client sends, as JSON. */
type Said = { type: "message"; text: string } | { type: "typing" };

/** What somebody has said. */
export interface Line {
  type: "message";
  name: string;
  text: string;
  /** In milliseconds since 1970. */
  at: number;
}

/** What a room sends, as JSON: first the lines of the history, then the welcome, then what happens. */
export type ChatMessage =
  /** `recovered` says whether the lines before it are all that a client has missed, `position` where they end. */
  | { type: "welcome"; name: string; members: string[]; recovered: boolean; position: string }
  | { type: "joined" | "returned" | "left" | "typing"; name: string }
  /** With the last position that it has seen a client comes back. */
  | (Line & { position: string });

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

/** The topic of the lines. Joining, leaving and typing are of this moment: they are broadcast, and nobody catches up on them. */
const LINES = "lines";

/** How many lines a room keeps, and how many of them one who joins is given. */
const KEPT = 500;
const GIVEN = 50;

const json = (message: ChatMessage | Line): string => JSON.stringify(message);

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
    // The page says at most once in 3 s that somebody types: of these, 36 are left for what they say.
    rateLimit: { messages: 40, perMs: 10_000 },
    // A page that has gone to sleep doesn't answer; one that is there sends a ping.
    clientTimeoutMs: 120_000,
    autoResponse: { request: "ping", response: "pong" },
    // After a crash or a deploy the others are told who is gone.
    trackSessions: true,
    topics: {
      history: { messages: KEPT },
      // For plain clients, such as wscat: with each line they are told the position.
      envelope: ({ payload, position }) => JSON.stringify({ ...JSON.parse(payload as string), position }),
    },
  };

  readonly #awakeSince = Date.now();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.kv.put("wakes", this.#wakes + 1);
  }

  override async onOpen(session: Session<"/chat/{room}">): Promise<string> {
    const name = session.userPrincipal as string;
    // A client that comes back says what it has seen: that of the page in its handshake, any other by `?since=`.
    const since = session.requestParameterMap.get("since") ?? "client";
    const { recovered, position } = await session.subscribe(LINES, { since, last: GIVEN });
    // The session is not open yet: the members are the others, and they alone get the broadcast.
    const others = [...this.openSessions()].map(({ sessionObject }) => sessionObject);
    const members = [...others, name].toSorted();
    void session.asyncRemote.sendText(json({ type: "welcome", name, members, recovered, position: position! }));
    this.broadcast(json({ type: recovered ? "returned" : "joined", name }));
    return name;
  }

  // #region chat
  override async onText(name: string, text: string, session: Session) {
    const message = said(text);
    if (!message) return session.close(1003, "A room takes JSON");
    if (message.type === "typing") {
      this.broadcast(json({ type: "typing", name }), { except: session });
    } else {
      const line: Line = { ...message, name, at: Date.now() };
      await session.publish(LINES, json(line));
    }
  }

  override onClose(name: string) {
    // Nobody came whose onOpen failed.
    if (name) this.broadcast(json({ type: "left", name }));
  }
  // #endregion

  /** A client that exceeds a limit is closed by Socle; the log need not have it. */
  override onError(_name: string, session: Session, error: Error): void {
    if (error.name !== "LimitExceededError") console.error(`${session.requestURI.pathname}:`, error);
  }

  /** By RPC, for the page's panel. To ask wakes the object. */
  async facts(): Promise<RoomFacts> {
    const { length: messages } = await this.publications(LINES);
    return { sessions: this.openSessionCount(), messages, wakes: this.#wakes, awakeSince: this.#awakeSince };
  }

  get #wakes(): number {
    return this.ctx.storage.kv.get<number>("wakes") ?? 0;
  }
}
