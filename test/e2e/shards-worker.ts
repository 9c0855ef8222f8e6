// Paths of several shards: for clients over TCP, for processes that are killed, for a shard that is held up, and for
// another number of shards.
import { Endpoint, ServerContainer, type EndpointOptions, type Session } from "socle";

/** The test writes another number here, as a deploy does. */
const MAX_SHARDS = 8;

/** The shards that do nothing until a test releases them. All objects are in one process. */
const held = new Set<string>();

/** Each session reports its shard and the result of its subscription. Each text is published on the path's topic. */
export class Stand extends Endpoint<unknown, { isPublisher: boolean }> {
  static override options: EndpointOptions<unknown> = {
    topics: { history: (topic) => (topic === "a" ? { bytes: 100_000_000 } : undefined) },
  };

  override async onOpen(session: Session) {
    const { requestParameterMap } = session;
    const isPublisher = requestParameterMap.has("publisher");
    if (!isPublisher) {
      const since = requestParameterMap.get("since");
      const { recovered, replayed } = await session.subscribe("a", since === null ? {} : { since });
      await session.subscribe("bare");
      await session.asyncRemote.sendText(JSON.stringify({ shard: this.shard, recovered, replayed }));
    }
    return { isPublisher };
  }

  override async onText(_: { isPublisher: boolean }, text: string, session: Session) {
    if (text === "hold") {
      const { name } = this.ctx.id;
      held.add(name!);
      await session.asyncRemote.sendText("held");
      // Everything that reaches the object waits meanwhile.
      void this.ctx.blockConcurrencyWhile(async () => {
        while (held.has(name!)) await scheduler.wait(5);
      });
      return;
    }
    const { position } = await session.publish("a", text);
    await session.asyncRemote.sendText(`${position} ${text}`);
  }

  /** Runs in the root. */
  override async onRequest(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const topic = searchParams.get("topic") ?? "a";
    if (searchParams.has("release")) held.delete(`${pathname}#${searchParams.get("release")}`);
    if (searchParams.has("broadcast")) return Response.json(this.broadcast(searchParams.get("broadcast")!));
    if (request.method !== "POST") return Response.json([await this.topic(topic), await this.publications(topic)]);
    try {
      return Response.json(await this.publish(topic, await request.text()));
    } catch (error) {
      const { name, message } = error as Error;
      return Response.json({ name, message }, { status: 503 });
    }
  }
}

/** A class of its own for the paths whose shards are chosen. */
export class Chosen extends Stand {}

const shard = (request: Request) => Number(new URL(request.url).searchParams.get("shard"));

const container = new ServerContainer<unknown>();
container.addEndpoint("/crowd/{name}", { durableObject: Stand, shards: { max: 32, sessions: 60 } });
container.addEndpoint("/chosen/{name}", { durableObject: Chosen, shards: 8, shard });
container.addEndpoint("/resized/{name}", {
  durableObject: Chosen,
  shards: MAX_SHARDS,
  shard: (request: Request) => shard(request) % MAX_SHARDS,
});
export default container;
