// What the root of a path and its shards tell each other, by RPC. Tuples: the names of properties would cost with each publication.
import type { PublicationsOptions } from "../api/topics.ts";
import type { Data } from "../sending/data.ts";
import type { Origin, Range, TopicPlace } from "../topics/outlet.ts";

/** What a shard asks the root. */
export type Question =
  /** It has sessions. */
  | readonly [kind: "hello"]
  /** It has subscribers of the topic. */
  | readonly [kind: "join", topic: string, range: Range | undefined]
  /** What may be replayed of the topic. */
  | readonly [kind: "replay", topic: string, range: Range]
  /** What comes from an offset on, as much as goes in one answer. */
  | readonly [kind: "read", topic: string, from: number]
  /** Where topics are. */
  | readonly [kind: "places", topics: readonly string[]]
  | readonly [kind: "publish", topic: string, payload: Data, except: readonly string[], id: string | undefined]
  | readonly [kind: "broadcast", payload: Data, except: readonly string[], tag: string | undefined]
  | readonly [kind: "clear", topic: string];

/** Where a topic is at the root, and how many deliveries to the shard there were before. */
export interface Located extends TopicPlace {
  readonly sent: number;
}

export interface Answers {
  readonly hello: undefined;
  readonly join: Located;
  readonly replay: Located;
  readonly read: TopicPlace;
  readonly places: readonly (readonly [epoch: string, newest: number])[];
  /** Its place. */
  readonly publish: readonly [epoch: string, offset: number];
  readonly broadcast: undefined;
  readonly clear: undefined;
}

/** Questions of a shard that go together, numbered one after the other. */
export interface Asked {
  readonly shard: number;
  /** The shard's: a number is one of its. */
  readonly life: string;
  readonly first: number;
  /** They were asked before, and nobody knows what became of it. */
  readonly isAgain: boolean;
  readonly questions: readonly Question[];
}

/** The value, or the name and text of an error. */
export type Result<Value = unknown> = readonly [value: Value] | readonly [value: undefined, name: string, text: string];

export interface Answered {
  readonly results: readonly Result[];
  /** The root's: it counts from one. */
  readonly life: string;
  /** How many deliveries to this shard there were before the answer, on their way or arrived. */
  readonly sent: number;
  /** Up to which of them none is on its way any more. */
  readonly arrived: number;
}

/** What the root has for a shard. */
export type Delivery =
  | readonly [
      kind: "publication",
      topic: string,
      epoch: string,
      offset: number,
      payload: Data,
      time: number,
      size: number,
      except: readonly string[] | undefined,
      origin: Origin | undefined,
    ]
  | readonly [
      kind: "broadcast",
      payload: Data,
      except: readonly string[] | undefined,
      tag: string | undefined,
      origin: Origin | undefined,
    ]
  /** Where the topic is, of which something was left out. */
  | readonly [kind: "newest", topic: string, epoch: string, newest: number]
  /** The topic's history begins anew. */
  | readonly [kind: "cleared", topic: string, epoch: string]
  | readonly [kind: "sessions", tag: string | undefined]
  | readonly [kind: "subscribers", topic: string]
  | readonly [kind: "close", closeCode: number, reasonPhrase: string];

export type Publication = Extract<Delivery, readonly ["publication", ...unknown[]]>;

/** Deliveries that go together, numbered one after the other. */
export interface Delivered {
  readonly life: string;
  readonly first: number;
  /** All that came before in this life of the root has arrived. */
  readonly isSure: boolean;
  readonly deliveries: readonly Delivery[];
}

export interface Taken {
  /** How many sessions it was, of what asks for that. */
  readonly results: readonly (number | undefined)[];
  /** The topics that nobody is subscribed to any more. */
  readonly gone: readonly string[];
  /** It has no sessions. */
  readonly isEmpty: boolean;
  /** What it knew as it said so: its last question. */
  readonly life: string;
  readonly asked: number;
}

/** What the Worker has for all sessions of a path. */
export type ForAll =
  | readonly [kind: "broadcast", payload: Data, except: readonly string[] | undefined, tag: string | undefined]
  | Extract<Delivery, readonly [kind: "sessions" | "close", ...unknown[]]>;

/** What the object gets by RPC. */
export type Told =
  | readonly ["ask", Asked]
  | readonly ["deliver", Delivered]
  | readonly ["all", ForAll]
  /** How many of the shard that asks are subscribed. */
  | readonly ["state", topic: string, own: readonly [shard: number, count: number]]
  | readonly ["publications", topic: string, options: PublicationsOptions];
