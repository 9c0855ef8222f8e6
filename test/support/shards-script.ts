// What is done to a path of several shards in a sequence: plain data, so that a counterexample can be shrunk and played again.
import type { Kind } from "./topics-script.ts";

export const TOPICS = ["long", "short", "bare"] as const;
export type TopicName = (typeof TOPICS)[number];

/** How many publications each topic's history has; "bare" has none. */
export type Histories = Record<TopicName, number | undefined>;

/** What becomes of a call from one object to another. */
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
  /** Under `flowControl`: its window. */
  readonly window: number | undefined;
  /** Of the calls between objects one after the other, again and again. */
  readonly faults: readonly Fault[];
}

export interface Act {
  readonly do: "publish" | "subscribe" | "unsubscribe" | "broadcast" | "clear" | "close" | "tick";
  readonly topic: TopicName;
  /** Of which session, where it is the object that acts: one of its own. */
  readonly who: number;
  /** A publish by the object itself. */
  readonly isObjects: boolean;
  readonly isAwaited: boolean;
  readonly except: readonly number[];
  readonly since: "none" | "junk" | "own" | "client" | "old";
  readonly index: number;
  readonly last: number | undefined;
}

/** Which object: a shard by its number, or the root. */
export type Where = number | "root";

export type Step = { readonly isSettled: boolean } & (
  | {
      readonly do: "open";
      readonly shard: number;
      readonly kind: Kind;
      /** Which former session comes back. */
      readonly back: number | undefined;
      readonly isSlow: boolean;
      readonly acts: readonly Act[];
      readonly closing: readonly Act[];
    }
  | { readonly do: "message"; readonly who: number; readonly acts: readonly Act[] }
  | { readonly do: "inside"; readonly where: Where; readonly acts: readonly Act[] }
  | { readonly do: "rpc"; readonly acts: readonly Act[] }
  | { readonly do: "hibernate" | "crash"; readonly where: Where }
  /** So many calls to it fail. */
  | { readonly do: "cut"; readonly where: Where; readonly calls: number }
  | { readonly do: "leave" | "slow" | "fast"; readonly who: number }
);
