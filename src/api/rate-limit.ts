// The value of the option `rateLimit`.

/**
 * How many messages a client may send in a time. With `{ messages: 20, perMs: 10_000 }` a client may send twenty at
 * once, and then one every half second. Both are whole numbers from 1.
 */
export interface RateLimit {
  /** How many messages may arrive at once. */
  messages: number;
  /** The milliseconds over which the same number of further messages may arrive, evenly spread. */
  perMs: number;
}
