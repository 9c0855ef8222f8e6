// Socle's object behind the floor's Worker: what an opened connection costs in the object alone. A request that comes past
// Socle's router is checked by the object, where else the router does it: nothing is left out of what must be done.
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

// The object looks the path up here, as it does where it is reached by the router.
addEndpoint(new ServerContainer(), "/bench/echo/{room}", Echo);

export default worker;
