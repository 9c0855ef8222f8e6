// One topic of an object: its subscribers, those that still read its history, and what is to be published.
import type { Publication } from "../api/topics.ts";
import type { Source } from "../sending/topic-message.ts";
import type { Subject } from "../session/subject.ts";
import type { Origin } from "./outlet.ts";

/** The publications of a topic, for a subscriber that reads on. */
export interface Past {
  readonly epoch: string;
  /** The offset of the newest publication, 0 before there is one. */
  readonly newest: number;
  /** The offset of the oldest publication that can still be read. */
  readonly first: number;
  /** It has an epoch already. */
  readonly isKnown: boolean;
  /** The available publications from an offset on. Ends at a gap. */
  read(from: number): Iterable<Source & { readonly offset: number }>;
  /** Fetches some of the publications from an offset on that are not at hand; undefined if all are at hand. */
  fetch?(from: number): Promise<Iterable<Source & { readonly offset: number }>> | undefined;
}

/**
 * The place of a subscription that doesn't receive publications directly: its client is slow, or its `onOpen` is
 * running.
 */
export interface Cursor {
  readonly session: Subject;
  /** Undefined for the next epoch: the subscriber had all of the previous one. */
  epoch: string | undefined;
  /** The publication that it receives next. */
  next: number;
  /** The publications from which it is excepted. */
  readonly skipped: Set<number>;
  /** Cancels the wait for its client. */
  stop?: () => void;
}

/** A publication without a position yet. */
export interface Pending {
  readonly id: string;
  readonly source: Source;
  /** The form in which a history stores it. */
  readonly record: Uint8Array<ArrayBuffer> | undefined;
  readonly excepted: ReadonlySet<string>;
  readonly time: number;
  /** Set if a shard has asked for it. */
  readonly asked: { readonly origin: Origin; readonly isAgain: boolean } | undefined;
  readonly resolve: (publication: Publication) => void;
  readonly reject: (error: unknown) => void;
}

export class Topic<Kept extends Past = Past> {
  readonly name: string;
  /** Undefined for a topic without a history; null if that was not checked. */
  history: Kept | undefined | null = null;
  readonly subscribers = new Set<WebSocket>();
  /** Undefined while no subscriber reads on, which is so for most topics. */
  cursors: Map<WebSocket, Cursor> | undefined;
  readonly pending: Pending[] = [];
  /** Publications during this time are sent afterwards. */
  isPublishing = false;
  /** A shard follows it, even while nobody is subscribed. */
  isFollowed = false;

  constructor(name: string) {
    this.name = name;
  }

  /** The oldest publication that has to stay, for a session in `onOpen`. */
  get pinned(): number {
    let pinned = Infinity;
    for (const { session, next } of this.cursors?.values() ?? []) {
      if (session.isOpen && !session.asyncRemote.isReady) pinned = Math.min(pinned, next);
    }
    return pinned;
  }

  /** Its history starts a new epoch. A cursor that had all of the old one has missed nothing. */
  restart({ epoch, newest }: Pick<Past, "epoch" | "newest">): void {
    for (const cursor of this.cursors?.values() ?? []) {
      cursor.epoch ??= epoch;
      if (cursor.epoch !== epoch || cursor.next <= newest) continue;
      cursor.epoch = undefined;
      cursor.next = 1;
      cursor.skipped.clear();
    }
  }

  /** The topic needs no place in memory. */
  get isIdle(): boolean {
    return this.subscribers.size + this.pending.length === 0 && !this.history?.isKnown && !this.isFollowed;
  }
}
