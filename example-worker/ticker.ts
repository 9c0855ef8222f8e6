// A made-up price that an alarm pushes: subscribers start the alarm, and the last one to go stops it.
import { Endpoint, type EndpointOptions, type Session } from "socle";

import type { Env } from "./env.ts";
import { sameOrigin } from "./origin.ts";

/** What a ticker sends, as JSON. */
export interface Price {
  symbol: string;
  price: number;
  /** In milliseconds since 1970. */
  at: number;
}

/** Between two prices, in milliseconds. */
const PERIOD = 1000;

export class Ticker extends Endpoint<Env, undefined, "/ticker/{symbol}"> {
  static override options: EndpointOptions = {
    allowedOrigins: sameOrigin,
    onHandshake: (_request, { pathParameters: { symbol = "" } }) =>
      /^[A-Z]{1,5}$/.test(symbol)
        ? undefined
        : new Response("A symbol has one to five capital letters", { status: 400 }),
    // It listens to nobody.
    maxTextMessageBufferSize: 1,
  };

  override async onOpen({ asyncRemote, pathParameters }: Session<"/ticker/{symbol}">): Promise<undefined> {
    const { storage } = this.ctx;
    storage.kv.put("symbol", pathParameters.symbol);
    void asyncRemote.sendText(JSON.stringify(this.#price));
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + PERIOD);
  }

  override async onAlarm(): Promise<void> {
    const { price } = this.#price;
    // A random walk, in cents.
    this.ctx.storage.kv.put("price", Math.max(1, Math.round(price * 100 * (1 + (Math.random() - 0.5) / 50))) / 100);
    this.broadcast(JSON.stringify(this.#price));
    if (this.openSessionCount() > 0) await this.ctx.storage.setAlarm(Date.now() + PERIOD);
  }

  override async onClose(): Promise<void> {
    if (this.openSessionCount() === 0) await this.ctx.storage.deleteAlarm();
  }

  /** By RPC: whether the alarm is set. */
  async isTicking(): Promise<boolean> {
    return (await this.ctx.storage.getAlarm()) !== null;
  }

  get #price(): Price {
    const { kv } = this.ctx.storage;
    return { symbol: kv.get<string>("symbol") ?? "", price: kv.get<number>("price") ?? 100, at: Date.now() };
  }
}
