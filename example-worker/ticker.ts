// A made-up price that an alarm pushes: subscribers start the alarm, and the last one to go stops it. One that is slow to
// take prices is not given all of them, but the newest.
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
  /** One more than the last price's, so that a subscriber knows how many it was not given. */
  number: number;
  price: number;
  /** In milliseconds since 1970. */
  at: number;
}

/** Between two prices, in milliseconds. */
const PERIOD = 250;

/** Asks for the result, which nobody reads: that a price was skipped is not for the log. */
const give = (send: SendChannel, price: Price): void => void send.send(JSON.stringify(price));

/** The session object is the channel to the subscriber. */
export class Ticker extends Endpoint<Env, SendChannel, "/ticker/{symbol}"> {
  static override options: EndpointOptions = {
    allowedOrigins: sameOrigin,
    onHandshake: (_request, { pathParameters: { symbol = "" } }) =>
      /^[A-Z]{1,5}$/.test(symbol)
        ? undefined
        : new Response("A symbol has one to five capital letters", { status: 400 }),
    // It listens to nobody.
    maxTextMessageBufferSize: 1,
    // Whatever its size, one price at a time is under way to a subscriber.
    flowControl: { window: 1 },
  };

  override async onOpen(session: Session<"/ticker/{symbol}">): Promise<SendChannel> {
    const { kv } = this.ctx.storage;
    kv.put("symbol", session.pathParameters.symbol);
    // What the subscriber has not taken when the next price comes is out of date.
    const send = startWsConnection(session, { sendBufferOrN: slidingBuffer(1) });
    give(send, this.#price);
    if (!(await this.isTicking())) await this.#tick();
    return send;
  }

  override async onAlarm(): Promise<void> {
    const { kv } = this.ctx.storage;
    const { number, price } = this.#price;
    kv.put("number", number + 1);
    // A random walk, in cents.
    kv.put("price", Math.max(1, Math.round(price * 100 * (1 + (Math.random() - 0.5) / 50))) / 100);
    const newest = this.#price;
    for (const { sessionObject } of this.openSessions()) give(sessionObject, newest);
    if (this.openSessionCount() > 0) await this.#tick();
  }

  override async onClose(): Promise<void> {
    if (this.openSessionCount() === 0) await this.ctx.storage.deleteAlarm();
  }

  /** By RPC: whether the alarm is set. */
  async isTicking(): Promise<boolean> {
    return (await this.ctx.storage.getAlarm()) !== null;
  }

  #tick(): Promise<void> {
    return this.ctx.storage.setAlarm(Date.now() + PERIOD);
  }

  get #price(): Price {
    const { kv } = this.ctx.storage;
    return {
      symbol: kv.get<string>("symbol") ?? "",
      number: kv.get<number>("number") ?? 1,
      price: kv.get<number>("price") ?? 100,
      at: Date.now(),
    };
  }
}
