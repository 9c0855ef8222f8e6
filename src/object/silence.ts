// Closes the sessions of an object whose timeout is due.
import { readLimits } from "../hibernation/attached.ts";
import type { SessionFacts } from "../hibernation/facts.ts";
import { limitsOf, renewLimits, type Limits } from "../hibernation/limits.ts";
import { dueTime, hasTimeout, isUnderWay } from "../options/timeouts.ts";
import type { ServerSession } from "../session/session.ts";
import type { Served } from "../session/way.ts";

/** The part of the object's sessions that is needed. */
interface Host {
  readonly ctx: DurableObjectState;
  readonly known: ReadonlyMap<WebSocket, ServerSession>;
  readonly definition: (path: string) => Served | undefined;
  /** Creates the session of a socket, without its session object. */
  find(socket: WebSocket): ServerSession | undefined;
}

/**
 * Closes them without waking the others.
 *
 * @returns when to look again; undefined if no session has a timeout
 */
export function closeSilent(host: Host, now: number): number | undefined {
  const { ctx, known } = host;
  let next = Infinity;
  for (const socket of new Set([...known.keys(), ...ctx.getWebSockets()])) {
    const session = known.get(socket);
    if (session && !session.asyncRemote.isReady) continue;
    const limits = session ? session.limits : limitsAt(host, socket);
    if (!limits || !hasTimeout(limits)) continue;
    const due = dueTime(limits, ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0);
    if (due > now) next = Math.min(next, due);
    else host.find(socket)?.close(1001);
  }
  return next < Infinity ? next : undefined;
}

/** The limits of a session, which doesn't wake for this. */
function limitsAt(host: Host, socket: WebSocket): Limits | undefined {
  try {
    const [facts, limits] = readLimits(socket) ?? [];
    if (!facts) return undefined;
    const config = host.definition((JSON.parse(facts) as SessionFacts).path)?.config;
    const now = config && (limits ? renewLimits(config, limits) : limitsOf(config));
    if (now && isUnderWay(now)) return now;
    // The previous code had no such timeout: it starts now.
    const session = host.find(socket);
    session?.sent();
    session?.heard();
    return session?.limits;
  } catch {
    // A session that can't be read is closed. Some have their facts in a row.
    return host.find(socket)?.limits;
  }
}
