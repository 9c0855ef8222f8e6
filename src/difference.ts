// Where a session object differs from the copy that the platform makes of it. Nothing of sockets here.

/** A path into the session object, such as `.members.0`, and what stands there. */
export type Difference = [path: string, value: unknown];

type Indexed = Record<PropertyKey, unknown>;

export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

export const isPlain = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.getPrototypeOf(value) === Object.prototype;

/** What an object that is neither plain nor an array holds beside its properties. */
function contents(object: object): unknown {
  if (ArrayBuffer.isView(object)) {
    return [object.byteOffset, object.byteLength, ...new Uint8Array(object.buffer)];
  }
  if (object instanceof ArrayBuffer) return [...new Uint8Array(object)];
  if (Symbol.iterator in object) return [...(object as Iterable<unknown>)];
  // oxlint-disable-next-line typescript/no-base-to-string -- a pattern's text, a date's time, an error's message
  return `${String(object)} ${Number(object)}`;
}

/** What can be neither read nor changed at once: it counts as another each time. */
const isOpaque = (object: object): boolean => object instanceof Blob || object instanceof Request;

const pair = (live: object, copy: object) => new Map<object, object>().set(live, copy).set(copy, live);

/**
 * The first difference between an object and its copy. It tells whether a callback changed the object (against the copy
 * that is kept), and whether hibernation would (against a new one). Without one, which is what each message sees, it
 * makes nothing but the lists of keys, and the map of pairs where an object holds another.
 *
 * @param same what counts as equal though it doesn't look so: a send channel and its copy
 * @param own reads properties as they are, so that a getter differs from the value that is its copy
 */
export function difference(
  live: unknown,
  copy: unknown,
  same: (live: object, copy: object) => boolean,
  own = false,
  seen?: Map<object, object>,
): Difference | undefined {
  if (Object.is(live, copy)) return undefined;
  if (!isObject(live) || !isObject(copy)) return ["", live];
  const prototype: unknown = Object.getPrototypeOf(live);
  if (prototype !== Object.getPrototypeOf(copy)) return same(live, copy) ? undefined : ["", live];
  // `Reflect.ownKeys` takes three times as long as names and symbols apart.
  const keys = Object.getOwnPropertyNames(live);
  const plain = isPlain(live) || Array.isArray(live);
  // A pair once met stays a pair: what was one object twice must not come back as two, nor two as one.
  if (seen?.has(live) || seen?.has(copy)) {
    return seen.get(live) === copy && seen.get(copy) === live ? undefined : ["", live];
  }
  seen?.set(live, copy).set(copy, live);
  if (!plain) {
    if (isOpaque(live)) return own ? undefined : ["", live];
    const inside = difference(contents(live), contents(copy), same, own, (seen ??= pair(live, copy)));
    if (inside) return inside;
  }
  for (const key of keys) {
    const { get, set } = (own && plain && Reflect.getOwnPropertyDescriptor(live, key)) || {};
    if (get || set) return [`.${key}`, get ?? set];
    const value: unknown = (live as Indexed)[key];
    const kept: unknown = (copy as Indexed)[key];
    if (Object.is(value, kept) && Object.hasOwn(copy, key)) continue;
    if (!isObject(value) || !isObject(kept)) return [`.${key}`, value];
    const found = difference(value, kept, same, own, (seen ??= pair(live, copy)));
    if (found) return [`.${key}${found[0]}`, found[1]];
  }
  // A copy has none.
  const [symbol] = Object.getOwnPropertySymbols(live);
  if (symbol) return [`.${String(symbol)}`, (live as Indexed)[symbol]];
  return keys.length === Object.getOwnPropertyNames(copy).length ? undefined : ["", live];
}

/**
 * The first property that a copy lacks or changes, or of which there can be no copy.
 *
 * @param copy makes the copy by structured clone
 */
export function loss(
  value: unknown,
  copy: () => unknown,
  same: (live: object, copy: object) => boolean = () => false,
): Difference | undefined {
  let copied: unknown;
  try {
    copied = copy();
  } catch (error) {
    if ((error as Error | undefined)?.name === "DataCloneError") return uncloneable(value);
    throw error;
  }
  return difference(value, copied, same, true);
}

/** The innermost value that structured clone can't copy. */
function uncloneable(value: unknown, path = "", seen = new Set([value])): Difference {
  for (const [key, member] of Object.entries(value as object)) {
    try {
      structuredClone(member);
    } catch {
      if (!seen.has(member)) return uncloneable(member, `${path}.${key}`, seen.add(member));
    }
  }
  return [path, value];
}
