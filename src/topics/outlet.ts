// What an object's topics give to others: the root of a path to its shards.
import type { Data } from "../sending/data.ts";
import type { Place } from "../wire/publication.ts";

/** Which shard has asked for something first, and its number there: so that it is done once, however often it is asked for. */
export type Origin = readonly [shard: number, life: string, number: number];

/** How much of a history is wanted: from an offset on, where the epoch is that, and the newest so many in any case. */
export type Range = readonly [epoch: string, from: number, last: number];

/** A publication that a history has. */
export type Kept = readonly [offset: number, time: number, size: number, payload: Data];

/** Where a topic is, with what was asked for of its history. Without a history the epoch is "". */
export interface TopicPlace {
  readonly epoch: string;
  readonly newest: number;
  /** The oldest that is in storage. */
  readonly first: number;
  readonly kept: readonly Kept[];
  /** Before these nothing may be replayed. */
  readonly isWhole: boolean;
}

/** A publication that has its place. */
export interface Outgoing {
  readonly payload: Data;
  readonly time: number;
  /** How many bytes of the history it has. */
  readonly size: number;
  readonly except: readonly string[] | undefined;
  readonly origin: Origin | undefined;
}

/** Where publications go beside the object's own sessions. */
export interface Outlet {
  /**
   * Before anything is published.
   *
   * @param isKept it need not wait there: who is late gets it from the history
   * @throws {@link OverloadedError}
   */
  admit(topic: string, bytes: number, isKept: boolean): void;
  publish(place: Place, outgoing: Outgoing): void;
  /** Something was published again, and who has missed it is to get it. */
  renewed(place: Place): void;
  cleared(topic: string, epoch: string): void;
  /** Whether anybody is subscribed elsewhere. */
  isWanted(topic: string): boolean;
}
