// A session's row in the object's storage: what is too large for the attachment, or has to outlive a crash.
import { SessionObjectError } from "../api/errors.ts";
import { attempt, placeOf, report, type Place } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { formed, isKnown, unknownForm, type Formed } from "./form.ts";
import { markLife } from "./life.ts";

const ROW = "socle:session:";
/** Behind a session's row the one of its subscriptions, which is read without the session object. */
const TOPICS = "/topics";
/** The platform's limit for a stored value; local workerd takes more. */
export const MAX_ROW = 2 ** 21;

/** The send channels in a value. Structured clone makes plain objects of them: that they are listed tells them from what looks like one. */
export type Channels = readonly object[] | undefined;

/**
 * The facts of a session as JSON, the session object, the user properties. The facts are one string because it is made once,
 * and copied as it is with each change. In a row it is marked while `onOpen` runs: a crash in it ends no session. Later
 * the mark is how often the `onClose` of the lost session was begun.
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

/** Where in {@link Kept} the session object is, and the user properties. The send channels in each are listed three behind it. */
export type Slot = 1 | 2;

export const channelsIn = (kept: Kept, slot: Slot): Channels => kept[(slot + 3) as 4 | 5];

export function putRow(storage: DurableObjectStorage, id: string, kept: Kept): void {
  storage.kv.put(ROW + id, formed(kept));
  markLife(storage);
}

/** @throws {@link SessionVersionError} for a form that is not known */
export function readRow({ kv }: DurableObjectStorage, id: string): Kept | undefined {
  const kept = kv.get<Kept>(ROW + id);
  if (kept && !isKnown(kept)) throw unknownForm(kept);
  return kept;
}

/** @throws {@link SessionObjectError} if it is gone; {@link SessionVersionError} for a form that is not known */
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

/** @throws {@link SessionObjectError} if it is gone */
export function topicsOf(storage: DurableObjectStorage, id: string): string {
  const subscriptions = readTopics(storage, id);
  if (subscriptions === undefined) throw rowIsGone();
  return subscriptions;
}

const rowIsGone = (): SessionObjectError =>
  new SessionObjectError("The session's row in storage is gone: delete no key that begins with socle.");

export const deleteTopics = ({ kv }: DurableObjectStorage, id: string): boolean => kv.delete(ROW + id + TOPICS);

/** Deletes the rows of a session that has ended, or tells the log. */
export function dropRow(storage: DurableObjectStorage, id: string, place: Place): void {
  const drop = () => {
    deleteRow(storage, id);
    deleteTopics(storage, id);
  };
  attempt("the row of an ended session can't be deleted", drop, place);
}

/** The id of the session whose row comes next, or the row of its subscriptions. One at a time: all rows together may be more than the memory. */
export function nextRow(ctx: DurableObjectState, id?: string): string | undefined {
  try {
    const after = id === undefined ? {} : { startAfter: ROW + id + TOPICS };
    const [first] = ctx.storage.kv.list({ prefix: ROW, ...after, limit: 1 });
    return first?.[0].slice(ROW.length).replace(TOPICS, "");
  } catch (error) {
    // An object without SQLite has no rows. Those that can't be read are looked for again in the object's next life.
    if (!isWithoutSqlite(error)) report("onClose of a lost session can't run", error, placeOf(ctx));
  }
  return undefined;
}

/** Counts in its row that the `onClose` of a lost session is about to run. */
export function countTry({ kv }: DurableObjectStorage, id: string, kept: Kept): void {
  kept[3] = triesOf(kept) + 1;
  kv.put(ROW + id, formed(kept));
}

/** How often the `onClose` of a lost session was begun. */
export const triesOf = ([, , , tries]: Kept): number => (typeof tries === "number" ? tries : 0);

/** Whether storage threw because the object has no SQLite. */
export const isWithoutSqlite = (error: unknown): boolean =>
  /SQLite-backed|SQL is not enabled/.test(toError(error).message);
