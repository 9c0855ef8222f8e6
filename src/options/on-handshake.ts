// `onHandshake`: called in the Worker, before an object wakes.
import { CloseReason } from "../api/close-reason.ts";
import type { HandshakeContext } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import type { HandshakeClosure, HandshakeResult } from "../api/handshake-decision.ts";
import { MAX_DEPTH } from "../hibernation/difference.ts";
import type { Handshake } from "../hibernation/facts.ts";
import { isObject, isPlain } from "../hibernation/plain-data.ts";
import { closeSocket } from "../sending/close-frame.ts";
import { PLAIN } from "../wire/frame.ts";
import { TOPICS } from "../wire/positions.ts";
import { defined, FUNCTION } from "./check.ts";
import { isFlowControlled } from "./flow-control/flow-session.ts";
import type { Option, Registration } from "./option.ts";
import { offeredBy, PROTOCOLS } from "./subprotocols.ts";

export const onHandshake = { checks: { onHandshake: FUNCTION } } as const satisfies Option<"onHandshake">;

const RESULT = ["headers", "userProperties", "userPrincipal", "subprotocol"];
const CLOSURE = ["headers", "closeCode", "reasonPhrase"];

/**
 * Calls the endpoint's hook.
 *
 * @param agreed what client and endpoint have agreed on
 * @returns the handshake with what the hook adds, and the headers for the 101; or the answer that opens no session
 * @throws {@link DeploymentError} for an invalid result, {@link CloseReasonError} for an invalid closure; what the hook
 * throws
 */
export async function consult(
  request: Request,
  agreed: Handshake,
  { offers }: Pick<Registration, "offers">,
  context: HandshakeContext,
): Promise<Response | readonly [Handshake, Headers]> {
  const result = (await context.config.onHandshake!(request, context)) ?? {};
  if (result instanceof Response) return result;
  const given: HandshakeResult & Partial<HandshakeClosure> = isPlain(result) ? defined(result) : {};
  const { headers, userProperties = {}, userPrincipal, subprotocol, closeCode, reasonPhrase = "" } = given;
  const known = closeCode === undefined ? RESULT : CLOSURE;
  const offered = offeredBy(request).filter((name) => !name.startsWith(TOPICS));
  const chosen = subprotocol && offers(subprotocol).find((name) => offered.includes(name));
  const wrong =
    !isPlain(result) || Object.keys(given).some((name) => !known.includes(name))
      ? "something else"
      : !isPlain(userProperties)
        ? "userProperties that are not a plain object"
        : subprotocol && !chosen
          ? "a subprotocol that the client did not offer"
          : (notJson(userPrincipal ?? null, "userPrincipal") ?? notJson(userProperties, "userProperties"));
  const extra = new Headers(headers);
  const own = [...extra.keys()].find((name) => /^(sec-websocket-.*|upgrade|connection)$/.test(name));
  if (wrong || own) {
    throw new DeploymentError(
      `onHandshake must return nothing, a Response, { headers, userProperties, userPrincipal, subprotocol } of JSON values, or { closeCode, reasonPhrase, headers }, not ${wrong || `the header ${own}, which is Socle's`}.`,
    );
  }
  if (closeCode !== undefined) {
    // A browser fails a connection that agrees on none of the offered subprotocols, and doesn't tell its page the code.
    // A SocleClient counts a connection on `socle.v1` as open only after the settings, which never arrive here.
    const returning = offered.includes(PLAIN) ? offered.find(isFlowControlled) : undefined;
    const [first] = offered;
    return closed(
      new CloseReason(closeCode, reasonPhrase),
      (returning ?? agreed.negotiatedSubprotocol) || first,
      extra,
    );
  }
  return [{ ...agreed, userProperties, userPrincipal, ...(chosen && { negotiatedSubprotocol: chosen }) }, extra];
}

/** A 101 whose connection the Worker closes immediately. */
function closed(reason: CloseReason, subprotocol: string | undefined, headers: Headers): Response {
  reason.check();
  const { 0: webSocket, 1: socket } = new WebSocketPair();
  socket.accept();
  closeSocket(socket, reason);
  if (subprotocol) headers.set(PROTOCOLS, subprotocol);
  return new Response(null, { status: 101, webSocket, headers });
}

/** The path of a value that JSON would leave out or change. */
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
