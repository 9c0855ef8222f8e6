// Sessions that other code has kept, before a deploy or a rollback: which of them continue, and how the others end.
import type { EventListener } from "../api/container-event.ts";
import { SessionVersionError } from "../api/errors.ts";
import { amended, define } from "../endpoint/definition.ts";
import type { SessionFacts } from "../hibernation/facts.ts";
import type { Renewal } from "../hibernation/remains.ts";
import { answerBy, isHeartbeat } from "../options/auto-response.ts";
import { isFlowControlled, plainName, speaks } from "../options/flow-control/flow-session.ts";
import { answerOf, formerOf, GONE, isTracked, obstacle, versionOf } from "../options/version.ts";
import { tellOf } from "../reporting/listener.ts";
import { placeOf, report, type Place } from "../reporting/log.ts";
import type { ServerSession } from "../session/session.ts";
import { wayOf, type Served } from "../session/way.ts";

/** The part of the object's sessions that is needed. */
interface Host {
  readonly ctx: DurableObjectState;
  readonly env: unknown;
  readonly onEvent: EventListener;
}

/**
 * The way of a session that can't continue: it has no part of an option. Its negotiatedSubprotocol stays the
 * application's name.
 */
const LAST = wayOf([
  {
    join: (session) => void Object.assign(session, { negotiatedSubprotocol: plainName(session.negotiatedSubprotocol) }),
  },
]);

/** How many pairs of path and cause are logged at most. */
const MOST = 100;

export class Outdated {
  readonly #host: Host;
  /** What was logged already: a thousand sessions with the same cause are logged once. */
  readonly #told = new Set<string>();
  /** The paths that were registered before and are not any more. */
  readonly #gone: Record<string, Served> = {};

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Checks whether a session that other code has kept can continue.
   *
   * @param definition the endpoint of its path; undefined if that is gone
   * @returns the endpoint that serves it, and either its renewal or the error with which it ends
   */
  look(
    facts: SessionFacts,
    definition: Served | undefined,
  ): readonly [Served, Renewal | undefined, SessionVersionError?] {
    const { ctx, onEvent } = this.#host;
    const { made = "" } = definition ?? {};
    const former = formerOf(facts, made);
    const why = definition ? obstacle(former, made, Boolean(definition.config.migrateSession)) : GONE;
    const answers = answerOf(former) === answerOf(made);
    // A client of `socle.v1` was told its heartbeat, and the answer that it doesn't count, when it connected.
    const isOnWire = isFlowControlled(facts.negotiatedSubprotocol);
    const pair = definition?.config.autoResponse;
    // A client that was told no heartbeat never sends the one that an endpoint has by default.
    const isNew = answerOf(former) === "" && pair && isHeartbeat(pair);
    const isMisled = !answers && !isNew && isOnWire;
    const isMute = definition && isOnWire && !speaks(definition.config);
    if (why ?? (isMisled || isMute)) {
      const cause =
        why ?? (isMute ? "its client uses topics, which was removed" : "its client knows another autoResponse");
      const error = new SessionVersionError(`Other code saved the session: ${cause}.`);
      const { path } = facts;
      const served =
        why === GONE ? (this.#gone[path] ??= { ...define(path, {}, false), callbacks: {}, onEvent }) : definition!;
      return [lastOf(served, isTracked(former)), undefined, error];
    }
    if (!answers) answerBy(ctx, pair);
    const from = versionOf(former);
    const renewal = {
      from: from === versionOf(made) ? undefined : from,
      facts: JSON.stringify({ ...facts, made }),
      trackSessions: isTracked(former),
      tracks: isTracked(made),
    };
    return [definition!, renewal];
  }

  /** Reports a session that can't continue. Its `onClose` gets undefined, and no other callback runs. */
  announce(session: ServerSession, error: SessionVersionError): undefined {
    session.object.isRead = true;
    session.object.value = undefined;
    this.#report(error, session);
    session.tell({ type: "error", session, error });
  }

  /** Reports a session that can't be read at all, to the log and to the containers' listeners. */
  tell(error: SessionVersionError): void {
    const { ctx, env, onEvent } = this.#host;
    this.#report(error, placeOf(ctx));
    tellOf(onEvent, { type: "unreadable", id: ctx.id, error }, env, placeOf(ctx));
  }

  #report(error: SessionVersionError, place: Place): void {
    const entry = `${place.path}: ${error.message}`;
    // A class that is not registered has as many paths as its clients choose.
    if (this.#told.has(entry) || this.#told.size === MOST) return;
    this.#told.add(entry);
    report("sessions saved by other code can't continue", error, place);
  }
}

/** The endpoint for ending a session: it has the callbacks and no part of an option, and leaves no row. */
const lastOf = ({ config, ...served }: Served, hasRow: boolean): Served => ({
  ...served,
  config: amended(config, { hibernate: true, trackSessions: hasRow }),
  way: LAST,
  wayOf: () => LAST,
});
