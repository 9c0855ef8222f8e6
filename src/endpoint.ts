// The Durable Object: takes the platform's events for its sockets to their sessions.
import { DurableObject } from "cloudflare:workers";

import { readAttachment, type SessionFacts } from "./attachment.ts";
import { CloseReason } from "./close-reason.ts";
import type { SessionDefinition } from "./dispatch.ts";
import { define, type EndpointDefinition } from "./endpoint-definition.ts";
import { DeploymentError, report, toError } from "./errors.ts";
import { isUpgrade, notFound, shakeHands, told, type Handshake } from "./handshake.ts";
import { sendsItself, wsSendAsync, type Payload } from "./payload.ts";
import { checkData, closeSocket } from "./remote.ts";
import type { Router } from "./router.ts";
import { ServerSession, type SessionHost } from "./session.ts";
import { Turns } from "./turns.ts";
import type { Callbacks, EndpointOptions, Session } from "./types.ts";

/** Where a class has the endpoints that its objects serve. */
export const ENDPOINTS = Symbol();

/** A class that extends {@link Endpoint}. */
export type EndpointClass<Env = unknown, T = unknown, Path extends string = string> = new (
  ctx: DurableObjectState,
  env: Env,
) => Endpoint<Env, T, Path>;

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the callbacks are optional: a subclass has those it writes
export interface Endpoint<Env = Cloudflare.Env, T = unknown, Path extends string = string> extends Callbacks<
  Env,
  T,
  Path
> {
  /**
   * Answers the requests to the endpoint's path that open no WebSocket, of any method. No check runs before it.
   * Without it they are refused with 405 or 426.
   */
  onRequest?(request: Request): Response | Promise<Response>;
}

/**
 * A Durable Object that serves WebSockets. Write the callbacks as methods; storage, alarms, RPC methods and
 * `onRequest` are yours as in any Durable Object.
 *
 * ```ts
 * export class Chat extends Endpoint<Env, { name: string }> {
 *   onOpen(session: Session) {
 *     return { name: session.requestParameterMap.get("name") ?? "anonymous" };
 *   }
 *   onText(user: { name: string }, text: string) {
 *     this.broadcast(`${user.name}: ${text}`);
 *   }
 * }
 * addEndpoint(container, "/chat/{room}", Chat);
 * ```
 *
 * @typeParam Env the Worker's bindings
 * @typeParam T the session object that `onOpen` returns
 * @typeParam Path the path at which it is registered, for typed path parameters
 * @see Jakarta: `Endpoint`
 */
// oxlint-disable-next-line no-unused-vars -- the callbacks of the interface above have them
export class Endpoint<Env = Cloudflare.Env, T = unknown, Path extends string = string> extends DurableObject<Env> {
  /** The options of the class, wherever it is registered; those given there win. */
  static options?: EndpointOptions;

  /** What the container tells the objects of the class. */
  static [ENDPOINTS]?: Router<EndpointDefinition>;

