// The facts of a session: fixed before its `onOpen` runs, and the same until it ends.
import { isObject } from "./plain-data.ts";

/** The facts of a session. */
export interface SessionFacts {
  readonly id: string;
  readonly uri: string;
  /** The endpoint's path as it was registered. */
  readonly path: string;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly negotiatedSubprotocol: string;
  readonly userPrincipal?: unknown;
  readonly tags: readonly string[];
  /** The version and options of the endpoint that kept it. Absent if 0.1.0 kept it. */
  readonly made?: string;
  /** Its client receives topics by `socle.v1`. */
  readonly knowsTopics?: boolean;
  /** When it opened, in milliseconds since 1970, for a container with `onEvent`. */
  readonly since?: number;
}

/** The part that the Worker fixes before the object wakes. */
export interface Handshake extends Omit<SessionFacts, "id" | "uri" | "tags" | "since" | "made" | "knowsTopics"> {
  readonly userProperties?: Record<string, unknown> | undefined;
}

/** Frozen, so that no callback changes facts that hibernation would restore. */
export function freezeFacts({ pathParameters, userPrincipal, tags }: SessionFacts): void {
  for (const fact of [pathParameters, userPrincipal, tags]) freeze(fact);
}

function freeze(fact: unknown): void {
  if (!isObject(fact) || Object.isFrozen(fact)) return;
  for (const one of Object.values(fact)) freeze(one);
  Object.freeze(fact);
}
