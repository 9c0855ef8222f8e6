// Publishes each message on a topic with a history. A client that reconnects gets what it missed.
import { Endpoint, type EndpointOptions, type Session } from "socle";

import type { Env } from "./env.ts";
import { forVisitor } from "./visitor.ts";

// #region relay
export class Relay extends Endpoint<Env, undefined> {
  static override options: EndpointOptions = {
    ...forVisitor,
    topics: { history: { messages: 1000, ageMs: 3_600_000 } },
  };

  override async onOpen(session: Session): Promise<undefined> {
    // The client says in its handshake what it has seen.
    await session.subscribe("numbers", { since: "client" });
  }

  override async onText(_: undefined, text: string, session: Session) {
    await session.publish("numbers", text);
  }
}
// #endregion
