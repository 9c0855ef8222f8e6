// Socle without subscriptions: each publication is a broadcast to all sessions.
import { addEndpoint, Endpoint, ServerContainer } from "socle";

interface Env {
  Topic: DurableObjectNamespace<Topic>;
}

const container = new ServerContainer<Env>();

let instances = 0;

export class Topic extends Endpoint<Env> {
  readonly #instance = ++instances;

  override onText(_: unknown, text: string): void {
    this.broadcast(`${text} ${this.#instance}`);
  }
}

// The bundler renames the class, because Socle has one of the same name.
addEndpoint(container, "/bench/topic/{room}", { durableObject: Topic, binding: "Topic" });

export default container;
