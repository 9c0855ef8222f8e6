// The settings of the option `shards`.

/** How the sessions of a path are divided over objects. */
export interface ShardSettings {
  /** The maximum number of objects that hold sessions of a path, from 1 to 64. */
  readonly max: number;
  /**
   * How many sessions each shard in use holds before Socle uses more shards, from 1 to 32,768, which is the platform's
   * limit; 2,000 if absent. When all of them hold that many, they share further sessions.
   */
  readonly sessions?: number;
}
