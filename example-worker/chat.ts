// A chat room. Each path `/chat/{room}` is an object of its own, which publishes the lines on a topic with a history.
import { Endpoint, type EndpointOptions, type HandshakeContext, type Session } from "socle";

import type { Env } from "./env.ts";
import { sameOrigin } from "./origin.ts";

/** What a client sends, as JSON. */
type Said = { type: "message"; text: string } | { type: "typing" };

/** A line of the chat. */
export interface Line {
  type: "message";
  name: string;
  text: string;
  /** In milliseconds since 1970. */
  at: number;
}

/** What a room sends, as JSON: first the lines of the history, then the welcome, then each event. */
export type ChatMessage =
  /** `recovered` is true if the lines before it are all that the client missed. `position` is that of the last line. */
  | { type: "welcome"; name: string; members: string[]; recovered: boolean; position: string }
  | { type: "joined" | "returned" | "left" | "typing"; name: string }
  /** A client that reconnects sends the last position that it has seen. */
  | (Line & { position: string });

/** What the object behind a room knows about itself. */
export interface RoomFacts {
  sessions: number;
  /** How many lines are in the history. */
  messages: number;
  /** How often the object was constructed: at first, and each time that it woke. */
  wakes: number;
  /** When the object was last constructed, in milliseconds since 1970. */
  awakeSince: number;
}

/** The topic of the lines. Notices of joining, leaving and typing are broadcast instead: nobody needs them later. */
const LINES = "lines";

/** How many lines a room keeps, and how many of them a new member gets. */
const KEPT = 500;
const GIVEN = 50;

const json = (message: ChatMessage | Line): string => JSON.stringify(message);

/** Parses a client's message. It returns undefined for anything that a room doesn't know. */
function said(text: string): Said | undefined {
  try {
    const { type, text: line } = JSON.parse(text) as Partial<Record<string, unknown>>;
    if (type === "typing") return { type };
    return type === "message" && typeof line === "string" && line.trim() ? { type, text: line.trim() } : undefined;
  } catch {
    return undefined;
  }
}

/** Refuses a client without a name. This runs in the Worker, so no object wakes for a refused client. */
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
    // The page sends at most one notice of typing in 3 s, which is 4 in 10 s. That leaves 36 for lines.
    rateLimit: { messages: 40, perMs: 10_000 },
    // A page that is suspended sends no ping.
    clientTimeoutMs: 120_000,
    autoResponse: { request: "ping", response: "pong" },
    // After a crash or a deploy the others learn who is gone.
    trackSessions: true,
    topics: {
      history: { messages: KEPT },
      // Plain clients, such as wscat, get the position with each line.
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
    // The page's client says in its handshake what it has seen. Any other client uses `?since=`.
    const since = session.requestParameterMap.get("since") ?? "client";
    const { recovered, position } = await session.subscribe(LINES, { since, last: GIVEN });
    // This session is not open yet, so `openSessions` and the broadcast cover only the others.
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
    // There is no name if onOpen failed.
    if (name) this.broadcast(json({ type: "left", name }));
  }
  // #endregion

  /** Socle closes a client that exceeds a limit. That need not be logged. */
  override onError(_name: string, session: Session, error: Error): void {
    if (error.name !== "LimitExceededError") console.error(`${session.requestURI.pathname}:`, error);
  }

  /** Called by RPC, for `/facts/{room}`. The call wakes the object. */
  async facts(): Promise<RoomFacts> {
    const { length: messages } = await this.publications(LINES);
    return { sessions: this.openSessionCount(), messages, wakes: this.#wakes, awakeSince: this.#awakeSince };
  }

  get #wakes(): number {
    return this.ctx.storage.kv.get<number>("wakes") ?? 0;
  }
}
