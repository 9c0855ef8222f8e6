// The beginning of a session: what it keeps of its request, and the handshake's result.
import { CloseReason } from "../api/close-reason.ts";
import { ENDED } from "../endpoint/handshake.ts";
import { markEnd } from "../hibernation/attached.ts";
import type { Handshake, SessionFacts } from "../hibernation/facts.ts";
import { renewMark } from "../hibernation/life.ts";
import type { Remains } from "../hibernation/remains.ts";
import type { Kept } from "../hibernation/row.ts";
import { isFlowControlled } from "../options/flow-control/flow-session.ts";
import { offeredBy, plainly, PROTOCOLS } from "../options/subprotocols.ts";
import { toError } from "../reporting/thrown.ts";
import type { ServerSession } from "../session/session.ts";
import { beginWith } from "../session/subscriptions.ts";
import type { Served } from "../session/way.ts";
import { readPositions, TOPICS } from "../wire/positions.ts";

const NO_TAGS: readonly string[] = Object.freeze([]);

export function beginningOf(
  request: Request,
  { userProperties, ...agreed }: Handshake,
  { config, onEvent, made }: Served,
): readonly [facts: SessionFacts, remains: Remains] {
  const { negotiatedSubprotocol } = agreed;
  const offered = isFlowControlled(negotiatedSubprotocol)
    ? offeredBy(request).find((name) => name.startsWith(TOPICS))
    : undefined;
  const facts: SessionFacts = {
    id: crypto.randomUUID(),
    uri: request.url,
    path: agreed.path,
    pathParameters: agreed.pathParameters,
    negotiatedSubprotocol,
    userPrincipal: agreed.userPrincipal,
    tags: typeof config.tags === "object" ? config.tags : NO_TAGS,
    made,
    ...(offered !== undefined && { knowsTopics: true }),
    ...(onEvent && { since: Date.now() }),
  };
  const properties = { ...config.userProperties, ...userProperties };
  const json = JSON.stringify(facts);
  // Without any properties there is nothing to write again with each change of the session object.
  const kept: Kept = [json, undefined, Object.keys(properties).length > 0 ? properties : undefined, true];
  return [
    facts,
    { facts: json, kept, subscriptions: config.topics && offered ? beginWith(readPositions(offered)) : undefined },
  ];
}

/**
 * For a session that has already ended. A socket that can't hibernate would keep the object awake until its client
 * answers, which may never happen.
 */
function refuse(session: Pick<ServerSession, "ctx" | "webSocket" | "path">): void {
  session.ctx.acceptWebSocket(session.webSocket);
  markEnd(session.webSocket, session);
}

/** Runs `onOpen`, and then accepts the socket. @returns false if the object can't accept another socket */
export function run(session: ServerSession): Promise<boolean> | boolean {
  let hasPlace = true;
  const opening = session.dispatch.open(() => {
    try {
      if (session.isOpen) {
        session.way.accept(session);
        session.way.accepted?.(session);
        renewMark(session.ctx.storage);
      } else refuse(session);
      session.asyncRemote.accepted();
    } catch (error) {
      hasPlace = false;
      void session.lost(new CloseReason(1013), toError(error));
    }
  });
  return opening ? opening.then(() => hasPlace) : hasPlace;
}

/** The answer to the request: the 101. */
export function switching(
  { negotiatedSubprotocol }: Handshake,
  webSocket: WebSocket,
  isOpen: boolean,
  request: Request,
): Response {
  const protocol = negotiatedSubprotocol || plainly(request);
  if (isOpen && !protocol) return new Response(null, { status: 101, webSocket });
  const headers: Record<string, string> = protocol ? { [PROTOCOLS]: protocol } : {};
  if (!isOpen) headers[ENDED] = "true";
  return new Response(null, { status: 101, webSocket, headers });
}
