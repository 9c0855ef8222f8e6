// What a socket holds while its session hibernates: written and read here, and by attachment.ts. It knows nothing of callbacks.
import { attempt, type Place } from "../reporting/log.ts";
import type { SessionFacts } from "./facts.ts";
import { formed, isKnown, SUBSCRIBED, unknownForm, type Formed } from "./form.ts";
import type { Limits } from "./limits.ts";
import type { Remains } from "./remains.ts";
import { rowOf, topicsOf, type Channels, type Kept } from "./row.ts";

/** All is in the attachment; the greater part is in storage; the session has ended. */
export const WHOLE = 0;
export const PART = 1;
export const ENDED = 2;

/**
 * What the socket holds. By the number of its form no socket of the application's own is taken for ours. A flat tuple, because
 * names of properties and what is nested would cost with each change. The limits are there if they are no longer the
 * endpoint's. In place of facts that don't fit stands the session's id.
 */
export type Attached = [
  kind: typeof WHOLE | typeof PART | typeof ENDED,
  factsOrId?: string,
  object?: unknown,
  limits?: Limits | undefined,
  userProperties?: unknown,
  inObject?: Channels,
  inProperties?: Channels,
  /** The session's subscriptions as a text, or that they are in a row. */
  subscriptions?: string | true | undefined,
];

/** @returns the size in bytes of what doesn't fit; 0 if it does */
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

/** From here on events that the platform delivers for the socket are nobody's. */
export const markEnd = (socket: WebSocket, place: Place): void =>
  attempt("a socket can't be marked as ended", () => attach(socket, [ENDED]), place);

/** @throws {@link SessionVersionError} for a form that is not known */
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

/** Whether Socle has accepted a socket. */
export const isOurs = (socket: WebSocket): boolean => attachmentOf(socket) !== undefined;

/** What was kept; undefined for a session that has ended, and for a socket that Socle did not accept. */
export function readAttachment(socket: WebSocket, storage: DurableObjectStorage): Remains | undefined {
  const attached = attachedTo(socket);
  const [kind, factsOrId, , limits, , , , subscriptions] = attached ?? [ENDED];
  if (!attached || kind === ENDED) return undefined;
  if (kind === WHOLE) return { facts: factsOrId!, kept: keptIn(attached), limits, subscriptions };
  // JSON of an object, or an id.
  const facts = factsOrId!.startsWith("{") ? factsOrId! : rowOf(storage, factsOrId!)[0];
  return { facts, limits, isLarge: true, subscriptions };
}

/** What a session is subscribed to, alone; undefined if to nothing, for one that has ended, and for a socket that isn't ours. */
export function readSubscriptions(socket: WebSocket, storage: DurableObjectStorage): string | undefined {
  const attached = attachedTo(socket);
  const subscriptions = attached?.[7];
  return subscriptions === true ? topicsOf(storage, idOf(attached[1]!)) : subscriptions;
}

/** Of the facts as JSON, or the id itself. */
const idOf = (factsOrId: string): string =>
  factsOrId.startsWith("{") ? (JSON.parse(factsOrId) as SessionFacts).id : factsOrId;

/** Facts and limits alone, which mostly need no row; undefined for a session that has ended, and a socket that isn't ours. */
export function readLimits(socket: WebSocket): readonly [factsOrId: string, limits: Limits | undefined] | undefined {
  const [kind, factsOrId, , limits] = attachedTo(socket) ?? [ENDED];
  return kind === ENDED ? undefined : [factsOrId!, limits];
}
