// Values that decoders such as CBOR or MessagePack make from a client's message. They are described in JSON, built from
// the description, and compared by a digest.

/** The description of a value. */
export type Node =
  | string
  | number
  | boolean
  | null
  | { kind: "undefined" | "cycle" }
  | { kind: "bigint"; digits: string }
  | { kind: "date"; time: number }
  | { kind: "pattern" | "error"; text: string }
  | { kind: "bytes"; type: Typed; length: number; before: number }
  | { kind: "sparse"; length: number }
  | { kind: "array" | "set"; members: Node[] }
  | { kind: "object" | "map"; entries: [key: string, member: Node][] }
  | { kind: "nested"; within: "array" | "object" | "map" | "set"; levels: number; member: Node }
  | { kind: "twice"; member: Node };

export type Typed = "ArrayBuffer" | "DataView" | "Uint8Array" | "Uint16Array" | "Float64Array" | "BigInt64Array";

/** A key such as "__proto__" also becomes an own property of the object. */
const objectOf = (entries: readonly (readonly [string, unknown])[]): object => Object.fromEntries(entries);

const wrap = {
  array: (value: unknown) => [value],
  object: (value: unknown) => ({ v: value }),
  map: (value: unknown) => new Map([["v", value]]),
  set: (value: unknown) => new Set([value]),
};

function bytesOf(type: Typed, length: number, before: number): object {
  const buffer = new Uint8Array(before + length).fill(7).buffer;
  if (type === "ArrayBuffer") return buffer;
  const View = globalThis[type] as Uint8ArrayConstructor;
  return new View(buffer, before);
}

export function build(node: Node): unknown {
  if (typeof node !== "object" || node === null) return node;
  switch (node.kind) {
    case "undefined":
      return undefined;
    case "cycle": {
      const cycle: unknown[] = [];
      cycle.push(cycle);
      return cycle;
    }
    case "bigint":
      return BigInt(node.digits);
    case "date":
      return new Date(node.time);
    case "pattern":
      return new RegExp(node.text);
    case "error":
      return new TypeError(node.text);
    case "bytes":
      return bytesOf(node.type, node.length * 8, node.before * 8);
    case "sparse": {
      const array: unknown[] = [1];
      array.length = node.length;
      return array;
    }
    case "array":
      return node.members.map(build);
    case "set":
      return new Set(node.members.map(build));
    case "object":
      return objectOf(node.entries.map(([key, member]) => [key, build(member)]));
    case "map":
      return new Map(node.entries.map(([key, member]) => [key, build(member)]));
    case "nested": {
      let value = build(node.member);
      for (let level = 0; level < node.levels; level++) value = wrap[node.within](value);
      return value;
    }
    case "twice": {
      const member = build(node.member);
      return [member, member];
    }
    default:
      throw new TypeError(`No description of a value: ${JSON.stringify(node)}`);
  }
}

/** A number that is the same for equal values of any depth, and mostly different for others. */
export function digest(value: unknown): number {
  let hash = 0;
  const add = (text: string) => {
    for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  };
  const seen = new Map<object, number>();
  const left: unknown[] = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== "object" || next === null) {
      add(`${typeof next} ${Object.is(next, -0) ? "-0" : String(next)}`);
      continue;
    }
    const place = seen.get(next);
    add(`${Object.prototype.toString.call(next)} ${place}`);
    if (place !== undefined) continue;
    seen.set(next, seen.size);
    if (next instanceof Set) left.push(...next);
    else if (next instanceof Map) left.push(...next.keys(), ...next.values());
    else if (ArrayBuffer.isView(next)) add(`${next.byteOffset} ${next.byteLength}`);
    else if (next instanceof ArrayBuffer) add(String(next.byteLength));
    else if (next instanceof Date) add(String(next.getTime()));
    else if (next instanceof Error || next instanceof RegExp) add(String(next));
    else {
      if (Array.isArray(next)) add(String(next.length));
      for (const key of Object.keys(next)) left.push(key, (next as Record<string, unknown>)[key]);
    }
  }
  return hash;
}
