// What happens to topics in a model's sequence: acts of sessions' callbacks, of the object, and by RPC.

/** "long" has a history with limits, "short" has another, and "bare" mostly has none. */
export const TOPICS = ["long", "short", "bare"] as const;

export type TopicName = (typeof TOPICS)[number];

/** So many names that the subscriptions of a session don't fit into its attachment. */
export const FILLERS: readonly string[] = Array.from({ length: 28 }, (_, index) => `${index + 10}`.padEnd(240, "~"));

/** The payload of a publication begins with the id of its act, and is as long as its record is to be. */
export interface Payload {
  isBinary: boolean;
  /** The number of bytes in a history; 0 for an empty payload. */
  size: number;
}

interface Common {
  id: string;
  /** Whether the next act waits until this one has settled. */
  isAwaited: boolean;
  /** The name of the session that acts; absent if the object acts. */
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

/** What a client speaks: a plain WebSocket, `socle.v1` without topics, or `socle.v1` with topics. */
export type Kind = "plain" | "flow" | "topics";

export interface Opening {
  name: string;
  kind: Kind;
  /** The positions from which the client continues. */
  positions: (readonly [topic: string, position: string])[];
  acts: Act[];
  /** The acts of `onClose`. */
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
  /** Whether the session object is too large for the attachment. */
  isLarge: boolean;
  flowControl: { window: number; maxBufferedAmount: number } | undefined;
  histories: Histories;
}

/** How long publications are kept, in milliseconds. */
export const AGE = 600_000;

/** The payload of an act's publication. Its record also has six bytes of time, two lengths, and the id. */
export function contentOf({ id, payload, key }: Publish): string {
  const { size } = payload;
  return size === 0 ? "" : `${id}|`.padEnd(size - 7 - key.length - (size < 8192 ? 2 : 3), ".");
}

/** How the log shows the topics of a session. */
export const shown = (topics: Iterable<string>): string =>
  [...topics]
    .map((topic) => topic.slice(0, 5))
    .toSorted()
    .join(" ");
