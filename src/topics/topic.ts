// One topic of an object: who is subscribed, who reads on from its history, and what is to be published.
import type { Publication } from "../api/topics.ts";
import type { Source } from "../sending/topic-message.ts";
import type { Subject } from "../session/subject.ts";
import type { Origin } from "./outlet.ts";

/** What was published on a topic, as who reads on from a place has it. */
export interface Past {
  readonly epoch: string;
  /** The offset of the newest publication, 0 before there is one. */
  readonly newest: number;
  /** That of the oldest that can still be read. */
  readonly first: number;
  /** It is more than a name. */
  readonly isKnown: boolean;
  /** Those from an offset on that are at hand. It ends before one that is gone. */
  read(from: number): Iterable<Source & { readonly offset: number }>;
  /** Undefined where all is at hand that is there from an offset on: else what has to be fetched, a part of it. */
  fetch?(from: number): Promise<Iterable<Source & { readonly offset: number }>> | undefined;
}

/** Where a subscription is that doesn't get publications as they come: its client takes them slowly, or its `onOpen` runs. */
export interface Cursor {
  readonly session: Subject;
  /** Undefined for the one that comes: it had all of the former. */
  epoch: string | undefined;
  /** The publication that it gets next. */
  next: number;
  /** Those from which it was excepted. */
  readonly skipped: Set<number>;
  /** Its client need not be waited for any more. */
  stop?: () => void;
}

/** A publication that has no place yet. */
export interface Pending {
  readonly id: string;
  readonly source: Source;
  /** As a history keeps it. */
  readonly record: Uint8Array<ArrayBuffer> | undefined;
  readonly excepted: ReadonlySet<string>;
  readonly time: number;
  /** Where a shard has asked for it. */
  readonly asked: { readonly origin: Origin; readonly isAgain: boolean } | undefined;
  readonly resolve: (publication: Publication) => void;
  readonly reject: (error: unknown) => void;
}

export class Topic<Kept extends Past = Past> {
  readonly name: string;
  /** Undefined for a topic without one; null while nobody has asked. */
  history: Kept | undefined | null = null;
  readonly subscribers = new Set<WebSocket>();
  /** Undefined while nobody reads on: most topics have few subscribers, and none of these does. */
  cursors: Map<WebSocket, Cursor> | undefined;
  readonly pending: Pending[] = [];
  /** What is published meanwhile comes behind. */
  isPublishing = false;
  /** A shard follows it, also while nobody is subscribed. */
  isFollowed = false;

  constructor(name: string) {
    this.name = name;
  }

  /** The oldest publication that has to stay: for a session in `onOpen`. */
  get pinned(): number {
    let pinned = Infinity;
    for (const { session, next } of this.cursors?.values() ?? []) {
      if (session.isOpen && !session.asyncRemote.isReady) pinned = Math.min(pinned, next);
    }
    return pinned;
  }

  /** Its history begins anew: whose cursors had all of it have missed nothing. */
  restart({ epoch, newest }: Pick<Past, "epoch" | "newest">): void {
    for (const cursor of this.cursors?.values() ?? []) {
      cursor.epoch ??= epoch;
      if (cursor.epoch !== epoch || cursor.next <= newest) continue;
      cursor.epoch = undefined;
      cursor.next = 1;
      cursor.skipped.clear();
    }
  }

  /** Nothing is left of it in memory. */
  get isIdle(): boolean {
    return this.subscribers.size + this.pending.length === 0 && !this.history?.isKnown && !this.isFollowed;
  }
}
