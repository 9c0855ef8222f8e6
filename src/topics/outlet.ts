// What an object's topics give to others: the root of a path to its shards.
import type { Data } from "../sending/data.ts";
import type { Place } from "../wire/publication.ts";

/** The shard that asked for something, and the question's number, so that it is done once even if it is repeated. */
export type Origin = readonly [shard: number, life: string, number: number];

/**
 * The wanted part of a history: from an offset on if the epoch is the same, and in any case this many of the newest.
 */
export type Range = readonly [epoch: string, from: number, last: number];

/** A publication in a history. */
export type Kept = readonly [offset: number, time: number, size: number, payload: Data];

/** The position of a topic, with the wanted part of its history. Without a history the epoch is "". */
export interface TopicPlace {
  readonly epoch: string;
  readonly newest: number;
  /** The oldest publication in storage. */
  readonly first: number;
  readonly kept: readonly Kept[];
  /** Nothing before these may be replayed. */
  readonly isWhole: boolean;
}

/** A publication that has its position. */
export interface Outgoing {
  readonly payload: Data;
  readonly time: number;
  /** How many bytes of the history it takes. */
  readonly size: number;
  readonly except: readonly string[] | undefined;
  readonly origin: Origin | undefined;
}

/** The receivers of publications outside the object's own sessions. */
export interface Outlet {
  /**
   * Called before anything is published.
   *
   * @param isKept it need not be queued: a receiver that is behind gets it from the history
   * @throws {@link OverloadedError}
   */
  admit(topic: string, bytes: number, isKept: boolean): void;
  publish(place: Place, outgoing: Outgoing): void;
  /** A publication was repeated, and receivers that have missed it need it. */
  renewed(place: Place): void;
  cleared(topic: string, epoch: string): void;
  /** Whether anybody is subscribed elsewhere. */
  isWanted(topic: string): boolean;
}
