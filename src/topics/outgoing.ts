// What an object's topics send to its shards: answers, and publications.
import { payloadOf, type TopicMessage } from "../sending/topic-message.ts";
import type { History } from "./history.ts";
import type { Kept, Origin, Outlet, Range, TopicPlace } from "./outlet.ts";
import type { Pending } from "./topic.ts";

/** A publication that a shard has asked for. */
export interface Asked {
  readonly origin: Origin;
  /** It may have been published before. */
  readonly isAgain: boolean;
}

/** How many bytes of missed publications a shard gets at once. */
const CHUNK = 262_144;

/** The id of a shard's publication in a history. An application is unlikely to choose one that begins like this. */
export const formerOf = ([, life, number]: Origin): string => `\0${life}.${number}`;

/** Sends a publication with its position. One that existed already may not have arrived everywhere. */
export function send(outlet: Outlet, { place, payload }: TopicMessage, isNew: boolean, pending: Pending): void {
  const { time, record, excepted, asked } = pending;
  if (!isNew) return outlet.renewed(place);
  const except = excepted.size > 0 ? [...excepted] : undefined;
  outlet.publish(place, { payload, time, size: record?.length ?? 0, except, origin: asked?.origin });
}

/**
 * The position of a topic.
 *
 * @param what the wanted part of its history: what may be replayed, or the publications from an offset on, as many as
 * go at once
 */
export function placeIn(history: History | undefined, what?: Range | number): TopicPlace {
  if (!history) return { epoch: "", newest: 0, first: 1, kept: [], isWhole: true };
  const { epoch, newest, first } = history;
  const [next, isWhole] = typeof what === "object" ? history.startOfRange(what, Date.now()) : [what ?? Infinity, false];
  const kept: Kept[] = [];
  let rest = typeof what === "number" ? CHUNK : Infinity;
  for (const { offset, time, size, item } of next <= newest ? history.read(next) : []) {
    if (rest <= 0) break;
    rest -= size;
    kept.push([offset, time, size, payloadOf(item)]);
  }
  return { epoch, newest, first, kept, isWhole };
}
