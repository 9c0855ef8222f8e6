// Socle, where what is published goes to all sessions: nobody has subscribed.
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

// The bundler gives the class another name: Socle has one of the same.
addEndpoint(container, "/bench/topic/{room}", { durableObject: Topic, binding: "Topic" });

export default container;
