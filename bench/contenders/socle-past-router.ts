// Socle's object behind the floor's Worker: the cost of opening a connection in the object alone. If a request doesn't go through
// Socle's router, the object makes the router's checks, so no necessary work is left out.
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

import { worker } from "./by-hand.ts";

interface User {
  name: string;
}

export class Echo extends Endpoint<Cloudflare.Env, User> {
  override onOpen(): User {
    return { name: "anonymous" };
  }

  override onText(_user: User, text: string, session: Session): void {
    void session.asyncRemote.sendText(text);
  }
}

// The object looks the path up here, as it does behind the router.
addEndpoint(new ServerContainer(), "/bench/echo/{room}", Echo);

export default worker;
