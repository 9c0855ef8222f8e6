// The opening handshake: what is refused, what is agreed on, and what the Worker tells the object.
import type { SessionFacts } from "./attachment.ts";
import { CloseReason } from "./close-reason.ts";
import { isObject, isPlain, MAX_DEPTH } from "./difference.ts";
import { defined, type EndpointDefinition } from "./endpoint-definition.ts";
import { DeploymentError } from "./errors.ts";
import { attempt } from "./log.ts";
import { BY_US, closeSocket } from "./remote.ts";
import type { HandshakeClosure, HandshakeContext, HandshakeResult } from "./ws-endpoint-map.ts";

/** What is settled in the Worker, before the object is woken. */
export interface Handshake extends Omit<SessionFacts, "id" | "uri" | "tags" | "since"> {
  readonly userProperties?: Record<string, unknown> | undefined;
}

const Upgrade = "websocket";

export const isUpgrade = ({ headers }: Request): boolean => headers.get("Upgrade")?.toLowerCase() === Upgrade;

export const answer = (status: number, text: string, headers: HeadersInit = {}): Response =>
  new Response(text, { status, headers });

/** The answer where an object can take no more. */
export const unavailable = (): Response => answer(503, "Try again later", { "Retry-After": "5" });

/**
 * The path of a request; "" for a target of "*", and for a Host that can't be: the platform puts the one behind the other as
 * they are, and "http://a*" is a URL with the path "/".
 */
