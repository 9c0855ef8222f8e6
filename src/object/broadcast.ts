// Sends a payload to many sessions of an object.
import type { CloseReason } from "../api/close-reason.ts";
import type { Session } from "../api/session.ts";
import { report, type Place } from "../reporting/log.ts";
import { checkData, settle } from "../sending/data.ts";
import { sendsItself, wsSendAsync, type Payload } from "../sending/payload.ts";
import type { Slices } from "../sending/slices.ts";
import { idsOf } from "../session/excepted.ts";
import type { ServerSession } from "../session/session.ts";
import type { Turns } from "../session/turns.ts";

/** The options of {@link Endpoint.broadcast}. */
export interface BroadcastOptions {
  /** The sessions that do not receive the payload, or their ids. */
  except?: Session | string | Iterable<Session | string>;
  /** Only the sessions with this tag receive the payload. */
  tag?: string;
}

/** The sessions of an object. */
export interface Audience {
  readonly ctx: DurableObjectState;
  readonly slices: Slices;
  readonly turns: Turns;
  /** The open sessions, or those of them that have a tag. */
  all(tag?: string): ServerSession[];
  known(socket: WebSocket): ServerSession | undefined;
  /** Stores and sends the publications of this turn. */
  flush(): void;
}

/**
 * Sends to the open sessions, outside their send channels; to many in slices.
 *
 * @returns the number of receivers
 * @throws {@link PayloadError} for anything but a payload
 */
export function broadcast(sessions: Audience, payload: Payload, { except, tag }: BroadcastOptions): number {
  const sends = sendsItself(payload);
  if (!sends) checkData(payload);
  // Earlier publications are sent first.
  sessions.flush();
  const excepted = idsOf(except);
  const receivers = sessions.all(tag).filter(({ id }) => !excepted.has(id));
  const { slices } = sessions;
  const isDivided = slices.divides(receivers.length);
  // A payload that is sent later, in a slice or after a callback's change is stored, has the bytes of the call.
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

/** Closes all open sessions. @returns how many it closed */
export function closeAll(sessions: Audience, reason: CloseReason): number {
  const all = sessions.all();
  for (const session of all) session.close(reason);
  return all.length;
}
