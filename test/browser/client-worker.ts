// A room with a topic. Over HTTP the test publishes on the topic and closes the sessions.
import { addEndpoint, Endpoint, ServerContainer, type EndpointOptions, type Session } from "socle";

interface Env {
  Room: DurableObjectNamespace<Room>;
}

const PAGE = '<!doctype html><title>A page</title><link rel="icon" href="data:,"><div id="root"></div>';

export class Room extends Endpoint<Env, undefined, "/rooms/{room}"> {
  static override options: EndpointOptions = { topics: { history: { messages: 1000 } } };

  override async onOpen(session: Session): Promise<undefined> {
    await session.subscribe("chat", { since: "client", last: 1000 });
  }

  override async onText(_: undefined, text: string, session: Session): Promise<void> {
    await session.publish("chat", text);
  }

  /** @returns the number of sessions */
  override async onRequest(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    for (const line of searchParams.getAll("publish")) await this.publish("chat", line);
    if (searchParams.has("clear")) await this.clearTopic("chat");
    const code = Number(searchParams.get("close"));
    if (code) for (const session of this.openSessions()) session.close(code);
    return new Response(String(this.openSessionCount()));
  }
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/rooms/{room}", Room);

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/") return container.fetch(request, env, ctx);
    return new Response(PAGE, {
      headers: { "Content-Type": "text/html" },
    });
  },
} satisfies ExportedHandler<Env>;
