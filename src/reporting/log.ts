// The Worker's log: what went wrong and where, bounded for each object. Nobody else is told.
import { toError } from "./thrown.ts";

/** Where something went wrong. What has no object, in the Worker, is not bounded. */
export interface Place {
  /** The endpoint's path, or the object's name where no endpoint is concerned. */
  readonly path?: string | undefined;
  /** One and the same for all that is of an object. */
  readonly ctx?: object;
}

/** How often the same entry of an object stands in the log, and in which time in milliseconds. */
const MOST = 10;
const SPAN = 10_000;
/** How many entries of an object have a count of their own: clients may choose the path of a class that is registered nowhere. */
const KNOWN = 100;
/** In place of all others. */
const OTHERS = "";

/** When an entry was written last, the oldest first, and how many more there were since. */
interface Written {
  readonly times: number[];
  more: number;
}

const written = new WeakMap<object, Map<string, Written>>();

/** How many more of an entry there were before this one; undefined if this is one of those. */
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

/** Writes an entry, if the same one has not been there too often. */
export function report(what: string, error: unknown, { path, ctx }: Place = {}): void {
  const entry = `socle: ${what}${path === undefined ? "" : ` at ${path}`}`;
  const more = ctx ? countOf(entry, ctx) : 0;
  if (more === undefined) return;
  const text = more > 0 ? `${entry} (and ${more} more before):` : `${entry}:`;
  try {
    console.error(text, error);
  } catch {
    // It reads the causes too, and throws what their getters throw.
    console.error(text, toError(error).stack);
  }
}

/** Does what must stop nothing else if it fails: the log is told. */
export function attempt(what: string, action: () => unknown, place?: Place): void {
  try {
    action();
  } catch (error) {
    report(what, error, place);
  }
}
