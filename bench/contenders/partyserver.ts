// PartyServer with hibernation, routed as in its README.
import { routePartykitRequest, Server, type Connection, type WSMessage } from "partyserver";

class Hibernating extends Server<Env> {
  static override options = { hibernate: true };
}

export class Echo extends Hibernating {
  override onMessage(connection: Connection, message: WSMessage): void {
    connection.send(message);
  }
}

export class Room extends Hibernating {
  override onMessage(_connection: Connection, message: WSMessage): void {
    this.broadcast(message);
  }
}

export class Crowd extends Hibernating {
  override onMessage(connection: Connection, message: WSMessage): void {
    if (message === "echo") connection.send(message);
    else this.broadcast(message);
  }
}

export class Slow extends Hibernating {
  override async onMessage(connection: Connection, message: WSMessage): Promise<void> {
    await scheduler.wait(Number(message));
    connection.send(message);
  }
}

let instances = 0;

export class Wake extends Hibernating {
  readonly #instance = ++instances;

  override onMessage(connection: Connection): void {
    connection.send(`${connection.id} ${this.#instance}`);
  }
}

interface Env extends Cloudflare.Env {
  Echo: DurableObjectNamespace<Echo>;
  Room: DurableObjectNamespace<Room>;
  Crowd: DurableObjectNamespace<Crowd>;
  Slow: DurableObjectNamespace<Slow>;
  Wake: DurableObjectNamespace<Wake>;
}

export default {
  async fetch(request, env) {
    const response = await routePartykitRequest(request, env, { prefix: "bench" });
    return response ?? new Response("Not Found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
