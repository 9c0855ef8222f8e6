// The topics of a client, over all its connections, and where each is.
import { topicsName } from "../wire/positions.ts";
import type { ClientMessageEvent, ClientRecoveryEvent } from "./client-events.ts";
import type { ClientOptions } from "./client-options.ts";
import { emit, eventOf, Target, type TargetOf } from "./events.ts";
import { Inbox } from "./inbox.ts";
import type { Message } from "./web-socket.ts";

/** The events of a {@link ClientTopic}. */
export interface ClientTopicEvents {
  message: ClientMessageEvent<string | ArrayBuffer>;
  recovery: ClientRecoveryEvent;
}

/** A message of a topic, as an iteration gives it. */
export interface ClientTopicMessage {
  readonly data: string | ArrayBuffer;
  /** Where in the topic's history it stands; undefined without one. */
  readonly position: string | undefined;
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

class Topic extends (Target as new () => TargetOf<ClientTopicEvents>) implements ClientTopic {
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

export class ClientTopics {
  readonly #all = new Map<string, readonly [ClientTopic, Inbox<ClientTopicMessage>]>();
  /** Of each topic that of its newest message, the newest of all last. */
  readonly #positions: Map<string, string>;

  /** @throws a TypeError for positions that are no pairs of texts */
  constructor(positions: Required<ClientOptions>["positions"]) {
    topicsName(positions);
    // oxlint-disable-next-line unicorn/no-array-reverse -- React Native has no toReversed
    this.#positions = new Map([...positions].reverse());
  }

  /** The newest of all first. */
  get positions(): Map<string, string> {
    // oxlint-disable-next-line unicorn/no-array-reverse -- React Native has no toReversed
    return new Map([...this.#positions].reverse());
  }

  at(name: string): ClientTopic {
    const known = this.#all.get(name);
    if (known) return known[0];
    const inbox = new Inbox<ClientTopicMessage>();
    const topic = new Topic(name, inbox);
    this.#all.set(name, [topic, inbox]);
    return topic;
  }

  recover({ topic, position, recovered }: ClientRecoveryEvent): void {
    this.#move(topic, position);
    const [target] = this.#all.get(topic) ?? [];
    if (target) emit(target, eventOf("recovery", { topic, position, recovered }));
  }

  /** Gives a message to its topic. @returns how it is taken by whom it is given to besides */
  give({ data, topic = "", position }: Message, take: () => void): () => void {
    if (topic) this.#move(topic, position);
    const [target, inbox] = this.#all.get(topic) ?? [];
    if (!target || !inbox) return take;
    // Both have to take it.
    let untaken = 2;
    const taken = () => {
      if (--untaken === 0) take();
    };
    const message = { data, topic, position };
    inbox.give(message, taken, () => emit(target, eventOf("message", message, "MessageEvent")));
    return taken;
  }

  end(): void {
    for (const [, inbox] of this.#all.values()) inbox.end();
  }

  /** Something newer has come. */
  #move(topic: string, position: string | undefined): void {
    this.#positions.delete(topic);
    if (position) this.#positions.set(topic, position);
  }
}
