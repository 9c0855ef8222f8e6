// @ts-ignore -- the file exists only after `nuxt build`, and has no types
import nuxt from "./.output/server/index.mjs";
import { container, type Env } from "./chat";

export { Chat } from "./chat";

export default {
  fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? nuxt.fetch(request, env, ctx),
} satisfies ExportedHandler<Env>;
