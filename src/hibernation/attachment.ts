// The data that a session keeps while its object hibernates: in the socket's attachment, or in rows if it is too large
// or has to survive a crash. The socket's part is in attached.ts. Neither file knows anything of callbacks.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { SessionObjectError } from "../api/errors.ts";
import { attempt, type Place } from "../reporting/log.ts";
import { attach, attachedTo, ENDED, keptIn, markEnd, PART, WHOLE, type Attached } from "./attached.ts";
import type { SessionFacts } from "./facts.ts";
import { limitsOf, type Limits } from "./limits.ts";
import { isFlat } from "./plain-data.ts";
import type { Remains, Renewal } from "./remains.ts";
import { wrote } from "./rollback.ts";
import {
  deleteRow,
  deleteTopics,
  dropRow,
  MAX_ROW,
  putRow,
  putTopics,
  topicsOf,
  rowOf,
  type Channels,
  type Kept,
  type Slot,
} from "./row.ts";

/**
 * A longer text of subscriptions gets a row: a character may take two bytes, and the rest of the attachment has to fit
 * too.
 */
const MAX_ATTACHED = 6000;

export class Attachment {
  declare readonly limits: Limits;
  /** False for a session that doesn't hibernate, and for one that has ended. */
  declare keeps: boolean;
  readonly #socket: WebSocket;
  readonly #storage: DurableObjectStorage;
  readonly #id: string;
  readonly #place: Place;
  #isTracked: boolean;
  #facts: string;
  #kept: Kept | undefined;
  /** The limits differ from the endpoint's. */
  #isLimited: boolean;
  /** The session object is in storage. */
  #isLarge: boolean;
  /** It has had a row since the object woke. */
  #hadRow: boolean;
  /** Its `onClose` has settled. */
  #isForgotten = false;
  /** The subscriptions as a text; true if they are in a row that was not read. */
  #subscriptions: string | true | undefined;
  /** The subscriptions have had a row since the object woke. */
  #hadTopics: boolean;
  /** Set until the session object is read. */
  renewal: Renewal | undefined;

  constructor(
    socket: WebSocket,
    ctx: Pick<DurableObjectState, "storage">,
    id: string,
    config: EndpointConfig,
    { facts, kept, limits, isLarge = false, renewal, subscriptions }: Remains,
  ) {
    this.#socket = socket;
    this.#storage = ctx.storage;
    this.#id = id;
    this.#place = { path: config.path, ctx };
    this.#facts = facts;
    this.#kept = kept;
    this.keeps = config.hibernate;
    this.limits = limits ?? limitsOf(config);
    this.#isLimited = limits !== undefined;
    // Until the renewal it stays as the other code kept it.
    this.#isTracked = (renewal ?? config).trackSessions;
    this.#isLarge = isLarge;
    this.#hadRow = isLarge || this.#isTracked;
    this.#subscriptions = subscriptions;
    this.#hadTopics = subscriptions === true || (this.#isTracked && subscriptions !== undefined);
    this.renewal = renewal;
  }

