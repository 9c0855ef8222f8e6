// What `cloudflare:test` had in `@cloudflare/vitest-pool-workers` before 0.16.20, as far as it matters: no `evictDurableObject`.
export const runInDurableObject = (): void => {};
