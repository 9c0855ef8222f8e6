// Topics as a user writes them: what `subscribe` and `publish` take and give, and the option `topics`.

/** A session, of which the id is asked. */
interface Identified {
  readonly id: string;
}

/** What `session.subscribe` takes beside the topic. */
export interface SubscribeOptions {
  /**
   * The position after which the client goes on, such as a page's `?since=`; or `"client"`, for the one that the client gave in
   * its handshake, which only a {@link SocleWebSocket} does. Whoever may read the topic may choose it. A text that is no position of
   * the topic recovers nothing.
   */
  since?: string | undefined;
  /** How many of the newest publications the client gets where there is no `since`, or nothing could be recovered; 0 if absent. */
  last?: number | undefined;
}

/** What `session.subscribe` gives. */
export interface Subscription {
  /** Whether the client gets all that was published after its `since`. It gets all of that, or none. */
  readonly recovered: boolean;
  /** The newest publication's when the session subscribed; undefined for a topic without a history. */
  readonly position: string | undefined;
  /** How many publications of the history the client gets. */
  readonly replayed: number;
}

/** What `publish` takes beside the topic and the payload. */
export interface PublishOptions {
  /** Sessions that are not to get it, or their ids. The history knows nothing of it: who comes back gets his own. */
  except?: Identified | string | Iterable<Identified | string> | undefined;
  /**
   * Of 1 to 256 bytes of UTF-8. Where the topic's history still has a publication with it, nothing is published, and that one's
   * position is given: so a publish can be tried again. It costs a row more. Without a history it does nothing.
   */
  id?: string | undefined;
}

/** What `publish` gives. */
export interface Publication {
  /** Undefined for a topic without a history. */
  readonly position: string | undefined;
}

/** What {@link Endpoint.topic} gives. */
export interface TopicState {
  readonly name: string;
  /** The newest publication's; undefined for a topic without a history, and before anything was published or subscribed. */
  readonly position: string | undefined;
  /** How many sessions of the object are subscribed, under `shards` of the path. */
  readonly subscribers: number;
}

/** What {@link Endpoint.publications} takes beside the topic. */
export interface PublicationsOptions {
  /** Only those after this position. Of one from which not all is there: none. */
  since?: string | undefined;
  /** Only the newest so many, where there is no `since`, or nothing could be recovered. */
  last?: number | undefined;
}

/** A publication that is in a history. */
export interface KeptPublication {
  readonly position: string;
  readonly payload: string | ArrayBuffer;
  /** When it was published, in milliseconds since 1970. */
  readonly time: number;
}

/** What the option `envelope` is given. */
export interface EnvelopedPublication {
  readonly topic: string;
  /** Undefined for a topic without a history. */
  readonly position: string | undefined;
  readonly payload: string | ArrayBuffer;
}

/** How much of a topic is kept, and for how long: the setting `history` of `topics`. Old publications go first. */
export interface HistorySettings {
  /** How many publications; as many as the other settings allow if absent. */
  messages?: number | undefined;
  /** How many bytes; 16,777,216 if absent. Each publication has some ten more than its payload. */
  bytes?: number | undefined;
  /** For how many milliseconds; 86,400,000, a day, if absent. */
  ageMs?: number | undefined;
  /** How many bytes one `subscribe` may replay, past which nothing is recovered; 1,048,576 if absent. */
  replayBytes?: number | undefined;
}

/** The settings of the option `topics`. */
export interface TopicSettings {
  /**
   * Keeps what is published in the object's SQLite storage, so that who was away catches up. For all topics, or by a
   * function of the topic's name that returns nothing for those without a history. Needs a class with SQLite storage.
   */
  history?: HistorySettings | ((topic: string) => HistorySettings | undefined);
  /**
   * What clients get in place of the payload, if they don't know topics by `socle.v1`: so a page without Socle's client knows the
   * position with which it may come back. A text or bytes.
   *
   * ```ts
   * envelope: ({ position, payload }) => JSON.stringify({ position, payload })
   * ```
   */
  envelope?: (publication: EnvelopedPublication) => string | ArrayBuffer | ArrayBufferView;
  /** How many topics with a history an object may have; 10,000 if absent. */
  maxTopics?: number | undefined;
  /** How many bytes the histories of an object may have together; 1,073,741,824 if absent. */
  maxBytes?: number | undefined;
}
