// The public types of topics: arguments and results of `subscribe` and `publish`, and the option `topics`.

/** A session. Only its id is read. */
interface Identified {
  readonly id: string;
}

/** The options of `session.subscribe`. */
export interface SubscribeOptions {
  /**
   * The position after which the client continues, such as a page's `?since=`. Or `"client"` for the position that the
   * client sent in its handshake, as a {@link SocleWebSocket} does. Anyone who may read the topic may choose the
   * position. A text that is not a position of the topic recovers nothing.
   */
  since?: string | undefined;
  /**
   * How many of the newest publications the client receives if there is no `since`, or if nothing could be recovered; 0
   * if absent.
   */
  last?: number | undefined;
}

/** The result of `session.subscribe`. */
export interface Subscription {
  /**
   * Whether the client receives everything that was published after its `since`. It receives all of it or none of it.
   */
  readonly recovered: boolean;
  /** The position of the newest publication when the session subscribed; undefined for a topic without a history. */
  readonly position: string | undefined;
  /** How many publications of the history the client receives. */
  readonly replayed: number;
}

/** The options of `publish`. */
export interface PublishOptions {
  /**
   * The sessions that do not receive the publication, or their ids. The history doesn't record it: a session that
   * reconnects receives its own publications.
   */
  except?: Identified | string | Iterable<Identified | string> | undefined;
  /**
   * A key of 1 to 256 bytes of UTF-8 that makes the call idempotent. If the topic's history still has a publication
   * with this id, Socle publishes nothing and returns that publication's position. It costs one more row. Without a
   * history it does nothing.
   */
  id?: string | undefined;
}

/** The result of `publish`. */
export interface Publication {
  /** The position of the publication; undefined for a topic without a history. */
  readonly position: string | undefined;
}

/** The result of {@link Endpoint.topic}. */
export interface TopicState {
  readonly name: string;
  /**
   * The position of the newest publication; undefined for a topic without a history, and before anything was published
   * or subscribed.
   */
  readonly position: string | undefined;
  /** How many sessions of the object, or under `shards` of the path, are subscribed. */
  readonly subscribers: number;
}

/** The options of {@link Endpoint.publications}. */
export interface PublicationsOptions {
  /** Only the publications after this position; none if the history no longer has all of them. */
  since?: string | undefined;
  /** Only this many of the newest publications, if there is no `since` or if nothing could be recovered. */
  last?: number | undefined;
}

/** A publication in a history. */
export interface KeptPublication {
  readonly position: string;
  readonly payload: string | ArrayBuffer;
  /** When it was published, in milliseconds since 1970. */
  readonly time: number;
}

/** The argument of the setting `envelope`. */
export interface EnvelopedPublication {
  readonly topic: string;
  /** The position of the publication; undefined for a topic without a history. */
  readonly position: string | undefined;
  readonly payload: string | ArrayBuffer;
}

/**
 * How much of a topic is kept, and for how long: the setting `history` of `topics`. The oldest publications are removed
 * first.
 */
export interface HistorySettings {
  /** How many publications; if absent, as many as the other settings allow. */
  messages?: number | undefined;
  /** How many bytes; 16,777,216 if absent. Each publication takes about ten bytes more than its payload. */
  bytes?: number | undefined;
  /** For how many milliseconds; 86,400,000, which is a day, if absent. */
  ageMs?: number | undefined;
  /** How many bytes one `subscribe` may replay; 1,048,576 if absent. If more would be needed, nothing is recovered. */
  replayBytes?: number | undefined;
}

/** The settings of the option `topics`. */
export interface TopicSettings {
  /**
   * Keeps publications in the object's SQLite storage, so that a client that was disconnected can catch up. It applies
   * to all topics, or is a function of the topic's name that returns nothing for a topic without a history. Needs a
   * class with SQLite storage.
   */
  history?: HistorySettings | ((topic: string) => HistorySettings | undefined);
  /**
   * Makes the message, a text or bytes, that a client receives instead of the payload if it doesn't receive topics by
   * `socle.v1`. A page without Socle's client thus learns the position with which it may reconnect.
   *
   * ```ts
   * envelope: ({ position, payload }) => JSON.stringify({ position, payload })
   * ```
   */
  envelope?: (publication: EnvelopedPublication) => string | ArrayBuffer | ArrayBufferView;
  /** How many topics with a history an object may have; 10,000 if absent. */
  maxTopics?: number | undefined;
  /** How many bytes the histories of an object may have in total; 1,073,741,824 if absent. */
  maxBytes?: number | undefined;
}