  readonly #definitions = new Map<string, SessionDefinition>();
  readonly #host: SessionHost = {
    env: this.env,
    ctx: this.ctx,
    turns: new Turns(),
    sessions: new Map(),
    openSessions: (path) => this.openSessions(path),
  };

  /**
   * The open sessions of this object, or of one of its endpoints: not those still in `onOpen`, nor those that are
   * closing.
   *
   * @param path the endpoint's path as it was registered
   * @see Jakarta: `Session.getOpenSessions`
   */
  openSessions(path?: string): Set<Session<string, T, Env>> {
    const sessions = this.ctx.getWebSockets().map((socket) => this.#session(socket));
    return new Set(
      sessions.filter((session) => session?.isOpen && session.path === (path ?? session.path)) as Session<
        string,
        T,
        Env
      >[],
    );
  }

  /**
   * Sends to every open session of this object, past their send channels. A session whose send fails keeps it from no
   * other; the failure is logged.
   *
   * ```ts
   * this.broadcast(`${user.name} has joined`, { except: session });
   * ```
   *
   * @returns how many sessions it went to
   * @throws {@link PayloadError}
   */
  broadcast(payload: Payload, { except = [] }: { except?: Session | Iterable<Session> } = {}): number {
    const sends = sendsItself(payload);
    if (!sends) checkData(payload);
    const missed = (error: unknown) => report("a broadcast missed a session", error);
    const sessions = this.openSessions() as Set<unknown> as Set<ServerSession>;
    for (const session of Symbol.iterator in except ? except : [except]) sessions.delete(session as ServerSession);
    let reached = 0;
    for (const { asyncRemote } of sessions) {
      try {
        if (sends) {
          const sending = wsSendAsync(payload, asyncRemote);
          this.ctx.waitUntil(sending.then((result) => result === "success" || missed(result)));
        } else asyncRemote.send(payload);
        reached++;
      } catch (error) {
        missed(error);
      }
    }
    return reached;
  }

  /** Opens a session, or answers what opens none. The container's router comes here, and so may your own routing. */
  override async fetch(request: Request): Promise<Response> {
    if (this.onRequest && !isUpgrade(request)) return this.onRequest(request);
    const handshake = told(request) ?? this.#shakeHands(request);
    return handshake instanceof Response ? handshake : this.#accept(request, handshake);
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> | void {
    return this.#session(socket)?.dispatch.receive(message);
  }

  override webSocketClose(socket: WebSocket, code: number, phrase: string): Promise<void> | void {
    const reason = new CloseReason(code, phrase);
    const session = this.#session(socket);
    return session ? session.lost(reason) : closeSocket(socket, reason);
  }

  override webSocketError(socket: WebSocket, error: unknown): Promise<void> | void {
    // The platform tells the code in the text only.
    const [, code = 1006] = /statusCode = (\d+)/.exec(String(error)) ?? [];
    return this.#session(socket)?.lost(new CloseReason(Number(code)), toError(error));
  }

  /** A request that came past the router passes the same checks. */
  #shakeHands(request: Request): Handshake | Response {
    const { pathname } = new URL(request.url);
    const match = this.#class[ENDPOINTS]?.match(pathname);
    const definition = match?.value ?? this.#definition(pathname);
    return definition ? shakeHands(request, definition, match?.pathParameters ?? {}) : notFound(request);
  }

  get #class(): typeof Endpoint {
    return this.constructor as typeof Endpoint;
  }

  /** The endpoint behind a path as it was registered; of a class that was not registered there, by its own options. */
  #definition(path: string): SessionDefinition | undefined {
    const known = this.#definitions.get(path);
    if (known) return known;
    const endpoints = this.#class[ENDPOINTS];
    const found = endpoints?.get(path) ?? (endpoints?.all ? undefined : define(path, this.#class.options ?? {}, true));
    if (!found) return undefined;
    const definition = { callbacks: this as Callbacks, ...found };
    this.#definitions.set(path, definition);
    return definition;
  }

  async #accept(request: Request, handshake: Handshake): Promise<Response> {
    const { 0: webSocket, 1: socket } = new WebSocketPair();
    const session = this.#begin(socket, { id: crypto.randomUUID(), uri: request.url, ...handshake }, false);
    await session.dispatch.open(() => {
      try {
        if (session.isOpen) this.ctx.acceptWebSocket(socket);
      } catch (error) {
        // The object has as many sockets as it can.
        void session.lost(new CloseReason(1013), toError(error));
      }
      // A hibernatable socket whose client never sent would be let go only when the object is idle, 10 s later.
      if (!session.isOpen) socket.accept();
      session.asyncRemote.accepted();
    });
    const { negotiatedSubprotocol: name } = session;
    return new Response(null, { status: 101, webSocket, headers: name ? { "Sec-WebSocket-Protocol": name } : {} });
  }

  /** The session of a socket, from memory or out of hibernation; undefined once it has ended. */
  #session(socket: WebSocket): ServerSession | undefined {
    const known = this.#host.sessions.get(socket);
    const attachment = known ? undefined : readAttachment(socket);
    if (!attachment) return known;
    const [, json, kept] = attachment;
    let session: ServerSession | undefined;
    try {
      session = this.#begin(socket, JSON.parse(json) as SessionFacts, true, json);
      session.object.resume(kept);
    } catch (error) {
      // As after a failed onOpen, there is nothing to go on with: no session object, or not even the endpoint.
      if (session) {
        this.ctx.waitUntil(Promise.resolve(session.dispatch.receive(toError(error))));
        session.close(1011);
      } else {
        report("a session is closed with 1011", error);
        closeSocket(socket, new CloseReason(1011));
      }
    }
    return session;
  }

  #begin(socket: WebSocket, facts: SessionFacts, accepted: boolean, json = JSON.stringify(facts)): ServerSession {
    const definition = this.#definition(facts.path);
    if (!definition) {
      throw new DeploymentError(`No endpoint at ${facts.path}: register it while the Worker's module loads.`);
    }
    const session = new ServerSession(this.#host, socket, definition, json, facts, accepted);
    this.#host.sessions.set(socket, session);
    return session;
  }
}
