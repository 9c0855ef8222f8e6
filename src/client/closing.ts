// How a connection ended.
import type { ClientCloseEvent } from "./client-events.ts";

/** The data of a close event. */
export type Closing = Pick<ClientCloseEvent, "code" | "reason" | "wasClean">;

/** The connection ended without a Close frame, or there was none. */
export const LOST: Closing = { code: 1006, reason: "", wasClean: false };

/** False for 1000 and 4000 to 4499, with which an application ends the connection for good. */
export const isNoWord = ({ code }: Closing): boolean => code !== 1000 && !(code >= 4000 && code < 4500);
