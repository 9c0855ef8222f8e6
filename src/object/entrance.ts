// A request that arrives at an object, through the router or directly.
import type { CompleteDefinition } from "../endpoint/definition.ts";
import { ENDPOINTS, TABLES, type ClassOfEndpoints, type Route } from "../endpoint/endpoint-class.ts";
import {
  answer,
  isUpgrade,
  misled,
  notFound,
  pathOf,
  refused,
  shakeHands,
  told,
  unavailable,
  type Told,
} from "../endpoint/handshake.ts";
import type { Match } from "../endpoint/router.ts";
import type { Handshake } from "../hibernation/facts.ts";
import { isKnown } from "../hibernation/form.ts";

/** The part of the object that is needed. */
export interface Host {
  readonly type: ClassOfEndpoints;
  readonly ctx: DurableObjectState;
  /** The class has an `onRequest`. */
  readonly answersRequests: boolean;
  definition(path: string): CompleteDefinition | undefined;
}

/**
 * Decides what to do with a request.
 *
 * @returns the handshake of a request that opens a session; undefined for a request to the class's `onRequest`; the
 * answer to any other
 */
export function enter(request: Request, host: Host): Told | Response | undefined {
  const { type, ctx, answersRequests } = host;
  const pathname = pathOf(request);
  if (!pathname) return refused(notFound(request));
  const isOpening = isUpgrade(request);
  const agreed = told(request);
  if (agreed && !isKnown(agreed)) return refused(unavailable());
  // A request that came directly may have any path, which the Worker chose.
  if (!isOpening && !agreed && answersRequests) return undefined;
  const found: Match<Route>[] = [];
  for (const table of TABLES) {
    const one = table.match(pathname);
    if (one) found.push(one);
  }
  const match = found.find(({ value }) => value.type[ENDPOINTS] === type[ENDPOINTS]);
  const [other] = found;
  if (!match && other && !found.some(({ value }) => value.isByName)) return misled(pathname, type, other.value, ctx);
  if (!isOpening && answersRequests) return undefined;
  if (isOpening && agreed) return agreed;
  const checked = check(request, pathname, match, isOpening, host);
  return checked instanceof Response ? refused(checked) : checked;
}

/** A direct request passes the same checks, but the hook was not called for it. */
function check(
  request: Request,
  pathname: string,
  match: Match<Route> | undefined,
  opens: boolean,
  host: Host,
): Handshake | Response {
  const definition = match?.value ?? host.definition(pathname);
  if (!definition) return notFound(request);
  // At a path where the class is not registered, the checks of all its paths apply.
  const others = match ? [] : (host.type[ENDPOINTS]?.values() ?? []);
  let agreed!: Handshake | Response;
  for (const one of [...others, definition]) {
    agreed = shakeHands(request, one, match?.pathParameters ?? {}, opens);
    if (agreed instanceof Response) return agreed;
    if (one.config.onHandshake) return answer(403, "Connect through container.fetch");
  }
  return agreed;
}
