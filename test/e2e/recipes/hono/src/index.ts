import { Hono } from "hono";
import { upgradeWebSocket } from "hono/cloudflare-workers";
import { contextStorage, getContext } from "hono/context-storage";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

interface Env {
  Chat: DurableObjectNamespace<Chat>;
}

interface App {
  Bindings: Env;
  Variables: { user: string };
}

export class Chat extends Endpoint<Env, unknown, "/chat/{room}"> {
  override onText(_: unknown, text: string, session: Session) {
    this.broadcast(`${String(session.userPrincipal)}: ${text}`);
  }
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/chat/{room}", {
  durableObject: Chat,
  onHandshake: () => ({ userPrincipal: getContext<App>().get("user") }),
});

const app = new Hono<App>();

app.use(contextStorage(), secureHeaders(), cors());

app.use("/chat/*", async (c, next) => {
  // Look up the session of a cookie here, or check a token.
  const user = c.req.query("ticket");
  if (!user) return c.text("Sign in first", 401);
  c.set("user", user);
  return next();
});

app.get("/", (c) => c.text("the site"));
app.all("/chat/*", (c) => container.fetch(c.req.raw, c.env, c.executionCtx));

// A socket in the Worker itself, without an object.
app.get(
  "/upper",
  upgradeWebSocket(() => ({
    onMessage: (event, socket) => socket.send(String(event.data).toUpperCase()),
  })),
);

export default app;
