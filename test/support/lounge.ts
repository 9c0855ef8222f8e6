// A Worker with a list of the members who are present, and its changes: docs/guide.md shows it.
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

interface Env {
  Lounge: DurableObjectNamespace<Lounge>;
}

/** A member who is here. Two may have the same name, such as one person's two tabs. */
type Member = { id: string; name: string };

/** The messages to a client, as JSON: first the list, then each change of it. */
export type News = { here: Member[] } | { came: Member } | { left: Member };

const container = new ServerContainer<Env>();

export class Lounge extends Endpoint<Env, Member, "/lounge/{room}"> {
  readonly #sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec("CREATE TABLE IF NOT EXISTS members (id TEXT PRIMARY KEY, name TEXT)");
  }

  override async onOpen(session: Session<"/lounge/{room}">): Promise<Member> {
    const member = { id: session.id, name: String(session.userPrincipal) };
    const { here, position } = await this.join(member);
    void session.asyncRemote.sendText(JSON.stringify({ here } satisfies News));
    // The list is as it was at that position. The later changes follow.
    await session.subscribe("members", { since: position });
    return member;
  }

  override onClose(_member: Member | undefined, session: Session): Promise<void> {
    return this.leave(session.id);
  }

  async join(member: Member): Promise<{ here: Member[]; position: string | undefined }> {
    this.#sql.exec("INSERT INTO members VALUES (?, ?)", member.id, member.name);
    // Publications have the order of their calls. So await nothing between reading the list and this call.
    const here = this.members();
    const { position } = await this.publish("members", JSON.stringify({ came: member } satisfies News));
    return { here, position };
  }

  async leave(id: string): Promise<void> {
    const [member] = this.#sql.exec<Member>("DELETE FROM members WHERE id = ? RETURNING id, name", id).toArray();
    if (member) await this.publish("members", JSON.stringify({ left: member } satisfies News));
  }

  members(): Member[] {
    return this.#sql.exec<Member>("SELECT id, name FROM members ORDER BY name").toArray();
  }
}

addEndpoint(container, "/lounge/{room}", {
  durableObject: Lounge,
  onHandshake(request) {
    // In place of your own authentication.
    const name = new URL(request.url).searchParams.get("name");
    return name ? { userPrincipal: name } : new Response("Sign in first", { status: 401 });
  },
  topics: { history: { messages: 1000 } },
  // These close the sessions of clients that vanished, and run onClose for sessions that a crash has ended.
  clientTimeoutMs: 120_000,
  autoResponse: { request: "ping", response: "pong" },
  trackSessions: true,
});

export default container;
