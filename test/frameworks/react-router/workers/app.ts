import { createRequestHandler } from "react-router";

import { container, type Env } from "./chat";

export { Chat } from "./chat";

const answer = createRequestHandler(() => import("virtual:react-router/server-build"), import.meta.env.MODE);

export default {
  fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? answer(request),
} satisfies ExportedHandler<Env>;
