// @ts-ignore -- the file exists only after `opennextjs-cloudflare build`, and has no types
import next from "./.open-next/worker.js";
import { container, type Env } from "./chat";

export { Chat } from "./chat";

export default {
  fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? next.fetch(request, env, ctx),
} satisfies ExportedHandler<Env>;
