import type { Chat } from "./chat.ts";
import type { Endpoints } from "./index.ts";
import type { Ticker } from "./ticker.ts";

/** The bindings of wrangler.toml. */
export interface Env {
  ASSETS: Fetcher;
  Endpoints: DurableObjectNamespace<Endpoints>;
  Chat: DurableObjectNamespace<Chat>;
  Ticker: DurableObjectNamespace<Ticker>;
}
