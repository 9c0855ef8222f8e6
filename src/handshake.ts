// The opening handshake: what is refused, what is agreed on, and what the Worker tells the object.
import type { SessionFacts } from "./attachment.ts";
import type { EndpointDefinition } from "./endpoint-definition.ts";

/** What is settled in the Worker, before the object is woken. */
export type Handshake = Omit<SessionFacts, "id" | "uri">;

const Upgrade = "websocket";

export const isUpgrade = ({ headers }: Request): boolean => headers.get("Upgrade")?.toLowerCase() === Upgrade;

export const answer = (status: number, text: string, headers: HeadersInit = {}): Response =>
  new Response(text, { status, headers });

/** The answer where there is no endpoint. */
export function notFound({ url }: Request): Response {
  try {
    decodeURI(new URL(url).pathname);
    return answer(404, "No endpoint at this path");
  } catch {
    return answer(400, "The path has a % that begins no percent escape");
  }
}

/** What client and endpoint agree on, or the answer to a request that opens no session. */
export function shakeHands(
  request: Request,
  { config: { path, subprotocols }, options: { allowedOrigins: allowed } }: EndpointDefinition,
  pathParameters: Handshake["pathParameters"],
): Handshake | Response {
  const { headers, method } = request;
  if (method !== "GET") return answer(405, "A WebSocket is opened with GET", { Allow: "GET" });
  if (!isUpgrade(request)) return answer(426, "This is a WebSocket endpoint", { Upgrade });
  // A Worker's own fetch sends no version.
  if ((headers.get("Sec-WebSocket-Version") ?? "13") !== "13") {
    return answer(426, "The WebSocket version is 13", { Upgrade, "Sec-WebSocket-Version": "13" });
  }
  const origin = headers.get("Origin");
  if (
    origin &&
    allowed &&
    !(typeof allowed === "function" ? isTrue(allowed(origin, request)) : allowed.some(matches(origin)))
  ) {
    return answer(403, "Pages of this origin may not connect");
  }
  const offered = headers.get("Sec-WebSocket-Protocol")?.split(/\s*,\s*/);
  return { path, pathParameters, negotiatedSubprotocol: subprotocols.find((name) => offered?.includes(name)) ?? "" };
}

/** A promise, which an asynchronous function returns, allows nothing. */
const isTrue = (value: unknown): boolean => value === true;

/** Whether an origin is the one of a pattern, or one of its subdomains' where the pattern has a star. */
const matches = (origin: string) => (pattern: string) => {
  const [start, end = start] = pattern.split("*");
  return start === end ? origin === pattern : origin.startsWith(start!) && origin.endsWith(end!);
};

/** The request as the object gets it. No client can set `cf`, as it could set a header. */
export const tell = (request: Request, socle: Handshake): Request =>
  new Request(request, { cf: { ...request.cf, socle } as CfProperties });

/** What the Worker told the object; undefined if the request came past the router. */
export const told = ({ cf }: Request): Handshake | undefined => (cf as { socle?: Handshake } | undefined)?.socle;
