// PartyServer with tags as topics: a connection has up to nine, which are fixed when it is opened.
import { routePartykitRequest, Server, type Connection, type ConnectionContext, type WSMessage } from "partyserver";

import { NEWS, topicsOf } from "./subscribed.ts";

let instances = 0;

export class Topic extends Server<Env> {
  static override options = { hibernate: true };
  readonly #instance = ++instances;

  override getConnectionTags(_connection: Connection, { request }: ConnectionContext): string[] {
    return topicsOf(new URL(request.url).searchParams);
  }

  override onMessage(_connection: Connection, message: WSMessage): void {
    const payload = `${message as string} ${this.#instance}`;
    for (const connection of this.getConnections(NEWS)) connection.send(payload);
  }
}

interface Env extends Cloudflare.Env {
  Topic: DurableObjectNamespace<Topic>;
}

export default {
  async fetch(request, env) {
    const response = await routePartykitRequest(request, env, { prefix: "bench" });
    return response ?? new Response("Not Found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
