// What a session leaves behind while its object hibernates: in the socket's attachment, and in the object's storage what
// is too large for that or has to outlive a crash. Only this file reads and writes the two; it knows nothing of callbacks.
import { isObject, isPlain } from "./difference.ts";
import { attempt, isWithoutSqlite, report, SessionObjectError } from "./errors.ts";
import { limitsOf, type Limits } from "./limits.ts";
import type { EndpointConfig } from "./ws-endpoint-map.ts";

const MARK = "socle";
/** Marks an attachment of which the greater part is in storage. */
const LARGE = "socle:row";
const ROW = "socle:session:";
/** The platform's limit for a stored value; local workerd takes more. */
const MAX_ROW = 2 ** 21;
/** The most that the platform takes for the time of an event: seven days. */
const MAX_EVENT = 604_800_000;

/** What is settled when a session opens, and stays the same until it ends. */
export interface SessionFacts {
  readonly id: string;
  readonly uri: string;
  /** The endpoint's path as it was registered. */
  readonly path: string;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly negotiatedSubprotocol: string;
  readonly userPrincipal?: unknown;
  readonly tags: readonly string[];
  /** When it opened, in milliseconds since 1970, for a container with `onEvent`. */
  readonly since?: number;
}

/**
 * {@link SessionFacts} as JSON, the session object, the user properties. The facts are one string because it is made once,
 * and copied as it is with each change. In a row it is marked while `onOpen` runs: a crash in it ends no session.
 */
export type Kept = [facts: string, object: unknown, userProperties: unknown, isOpening?: true];

/**
 * What the socket holds. A flat tuple, because names of properties and what is nested would cost with each change. The
 * limits are there if they are no longer the endpoint's.
 */
type Attached =
  | [mark: typeof MARK, facts: string, object: unknown, limits: Limits | undefined, userProperties: unknown]
  | [mark: typeof LARGE, id: string, object: undefined, limits: Limits | undefined];

/** What was found in an attachment. */
export interface Remains {
  readonly kept: Kept;
  readonly limits?: Limits | undefined;
  readonly isLarge?: boolean;
}

export class Attachment {
  declare readonly kept: Kept;
  declare readonly limits: Limits;
  /** False for a session that doesn't hibernate, and for one that has ended. */
  declare keeps: boolean;
  readonly #socket: WebSocket;
  readonly #storage: DurableObjectStorage;
  readonly #id: string;
  readonly #isTracked: boolean;
  /** The limits are no longer the endpoint's. */
  #isLimited: boolean;
  /** The socket holds the id only. */
  #isLarge: boolean;

  constructor(
    socket: WebSocket,
    storage: DurableObjectStorage,
    id: string,
    config: EndpointConfig,
    { kept, limits, isLarge = false }: Remains,
  ) {
    this.#socket = socket;
    this.#storage = storage;
    this.#id = id;
    this.kept = kept;
    this.keeps = config.hibernate;
    this.limits = limits ?? limitsOf(config);
    this.#isLimited = limits !== undefined;
    this.#isTracked = config.trackSessions;
    this.#isLarge = isLarge;
  }

