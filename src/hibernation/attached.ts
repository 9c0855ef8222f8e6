// What a socket holds while its session hibernates: written and read here and by attachment.ts. It knows nothing of
// callbacks.
import { attempt, type Place } from "../reporting/log.ts";
import type { SessionFacts } from "./facts.ts";
import { formed, isKnown, SUBSCRIBED, unknownForm, type Formed } from "./form.ts";
import type { Limits } from "./limits.ts";
import type { Remains } from "./remains.ts";
import { rowOf, topicsOf, type Channels, type Kept } from "./row.ts";

/** The kinds: everything is in the attachment; most of it is in storage; the session has ended. */
export const WHOLE = 0;
export const PART = 1;
export const ENDED = 2;

/**
 * The attachment of a socket. The number of its form distinguishes it from an application's own attachments. It is a
 * flat tuple, because names and nesting would cost with each change. The limits are present if they differ from the
 * endpoint's. Facts that don't fit are replaced by the session's id.
 */
export type Attached = [
  kind: typeof WHOLE | typeof PART | typeof ENDED,
  factsOrId?: string,
  object?: unknown,
  limits?: Limits | undefined,
  userProperties?: unknown,
  inObject?: Channels,
  inProperties?: Channels,
  /** The session's subscriptions as a text; true if they are in a row. */
  subscriptions?: string | true | undefined,
];

/** @returns the size in bytes if it doesn't fit, otherwise 0 */
export function attach(socket: WebSocket, attached: Attached & Formed): number {
  try {
    socket.serializeAttachment(formed(attached, attached[7] ? SUBSCRIBED : undefined));
  } catch (error) {
    const [, size] = /was (\d+) bytes/.exec(String(error)) ?? [];
    if (!size) throw error;
    return Number(size);
  }
  return 0;
}

/** From here on, events that the platform delivers for the socket are ignored. */
export const markEnd = (socket: WebSocket, place: Place): void =>
  attempt("a socket can't be marked as ended", () => attach(socket, [ENDED]), place);

/** @throws {@link SessionVersionError} for an unknown form */
export function attachedTo(socket: WebSocket): Attached | undefined {
  const attached = attachmentOf(socket);
  if (attached && !isKnown(attached) && attached.socle !== SUBSCRIBED) throw unknownForm(attached);
  return attached;
}

function attachmentOf(socket: WebSocket): (Attached & Formed) | undefined {
  const attached = socket.deserializeAttachment() as (Attached & Formed) | null;
  return Array.isArray(attached) && typeof attached.socle === "number" ? attached : undefined;
}

export const keptIn = ([, facts, object, , userProperties, inObject, inProperties]: Attached): Kept => [
  facts!,
  object,
  userProperties,
  undefined,
  inObject,
  inProperties,
];

export const isOurs = (socket: WebSocket): boolean => attachmentOf(socket) !== undefined;

/** The remains of a session; undefined if it has ended, and for a socket that Socle did not accept. */
export function readAttachment(socket: WebSocket, storage: DurableObjectStorage): Remains | undefined {
  const attached = attachedTo(socket);
  const [kind, factsOrId, , limits, , , , subscriptions] = attached ?? [ENDED];
  if (!attached || kind === ENDED) return undefined;
  if (kind === WHOLE) return { facts: factsOrId!, kept: keptIn(attached), limits, subscriptions };
  // Either the JSON of an object, or an id.
  const facts = factsOrId!.startsWith("{") ? factsOrId! : rowOf(storage, factsOrId!)[0];
  return { facts, limits, isLarge: true, subscriptions };
}

/**
 * Only a session's subscriptions; undefined if there are none, if it has ended, and for a socket that isn't Socle's.
 */
export function readSubscriptions(socket: WebSocket, storage: DurableObjectStorage): string | undefined {
  const attached = attachedTo(socket);
  const subscriptions = attached?.[7];
  return subscriptions === true ? topicsOf(storage, idOf(attached[1]!)) : subscriptions;
}

/** The id from the facts as JSON, or the id itself. */
const idOf = (factsOrId: string): string =>
  factsOrId.startsWith("{") ? (JSON.parse(factsOrId) as SessionFacts).id : factsOrId;

/**
 * Only facts and limits, which mostly need no row; undefined for a session that has ended, and for a socket that isn't
 * Socle's.
 */
export function readLimits(socket: WebSocket): readonly [factsOrId: string, limits: Limits | undefined] | undefined {
  const [kind, factsOrId, , limits] = attachedTo(socket) ?? [ENDED];
  return kind === ENDED ? undefined : [factsOrId!, limits];
}
