import { WorkerEntrypoint } from "cloudflare:workers";
import { addEndpoint, Endpoint, ServerContainer } from "socle";

interface Env {
  Chat: DurableObjectNamespace<Chat>;
}

export class Chat extends Endpoint<Env> {
  override onText(_: unknown, text: string) {
    this.broadcast(text);
  }
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/chat/{room}", Chat);

// Other Workers call this. It can't be reached from the internet.
export class Push extends WorkerEntrypoint<Env> {
  announce(room: string, text: string): Promise<number> {
    return container.stub(this.env, `/chat/${encodeURIComponent(room)}`).broadcast(text);
  }
}

export default container;
