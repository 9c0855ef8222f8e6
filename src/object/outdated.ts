// Sessions that other code has kept, before a deploy or a rollback: which of them go on, and how the others end.
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

/** What it needs of the object's sessions. */
interface Host {
  readonly ctx: DurableObjectState;
  readonly env: unknown;
  readonly onEvent: EventListener;
}

/** Of its options it has none. What a client of `socle.v1` offered is called as it was. */
const LAST = wayOf([
  {
    join: (session) => void Object.assign(session, { negotiatedSubprotocol: plainName(session.negotiatedSubprotocol) }),
  },
]);

/** The log is told of so many paths and causes. */
const MOST = 100;

export class Outdated {
  readonly #host: Host;
  /** What the log has been told: of a thousand sessions it is once. */
  readonly #told = new Set<string>();
  /** The paths that were registered, and are no more. */
  readonly #gone: Record<string, Served> = {};

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Whether a session that other code has kept can go on.
   *
   * @param definition of its path; undefined if that is gone
   * @returns what it is served by, and what becomes of it: it is renewed, or it ends
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
    // What its heartbeat is, and the answer that it doesn't count, a client of `socle.v1` was told as it came.
    const isOnWire = isFlowControlled(facts.negotiatedSubprotocol);
    const pair = definition?.config.autoResponse;
    // What an endpoint has by itself no client of before sends, which was told of none.
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

  /** A session that can't go on is told of: its `onClose` is to get undefined, and no other callback anything. */
  announce(session: ServerSession, error: SessionVersionError): undefined {
    session.object.isRead = true;
    session.object.value = undefined;
    this.#report(error, session);
    session.tell({ type: "error", session, error });
  }

  /** Of a session that can't be read at all: the log and the containers' listeners are told. */
  tell(error: SessionVersionError): void {
    const { ctx, env, onEvent } = this.#host;
    this.#report(error, placeOf(ctx));
    tellOf(onEvent, { type: "unreadable", id: ctx.id, error }, env, placeOf(ctx));
  }

  #report(error: SessionVersionError, place: Place): void {
    const entry = `${place.path}: ${error.message}`;
    // A class that is registered nowhere has as many paths as its clients choose.
    if (this.#told.has(entry) || this.#told.size === MOST) return;
    this.#told.add(entry);
    report("sessions saved by other code can't continue", error, place);
  }
}

/** An endpoint as it ends a session: it has the callbacks and no part of an option, and leaves no row. */
const lastOf = ({ config, ...served }: Served, hasRow: boolean): Served => ({
  ...served,
  config: amended(config, { hibernate: true, trackSessions: hasRow }),
  way: LAST,
  wayOf: () => LAST,
});
