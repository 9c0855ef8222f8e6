// Plain data: what structured clone restores unchanged.

export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

export const isPlain = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.getPrototypeOf(value) === Object.prototype;

/** Whether it is a plain object with only primitive values: a spread copies it as structured clone does. */
export function isFlat(value: unknown): value is Record<string, unknown> {
  if (!isPlain(value)) return false;
  let count = 0;
  for (const key in value) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key);
    const type = typeof descriptor?.value;
    // An accessor, and a property of the prototype, have type "undefined" too.
    if (type === "undefined" ? !descriptor?.writable : type === "function" || type === "symbol") return false;
    if (type === "object" && descriptor!.value !== null) return false;
    count++;
  }
  return Object.getOwnPropertyNames(value).length === count && Object.getOwnPropertySymbols(value).length === 0;
}
