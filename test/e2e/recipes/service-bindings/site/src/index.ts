import type { Push } from "../../chat/src/index.ts";

interface Env {
  CHAT: Fetcher;
  PUSH: Service<typeof Push>;
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/chat/")) return env.CHAT.fetch(request);
    if (pathname === "/announce" && request.method === "POST") {
      // Check here whether the caller may do that.
      return Response.json({ reached: await env.PUSH.announce("lobby", await request.text()) });
    }
    return new Response("the site");
  },
} satisfies ExportedHandler<Env>;
