// The steps of a sequence on a path of several shards. They are plain data, so that a counterexample can be shrunk and
// played again.
import type { Kind } from "./topics-script.ts";

export const TOPICS = ["long", "short", "bare"] as const;
export type TopicName = (typeof TOPICS)[number];

/** How many publications the history of each topic keeps; undefined without a history. */
export type Histories = Record<TopicName, number | undefined>;

/** How a call from one object to another is disturbed. */
export type Fault =
  | "none"
  | "fails before it arrives"
  | "fails after it has arrived"
  | "comes twice"
  | "comes again later"
  | "fails, and comes later"
  | "is slow"
  | "the other object dies before"
  | "the other object dies after";

export interface Variant {
  readonly shards: number;
  readonly histories: Histories;
  readonly tracks: boolean;
  /** The window under `flowControl`. */
  readonly window: number | undefined;
  /** The faults of the calls between objects, one after the other and then from the start. */
  readonly faults: readonly Fault[];
}

export interface Act {
  readonly do: "publish" | "subscribe" | "unsubscribe" | "broadcast" | "clear" | "close" | "tick";
  readonly topic: TopicName;
  /** If an object acts: the index of one of its sessions. */
  readonly who: number;
  /** Whether the object itself publishes, not a session. */
  readonly isObjects: boolean;
  readonly isAwaited: boolean;
  readonly except: readonly number[];
  readonly since: "none" | "junk" | "own" | "client" | "old";
  readonly index: number;
  readonly last: number | undefined;
}

/** An object: a shard by its number, or the root. */
export type Where = number | "root";

export type Step = { readonly isSettled: boolean } & (
  | {
      readonly do: "open";
      readonly shard: number;
      readonly kind: Kind;
      /** The index of the former session whose client reconnects. */
      readonly back: number | undefined;
      readonly isSlow: boolean;
      readonly acts: readonly Act[];
      readonly closing: readonly Act[];
    }
  | { readonly do: "message"; readonly who: number; readonly acts: readonly Act[] }
  | { readonly do: "inside"; readonly where: Where; readonly acts: readonly Act[] }
  | { readonly do: "rpc"; readonly acts: readonly Act[] }
  | { readonly do: "hibernate" | "crash"; readonly where: Where }
  /** The next calls to this object fail. */
  | { readonly do: "cut"; readonly where: Where; readonly calls: number }
  | { readonly do: "leave" | "slow" | "fast"; readonly who: number }
);
