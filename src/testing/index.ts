// `socle/testing`: tests of your own endpoints, in workerd under `@cloudflare/vitest-plugin`.
export { Client, connect, type Closed, type ConnectOptions, type Fetches, type Message } from "./client.ts";
export {
  ConnectionClosedError,
  HandshakeError,
  HibernationError,
  TestEnvironmentError,
  TimeoutError,
} from "./errors.ts";
export { drop, hibernate, type HibernateOptions } from "./hibernation.ts";
export { redeploy } from "./redeploy.ts";
