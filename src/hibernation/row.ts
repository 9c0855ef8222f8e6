// A session's row in the object's storage: data that is too large for the attachment, or has to survive a crash.
import { SessionObjectError } from "../api/errors.ts";
import { attempt, placeOf, report, type Place } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { formed, isKnown, unknownForm, type Formed } from "./form.ts";
import { markLife } from "./life.ts";

const ROW = "socle:session:";
/** The suffix of the row with the session's subscriptions, which is read without the session object. */
const TOPICS = "/topics";
/** The platform's limit for a stored value; local workerd accepts more. */
export const MAX_ROW = 2 ** 21;

/**
 * The send channels in a value. Structured clone turns them into plain objects, and this list distinguishes them from
 * objects that look the same.
 */
export type Channels = readonly object[] | undefined;

/**
 * The facts of a session as JSON, the session object, the user properties. The facts are one string because it is made
 * once and copied with each change. In a row, `true` marks a session in `onOpen`: a crash then ends no session. Later
 * the mark counts how often the lost session's `onClose` was started.
 */
export type Kept = [
  facts: string,
  object: unknown,
  userProperties: unknown,
  isOpeningOrTries?: true | number | undefined,
  inObject?: Channels,
  inProperties?: Channels,
] &
  Formed;

/**
 * The index of the session object or of the user properties in {@link Kept}. Its send channels are three elements
 * further.
 */
export type Slot = 1 | 2;

export const channelsIn = (kept: Kept, slot: Slot): Channels => kept[(slot + 3) as 4 | 5];

export function putRow(storage: DurableObjectStorage, id: string, kept: Kept): void {
  storage.kv.put(ROW + id, formed(kept));
  markLife(storage);
}

/** @throws {@link SessionVersionError} for an unknown form */
export function readRow({ kv }: DurableObjectStorage, id: string): Kept | undefined {
  const kept = kv.get<Kept>(ROW + id);
  if (kept && !isKnown(kept)) throw unknownForm(kept);
  return kept;
}

/** @throws {@link SessionObjectError} if the row is gone; {@link SessionVersionError} for an unknown form */
export function rowOf(storage: DurableObjectStorage, id: string): Kept {
  const kept = readRow(storage, id);
  if (!kept) throw rowIsGone();
  return kept;
}

export const deleteRow = ({ kv }: DurableObjectStorage, id: string): boolean => kv.delete(ROW + id);

export function putTopics(storage: DurableObjectStorage, id: string, subscriptions: string): void {
  storage.kv.put(ROW + id + TOPICS, subscriptions);
  markLife(storage);
}

export const readTopics = ({ kv }: DurableObjectStorage, id: string): string | undefined =>
  kv.get<string>(ROW + id + TOPICS);

/** @throws {@link SessionObjectError} if the row is gone */
export function topicsOf(storage: DurableObjectStorage, id: string): string {
  const subscriptions = readTopics(storage, id);
  if (subscriptions === undefined) throw rowIsGone();
  return subscriptions;
}

const rowIsGone = (): SessionObjectError =>
  new SessionObjectError("The session's row in storage is gone: delete no key that begins with socle.");

export const deleteTopics = ({ kv }: DurableObjectStorage, id: string): boolean => kv.delete(ROW + id + TOPICS);

/** Deletes the rows of a session that has ended; a failure is only logged. */
export function dropRow(storage: DurableObjectStorage, id: string, place: Place): void {
  const drop = () => {
    deleteRow(storage, id);
    deleteTopics(storage, id);
  };
  attempt("the row of an ended session can't be deleted", drop, place);
}

/**
 * The id in the next row, of a session or of its subscriptions. One at a time: all rows together may be larger than the
 * memory.
 */
export function nextRow(ctx: DurableObjectState, id?: string): string | undefined {
  try {
    const after = id === undefined ? {} : { startAfter: ROW + id + TOPICS };
    const [first] = ctx.storage.kv.list({ prefix: ROW, ...after, limit: 1 });
    return first?.[0].slice(ROW.length).replace(TOPICS, "");
  } catch (error) {
    // An object without SQLite has no rows. Rows that can't be read are tried again when the object next wakes.
    if (!isWithoutSqlite(error)) report("onClose of a lost session can't run", error, placeOf(ctx));
  }
  return undefined;
}

/** Records in the row that the `onClose` of a lost session is about to run. */
export function countTry({ kv }: DurableObjectStorage, id: string, kept: Kept): void {
  kept[3] = triesOf(kept) + 1;
  kv.put(ROW + id, formed(kept));
}

/** How often the `onClose` of a lost session was started. */
export const triesOf = ([, , , tries]: Kept): number => (typeof tries === "number" ? tries : 0);

/** Whether storage threw because the object has no SQLite. */
export const isWithoutSqlite = (error: unknown): boolean =>
  /SQLite-backed|SQL is not enabled/.test(toError(error).message);
