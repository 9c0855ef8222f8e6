// `version`, `migrateSession`: sessions that were kept by other code. What else of an endpoint they hang on is told with the version.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import type { SessionFacts } from "../hibernation/facts.ts";
import { FUNCTION, isWhole } from "./check.ts";
import { isFlowControlled } from "./flow-control/flow-session.ts";
import type { Option } from "./option.ts";

export const version = {
  checks: { version: ["a whole number from 0", isWhole(0)], migrateSession: FUNCTION },
} as const satisfies Option<"version" | "migrateSession">;

/** What of an endpoint a kept session hangs on beside its version: a letter each. */
const CODEC = "c";
const FLOW = "f";
/** Its sessions don't hibernate, so a socket that did is of other code. */
const MEMORY = "m";
/** Its clients may speak `socle.v1` by `topics`. */
const TOPICS = "p";
/** Its sessions are in shards. */
const SHARDED = "s";
/** Its sessions have rows. */
const TRACKED = "t";
/** The class is not registered at the path: it was reached past the router. */
const UNREGISTERED = "u";

export const GONE = "its path is not registered: register it while the Worker's module loads";

/**
 * The version of an endpoint, and on which of its options a kept session hangs: one text, to be compared at once. Behind a space stands
 * what the platform answers by itself, as a sum.
 */
export function madeBy(config: EndpointConfig): string {
  const { version: number = 0, serializeSession, flowControl, hibernate, topics, shards, trackSessions } = config;
  const { autoResponse } = config;
  const letters = `${serializeSession ? CODEC : ""}${flowControl ? FLOW : ""}${hibernate ? "" : MEMORY}${topics ? TOPICS : ""}${shards ? SHARDED : ""}${trackSessions ? TRACKED : ""}`;
  return `${number}${letters}${autoResponse ? ` ${sumOf(JSON.stringify(autoResponse))}` : ""}`;
}

/** Two texts of up to 4 kB would be copied with each change of a session object. */
function sumOf(text: string): number {
  let sum = 0;
  for (const character of text) sum = (Math.imul(sum, 31) + character.codePointAt(0)!) | 0;
  return sum;
}

/** Of a class that is not registered at the path. */
export const unregistered = (made: string): string => made.replace(/^\d+/, `$&${UNREGISTERED}`);

const lettersOf = (made: string): string => made.split(" ", 1)[0]!;

/** What the platform is to answer, as it was when a session was made. */
export const answerOf = (made: string): string => made.slice(lettersOf(made).length);

export const isTracked = (made: string): boolean => lettersOf(made).includes(TRACKED);

export const versionOf = (made: string): number => Number.parseInt(made);

/** What a session was made by. 0.1.0, which had no shards, did not keep it: what its facts don't tell counts as what it is now. */
export function formerOf({ made, negotiatedSubprotocol }: SessionFacts, now: string): string {
  if (made !== undefined) return made;
  const others = lettersOf(now).replace(/\d+|[fms]/g, "");
  return `0${others}${isFlowControlled(negotiatedSubprotocol) || lettersOf(now).includes(FLOW) ? FLOW : ""}${answerOf(now)}`;
}

/** Why a session that was made by other code can't go on; undefined if it can. */
export function obstacle(former: string, now: string, migrates: boolean): string | undefined {
  const changed = (letter: string): string | undefined => {
    const has = lettersOf(now).includes(letter);
    return has === lettersOf(former).includes(letter) ? undefined : has ? "was added" : "was removed";
  };
  const [from, to] = [versionOf(former), versionOf(now)];
  if (lettersOf(now).includes(UNREGISTERED) && changed(UNREGISTERED)) return GONE;
  if (changed(MEMORY)) return "hibernate is now false";
  // Without its root nothing that is for the path would reach it.
  if (changed(SHARDED)) return `shards ${changed(SHARDED)}`;
  if (changed(FLOW)) return `flowControl ${changed(FLOW)}`;
  if (from !== to)
    return migrates ? undefined : `its version is ${from}, the endpoint's is ${to}, and migrateSession is missing`;
  return changed(CODEC) && `serializeSession ${changed(CODEC)}, but version is the same`;
}
