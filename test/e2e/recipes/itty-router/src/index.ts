import { AutoRouter } from "itty-router";
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

const router = AutoRouter();

router
  .get("/", () => ({ service: "chat" }))
  .all("/chat/*", (request: Request, env: Env, ctx: ExecutionContext) => container.fetch(request.clone(), env, ctx));

export default router;
