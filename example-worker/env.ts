/** The bindings of wrangler.jsonc. Of which class a namespace is says who asks for a stub, so that no class imports itself from here. */
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
