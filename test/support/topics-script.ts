// What happens to topics in a model's sequence: acts of sessions' callbacks, of the object and by RPC.

/** With a history that has limits, with another, and one that mostly has none. */
export const TOPICS = ["long", "short", "bare"] as const;

export type TopicName = (typeof TOPICS)[number];

/** So many names that a session's subscriptions need a row. */
export const FILLERS: readonly string[] = Array.from({ length: 28 }, (_, index) => `${index + 10}`.padEnd(240, "~"));

/** A publication's payload is made of its act's name, and as long as its record is to be. */
export interface Payload {
  isBinary: boolean;
  /** How many bytes it has in a history; 0 for an empty payload. */
  size: number;
}

interface Common {
  id: string;
  /** What comes next waits until it has settled. */
  isAwaited: boolean;
  /** The session; the object itself if absent. */
  by?: string;
}

export interface Publish extends Common {
  do: "publish";
  topic: TopicName;
  payload: Payload;
  /** Names of sessions. */
  except: string[];
  /** The publication's id; "" for none. */
  key: string;
}

export interface Range extends Common {
  do: "subscribe" | "read";
  topic: TopicName;
  since?: string | undefined;
  last?: number | undefined;
}

export type Act =
  | Publish
  | Range
  | (Common & { do: "unsubscribe" | "clear" | "state"; topic: TopicName })
  | (Common & { do: "fill" | "empty" | "tick" | "close" })
  | (Common & { do: "rollback"; acts: Act[] });

/** What a client speaks: nothing, `socle.v1` without topics, or with them. */
export type Kind = "plain" | "flow" | "topics";

export interface Opening {
  name: string;
  kind: Kind;
  /** With which the client comes back. */
  positions: (readonly [topic: string, position: string])[];
  acts: Act[];
  /** What `onClose` does. */
  closing: Act[];
}

export interface Script {
  id: string;
  acts: Act[];
}

export interface History {
  messages: number;
  bytes: number;
  replayBytes: number;
}

/** Undefined for a topic without a history. */
export type Histories = Record<TopicName, History | undefined>;

export interface Variant {
  hibernates: boolean;
  tracks: boolean;
  isEnveloped: boolean;
  /** The session object needs a row. */
  isLarge: boolean;
  flowControl: { window: number; maxBufferedAmount: number } | undefined;
  histories: Histories;
}

/** For how long publications are kept, in milliseconds. */
export const AGE = 600_000;

/** What is published, by its act. Its record has six bytes more for the time, two lengths, and the id. */
export function contentOf({ id, payload, key }: Publish): string {
  const { size } = payload;
  return size === 0 ? "" : `${id}|`.padEnd(size - 7 - key.length - (size < 8192 ? 2 : 3), ".");
}

/** What the log shows of the topics of a session. */
export const shown = (topics: Iterable<string>): string =>
  [...topics]
    .map((topic) => topic.slice(0, 5))
    .toSorted()
    .join(" ");
