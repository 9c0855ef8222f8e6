// What a session leaves behind while its object hibernates: in the socket's attachment, and in a row what is too large for that
// or has to outlive a crash. Only this file reads and writes the attachment; it knows nothing of callbacks.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { SessionObjectError } from "../api/errors.ts";
import { attempt, type Place } from "../reporting/log.ts";
import type { SessionFacts } from "./facts.ts";
import { formed, isKnown, unknownForm, type Formed } from "./form.ts";
import { limitsOf, type Limits } from "./limits.ts";
import { isFlat } from "./plain-data.ts";
import type { Remains, Renewal } from "./remains.ts";
import { wrote } from "./rollback.ts";
import { deleteRow, dropRow, MAX_ROW, putRow, rowOf, type Channels, type Kept, type Slot } from "./row.ts";

/** All is in the attachment; the greater part is in storage; the session has ended. */
const WHOLE = 0;
const PART = 1;
const ENDED = 2;

/**
 * What the socket holds. By the number of its form no socket of the application's own is taken for ours. A flat tuple, because
 * names of properties and what is nested would cost with each change. The limits are there if they are no longer the
 * endpoint's. In place of facts that don't fit stands the session's id.
 */
type Attached = [
  kind: typeof WHOLE | typeof PART | typeof ENDED,
  factsOrId?: string,
  object?: unknown,
  limits?: Limits | undefined,
  userProperties?: unknown,
  inObject?: Channels,
  inProperties?: Channels,
];

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
  /** The limits are no longer the endpoint's. */
  #isLimited: boolean;
  /** The session object is in storage. */
  #isLarge: boolean;
  /** It was so in this life. */
  #hadRow: boolean;
  /** Its `onClose` has settled. */
  #isForgotten = false;
  /** Until the session object was read. */
  renewal: Renewal | undefined;

  constructor(
    socket: WebSocket,
    ctx: Pick<DurableObjectState, "storage">,
    id: string,
    config: EndpointConfig,
    { facts, kept, limits, isLarge = false, renewal }: Remains,
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
    // Until it is renewed it stays as other code has kept it.
    this.#isTracked = (renewal ?? config).trackSessions;
    this.#isLarge = isLarge;
    this.#hadRow = isLarge || this.#isTracked;
    this.renewal = renewal;
  }

  /**
   * What was kept last: read when it is first asked for.
   *
   * @throws {@link SessionObjectError} if its row is gone; what storage throws
   */
  get kept(): Kept {
    return (this.#kept ??= this.#read());
  }

  /** Changes are kept in storage too. */
  get isStored(): boolean {
    return this.keeps && (this.#isTracked || this.#isLarge);
  }

  /**
   * Keeps another session object, or other user properties.
   *
   * @param channels the send channels in it
   * @param known the copy of it that will come back, where that is known
   * @returns the copy of it that will come back
   * @throws the platform's error, or {@link SessionObjectError} if they are too large; the former stay
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
        // To read it back costs 2 µs more.
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

  /** Has what other code has kept written by this, facts and session object together. If `write` throws all is as it was. */
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
      this.renewal = undefined;
    } catch (error) {
      settle(former, isLarge, trackSessions);
      attempt("a session can't be kept as it was", () => this.#save(), this.#place);
      throw error;
    }
  }

  limit<Index extends keyof Limits>(index: Index, value: Limits[Index]): void {
    this.limits[index] = value;
    this.#isLimited = true;
    // In memory they hold: no message is lost for it.
    const keep = () => {
      if (this.keeps && this.#attach(this.#isLarge)) this.#save();
    };
    attempt("a session's limits can't be kept", keep, this.#place);
  }

  /** Writes or deletes again what a transaction may have taken along. */
  rewrite(): void {
    if (this.#isForgotten) return this.forget();
    const write = () => {
      if (!this.keeps) return this.#put();
      this.#isLarge = this.#hadRow;
      this.#save();
    };
    attempt("a session can't be kept after a rollback", write, this.#place);
  }

  /** Marks the session as ended: events that the platform still delivers for the socket are nobody's. */
  end(): void {
    const { keeps } = this;
    try {
      // The mark takes along what `onClose` may read.
      if (keeps) void this.kept;
    } catch {
      // Who asks for it is told.
    }
    this.keeps = false;
    if (keeps) markEnd(this.#socket, this.#place);
  }

  /** `onClose` has settled: nothing is left of the session. */
  forget(): void {
    this.#isForgotten = true;
    if (this.#hadRow || this.#isTracked) {
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
        `The session object can't be kept: with the session's facts it has ${size} bytes, and a row takes ${MAX_ROW}. Keep parts in rows of your own.`,
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

  #put(): void {
    putRow(this.#storage, this.#id, this.kept);
    wrote(this.#storage, this);
  }

  /** @returns the size in bytes of what doesn't fit; 0 if it does */
  #attach(isLarge: boolean): number {
    const limits = this.#isLimited ? this.limits : undefined;
    if (isLarge) {
      const fit = (factsOrId: string) => attach(this.#socket, [PART, factsOrId, undefined, limits]);
      return fit(this.#facts) && fit(this.#id);
    }
    // Not put by: who sends to many needs none of their session objects.
    const kept = this.#kept ?? this.#read();
    const attached: Attached = [WHOLE, kept[0], kept[1]];
    // Without what is absent at its end.
    if (kept[4] || kept[5]) attached.push(limits, kept[2], kept[4], kept[5]);
    else if (limits || kept[2]) attached.push(limits, kept[2]);
    return attach(this.#socket, attached);
  }
}

/** @returns the size in bytes of what doesn't fit; 0 if it does */
function attach(socket: WebSocket, attached: Attached & Formed): number {
  try {
    socket.serializeAttachment(formed(attached));
  } catch (error) {
    const [, size] = /was (\d+) bytes/.exec(String(error)) ?? [];
    if (!size) throw error;
    return Number(size);
  }
  return 0;
}

/** From here on events that the platform delivers for the socket are nobody's. */
export const markEnd = (socket: WebSocket, place: Place): void =>
  attempt("a socket took no mark of its end", () => attach(socket, [ENDED]), place);

/** @throws {@link SessionVersionError} for a form that is not known */
function attachedTo(socket: WebSocket): Attached | undefined {
  const attached = attachmentOf(socket);
  if (attached && !isKnown(attached)) throw unknownForm(attached);
  return attached;
}

function attachmentOf(socket: WebSocket): (Attached & Formed) | undefined {
  const attached = socket.deserializeAttachment() as (Attached & Formed) | null;
  return Array.isArray(attached) && typeof attached.socle === "number" ? attached : undefined;
}

const keptIn = ([, facts, object, , userProperties, inObject, inProperties]: Attached): Kept => [
  facts!,
  object,
  userProperties,
  undefined,
  inObject,
  inProperties,
];

/** Whether Socle has accepted a socket. */
export const isOurs = (socket: WebSocket): boolean => attachmentOf(socket) !== undefined;

/** What was kept; undefined for a session that has ended, and for a socket that Socle did not accept. */
export function readAttachment(socket: WebSocket, storage: DurableObjectStorage): Remains | undefined {
  const attached = attachedTo(socket);
  const [kind, factsOrId, , limits] = attached ?? [ENDED];
  if (!attached || kind === ENDED) return undefined;
  if (kind === WHOLE) return { facts: factsOrId!, kept: keptIn(attached), limits };
  // JSON of an object, or an id.
  const facts = factsOrId!.startsWith("{") ? factsOrId! : rowOf(storage, factsOrId!)[0];
  return { facts, limits, isLarge: true };
}

/** Facts and limits alone, which mostly need no row; undefined for a session that has ended, and a socket that isn't ours. */
export function readLimits(socket: WebSocket): readonly [factsOrId: string, limits: Limits | undefined] | undefined {
  const [kind, factsOrId, , limits] = attachedTo(socket) ?? [ENDED];
  return kind === ENDED ? undefined : [factsOrId!, limits];
}
