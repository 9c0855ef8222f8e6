// Socle with topics.
import { addEndpoints, Endpoint, ServerContainer, type EndpointOptions, type Publication, type Session } from "socle";

import { COLLECT, collect, KEPT, NEWS, PAYLOAD, REPLAYED, rowsOf, topicsOf } from "./subscribed.ts";

interface Env {
  Topic: DurableObjectNamespace<Topic>;
  History: DurableObjectNamespace<History>;
}

const container = new ServerContainer<Env>();

abstract class Subscribed extends Endpoint<Env, undefined> {
  override async onOpen(session: Session): Promise<undefined> {
    await Promise.all(topicsOf(session.requestParameterMap).map((topic) => session.subscribe(topic)));
  }
}

let instances = 0;

export class Topic extends Subscribed {
  readonly #instance = ++instances;

  /** The message may say how many publications to make. */
  override onText(_: undefined, text: string, session: Session): Promise<Publication | Publication[]> {
    if (text === COLLECT) collect();
    const publish = () => session.publish(NEWS, `${text} ${this.#instance}`);
    const count = Number(text) || 1;
    return count === 1 ? publish() : Promise.all(Array.from({ length: count }, publish));
  }
}

export class History extends Subscribed {
  static override options: EndpointOptions = { topics: { history: { messages: KEPT } } };
  readonly #rows = rowsOf(this.ctx.storage);

  /** The message says how many publications to make, or asks for something else. */
  override onText(_: undefined, text: string, session: Session): Promise<unknown> {
    if (text === "rows") return session.asyncRemote.sendText(`${this.#rows()}`);
    if (text === "replay") {
      session.unsubscribe(NEWS);
      return session.subscribe(NEWS, { last: REPLAYED });
    }
    return Promise.all(Array.from({ length: Number(text) }, () => session.publish(NEWS, PAYLOAD)));
  }
}

// The bundler renames the classes, because Socle has some of the same names.
addEndpoints(container, {
  "/bench/topic/{room}": { durableObject: Topic, binding: "Topic" },
  "/bench/history/{room}": { durableObject: History, binding: "History" },
});

export default container;
