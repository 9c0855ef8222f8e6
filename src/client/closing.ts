// How a connection has ended.
import type { ClientCloseEvent } from "./client-events.ts";

/** What a close event says. */
export type Closing = Pick<ClientCloseEvent, "code" | "reason" | "wasClean">;

/** Without a Close frame, or without a connection. */
export const LOST: Closing = { code: 1006, reason: "", wasClean: false };

/** 1000, and what stands for the application's last word, are one. */
export const isNoWord = ({ code }: Closing): boolean => code !== 1000 && !(code >= 4000 && code < 4500);
