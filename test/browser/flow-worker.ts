// An endpoint with flow control, which reports its state to the test over HTTP, and endpoints without it.
import {
  addEndpoints,
  Endpoint,
  onOpenStartWsConnection,
  ServerContainer,
  startWsConnection,
  type EndpointOptions,
  type SendChannel,
  type Session,
} from "socle";

import { COUNT, message, SETTINGS } from "./flow-messages.ts";

interface Env {
  Endpoints: DurableObjectNamespace<Endpoints>;
  Flow: DurableObjectNamespace<Flow>;
}

/** The state of the object behind a path, as JSON. */
export interface FlowState {
  /** Whether the page waits for the answer to a request, and does nothing else. */
  isHeld: boolean;
  /** The numbers of the messages that were sent. */
  sent: number[];
  /** The errors of the others. */
  errors: string[];
  bufferedAmount: number;
  mostBuffered: number;
}

export class Flow extends Endpoint<Env, SendChannel, "/flow/{name}"> {
  static override options: EndpointOptions = { flowControl: SETTINGS };

  readonly #released = Promise.withResolvers<void>();
  readonly #state: FlowState = { isHeld: false, sent: [], errors: [], bufferedAmount: 0, mostBuffered: 0 };

  override onOpen(session: Session): SendChannel {
    return startWsConnection(session);
  }

  override async onRequest(request: Request): Promise<Response> {
    switch (new URL(request.url).searchParams.get("do")) {
      case "hold":
        this.#state.isHeld = true;
        await this.#released.promise;
        break;
      case "release":
        this.#released.resolve();
        break;
      case "put":
        this.ctx.waitUntil(this.#put());
        break;
      case "send":
        this.#send();
    }
    this.#look();
    return Response.json(this.#state);
  }

  /** Sends with the session's channel. */
  async #put(): Promise<void> {
    for (let index = 0; index < COUNT; index++) {
      const put = (result: unknown) => this.#settled(index, result);
      await this.#session.sessionObject.put([message(index), { put }]);
    }
  }

  /** Sends without the channel. */
  #send(): void {
    const { asyncRemote } = this.#session;
    for (let index = 0; index < COUNT; index++) {
      const data = message(index);
      const sending = typeof data === "string" ? asyncRemote.sendText(data) : asyncRemote.sendBinary(data);
      const settled = (error: unknown) => this.#settled(index, error);
      void sending.then(settled, settled);
      this.#look();
    }
  }

  #settled(index: number, result: unknown): void {
    if (result instanceof Error) this.#state.errors.push(result.name);
    else this.#state.sent.push(index);
    this.#look();
  }

  #look(): void {
    const { bufferedAmount } = this.#session.asyncRemote;
    const mostBuffered = Math.max(this.#state.mostBuffered, bufferedAmount);
    Object.assign(this.#state, { bufferedAmount, mostBuffered });
  }

  get #session(): Session<string, SendChannel> {
    const [session] = this.openSessions();
    return session!;
  }
}

const container = new ServerContainer<Env>();

const echo = { onOpen: onOpenStartWsConnection(), onText: (send: SendChannel, text: string) => send.put(text) };

addEndpoints(container, {
  "/flow/{name}": Flow,
  "/plain": echo,
  "/plain/chat": { ...echo, subprotocols: ["chat"] },
});

export class Endpoints extends container.Endpoint {}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/") return container.fetch(request, env, ctx);
    return new Response("<!doctype html><title>A page</title>", { headers: { "Content-Type": "text/html" } });
  },
} satisfies ExportedHandler<Env>;
