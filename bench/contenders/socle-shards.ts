// Socle with the sessions of a path divided over shards. The bench chooses the shard of each session.
import { addEndpoints, Endpoint, ServerContainer, type EndpointOptions, type Publication, type Session } from "socle";

import { KEPT, NEWS, PAYLOAD, topicsOf } from "./subscribed.ts";

interface Env {
  Topic: DurableObjectNamespace<Topic>;
  History: DurableObjectNamespace<History>;
}

const container = new ServerContainer<Env>();

const options: EndpointOptions = {
  shards: 64,
  shard: (request) => Number(new URL(request.url).searchParams.get("shard")),
};

abstract class Subscribed extends Endpoint<Env, undefined> {
  override async onOpen(session: Session): Promise<undefined> {
    await Promise.all(topicsOf(session.requestParameterMap).map((topic) => session.subscribe(topic)));
  }

  /** The message says how many publications to make. */
  override onText(_: undefined, text: string, session: Session): Promise<Publication[]> {
    return Promise.all(Array.from({ length: Number(text) }, () => session.publish(NEWS, this.payload(text))));
  }

  protected abstract payload(text: string): string;
}

let instances = 0;

export class Topic extends Subscribed {
  static override options = options;
  readonly #instance = ++instances;

  protected override payload(text: string): string {
    return `${text} ${this.#instance}`;
  }
}

export class History extends Subscribed {
  static override options: EndpointOptions = { ...options, topics: { history: { messages: KEPT } } };

  protected override payload(): string {
    return PAYLOAD;
  }
}

// The bundler renames the classes, because Socle has some of the same names.
addEndpoints(container, {
  "/bench/topic/{room}": { durableObject: Topic, binding: "Topic" },
  "/bench/history/{room}": { durableObject: History, binding: "History" },
});

export default container;
