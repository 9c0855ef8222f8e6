// The names of objects under an endpoint with `shards`: the root's name, and those of its shards, which add "#" and a
// number.

/** The parsed name of such an object. */
export interface ObjectName {
  /** The name of the root: a concrete path, or what `instance` returned. It contains no "#". */
  readonly root: string;
  /** The number of the shard; undefined for the root itself. */
  readonly shard: number | undefined;
}

export const shardName = (root: string, shard: number): string => `${root}#${shard}`;

/** Parses a name. Only for endpoints with `shards`: elsewhere a "#" has no meaning. */
export function parseName(name: string): ObjectName {
  const [, root, shard] = /^([^#]+)#(\d|[1-5]\d|6[0-3])$/.exec(name) ?? [];
  return root === undefined ? { root: name, shard: undefined } : { root, shard: Number(shard) };
}
