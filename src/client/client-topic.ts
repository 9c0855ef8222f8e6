// A topic as a client sees it, over all connections.
import type { ClientMessageEvent, ClientRecoveryEvent } from "./client-events.ts";
import { Target, type TargetOf } from "./events.ts";
import type { Inbox } from "./inbox.ts";

/** The events of a {@link ClientTopic}, by name. */
export interface ClientTopicEvents {
  message: ClientMessageEvent<string | ArrayBuffer>;
  recovery: ClientRecoveryEvent;
}

/** A message of a topic in an iteration. */
export interface ClientTopicMessage {
  readonly data: string | ArrayBuffer;
  /** The position of the message in the topic's history; undefined if the topic has none. */
  readonly position?: string | undefined;
}

/**
 * The messages of a topic while the server has the client subscribed to it. Its events are sent when a message arrives.
 * With an iteration, which gives `{ data, position }`, the server waits until you have taken each message.
 *
 * ```ts
 * const lines = client.topic("lines");
 * lines.addEventListener("message", ({ data }) => show(data));
 * // This comes before any message that is newer than the missing ones.
 * lines.addEventListener("recovery", ({ recovered }) => recovered || reload());
 * ```
 */
export interface ClientTopic extends TargetOf<ClientTopicEvents>, AsyncIterable<ClientTopicMessage> {
  readonly name: string;
  /** Takes the messages from now on, over all connections, until the client is closed. */
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
