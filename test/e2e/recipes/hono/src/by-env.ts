import { Hono } from "hono";
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

interface Env {
  Chat: DurableObjectNamespace<Chat>;
}

interface App {
  Bindings: Env;
  Variables: { user: string };
}

export class Chat extends Endpoint<Env & { user: string }, unknown, "/chat/{room}"> {
  override onText(_: unknown, text: string, session: Session) {
    this.broadcast(`${String(session.userProperties.user)}: ${text}`);
  }
}

const container = new ServerContainer<Env & { user: string }>();

addEndpoint(container, "/chat/{room}", {
  durableObject: Chat,
  onHandshake: (_, { env }) => ({ userProperties: { user: env.user } }),
});

const app = new Hono<App>();

app.use("/chat/*", async (c, next) => {
  const user = c.req.query("ticket");
  if (!user) return c.text("Sign in first", 401);
  c.set("user", user);
  return next();
});

app.get("/", (c) => c.text("the site"));
app.all("/chat/*", (c) => container.fetch(c.req.raw, { ...c.env, user: c.get("user") }, c.executionCtx));

export default app;
