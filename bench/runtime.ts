// Stands in for `cloudflare:workers` without the runtime. Nothing in it does anything.
export class DurableObject {
  readonly ctx: unknown;
  readonly env: unknown;

  constructor(ctx: unknown, env: unknown) {
    this.ctx = ctx;
    this.env = env;
  }
}

// oxlint-disable-next-line typescript/no-extraneous-class -- it is there to be extended
export class WorkerEntrypoint {}

export const exports = {};
export const env = {};
