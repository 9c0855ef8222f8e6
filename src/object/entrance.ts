// A request that comes to an object: by the router, or past it.
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

/** What it needs of the object. */
export interface Host {
  readonly type: ClassOfEndpoints;
  readonly ctx: DurableObjectState;
  /** It has an `onRequest`. */
  readonly answersRequests: boolean;
  definition(path: string): CompleteDefinition | undefined;
}

/**
 * What becomes of a request.
 *
 * @returns what is agreed on, for one that opens a session; undefined for one that is the class's `onRequest`'s; the answer to any
 * other
 */
export function enter(request: Request, host: Host): Told | Response | undefined {
  const { type, ctx, answersRequests } = host;
  const pathname = pathOf(request);
  if (!pathname) return refused(notFound(request));
  const isOpening = isUpgrade(request);
  const agreed = told(request);
  if (agreed && !isKnown(agreed)) return refused(unavailable());
  // A request that no router has sent may have any path: it is the Worker's own.
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

/** A request that came past the router passes the same checks, but nobody has asked the hook. */
function check(
  request: Request,
  pathname: string,
  match: Match<Route> | undefined,
  opens: boolean,
  host: Host,
): Handshake | Response {
  const definition = match?.value ?? host.definition(pathname);
  if (!definition) return notFound(request);
  // At a path where the class is not registered the checks of all its paths hold.
  const others = match ? [] : (host.type[ENDPOINTS]?.values() ?? []);
  let agreed!: Handshake | Response;
  for (const one of [...others, definition]) {
    agreed = shakeHands(request, one, match?.pathParameters ?? {}, opens);
    if (agreed instanceof Response) return agreed;
    if (one.config.onHandshake) return answer(403, "Connect through container.fetch");
  }
  return agreed;
}
