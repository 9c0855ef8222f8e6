// The page that a client runs in, and its clock.

/** Globals of browsers, which may be missing elsewhere. */
export const page = globalThis as {
  readonly navigator?: { readonly onLine?: boolean };
  readonly document?: Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> & {
    readonly hidden?: boolean;
  };
  readonly performance?: Pick<Performance, "now">;
} & Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">>;

/** Milliseconds on a clock that a change of the time of day doesn't affect. */
export const now = (): number => (page.performance ?? Date).now();
