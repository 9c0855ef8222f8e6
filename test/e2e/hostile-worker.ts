// Endpoints that keep what their clients choose, in one object with a neighbour: each value that a decoder makes, and any
// frames of socle.v1.
import { ServerContainer, type Session } from "socle";
import unsafe from "workerd:unsafe";

import { build, digest, type Node } from "./hostile-values.ts";

const MB = 1_000_000;

/** How many sessions have closed since the process began. */
let closes = 0;

const container = new ServerContainer({
  defaultMaxTextMessageBufferSize: 65_536,
  defaultMaxBinaryMessageBufferSize: 16_384,
  onEvent(event) {
    if (event.type === "close") closes++;
  },
});

const one = { instance: () => "one", maxPendingMessages: 50 };

container.addEndpoint("/neighbour", { ...one, onText: (_, text, { asyncRemote }) => asyncRemote.sendText(text) });

interface Held {
  value?: unknown;
}

/** What a client asks of an endpoint that keeps its data. */
export type Command = { keep: Node; in: "object" | "properties" } | { json: string } | "tell" | "well";

const revive = (_: string, value: unknown): unknown =>
  typeof value === "string" && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;

const keeping = {
  ...one,
  onOpen: (): Held => ({}),
  onText(own: Held, text: string, session: Session): unknown {
    const command = JSON.parse(text) as Command;
    if (command === "well") return session.asyncRemote.sendText("well");
    if (command === "tell")
      return session.asyncRemote.sendText(`${digest(own.value)} ${digest(session.userProperties)}`);
    if ("json" in command) own.value = JSON.parse(command.json, revive);
    else if (command.in === "object") own.value = build(command.keep);
    else session.userProperties.value = build(command.keep);
    return undefined;
  },
  onError: (_: unknown, { asyncRemote }: Session, { name }: Error) => asyncRemote.sendText(`! ${name}`),
};

container.addEndpoint("/kept", keeping);
container.addEndpoint("/tracked", { ...keeping, trackSessions: true });

/** Sends as much as the client asks for: "say 10 1000". */
const talking = {
  ...one,
  flowControl: { stallTimeoutMs: 1000, maxBufferedAmount: MB },
  autoResponse: { request: "ping", response: "pong" },
  onText(_: unknown, text: string, { asyncRemote }: Session): unknown {
    if (text === "well") return asyncRemote.sendText("well");
    const [, count = 0, size = 0] = /^say (\d+) (\d+)$/.exec(text) ?? [];
    for (let said = 0; said < Number(count); said++) void asyncRemote.sendText("s".repeat(Number(size)));
    return undefined;
  },
  onError: () => {},
};

container.addEndpoint("/flow", talking);
container.addEndpoint("/flow-slow", {
  ...talking,
  async onText(own: unknown, text: string, session: Session) {
    await scheduler.wait(1);
    await talking.onText(own, text, session);
  },
});

export class Endpoints extends container.Endpoint {}

interface Env {
  Endpoints: DurableObjectNamespace;
}

export default {
  async fetch(request: Request, env: Cloudflare.Env & Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/closes") return new Response(String(closes));
    if (pathname !== "/hibernate") return container.fetch(request, env, ctx);
    await unsafe.evict(env.Endpoints.getByName("one"), { webSockets: "hibernate" });
    return new Response("hibernated");
  },
};
