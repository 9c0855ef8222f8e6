// What is settled of a session before its `onOpen` runs, and stays the same until it ends.
import { isObject } from "./plain-data.ts";

/** What is settled when a session opens, and stays the same until it ends. */
export interface SessionFacts {
  readonly id: string;
  readonly uri: string;
  /** The endpoint's path as it was registered. */
  readonly path: string;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly negotiatedSubprotocol: string;
  readonly userPrincipal?: unknown;
  readonly tags: readonly string[];
  /** By which version and options of its endpoint it was kept. 0.1.0 did not say. */
  readonly made?: string;
  /** Its client knows the frames of topics. */
  readonly knowsTopics?: boolean;
  /** When it opened, in milliseconds since 1970, for a container with `onEvent`. */
  readonly since?: number;
}

/** What the Worker settles of it, before the object is woken. */
export interface Handshake extends Omit<SessionFacts, "id" | "uri" | "tags" | "since" | "made" | "knowsTopics"> {
  readonly userProperties?: Record<string, unknown> | undefined;
}

/** They are the same through hibernation: no callback can change them before it. */
export function freezeFacts({ pathParameters, userPrincipal, tags }: SessionFacts): void {
  for (const fact of [pathParameters, userPrincipal, tags]) freeze(fact);
}

/** Through and through. */
function freeze(fact: unknown): void {
  if (!isObject(fact) || Object.isFrozen(fact)) return;
  for (const one of Object.values(fact)) freeze(one);
  Object.freeze(fact);
}
