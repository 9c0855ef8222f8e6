// Cloudflare's prices on the Workers Paid plan, in US dollars. Read on 29 November 2026 from
//
//   https://developers.cloudflare.com/durable-objects/platform/pricing/
//   https://developers.cloudflare.com/workers/platform/pricing/
//
// docs/costs.md explains what is counted.

export const READ_ON = "29 November 2026";

interface Price {
  /** The amount that the plan includes each month. */
  readonly included: number;
  /** Usage above that is rounded up to whole units. */
  readonly unit: number;
  readonly dollars: number;
}

export const PLAN = 5;

/** An object is billed as 128 MB for as long as it is awake. */
export const GIGABYTES = 0.128;

export const PRICES = {
  /** Handshakes, and publications by HTTP. WebSocket messages don't count. */
  workerRequests: { included: 10e6, unit: 1e6, dollars: 0.3 },
  /** In milliseconds. */
  workerCpu: { included: 30e6, unit: 1e6, dollars: 0.02 },
  /** HTTP requests, calls, alarms. Twenty incoming WebSocket messages are one request. Outgoing messages are free. */
  requests: { included: 1e6, unit: 1e6, dollars: 0.15 },
  /** GB-s. */
  duration: { included: 400_000, unit: 1e6, dollars: 12.5 },
  /** A deleted row counts as a written one. */
  rowsWritten: { included: 50e6, unit: 1e6, dollars: 1 },
  rowsRead: { included: 25e9, unit: 1e6, dollars: 0.001 },
  /** GB-months of SQLite. */
  stored: { included: 5, unit: 1, dollars: 0.2 },
} satisfies Record<string, Price>;

export type Billed = keyof typeof PRICES;
export type Usage = Record<Billed, number>;

/** The cost of a month in which nothing else is billed: each kind, and the total with the plan. */
export function billOf(usage: Usage): Record<Billed | "total", number> {
  const kinds = Object.keys(PRICES) as Billed[];
  const parts = kinds.map((kind): [Billed, number] => {
    const { included, unit, dollars } = PRICES[kind];
    return [kind, Math.ceil(Math.max(usage[kind] - included, 0) / unit) * dollars];
  });
  const total = parts.reduce((sum, [, dollars]) => sum + dollars, PLAN);
  return { ...(Object.fromEntries(parts) as Record<Billed, number>), total };
}
