// An object that reports what it remembers. When it wakes from hibernation, a field starts again.
import { Endpoint, type EndpointOptions, type Session } from "socle";

import type { Env } from "./env.ts";
import { forVisitor } from "./visitor.ts";

/** The answer to each message, as JSON: how many messages each place has counted. */
export interface Memory {
  field: number;
  session: number;
  history: number;
}

interface Visit {
  count: number;
}

// #region sleeper
export class Sleeper extends Endpoint<Env, Visit> {
  #field = 0; // in memory only
  // #endregion

  static override options: EndpointOptions = {
    ...forVisitor,
    topics: { history: { messages: 100, ageMs: 3_600_000 } },
    // The platform answers the client's heartbeats, so they don't wake the object.
    autoResponse: { request: "ping", response: "pong" },
  };

  // #region sleeper
  override onOpen(): Visit {
    return { count: 0 }; // the session object
  }

  override async onText(visit: Visit, text: string, session: Session) {
    visit.count += 1;
    const field = (this.#field += 1);
    await session.publish("notes", text); // into the history
    const { length: history } = await this.publications("notes");
    const memory: Memory = { field, session: visit.count, history };
    await session.asyncRemote.sendText(JSON.stringify(memory));
  }
}
// #endregion
