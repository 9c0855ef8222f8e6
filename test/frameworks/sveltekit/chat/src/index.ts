import { addEndpoint, Endpoint, ServerContainer } from "socle";

interface Env {
  Chat: DurableObjectNamespace<Chat>;
  SITE: Fetcher;
}

export class Chat extends Endpoint<Env> {
  override onText(_: unknown, text: string) {
    this.broadcast(text);
  }
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/chat/{room}", Chat);

export default {
  fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? env.SITE.fetch(request),
} satisfies ExportedHandler<Env>;
