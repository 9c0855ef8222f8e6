// An alarm pushes made-up prices. The first subscriber starts it, and the last one to leave stops it. A slow subscriber skips prices
// and gets the newest.
import {
  Endpoint,
  slidingBuffer,
  startWsConnection,
  type EndpointOptions,
  type SendChannel,
  type Session,
} from "socle";

import type { Env } from "./env.ts";
import { sameOrigin } from "./origin.ts";

/** What a ticker sends, as JSON. */
export interface Price {
  symbol: string;
  /** Counts the prices, so that a subscriber knows how many it skipped. */
  number: number;
  price: number;
  /** In milliseconds since 1970. */
  at: number;
}

/** The time between two prices, in milliseconds. */
const PERIOD = 250;

/** Uses `send`, and ignores its result: `put` would log each price that is skipped. */
const give = (send: SendChannel, price: Price): void => void send.send(JSON.stringify(price));

/** The session object is the subscriber's channel. */
// #region ticker
export class Ticker extends Endpoint<Env, SendChannel> {
  static override options: EndpointOptions = {
    flowControl: { window: 1 }, // one price at a time is under way
    // #endregion
    allowedOrigins: sameOrigin,
    onHandshake: (_request, { pathParameters: { symbol = "" } }) =>
      /^[A-Z]{1,5}$/.test(symbol)
        ? undefined
        : new Response("A symbol has one to five capital letters", { status: 400 }),
    // Subscribers have nothing to send.
    maxTextMessageBufferSize: 1,
  };

  // #region ticker
  override async onOpen(session: Session) {
    const sendBufferOrN = slidingBuffer(1); // the newest price
    const send = startWsConnection(session, { sendBufferOrN });
    give(send, this.#price(session.pathParameters.symbol));
    if (!(await this.isTicking())) await this.#tick();
    return send;
  }

  override async onAlarm() {
    const price = this.#next();
    for (const one of this.openSessions()) give(one.sessionObject, price);
    if (this.openSessionCount() > 0) await this.#tick();
  }
  // #endregion

  override async onClose(): Promise<void> {
    if (this.openSessionCount() === 0) await this.ctx.storage.deleteAlarm();
  }

  /** Called by RPC: whether the alarm is set. */
  async isTicking(): Promise<boolean> {
    return (await this.ctx.storage.getAlarm()) !== null;
  }

  #tick(): Promise<void> {
    return this.ctx.storage.setAlarm(Date.now() + PERIOD);
  }

  /** The newest price. It stores the symbol, which the alarm needs. */
  #price(symbol = ""): Price {
    const { kv } = this.ctx.storage;
    kv.put("symbol", symbol);
    return { symbol, number: kv.get<number>("number") ?? 1, price: kv.get<number>("price") ?? 100, at: Date.now() };
  }

  #next(): Price {
    const { kv } = this.ctx.storage;
    const { number, price } = this.#price(kv.get("symbol"));
    kv.put("number", number + 1);
    // A random walk, in cents.
    kv.put("price", Math.max(1, Math.round(price * 100 * (1 + (Math.random() - 0.5) / 50))) / 100);
    return this.#price(kv.get("symbol"));
  }
}
