// A payload for many sessions of an object.
import type { CloseReason } from "../api/close-reason.ts";
import type { Session } from "../api/session.ts";
import { report, type Place } from "../reporting/log.ts";
import { checkData, settle } from "../sending/data.ts";
import { sendsItself, wsSendAsync, type Payload } from "../sending/payload.ts";
import type { Slices } from "../sending/slices.ts";
import { idsOf } from "../session/excepted.ts";
import type { ServerSession } from "../session/session.ts";
import type { Turns } from "../session/turns.ts";

/** What {@link Endpoint.broadcast} takes beside the payload. */
export interface BroadcastOptions {
  /** Sessions that are not to get it, or their ids. */
  except?: Session | string | Iterable<Session | string>;
  /** Only the sessions with this tag get it. */
  tag?: string;
}

/** The sessions of an object. */
export interface Audience {
  readonly ctx: DurableObjectState;
  readonly slices: Slices;
  readonly turns: Turns;
  /** Those that are open, or that have a tag. */
  all(tag?: string): ServerSession[];
  known(socket: WebSocket): ServerSession | undefined;
  /** Has what was published in this turn kept and sent. */
  flush(): void;
}

/**
 * Sends to the open sessions, past their send channels: to many in slices.
 *
 * @returns how many it went to, or is to go to
 * @throws {@link PayloadError} for what is no payload
 */
export function broadcast(sessions: Audience, payload: Payload, { except, tag }: BroadcastOptions): number {
  const sends = sendsItself(payload);
  if (!sends) checkData(payload);
  // What was published before comes before.
  sessions.flush();
  const excepted = idsOf(except);
  const receivers = sessions.all(tag).filter(({ id }) => !excepted.has(id));
  const { slices } = sessions;
  const isDivided = slices.divides(receivers.length);
  // What waits for its slice, or in a session until a callback's change is kept, is what it was at the call.
  const data = sends || !(isDivided || sessions.turns.isHolding()) ? payload : settle(payload);
  const missed = (error: unknown, session: Place) => report("a broadcast missed a session", error, session);
  const send = (session: ServerSession): boolean => {
    const { asyncRemote } = session;
    try {
      if (sends) {
        const sending = wsSendAsync(payload, asyncRemote);
        sessions.ctx.waitUntil(sending.then((result) => result === "success" || missed(result, session)));
      } else void asyncRemote.send(data);
      return true;
    } catch (error) {
      missed(error, session);
      return false;
    }
  };
  if (!isDivided) return receivers.filter(send).length;
  slices.add(new Set(receivers.map(({ webSocket }) => webSocket)), (socket) => {
    const session = sessions.known(socket);
    if (session?.isOpen) send(session);
  });
  return receivers.length;
}

/** Closes all that are open. @returns how many that were */
export function closeAll(sessions: Audience, reason: CloseReason): number {
  const all = sessions.all();
  for (const session of all) session.close(reason);
  return all.length;
}
