// `shards`: over how many objects the sessions of a path are divided.

/** How the sessions of a path are divided over objects. */
export interface ShardSettings {
  /** The most objects that have sessions of a path, from 1 to 64. */
  readonly max: number;
  /**
   * How many sessions each of the shards in use has before more are used, from 1 to 32,768, which is the platform's limit; 2,000 if
   * absent. Where all have so many, they share what comes.
   */
  readonly sessions?: number;
}
