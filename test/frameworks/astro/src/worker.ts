import { handle } from "@astrojs/cloudflare/handler";

import { container, type Env } from "./chat";

export { Chat } from "./chat";

export default {
  fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? handle(request, env, ctx),
} satisfies ExportedHandler<Env>;
