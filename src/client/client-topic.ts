// A topic as a client has it, over all its connections.
import type { ClientMessageEvent, ClientRecoveryEvent } from "./client-events.ts";
import { Target, type TargetOf } from "./events.ts";
import type { Inbox } from "./inbox.ts";

/** The events of a {@link ClientTopic}. */
export interface ClientTopicEvents {
  message: ClientMessageEvent<string | ArrayBuffer>;
  recovery: ClientRecoveryEvent;
}

/** A message of a topic, as an iteration gives it. */
export interface ClientTopicMessage {
  readonly data: string | ArrayBuffer;
  /** Where in the topic's history it stands; undefined without one. */
  readonly position?: string | undefined;
}

/**
 * What comes of a topic, while the server has the client subscribed to it. Its events tell when something comes; an iteration
 * gives `{ data, position }`, and the server waits until each is taken.
 *
 * ```ts
 * const lines = client.topic("lines");
 * lines.addEventListener("message", ({ data }) => show(data));
 * // Before anything that is newer than what is missing.
 * lines.addEventListener("recovery", ({ recovered }) => recovered || reload());
 * ```
 */
export interface ClientTopic extends TargetOf<ClientTopicEvents>, AsyncIterable<ClientTopicMessage> {
  readonly name: string;
  /** The messages from now on, over all connections, until the client is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<ClientTopicMessage, void, undefined>;
}

export class Topic extends (Target as new () => TargetOf<ClientTopicEvents>) implements ClientTopic {
  readonly name: string;
  readonly #inbox: Inbox<ClientTopicMessage>;

  constructor(name: string, inbox: Inbox<ClientTopicMessage>) {
    super();
    this.name = name;
    this.#inbox = inbox;
  }

  [Symbol.asyncIterator](): AsyncGenerator<ClientTopicMessage, void, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }
}
