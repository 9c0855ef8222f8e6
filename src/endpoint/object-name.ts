// The names of objects under an endpoint that has `shards`: that of a root, and those of its shards behind a "#".

/** The name of an object under an endpoint that has `shards`. */
export interface ObjectName {
  /** The name of the root: a concrete path, or what `instance` has returned. It has no "#". */
  readonly root: string;
  /** The number of the shard; undefined for the root itself. */
  readonly shard: number | undefined;
}

/** The name of a root's shard. */
export const shardName = (root: string, shard: number): string => `${root}#${shard}`;

/** Takes a name apart. Elsewhere than under `shards` a "#" means nothing, and this is not to be asked. */
export function parseName(name: string): ObjectName {
  const [, root, shard] = /^([^#]+)#(\d|[1-5]\d|6[0-3])$/.exec(name) ?? [];
  return root === undefined ? { root: name, shard: undefined } : { root, shard: Number(shard) };
}
