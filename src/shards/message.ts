// What the root of a path and its shards tell each other by RPC. Tuples, because the names of properties would cost
// with each publication.
import type { PublicationsOptions } from "../api/topics.ts";
import type { Data } from "../sending/data.ts";
import type { Origin, Range, TopicPlace } from "../topics/outlet.ts";

/** A question of a shard to the root. */
export type Question =
  /** The shard has sessions. */
  | readonly [kind: "hello"]
  /** The shard has subscribers of the topic. */
  | readonly [kind: "join", topic: string, range: Range | undefined]
  /** Asks what may be replayed of the topic. */
  | readonly [kind: "replay", topic: string, range: Range]
  /** Asks for the publications from an offset on, as many as fit in one answer. */
  | readonly [kind: "read", topic: string, from: number]
  /** Asks for the positions of topics. */
  | readonly [kind: "places", topics: readonly string[]]
  | readonly [kind: "publish", topic: string, payload: Data, except: readonly string[], id: string | undefined]
  | readonly [kind: "broadcast", payload: Data, except: readonly string[], tag: string | undefined]
  | readonly [kind: "clear", topic: string];

/** The position of a topic at the root, and how many deliveries to the shard came before. */
export interface Located extends TopicPlace {
  readonly sent: number;
}

export interface Answers {
  readonly hello: undefined;
  readonly join: Located;
  readonly replay: Located;
  readonly read: TopicPlace;
  readonly places: readonly (readonly [epoch: string, newest: number])[];
  /** The position of the publication. */
  readonly publish: readonly [epoch: string, offset: number];
  readonly broadcast: undefined;
  readonly clear: undefined;
}

/** Questions of a shard that go together, numbered consecutively. */
export interface Asked {
  readonly shard: number;
  /** The life of the shard, which the numbers belong to. */
  readonly life: string;
  readonly first: number;
  /** They were sent before, with an unknown result. */
  readonly isAgain: boolean;
  readonly questions: readonly Question[];
}

/** The value, or the name and text of an error. */
export type Result<Value = unknown> = readonly [value: Value] | readonly [value: undefined, name: string, text: string];

export interface Answered {
  readonly results: readonly Result[];
  /** The life of the root, in which it counts from one. */
  readonly life: string;
  /** How many deliveries to this shard came before the answer, arrived or on their way. */
  readonly sent: number;
  /** Of these, how many are not on their way any more. */
  readonly arrived: number;
}

/** A delivery of the root to a shard. */
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
  /** The newest position of a topic in which the shard may have missed publications. */
  | readonly [kind: "newest", topic: string, epoch: string, newest: number]
  /** The topic's history starts a new epoch. */
  | readonly [kind: "cleared", topic: string, epoch: string]
  | readonly [kind: "sessions", tag: string | undefined]
  | readonly [kind: "subscribers", topic: string]
  | readonly [kind: "close", closeCode: number, reasonPhrase: string];

export type Publication = Extract<Delivery, readonly ["publication", ...unknown[]]>;

/** Deliveries that go together, numbered consecutively. */
export interface Delivered {
  readonly life: string;
  readonly first: number;
  /** All earlier deliveries in this life of the root have arrived. */
  readonly isSure: boolean;
  readonly deliveries: readonly Delivery[];
}

export interface Taken {
  /** The number of sessions, for a delivery that asks for it. */
  readonly results: readonly (number | undefined)[];
  /** The topics to which nobody is subscribed any more. */
  readonly gone: readonly string[];
  /** The shard has no sessions. */
  readonly isEmpty: boolean;
  /** The shard's life and last question at that time: the root ignores what the shard has contradicted since. */
  readonly life: string;
  readonly asked: number;
}

/** A call of the Worker for all sessions of a path. */
export type ForAll =
  | readonly [kind: "broadcast", payload: Data, except: readonly string[] | undefined, tag: string | undefined]
  | Extract<Delivery, readonly [kind: "sessions" | "close", ...unknown[]]>;

/** The calls that an object receives by RPC. */
export type Told =
  | readonly ["ask", Asked]
  | readonly ["deliver", Delivered]
  | readonly ["all", ForAll]
  /** Asks for the subscribers; `own` is the count of the shard that asks. */
  | readonly ["state", topic: string, own: readonly [shard: number, count: number]]
  | readonly ["publications", topic: string, options: PublicationsOptions];
