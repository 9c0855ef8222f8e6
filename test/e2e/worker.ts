// Endpoints that show over TCP what the example has no reason to show.
import {
  addEndpoints,
  chan,
  Endpoint,
  ServerContainer,
  startWsConnection,
  type CloseReason,
  type SendChannel,
  type Session,
} from "socle";

interface Env {
  Endpoints: DurableObjectNamespace<Endpoints>;
  Counter: DurableObjectNamespace<Counter>;
  Journal: DurableObjectNamespace<Journal>;
}

interface Counting {
  count: number;
  since: Date;
  to: { client: SendChannel };
}

/** Adds to each answer which instance gave it: hibernation ends one, and waking makes another. */
export class Counter extends Endpoint<Env, Counting> {
  readonly #instance = crypto.randomUUID();

  override onOpen(session: Session): Counting {
    return { count: 0, since: new Date(0), to: { client: startWsConnection(session) } };
  }

  override onText(counting: Counting): Promise<boolean> {
    counting.count++;
    const { count, since, to } = counting;
    return to.client.put(JSON.stringify({ instance: this.#instance, count, since: since.toISOString() }));
  }
}

function fail(): void {
  throw new Error("from a listener");
}

/**
 * Logs what happens to its sessions. GET takes the next entry, POST releases one held callback, and DELETE closes the
 * sessions. A text of digits is answered after as many milliseconds, "hold" when it is released, "close" by closing,
 * and "stream" by texts without an end. "throw" has a listener throw when the session ends. With "strict" in the query
 * the failures of callbacks are logged too.
 */
export class Journal extends Endpoint<Env, string> {
  readonly #entries = chan<string>(100);
  readonly #held = chan<true>();

  override async onRequest({ method }: Request): Promise<Response> {
    if (method === "GET") return new Response(await this.#entries.take());
    if (method === "DELETE") this.closeAll({ closeCode: 4001, reasonPhrase: "closed" });
    else await this.#held.put(true);
    return new Response();
  }

  override async onOpen({ requestParameterMap }: Session): Promise<string> {
    const name = requestParameterMap.get("name") ?? "";
    this.#entries.offer(`${name} opens`);
    if (requestParameterMap.has("held")) await this.#held.take();
    return name;
  }

  override async onText(_name: string, text: string, session: Session): Promise<void> {
    if (text === "close") return session.close(4001, "closed");
    if (text === "stream") return this.#stream(session);
    if (text === "throw") session.signal.addEventListener("abort", fail);
    await (text === "hold" ? this.#held.take() : scheduler.wait(Number(text) || 0));
    await session.asyncRemote.sendText(text);
  }

  async #stream({ asyncRemote, signal }: Session): Promise<void> {
    for (let part = 1; ; part++) {
      await asyncRemote.sendText(`part ${part}`);
      await scheduler.wait(1, { signal });
    }
  }

  override onClose(name: string, _session: Session, { closeCode }: CloseReason): void {
    this.#entries.offer(`${name} ends with ${closeCode}`);
  }

  override onError(name = "", { requestParameterMap }: Session): void {
    if (requestParameterMap.has("strict")) this.#entries.offer(`${name} fails`);
  }
}

const container = new ServerContainer<Env>();

addEndpoints(container, {
  "/counter": Counter,
  "/counter/standard": { durableObject: Counter, hibernate: false },
  "/counter/flow/{name}": { durableObject: Counter, flowControl: { window: 1 } },
  "/journal/{name}": Journal,
  "/journal/standard/{name}": { durableObject: Journal, hibernate: false },
  "/facts": {
    onHandshake: () => ({ userProperties: { given: true } }),
    onOpen({ asyncRemote, id, userPrincipal, userProperties, negotiatedSubprotocol: subprotocol, tags }) {
      void asyncRemote.sendText(JSON.stringify({ id, userPrincipal, userProperties, subprotocol, tags }));
    },
  },
  "/kick": { onText: (_, phrase, session) => session.close(4001, phrase) },
  "/broken": {
    onOpen() {
      throw new Error("the password is swordfish");
    },
  },
});

export class Endpoints extends container.Endpoint {}

export default container;
