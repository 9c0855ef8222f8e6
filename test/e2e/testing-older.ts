// Stands for `cloudflare:test` of `@cloudflare/vitest-pool-workers` before 0.16.20, which had no `evictDurableObject`.
export const runInDurableObject = (): void => {};
