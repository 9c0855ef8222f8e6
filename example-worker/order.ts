// A slow handler. Socle calls it for one message of a session at a time, in the order in which the messages arrive.
import { Endpoint, type Session } from "socle";

import type { Env } from "./env.ts";
import { forVisitor } from "./visitor.ts";
import { work } from "./work.ts";

// #region order
export class Order extends Endpoint<Env, undefined> {
  static override options = forVisitor;

  override async onText(_: undefined, text: string, session: Session) {
    await work(text); // a query or a fetch
    await session.asyncRemote.sendText(text);
  }
}
// #endregion
