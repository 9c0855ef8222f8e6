// `version`, `migrateSession`: sessions that other code kept. The version is kept together with the options on which a
// session depends.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import type { SessionFacts } from "../hibernation/facts.ts";
import { FUNCTION, isWhole } from "./check.ts";
import { isFlowControlled } from "./flow-control/flow-session.ts";
import type { Option } from "./option.ts";

export const version = {
  checks: { version: ["a whole number from 0", isWhole(0)], migrateSession: FUNCTION },
} as const satisfies Option<"version" | "migrateSession">;

/** A letter for each option on which a kept session depends. */
const CODEC = "c";
const FLOW = "f";
/** Its sessions don't hibernate, so a socket that did is from other code. */
const MEMORY = "m";
/** Its clients may speak `socle.v1` because of `topics`. */
const TOPICS = "p";
/** Its sessions are in shards. */
const SHARDED = "s";
/** Its sessions have rows. */
const TRACKED = "t";
/** The class is not registered at the path: the request did not come through the router. */
const UNREGISTERED = "u";

export const GONE = "its path is not registered: register it while the Worker's module loads";

/**
 * The version of an endpoint and the options on which a kept session depends, as one text that is quick to compare. A
 * space separates the checksum of the platform's automatic answer.
 */
export function madeBy(config: EndpointConfig): string {
  const { version: number = 0, serializeSession, flowControl, hibernate, topics, shards, trackSessions } = config;
  const { autoResponse } = config;
  const letters = `${serializeSession ? CODEC : ""}${flowControl ? FLOW : ""}${hibernate ? "" : MEMORY}${topics ? TOPICS : ""}${shards ? SHARDED : ""}${trackSessions ? TRACKED : ""}`;
  return `${number}${letters}${autoResponse ? ` ${sumOf(JSON.stringify(autoResponse))}` : ""}`;
}

/** A checksum, because the two texts of up to 4 kB would be copied with each change of a session object. */
function sumOf(text: string): number {
  let sum = 0;
  for (const character of text) sum = (Math.imul(sum, 31) + character.codePointAt(0)!) | 0;
  return sum;
}

/** Marks a class that is not registered at the path. */
export const unregistered = (made: string): string => made.replace(/^\d+/, `$&${UNREGISTERED}`);

const lettersOf = (made: string): string => made.split(" ", 1)[0]!;

/** The checksum of the platform's answer when the session was kept. */
export const answerOf = (made: string): string => made.slice(lettersOf(made).length);

export const isTracked = (made: string): boolean => lettersOf(made).includes(TRACKED);

export const versionOf = (made: string): number => Number.parseInt(made);

/**
 * The version and options that kept a session. 0.1.0, which had no shards, did not record them: what the facts don't
 * reveal counts as unchanged.
 */
export function formerOf({ made, negotiatedSubprotocol }: SessionFacts, now: string): string {
  if (made !== undefined) return made;
  const others = lettersOf(now).replace(/\d+|[fms]/g, "");
  return `0${others}${isFlowControlled(negotiatedSubprotocol) || lettersOf(now).includes(FLOW) ? FLOW : ""}${answerOf(now)}`;
}

/** Why a session that other code kept can't continue; undefined if it can. */
export function obstacle(former: string, now: string, migrates: boolean): string | undefined {
  const changed = (letter: string): string | undefined => {
    const has = lettersOf(now).includes(letter);
    return has === lettersOf(former).includes(letter) ? undefined : has ? "was added" : "was removed";
  };
  const [from, to] = [versionOf(former), versionOf(now)];
  if (lettersOf(now).includes(UNREGISTERED) && changed(UNREGISTERED)) return GONE;
  if (changed(MEMORY)) return "hibernate is now false";
  // Without its root, nothing that is sent to the path would reach it.
  if (changed(SHARDED)) return `shards ${changed(SHARDED)}`;
  if (changed(FLOW)) return `flowControl ${changed(FLOW)}`;
  if (from !== to)
    return migrates ? undefined : `its version is ${from}, the endpoint's is ${to}, and migrateSession is missing`;
  return changed(CODEC) && `serializeSession ${changed(CODEC)}, but version is the same`;
}
