// The Worker's log, limited for each object.
import { toError } from "./thrown.ts";

/** Where something went wrong. In the Worker, without an object, the log is not limited. */
export interface Place {
  /** The endpoint's path, or the object's name if no endpoint is concerned. */
  readonly path?: string | undefined;
  /** The same object for all that belongs to a Durable Object. */
  readonly ctx?: object;
}

/** How often an object may log the same entry, and in how many milliseconds. */
const MOST = 10;
const SPAN = 10_000;
/**
 * How many entries of an object are counted separately: clients may choose the path of a class that is not registered.
 */
const KNOWN = 100;
/** The key of all other entries. */
const OTHERS = "";

/** When an entry was last written, the oldest time first, and how many were left out since. */
interface Written {
  readonly times: number[];
  more: number;
}

const written = new WeakMap<object, Map<string, Written>>();

/** How many of an entry were left out before this one; undefined if this one is left out. */
function countOf(entry: string, ctx: object): number | undefined {
  let entries = written.get(ctx);
  if (!entries) written.set(ctx, (entries = new Map<string, Written>()));
  const key = entries.has(entry) || entries.size < KNOWN ? entry : OTHERS;
  let known = entries.get(key);
  if (!known) entries.set(key, (known = { times: [], more: 0 }));
  const { times, more } = known;
  const now = Date.now();
  if (times.length === MOST && now - times[0]! < SPAN) {
    known.more++;
    return undefined;
  }
  if (times.push(now) > MOST) times.shift();
  known.more = 0;
  return more;
}

export const placeOf = (ctx: DurableObjectState): Place => ({ path: ctx.id.name, ctx });

/** Writes an entry, unless the same one was written too often. */
export function report(what: string, error: unknown, { path, ctx }: Place = {}): void {
  const entry = `socle: ${what}${path === undefined ? "" : ` at ${path}`}`;
  const more = ctx ? countOf(entry, ctx) : 0;
  if (more === undefined) return;
  const text = more > 0 ? `${entry} (and ${more} more before):` : `${entry}:`;
  try {
    console.error(text, error);
  } catch {
    // console.error also reads causes, and throws what their getters throw.
    console.error(text, toError(error).stack);
  }
}

/** Runs an action whose failure must stop nothing else; the error is logged. */
export function attempt(what: string, action: () => unknown, place?: Place): void {
  try {
    action();
  } catch (error) {
    report(what, error, place);
  }
}
