// Converts structured-clone values to JSON and back: undefined, properties on arrays, and an object in two places
// survive.

/** The number of each member among all values; for a primitive, the value itself. */
type Node =
  | readonly [kind: "array" | "object", members: Readonly<Record<string, number>>]
  | readonly ["value", unknown?];

export function encode(value: unknown): Node[] {
  const nodes: Node[] = [];
  const places = new Map<unknown, number>();
  const place = (one: unknown): number => {
    const known = places.get(one);
    if (known !== undefined) return known;
    const index = nodes.push(one === undefined ? ["value"] : ["value", one]) - 1;
    if (typeof one !== "object" || one === null) return index;
    places.set(one, index);
    const members: Record<string, number> = {};
    nodes[index] = [Array.isArray(one) ? "array" : "object", members];
    for (const [key, member] of Object.entries(one)) members[key] = place(member);
    return index;
  };
  place(value);
  return nodes;
}

export function decode(nodes: readonly Node[]): unknown {
  const made: unknown[] = nodes.map((node) => (node[0] === "value" ? node[1] : node[0] === "array" ? [] : {}));
  for (const [index, node] of nodes.entries()) {
    if (node[0] === "value") continue;
    for (const [key, place] of Object.entries(node[1])) Reflect.set(made[index] as object, key, made[place]);
  }
  return made[0];
}
