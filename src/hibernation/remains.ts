// What is left of a session that hibernated.
import type { Limits } from "./limits.ts";
import type { Kept } from "./row.ts";

/** What was found in an attachment. */
export interface Remains {
  readonly facts: string;
  /** Absent for one whose session object nobody has asked for. */
  readonly kept?: Kept | undefined;
  readonly limits?: Limits | undefined;
  readonly isLarge?: boolean;
  /** What it is subscribed to, as a text; true if that is in its row. */
  readonly subscriptions?: string | true | undefined;
  /** It was kept by other code of the endpoint. */
  readonly renewal?: Renewal | undefined;
}

/** What becomes of a session that other code has kept, once its object is read. */
export interface Renewal {
  /** The version under which it was kept, if that is another. */
  readonly from: number | undefined;
  /** Its facts, as this code would have kept them. */
  readonly facts: string;
  /** It has a row; and it is to have one. */
  readonly trackSessions: boolean;
  readonly tracks: boolean;
}
