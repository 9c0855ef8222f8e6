// The remains of a session that hibernated.
import type { Limits } from "./limits.ts";
import type { Kept } from "./row.ts";

/** What was read from an attachment. */
export interface Remains {
  readonly facts: string;
  /** Absent if the session object has not been needed. */
  readonly kept?: Kept | undefined;
  readonly limits?: Limits | undefined;
  readonly isLarge?: boolean;
  /** Its subscriptions as a text; true if they are in a row. */
  readonly subscriptions?: string | true | undefined;
  /** Set if other code of the endpoint kept it. */
  readonly renewal?: Renewal | undefined;
}

/** How to renew a session that other code kept, once its session object is read. */
export interface Renewal {
  /** The version under which it was kept, if it differs. */
  readonly from: number | undefined;
  /** Its facts, as this code would have kept them. */
  readonly facts: string;
  /** Whether it has a row, and whether it needs one now. */
  readonly trackSessions: boolean;
  readonly tracks: boolean;
}