export function pathOf({ url, headers }: Request): string {
  const isWrong = /^[^/]*\/\/[^/?#]*\*$/.test(url) || /[\s/?#@\\]/.test(headers.get("Host") ?? "");
  return (isWrong ? undefined : URL.parse(url)?.pathname) ?? "";
}

/** The answer where there is no endpoint. */
export function notFound(request: Request): Response {
  try {
    if (decodeURI(pathOf(request))) return answer(404, "No endpoint at this path");
    return answer(400, "The URL is malformed");
  } catch {
    return answer(400, "The path has a malformed escape");
  }
}

/** What client and endpoint agree on, or the answer to a request that opens no session. */
export function shakeHands(
  request: Request,
  { config: { path, subprotocols, allowedOrigins: allowed }, protocols = subprotocols }: EndpointDefinition,
  pathParameters: Handshake["pathParameters"],
): Handshake | Response {
  const { headers, method } = request;
  if (method !== "GET") return answer(405, "Use GET", { Allow: "GET" });
  if (!isUpgrade(request)) return answer(426, "This is a WebSocket endpoint", { Upgrade });
  // A Worker's own fetch sends no version.
  if ((headers.get("Sec-WebSocket-Version") ?? "13") !== "13") {
    return answer(426, "The WebSocket version is 13", { Upgrade, "Sec-WebSocket-Version": "13" });
  }
  const origin = headers.get("Origin");
  // A promise, which an asynchronous function returns, allows nothing.
  if (
    origin &&
    allowed &&
    !(typeof allowed === "function" ? (allowed(origin, request) as unknown) === true : allowed.some(matches(origin)))
  ) {
    return answer(403, "This origin may not connect");
  }
  const offered = offeredBy(request);
  return { path, pathParameters, negotiatedSubprotocol: protocols.find((name) => offered.includes(name)) ?? "" };
}

/** The subprotocols that a client offers, and in a 101 the one that was agreed on. */
export const PROTOCOLS = "Sec-WebSocket-Protocol";

/** In an object's 101: its session has ended in or before `onOpen`. */
export const ENDED = "Socle-Ended";

const offeredBy = ({ headers }: Request): string[] => headers.get(PROTOCOLS)?.split(/\s*,\s*/) ?? [];

/** What a browser sends as the origin of a page that has a host with a name. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/([a-z\d_-]+\.)*[a-z\d_-]+(:\d+)?$/;

/** Whether an origin is the one of a pattern, or one of its subdomains' where the pattern has a star. */
const matches = (origin: string) => (pattern: string) => {
  const [start, end = start] = pattern.split("*");
  if (start === end) return origin === pattern;
  return ORIGIN.test(origin) && origin.startsWith(start!) && origin.endsWith(end!);
};

const RESULT = ["headers", "userProperties", "userPrincipal", "subprotocol"];
const CLOSURE = ["headers", "closeCode", "reasonPhrase"];

/**
 * Shakes hands, and asks the endpoint's hook.
 *
 * @returns what was agreed on with what the hook adds, and the headers for the 101; or the answer that opens no session
 * @throws {@link DeploymentError} for a result that can't be, {@link CloseReasonError} for a closure that can't; what the
 * hook throws
 */
export async function consult(
  request: Request,
  definition: EndpointDefinition,
  context: HandshakeContext,
): Promise<Response | [Handshake, Headers?]> {
  const agreed = shakeHands(request, definition, context.pathParameters);
  if (agreed instanceof Response) return agreed;
  if (!context.config.onHandshake) return [agreed];
  const result = (await context.config.onHandshake(request, context)) ?? {};
  if (result instanceof Response) return result;
  const given: HandshakeResult & Partial<HandshakeClosure> = isPlain(result) ? defined(result) : {};
  const { headers, userProperties = {}, userPrincipal, subprotocol, closeCode, reasonPhrase = "" } = given;
  const known = closeCode === undefined ? RESULT : CLOSURE;
  const offered = offeredBy(request);
  const chosen =
    subprotocol && (definition.offers?.(subprotocol) ?? [subprotocol]).find((name) => offered.includes(name));
  const wrong =
    !isPlain(result) || Object.keys(given).some((name) => !known.includes(name))
      ? "something else"
      : !isPlain(userProperties)
        ? "userProperties that are no plain object"
        : subprotocol && !chosen
          ? "a subprotocol that the client did not offer"
          : (notJson(userPrincipal ?? null, "userPrincipal") ?? notJson(userProperties, "userProperties"));
  const extra = new Headers(headers);
  const own = [...extra.keys()].find((name) => /^(sec-websocket-.*|upgrade|connection)$/.test(name));
  if (wrong || own) {
    throw new DeploymentError(
      `onHandshake must return nothing, a Response or { headers, userProperties, userPrincipal } of JSON values, not ${wrong || `the header ${own}, which is Socle's`}. With these may be the subprotocol, one that the client offered; in their place { closeCode, reasonPhrase, headers }.`,
    );
  }
  if (closeCode !== undefined) {
    // A browser fails a connection that agrees on none of those that it offered, and its page is not told the code.
    const [first] = offered;
    return closed(new CloseReason(closeCode, reasonPhrase), agreed.negotiatedSubprotocol || first, extra);
  }
  return [{ ...agreed, userProperties, userPrincipal, ...(chosen && { negotiatedSubprotocol: chosen }) }, extra];
}

/** A 101 whose connection the Worker closes at once. */
function closed(reason: CloseReason, subprotocol: string | undefined, headers: Headers): Response {
  reason.check();
  const { 0: webSocket, 1: socket } = new WebSocketPair();
  socket.accept();
  closeSocket(socket, reason);
  if (subprotocol) headers.set(PROTOCOLS, subprotocol);
  return new Response(null, { status: 101, webSocket, headers });
}

/**
 * Holds a client in the place of an object whose session has ended: it is let go at once, and where it doesn't answer the Close
 * frame it is the Worker that waits, which is not billed by time.
 */
export function relay(response: Response): Response {
  const ended = response.webSocket!;
  const { 0: webSocket, 1: socket } = new WebSocketPair();
  for (const one of [ended, socket]) {
    one.binaryType = "arraybuffer";
    one.accept(BY_US);
  }
  ended.addEventListener("message", ({ data }) => attempt("a message was not sent", () => socket.send(data as string)));
  ended.addEventListener("close", ({ code, reason }) => {
    for (const one of [ended, socket]) closeSocket(one, new CloseReason(code, reason));
  });
  const headers = new Headers(response.headers);
  headers.delete(ENDED);
  return new Response(null, { status: 101, webSocket, headers });
}

/** The path of what is no JSON in a value: what JSON would leave out, or bring back as something else. */
function notJson(value: unknown, path: string, within: readonly unknown[] = []): string | undefined {
  if (!isObject(value)) {
    const isJson = value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
    return isJson ? undefined : path;
  }
  const isList = Array.isArray(value) && Object.keys(value).length === value.length;
  if ((!isList && !isPlain(value)) || within.includes(value) || within.length === MAX_DEPTH) return path;
  for (const key of isList ? value.keys() : Reflect.ownKeys(value)) {
    const member: unknown = typeof key === "symbol" ? key : Reflect.get(value, key);
    const found = notJson(member, `${path}.${String(key)}`, [...within, value]);
    if (found) return found;
  }
  return undefined;
}

/** The request as the object gets it. No client can set `cf`, as it could set a header. */
export const tell = (request: Request, socle: Handshake): Request =>
  new Request(request, { cf: { ...request.cf, socle } as CfProperties });

/** What the Worker told the object; undefined if the request came past the router. */
export const told = ({ cf }: Request): Handshake | undefined => (cf as { socle?: Handshake } | undefined)?.socle;
