// Rooms whose topics have a history, for clients over TCP and processes that are killed.
import { Endpoint, ServerContainer, type Session } from "socle";

const topics = { history: { bytes: 64_000_000, replayBytes: 64_000_000 } };

/** Each text is published on the topic of the session, and its position is sent to the publisher alone. */
export class Hall extends Endpoint<unknown, { topic: string }, "/hall/{name}"> {
  static override options = { topics, subprotocols: ["ack"] };

  override async onOpen(session: Session) {
    const { requestParameterMap } = session;
    const topic = requestParameterMap.get("topic") ?? "a";
    if (!requestParameterMap.has("publisher")) {
      const since = requestParameterMap.get("since") ?? "client";
      const { recovered, replayed } = await session.subscribe(topic, { since });
      if (requestParameterMap.has("since")) {
        await session.asyncRemote.sendText(JSON.stringify({ recovered, replayed }));
      }
    }
    return { topic };
  }

  override async onText({ topic }: { topic: string }, text: string, session: Session) {
    const { position } = await session.publish(topic, text);
    if (session.requestParameterMap.has("publisher")) await session.asyncRemote.sendText(`${position} ${text}`);
  }

  override async onRequest(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const topic = searchParams.get("topic") ?? "a";
    if (request.method === "POST") return Response.json(await this.publish(topic, await request.text()));
    return Response.json([await this.topic(topic), await this.publications(topic)]);
  }
}

const container = new ServerContainer<unknown>();
container.addEndpoint("/hall/{name}", { durableObject: Hall });
export default container;
