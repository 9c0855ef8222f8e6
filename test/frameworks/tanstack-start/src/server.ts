import handler from "@tanstack/react-start/server-entry";

import { container, type Env } from "./chat";

export { Chat } from "./chat";

export default {
  fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? handler.fetch(request),
} satisfies ExportedHandler<Env>;
