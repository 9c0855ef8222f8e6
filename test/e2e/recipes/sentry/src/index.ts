import * as Sentry from "@sentry/cloudflare";
import { addEndpoint, Endpoint, ServerContainer } from "socle";

interface Env {
  CHAT: DurableObjectNamespace;
  SENTRY_DSN: string;
}

const options = ({ SENTRY_DSN }: Env) => ({ dsn: SENTRY_DSN, tracesSampleRate: 0.1 });

class ChatBase extends Endpoint<Env> {
  override onText(_: unknown, text: string) {
    const { message } = JSON.parse(text) as { message: string };
    this.broadcast(message);
  }
}

export const Chat = Sentry.instrumentDurableObjectWithSentry(options, ChatBase);

const container = new ServerContainer<Env>({
  // Socle catches what a callback throws, so Sentry's wrapper doesn't see it.
  onEvent: (event) => void (event.type === "error" && Sentry.captureException(event.error)),
});

addEndpoint(container, "/chat/{room}", { durableObject: Chat, binding: "CHAT" });

export default Sentry.withSentry(options, {
  fetch: (request, env, ctx) => container.fetch(request, env, ctx),
} satisfies ExportedHandler<Env>);
