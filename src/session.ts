// A session as the callbacks see it, and the parts it is made of. It doesn't know the object that holds it.
import type { SessionFacts } from "./attachment.ts";
import { CloseReason } from "./close-reason.ts";
import { Dispatch, type SessionDefinition, type Subject } from "./dispatch.ts";
import { Remote } from "./remote.ts";
import type { SendLink, SessionSendChannel } from "./send-channel.ts";
import { SessionObject } from "./session-object.ts";
import type { Turns } from "./turns.ts";
import type { Session } from "./types.ts";

/** What a session is handed by the object that holds it. */
export interface SessionHost {
  readonly env: unknown;
  readonly ctx: DurableObjectState;
  readonly turns: Turns;
  /** The sessions that had an event since the object woke. */
  readonly sessions: Map<WebSocket, ServerSession>;
  /** The open sessions of an endpoint. */
  openSessions(path: string): Set<Session>;
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- assigned from the facts
export interface ServerSession extends SessionFacts {}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class ServerSession implements Session, Subject, SendLink {
  readonly protocolVersion = "13";
  readonly env: unknown;
  readonly ctx: DurableObjectState;
  readonly turns: Turns;
  readonly asyncRemote: Remote;
  readonly object: SessionObject;
  readonly dispatch = new Dispatch(this);
  readonly channels: (SessionSendChannel | undefined)[] = [];
  #uri: URL | undefined;

  /** @param json the facts as the attachment keeps them */
  constructor(
    readonly host: SessionHost,
    readonly webSocket: WebSocket,
    readonly definition: SessionDefinition,
    json: string,
    facts: SessionFacts,
    accepted: boolean,
  ) {
    Object.assign(this, facts);
    ({ env: this.env, ctx: this.ctx, turns: this.turns } = host);
    this.asyncRemote = new Remote(webSocket, accepted);
    this.object = new SessionObject(webSocket, json, this, definition.options);
  }

  get requestURI(): URL {
    return (this.#uri ??= new URL(this.uri));
  }

  get queryString(): string {
    return this.requestURI.search.slice(1);
  }

  get requestParameterMap(): URLSearchParams {
    return this.requestURI.searchParams;
  }

  get negotiatedExtensions(): readonly string[] {
    return this.webSocket.extensions?.split(/\s*,\s*/).filter(Boolean) ?? [];
  }

  get isSecure(): boolean {
    return /^(http|ws)s:/.test(this.uri);
  }

  get isOpen(): boolean {
    return this.asyncRemote.isOpen;
  }

  get openSessions(): Set<Session> {
    return this.host.openSessions(this.path);
  }

  get sessionObject(): unknown {
    this.turns.read(this.object);
    return this.object.value;
  }

  set sessionObject(value: unknown) {
    this.object.replace(value);
  }

  close(reason: CloseReason | number = 1000, phrase?: string): void {
    const closeReason = reason instanceof CloseReason ? reason : new CloseReason(reason, phrase);
    closeReason.check();
    if (this.isOpen) this.end(closeReason);
  }

  end(reason: CloseReason): void {
    this.#shut(reason);
    this.dispatch.end(reason);
  }

  /** The client has closed or is gone, or its socket failed: what it sent before is delivered first. */
  lost(reason: CloseReason, error?: Error): Promise<void> | undefined {
    this.#shut(reason);
    const told = error && this.dispatch.receive(error);
    const ended = this.dispatch.receive(reason);
    return told ?? ended;
  }

  forget(): void {
    this.host.sessions.delete(this.webSocket);
  }

  /** From here on nothing is sent, and nobody waits for a send. */
  #shut(reason: CloseReason): void {
    this.asyncRemote.close(reason);
    for (const channel of this.channels) channel?.end();
  }
}
