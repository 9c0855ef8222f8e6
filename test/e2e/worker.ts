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

/** Tells with each answer which instance gave it: hibernation ends one, and waking makes another. */
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

/** Writes down what happens to its sessions. GET takes the next entry, and POST lets one held `onOpen` go on. */
export class Journal extends Endpoint<Env, string> {
  readonly #entries = chan<string>(100);
  readonly #held = chan<true>();

  override async onRequest({ method }: Request): Promise<Response> {
    if (method === "GET") return new Response(await this.#entries.take());
    await this.#held.put(true);
    return new Response();
  }

  override async onOpen({ requestParameterMap }: Session): Promise<string> {
    const name = requestParameterMap.get("name") ?? "";
    this.#entries.offer(`${name} opens`);
    if (requestParameterMap.has("held")) await this.#held.take();
    return name;
  }

  override onClose(name: string, _session: Session, { closeCode }: CloseReason): void {
    this.#entries.offer(`${name} ends with ${closeCode}`);
  }

  override onError(): void {}
}

const container = new ServerContainer<Env>();

addEndpoints(container, {
  "/counter": Counter,
  "/journal/{name}": Journal,
  "/kick": { onText: (_, phrase, session) => session.close(4001, phrase) },
  "/broken": {
    onOpen() {
      throw new Error("the password is swordfish");
    },
  },
});

export class Endpoints extends container.Endpoint {}

export default container;
