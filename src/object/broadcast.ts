// A payload for many sessions of an object.
import type { Session } from "../api/session.ts";
import { report, type Place } from "../reporting/log.ts";
import { checkData, settle } from "../sending/data.ts";
import { sendsItself, wsSendAsync, type Payload } from "../sending/payload.ts";
import { idsOf } from "../session/excepted.ts";
import type { Sessions } from "./sessions.ts";

/** What {@link Endpoint.broadcast} takes beside the payload. */
export interface BroadcastOptions {
  /** Sessions that are not to get it, or their ids. */
  except?: Session | string | Iterable<Session | string>;
  /** Only the sessions with this tag get it. */
  tag?: string;
}

/**
 * Sends to the open sessions, past their send channels.
 *
 * @returns how many it went to
 * @throws {@link PayloadError} for what is no payload
 */
export function broadcast(sessions: Sessions, payload: Payload, { except, tag }: BroadcastOptions): number {
  const sends = sendsItself(payload);
  if (!sends) checkData(payload);
  // What was published before comes before.
  sessions.flush();
  // What waits until a callback's change is kept waits in each session.
  const data = sends || !sessions.turns.isHolding() ? payload : settle(payload);
  const missed = (error: unknown, session: Place) => report("a broadcast missed a session", error, session);
  const excepted = idsOf(except);
  let reached = 0;
  for (const session of sessions.all(tag)) {
    const { asyncRemote, id } = session;
    if (excepted.has(id)) continue;
    try {
      if (sends) {
        const sending = wsSendAsync(payload, asyncRemote);
        sessions.ctx.waitUntil(sending.then((result) => result === "success" || missed(result, session)));
      } else void asyncRemote.send(data);
      reached++;
    } catch (error) {
      missed(error, session);
    }
  }
  return reached;
}
