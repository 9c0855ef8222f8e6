// Where a session object differs from the copy that the platform makes of it. Nothing of sockets here.

/** A path into the session object, such as `.members.0`, and what stands there. */
export type Difference = [path: string, value: unknown];

export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** What an object that is neither plain nor an array holds beside its properties. */
function contents(object: object): unknown {
  const bytes = ArrayBuffer.isView(object) ? object.buffer : object;
  if (bytes instanceof ArrayBuffer) return [...new Uint8Array(bytes)];
  if (Symbol.iterator in object) return [...(object as Iterable<unknown>)];
  // oxlint-disable-next-line typescript/no-base-to-string -- a pattern's text, a date's time, an error's message
  return `${String(object)} ${Number(object)}`;
}

/**
 * The first difference between an object and its copy. It tells whether a callback changed the object (against the copy
 * that is kept), and whether hibernation would (against a new one).
 *
 * @param same what counts as equal though it doesn't look so: a send channel and its copy
 * @param own reads properties as they are, so that a getter differs from the value that is its copy
 */
export function difference(
  live: unknown,
  copy: unknown,
  same: (live: object, copy: object) => boolean,
  own = false,
  path = "",
  seen = new Map<object, object>(),
): Difference | undefined {
  if (Object.is(live, copy)) return undefined;
  const differs: Difference = [path, live];
  if (!isObject(live) || !isObject(copy)) return differs;
  if (seen.has(live)) return seen.get(live) === copy ? undefined : differs;
  seen.set(live, copy);
  const prototype: unknown = Object.getPrototypeOf(live);
  if (prototype !== Object.getPrototypeOf(copy)) return same(live, copy) ? undefined : differs;
  const plain = prototype === Object.prototype || Array.isArray(live);
  const inside = plain ? undefined : difference(contents(live), contents(copy), same, own, path, seen);
  if (inside) return inside;
  const keys = Reflect.ownKeys(live);
  for (const key of keys) {
    const property = own && plain ? Reflect.getOwnPropertyDescriptor(live, key)! : undefined;
    const value: unknown = property ? (property.get ?? property.value) : Reflect.get(live, key);
    // A property that the copy lacks differs from anything.
    const kept: unknown = Object.hasOwn(copy, key) ? Reflect.get(copy, key) : seen;
    const found = difference(value, kept, same, own, `${path}.${String(key)}`, seen);
    if (found) return found;
  }
  return keys.length === Reflect.ownKeys(copy).length ? undefined : differs;
}

/** The innermost value that structured clone can't copy. */
export function uncloneable(value: unknown, path = ""): Difference {
  for (const [key, member] of Object.entries(value as object)) {
    try {
      structuredClone(member);
    } catch {
      return uncloneable(member, `${path}.${key}`);
    }
  }
  return [path, value];
}
