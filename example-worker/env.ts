/** The bindings of wrangler.jsonc. The code that asks for a stub names its class, so that no class imports itself from here. */
export interface Env {
  ASSETS: Fetcher;
  Endpoints: DurableObjectNamespace;
  Chat: DurableObjectNamespace;
  Ticker: DurableObjectNamespace;
  Crowd: DurableObjectNamespace;
  Order: DurableObjectNamespace;
  BareOrder: DurableObjectNamespace;
  Sleeper: DurableObjectNamespace;
  Relay: DurableObjectNamespace;
}
