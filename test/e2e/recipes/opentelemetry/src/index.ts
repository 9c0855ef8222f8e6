import { instrument, instrumentDO, type ResolveConfigFn } from "@microlabs/otel-cf-workers";
import { addEndpoint, Endpoint, ServerContainer } from "socle";

interface Env {
  CHAT: DurableObjectNamespace;
  OTLP_URL: string;
}

const config: ResolveConfigFn<Env> = ({ OTLP_URL }) => ({
  exporter: { url: OTLP_URL },
  service: { name: "chat" },
});

class ChatBase extends Endpoint<Env> {
  override onText(_: unknown, text: string) {
    this.broadcast(text);
  }
}

export const Chat = instrumentDO(ChatBase, config);

const container = new ServerContainer<Env>();

addEndpoint(container, "/chat/{room}", { durableObject: ChatBase, binding: "CHAT" });

export default instrument(
  {
    fetch: (request, env, ctx) => container.fetch(request, env, ctx),
  } satisfies ExportedHandler<Env>,
  config,
);