  /**
   * What was kept last; read at the first access.
   *
   * @throws {@link SessionObjectError} if its row is gone; what storage throws
   */
  get kept(): Kept {
    return (this.#kept ??= this.#read());
  }

  /** The subscriptions as they were kept last. @throws {@link SessionObjectError} if their row is gone */
  get subscriptions(): string | undefined {
    if (this.#subscriptions === true) this.#subscriptions = topicsOf(this.#storage, this.#id);
    return this.#subscriptions;
  }

  /**
   * Keeps other subscriptions.
   *
   * @throws what storage throws; the next write includes them too
   */
  subscribe(subscriptions: string | undefined): void {
    this.#subscriptions = subscriptions;
    if (!this.keeps) return;
    this.#putTopics();
    if (this.#attach(this.#isLarge)) this.#save();
  }

  /**
   * All storage was deleted. Subscriptions that are too large for the socket, or have to survive a crash, are written
   * again.
   */
  emptied(): void {
    if (this.#hadTopics && this.keeps)
      attempt("a session's topics can't be saved", () => this.#putTopics(), this.#place);
  }

  /** Whether changes are kept in storage too. */
  get isStored(): boolean {
    return this.keeps && (this.#isTracked || this.#isLarge);
  }

  /**
   * Keeps another session object, or other user properties.
   *
   * @param channels the send channels in it
   * @param known the copy that hibernation will bring back, if it is known
   * @returns the copy that hibernation will bring back
   * @throws the platform's error, or {@link SessionObjectError} if they are too large; the previous ones stay
   */
  write(slot: Slot, data: unknown, channels: Channels, known?: object): unknown {
    const { kept } = this;
    const list = (slot + 3) as 4 | 5;
    const formerData = kept[slot];
    const formerChannels = kept[list];
    kept[slot] = data;
    kept[list] = channels;
    try {
      this.#save();
      const flat = known ?? (isFlat(data) ? { ...data } : undefined);
      if (flat) {
        // Reading it back would cost 2 µs more.
        kept[list] = channels && [flat];
        return (kept[slot] = flat);
      }
      const copy = this.#read();
      kept[list] = copy[list];
      return (kept[slot] = copy[slot]);
    } catch (error) {
      kept[slot] = formerData;
      kept[list] = formerChannels;
      try {
        // A save that failed halfway may have replaced a part of it.
        this.#save();
      } catch {
        this.#attach(this.#isLarge);
      }
      throw error;
    }
  }

  /** Adds to the facts of a session that has not been kept yet. */
  settle(facts: Partial<SessionFacts>): void {
    this.kept[0] = this.#facts = JSON.stringify({ ...(JSON.parse(this.#facts) as SessionFacts), ...facts });
  }

  /**
   * Rewrites what other code has kept, facts and session object together. If `write` throws, everything stays as it
   * was.
   */
  renew({ facts, trackSessions, tracks }: Renewal, write: () => void): void {
    const [former, isLarge] = [this.#facts, this.#isLarge];
    const settle = (to: string, large: boolean, tracked: boolean): void => {
      this.kept[0] = this.#facts = to;
      this.#isLarge = large;
      this.#isTracked = tracked;
    };
    settle(facts, isLarge || trackSessions, tracks);
    try {
      write();
      this.#putTopics();
      this.renewal = undefined;
    } catch (error) {
      settle(former, isLarge, trackSessions);
      attempt("a session's former state can't be saved", () => this.#save(), this.#place);
      throw error;
    }
  }

  limit<Index extends keyof Limits>(index: Index, value: Limits[Index]): void {
    this.limits[index] = value;
    this.#isLimited = true;
    // The limits hold in memory even if they can't be kept: no message is lost because of that.
    const keep = () => {
      if (this.keeps && this.#attach(this.#isLarge)) this.#save();
    };
    attempt("a session's limits can't be saved", keep, this.#place);
  }

  /** Repeats writes and deletions that a rolled back transaction may have undone. */
  rewrite(): void {
    if (this.#isForgotten) return this.forget();
    const write = () => {
      this.#putTopics();
      if (!this.keeps) return this.#put();
      this.#isLarge = this.#hadRow;
      this.#save();
    };
    attempt("a session can't be saved after a rollback", write, this.#place);
  }

  /** Marks the session as ended: later events of the socket are ignored. */
  end(): void {
    const { keeps } = this;
    try {
      // The mark replaces what `onClose` may still read.
      if (keeps) void [this.subscriptions, this.kept];
    } catch {
      // Reading them again throws the same error where it is needed.
    }
    this.keeps = false;
    if (keeps) markEnd(this.#socket, this.#place);
  }

  /** `onClose` has settled: deletes the rows of the session. */
  forget(): void {
    this.#isForgotten = true;
    if (this.#hadRow || this.#isTracked || this.#hadTopics) {
      dropRow(this.#storage, this.#id, this.#place);
      wrote(this.#storage, this);
    }
  }

  #read(): Kept {
    return this.#isLarge ? rowOf(this.#storage, this.#id) : keptIn(attachedTo(this.#socket) ?? [ENDED, this.#facts]);
  }

  #save(): void {
    const size = this.#attach(false);
    if (size > MAX_ROW) {
      throw new SessionObjectError(
        `The session object is too large: with the session's own data it has ${size} bytes, and a row takes ${MAX_ROW}. Move parts of it to rows of your own.`,
      );
    }
    if (size || this.#isTracked) this.#put();
    // From here on there is a row to delete.
    this.#isLarge ||= size > 0;
    this.#hadRow ||= this.#isLarge;
    if (size) this.#attach(true);
    else if (this.#isLarge && !this.#isTracked) {
      deleteRow(this.#storage, this.#id);
      wrote(this.#storage, this);
    }
    this.#isLarge = size > 0;
  }

  /** A crash loses the attachment, and the `onClose` of a tracked session needs its subscriptions. */
  #putTopics(): void {
    const { subscriptions = "" } = this;
    const hasTopics = subscriptions !== "" && (this.#isTracked || subscriptions.length > MAX_ATTACHED);
    this.#hadTopics ||= hasTopics;
    if (hasTopics) putTopics(this.#storage, this.#id, subscriptions);
    else if (this.#hadTopics) deleteTopics(this.#storage, this.#id);
    if (this.#hadTopics) wrote(this.#storage, this);
  }

  #put(): void {
    putRow(this.#storage, this.#id, this.kept);
    wrote(this.#storage, this);
  }

  /** @returns the size in bytes if it doesn't fit, otherwise 0 */
  #attach(isLarge: boolean): number {
    const limits = this.#isLimited ? this.limits : undefined;
    const subscriptions = this.#attachable;
    if (isLarge) {
      const fit = (factsOrId: string) => {
        const part: Attached = [PART, factsOrId, undefined, limits];
        if (subscriptions) part.push(undefined, undefined, undefined, subscriptions);
        return attach(this.#socket, part);
      };
      return fit(this.#facts) && fit(this.#id);
    }
    // Not cached: a broadcast to many needs none of their session objects.
    const kept = this.#kept ?? this.#read();
    const attached: Attached = [WHOLE, kept[0], kept[1]];
    // Absent values at the end are left out.
    if (subscriptions) attached.push(limits, kept[2], kept[4], kept[5], subscriptions);
    else if (kept[4] || kept[5]) attached.push(limits, kept[2], kept[4], kept[5]);
    else if (limits || kept[2]) attached.push(limits, kept[2]);
    return attach(this.#socket, attached);
  }

  /** The subscriptions as the socket holds them. */
  get #attachable(): string | true | undefined {
    const subscriptions = this.#subscriptions;
    return typeof subscriptions === "string" && subscriptions.length > MAX_ATTACHED ? true : subscriptions;
  }
}
