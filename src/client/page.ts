// The page that a client is in, and its clock.

/** What browsers have, and what may be missing elsewhere. */
export const page = globalThis as {
  readonly navigator?: { readonly onLine?: boolean };
  readonly document?: Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> & {
    readonly hidden?: boolean;
  };
  readonly performance?: Pick<Performance, "now">;
} & Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">>;

/** In milliseconds, by a clock that the time of day doesn't move. */
export const now = (): number => (page.performance ?? Date).now();
