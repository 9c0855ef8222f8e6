import { addEndpoint, ServerContainer } from "socle";

import type { Chat } from "../../chat/src/index.ts";

interface Env {
  CHAT: DurableObjectNamespace<Chat>;
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/chat/{room}", {
  durableObject: "CHAT",
  onHandshake({ url }) {
    const user = new URL(url).searchParams.get("ticket");
    return user ? { userPrincipal: user } : new Response("Sign in first", { status: 401 });
  },
});

export default container;
