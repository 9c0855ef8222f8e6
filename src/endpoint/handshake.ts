// The opening handshake, shared by the Worker and the object: refusals, the subprotocol, and the data that the Worker
// passes to the object.
import { DeploymentError } from "../api/errors.ts";
import type { Handshake } from "../hibernation/facts.ts";
import { formed, type Formed } from "../hibernation/form.ts";
import { isAllowed } from "../options/allowed-origins.ts";
import { offeredBy } from "../options/subprotocols.ts";
import { report } from "../reporting/log.ts";
import type { EndpointDefinition } from "./definition.ts";
import type { ClassOfEndpoints, Route } from "./endpoint-class.ts";

const Upgrade = "websocket";

export const isUpgrade = ({ headers }: Request): boolean => headers.get("Upgrade")?.toLowerCase() === Upgrade;

export const answer = (status: number, text: string, headers: HeadersInit = {}): Response =>
  new Response(text, { status, headers });

/** The answer of an object that can't accept more. */
export const unavailable = (): Response => answer(503, "Try again later", { "Retry-After": "5" });

/**
 * Matches a URL that a parser would neither refuse nor change: the host ends in a name or is local, and no segment
 * begins with a dot.
 */
const USUAL =
  /^https?:\/\/(?:127\.0\.0\.1|(?:(?!xn--)[a-z\d-]+\.)*(?!xn--)[a-z][a-z\d-]*)(?::(?:\d{1,4}|[1-5]\d{4}))?((?:\/[\w~-][\w.~-]*)+)(?:\?|$)/;

/**
 * The path of a request. "" for a target of "*", and for an invalid Host: the platform concatenates the two as they
 * are, and "http://a*" is a URL with the path "/".
 */
export function pathOf({ url, headers }: Request): string {
  const host = headers.get("Host") ?? "";
  const [, usual] = USUAL.exec(url) ?? [];
  // Parsing a URL takes ten times as long as this test.
  if (usual !== undefined && !/[^\w.:-]/.test(host)) return usual;
  const isWrong = /^[^/]*\/\/[^/?#]*\*$/.test(url) || /[\s/?#@\\]/.test(host);
  return (isWrong ? undefined : URL.parse(url)?.pathname) ?? "";
}

/** The answer if there is no endpoint at the path. */
export function notFound(request: Request): Response {
  try {
    if (decodeURI(pathOf(request))) return answer(404, "No endpoint at this path");
    return answer(400, "The URL is malformed");
  } catch {
    return answer(400, "The path has a malformed escape");
  }
}

/**
 * Negotiates the session, or answers a request that opens none.
 *
 * @param opens whether the request asks for a WebSocket
 */
export function shakeHands(
  request: Request,
  { config, protocols }: Pick<EndpointDefinition, "config" | "protocols">,
  pathParameters: Handshake["pathParameters"],
  opens: boolean,
): Handshake | Response {
  const { headers, method } = request;
  if (method !== "GET") return answer(405, "Use GET", { Allow: "GET" });
  if (!opens) return answer(426, "This is a WebSocket endpoint", { Upgrade });
  // A fetch of a Worker sends no version.
  if ((headers.get("Sec-WebSocket-Version") ?? "13") !== "13") {
    return answer(426, "The WebSocket version must be 13", { Upgrade, "Sec-WebSocket-Version": "13" });
  }
  if (!isAllowed(request, config)) return answer(403, "This origin may not connect");
  const offered = protocols.length > 0 ? offeredBy(request) : [];
  const negotiatedSubprotocol = protocols.find((name) => offered.includes(name)) ?? "";
  return { path: config.path, pathParameters, negotiatedSubprotocol };
}

/** Marks the refusal of an object whose Worker, of another version, would have opened a session. */
export const REFUSED = "Socle-Refused";

export function refused(response: Response): Response {
  response.headers.set(REFUSED, "true");
  return response;
}

/** Marks the 101 of an object whose session ended in or before `onOpen`. */
export const ENDED = "Socle-Ended";

/** What the Worker tells a shard about its place among the others. */
export interface Place {
  /** How many shards the Worker assumes to be in use. */
  readonly guess: number;
  /** How many sessions make the shard full; absent if it has to accept one more anyway. */
  readonly sessions?: number | undefined;
}

/** What the Worker tells the object. */
export type Told = Handshake & Formed & { readonly place?: Place | undefined };

/** The request as the object receives it. A client can set a header, but not `cf`. */
export const tell = (request: Request, handshake: Handshake, place?: Place): Request =>
  new Request(request, { cf: { ...request.cf, socle: formed({ ...handshake, place }) } as CfProperties });

/** What the Worker told the object; undefined if the request did not come through the router. */
export const told = ({ cf }: Request): Told | undefined => (cf as { socle?: Told } | undefined)?.socle;

/** In the answer of a full shard: how many shards it assumes to be in use. Clients never receive it. */
const FULL = "Socle-Full";

/** The answer of a full shard, in which nothing has happened. A body that nobody reads would keep the shard awake. */
export const full = (hint: number): Response => new Response(null, { status: 503, headers: { [FULL]: String(hint) } });

/** How many shards a full shard assumes to be in use; undefined for any other answer. */
export function hintOf({ headers }: Response): number | undefined {
  const hint = headers.get(FULL);
  return hint === null ? undefined : Number(hint);
}

/** The answer of an object whose class is not the one that is registered at the path. */
export function misled(
  pathname: string,
  { name }: ClassOfEndpoints,
  { className, config: { path } }: Route,
  ctx: DurableObjectState,
): Response {
  const error = new DeploymentError(
    `An object of the class ${name} got a request for "${path}", where the class ${className} is registered: give the latter its binding, as in { durableObject: ${className}, binding: "NAME" }.`,
  );
  report(`500 for ${pathname}`, error, { ctx });
  return answer(500, "The endpoint failed");
}