  /**
   * Keeps another session object, or other user properties.
   *
   * @returns the copy of it that will come back
   * @throws the platform's error, or {@link SessionObjectError} if they are too large; the former stay
   */
  write(slot: 1 | 2, data: unknown): unknown {
    const former = this.kept[slot];
    this.kept[slot] = data;
    try {
      this.#save();
      // A spread makes of plain data what the platform does, and to read that back costs 2 µs more.
      const copy =
        isPlain(data) && !Object.values(data).some(isObject)
          ? { ...data }
          : readAttachment(this.#socket, this.#storage)!.kept[slot];
      return (this.kept[slot] = copy);
    } catch (error) {
      this.kept[slot] = former;
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
    this.kept[0] = JSON.stringify({ ...(JSON.parse(this.kept[0]) as SessionFacts), ...facts });
  }

  limit<Index extends keyof Limits>(index: Index, value: Limits[Index]): void {
    this.limits[index] = value;
    this.#isLimited = true;
    // In memory they hold: no message is lost for it.
    attempt("a session's limits can't be kept", () => {
      if (this.keeps && this.#attach(this.#isLarge)) this.#save();
    });
  }

  /** Marks the session as ended: events that the platform still delivers for the socket are nobody's. */
  end(): void {
    const { keeps } = this;
    this.keeps = false;
    if (keeps) markEnd(this.#socket);
  }

  /** `onClose` has settled: nothing is left of the session. */
  forget(): void {
    if (this.#isLarge || this.#isTracked) dropRow(this.#storage, this.#id);
  }

  #save(): void {
    const size = this.#attach(false);
    if (size > MAX_ROW) {
      throw new SessionObjectError(
        `The session object can't be kept: with the session's facts it has ${size} bytes, and a row takes ${MAX_ROW}. Keep parts in rows of your own.`,
      );
    }
    if (size || this.#isTracked) this.#storage.kv.put(ROW + this.#id, this.kept);
    // From here on there is a row to delete.
    this.#isLarge ||= size > 0;
    if (size) this.#attach(true);
    else if (this.#isLarge && !this.#isTracked) deleteRow(this.#storage, this.#id);
    this.#isLarge = size > 0;
  }

  /** @returns the size in bytes of what doesn't fit; 0 if it does */
  #attach(isLarge: boolean): number {
    const [facts, object, userProperties] = this.kept;
    const limits = this.#isLimited ? this.limits : undefined;
    const attached: Attached = isLarge
      ? [LARGE, this.#id, undefined, limits]
      : [MARK, facts, object, limits, userProperties];
    while (attached.at(-1) === undefined) attached.pop();
    try {
      this.#socket.serializeAttachment(attached);
    } catch (error) {
      const [, size] = /was (\d+) bytes/.exec(String(error)) ?? [];
      if (!size) throw error;
      return Number(size);
    }
    return 0;
  }
}

/** From here on events that the platform delivers for the socket are nobody's. */
export const markEnd = (socket: WebSocket): void =>
  attempt("a socket took no mark of its end", () => socket.serializeAttachment(null));

function attachedTo(socket: WebSocket): Attached | undefined {
  const attached = socket.deserializeAttachment() as Attached | null;
  return attached?.[0] === MARK || attached?.[0] === LARGE ? attached : undefined;
}

/** What was kept; undefined for a session that has ended, and for a socket that Socle did not accept. */
export function readAttachment(socket: WebSocket, storage: DurableObjectStorage): Remains | undefined {
  const attached = attachedTo(socket);
  if (!attached) return undefined;
  const [mark, factsOrId, object, limits, userProperties] = attached;
  const isLarge = mark === LARGE;
  const kept: Kept | undefined = isLarge ? readRow(storage, factsOrId) : [factsOrId, object, userProperties];
  if (!kept) throw new SessionObjectError("The session's row in storage is gone: delete none that begins with socle.");
  return { kept, limits, isLarge };
}

/** The limits alone, which are in the attachment however large the rest is. */
export const readLimits = (socket: WebSocket): Limits | undefined => attachedTo(socket)?.[3];

/**
 * Marks the object's life, which hibernation doesn't end and a crash does. The list of its sockets doesn't tell: it lacks
 * those whose close is about to be delivered, which may be all. But an event's time limit is kept as long as the sockets.
 */
export function markLife(ctx: DurableObjectState): void {
  if (ctx.getHibernatableWebSocketEventTimeout() === null) ctx.setHibernatableWebSocketEventTimeout(MAX_EVENT);
}

/** The ids of the sessions that ended with the object's last life and left a row. Asked when an object wakes. */
export function lostSessions(ctx: DurableObjectState): string[] {
  if (ctx.getHibernatableWebSocketEventTimeout() !== null || ctx.getWebSockets().length > 0) return [];
  try {
    // One value at a time: all rows together may be more than the memory.
    return Array.from(ctx.storage.kv.list({ prefix: ROW }), ([key]) => key.slice(ROW.length));
  } catch (error) {
    // An object without SQLite has no rows. Those that can't be read are looked for again in the object's next life.
    if (!isWithoutSqlite(error)) report("a lost session's onClose can't run", error);
    return [];
  }
}

const deleteRow = ({ kv }: DurableObjectStorage, id: string): boolean => kv.delete(ROW + id);

/** Deletes the row of a session that has ended, or tells the log. */
export const dropRow = (storage: DurableObjectStorage, id: string): void =>
  attempt("the row of an ended session is left", () => deleteRow(storage, id));

export const readRow = ({ kv }: DurableObjectStorage, id: string): Kept | undefined => kv.get<Kept>(ROW + id);
