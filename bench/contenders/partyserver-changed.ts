// PartyServer with a connection state that changes with each message: setState keeps it in the attachment each time.
import { routePartykitRequest, Server, type Connection, type WSMessage } from "partyserver";

interface User {
  name: string;
  messages: number;
}

export class Echo extends Server<Env> {
  static override options = { hibernate: true };

  override onConnect(connection: Connection<User>): void {
    connection.setState({ name: "anonymous", messages: 0 });
  }

  override onMessage(connection: Connection<User>, message: WSMessage): void {
    connection.setState((user) => ({ ...user!, messages: user!.messages + 1 }));
    connection.send(message);
  }
}

interface Env extends Cloudflare.Env {
  Echo: DurableObjectNamespace<Echo>;
}

export default {
  async fetch(request, env) {
    const response = await routePartykitRequest(request, env, { prefix: "bench" });
    return response ?? new Response("Not Found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
