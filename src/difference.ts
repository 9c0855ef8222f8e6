// Where a session object differs from the copy that the platform makes of it. Nothing of sockets here.

/** A path into the session object, such as `.members.0`, and what stands there. */
export type Difference = [path: string, value: unknown];

type Indexed = Record<PropertyKey, unknown>;

export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

export const isPlain = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.getPrototypeOf(value) === Object.prototype;

/** `Reflect.ownKeys`, measured at a third of its time. */
function keysOf(object: object): PropertyKey[] {
  const symbols = Object.getOwnPropertySymbols(object);
  const names: PropertyKey[] = Object.getOwnPropertyNames(object);
  return symbols.length > 0 ? names.concat(symbols) : names;
}

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
  const keys = keysOf(live);
  const plain = prototype === Object.prototype || Array.isArray(live);
  // A pair once met stays a pair: what was one object twice must not come back as two, nor two as one.
  if (seen?.has(live) || seen?.has(copy)) {
    return seen.get(live) === copy && seen.get(copy) === live ? undefined : ["", live];
  }
  let pairs = seen?.set(live, copy).set(copy, live);
  const differs = (a: unknown, b: unknown) =>
    difference(a, b, same, own, (pairs ??= new Map<object, object>().set(live, copy).set(copy, live)));
  if (!plain) {
    if (isOpaque(live)) return own ? undefined : ["", live];
    const inside = differs(contents(live), contents(copy));
    if (inside) return inside;
  }
  for (const key of keys) {
    const { get, set } = (own && plain && Reflect.getOwnPropertyDescriptor(live, key)) || {};
    if (get || set) return [`.${String(key)}`, get ?? set];
    const value: unknown = (live as Indexed)[key];
    if (!Object.hasOwn(copy, key)) return [`.${String(key)}`, value];
    const kept: unknown = (copy as Indexed)[key];
    if (Object.is(value, kept)) continue;
    const found = differs(value, kept);
    if (found) return [`.${String(key)}${found[0]}`, found[1]];
  }
  return keys.length === keysOf(copy).length ? undefined : ["", live];
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
