// Uses everything that Socle needs from the platform, in one Worker: storage, alarms, `exports`, topics, shards, flow control.
import { addEndpoints, Endpoint, onOpenStartWsConnection, ServerContainer, type Session } from "socle";

const container = new ServerContainer();

interface User {
  count: number;
  /** Larger than an attachment. */
  large: string;
}

export class Room extends Endpoint<Cloudflare.Env, User, "/room/{room}"> {
  override onOpen(): User {
    return { count: 0, large: "x".repeat(100_000) };
  }

  override onText(user: User, text: string, session: Session<"/room/{room}">) {
    user.count++;
    this.broadcast(`${text} ${user.count} ${user.large.length} ${session.pathParameters.room}`);
  }
}

/** Publishes, and sends the position. */
async function publish(_: unknown, text: string, session: Session) {
  const { position } = await session.publish("lines", text);
  await session.asyncRemote.sendText(`at ${position}`);
}

addEndpoints(container, {
  "/echo": { flowControl: true, onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) },
  "/room/{room}": {
    durableObject: Room,
    trackSessions: true,
    idleTimeoutMs: 600_000,
    autoResponse: { request: "ping", response: "pong" },
  },
  "/lines": {
    topics: { history: {} },
    onOpen: async (session: Session) => {
      await session.subscribe("lines", { since: session.requestParameterMap.get("since") ?? undefined });
    },
    onText: publish,
  },
  "/shards/{name}": {
    shards: 2,
    shard: (request) => Number(new URL(request.url).searchParams.get("shard")),
    topics: { history: {} },
    onOpen: async (session: Session) => {
      await session.subscribe("lines");
    },
    onText: (_: unknown, text, session) => session.publish("lines", text),
  },
});

export class Endpoints extends container.Endpoint {}
export default container;
