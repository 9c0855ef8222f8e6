// The setting of the option `rateLimit`.

/**
 * How often messages may come: `{ messages: 20, perMs: 10_000 }` lets twenty come at once, and then one each half
 * second. Both are whole numbers from 1.
 */
export interface RateLimit {
  /** How many may come at once. */
  messages: number;
  /** In how many milliseconds as many more may come, evenly. */
  perMs: number;
}
