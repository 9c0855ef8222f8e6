// How tests connect to the Worker under test.
import { exports } from "cloudflare:workers";
import * as testing from "socle/testing";

export { Client, type Closed } from "socle/testing";

/** Shorter than the tests' own time limit, which is long because the machine may be busy with something else. */
const timeoutMs = 50_000;

export const request = (path: string, init: RequestInit = {}): Promise<Response> =>
  exports.default.fetch(new Request(`https://socle.test${path}`, init));

export const upgrade = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  request(path, { headers: { Upgrade: "websocket", ...headers } });

export const connect = (path: string, headers: Record<string, string> = {}): Promise<testing.Client> =>
  testing.connect(exports.default, path, { headers, timeoutMs });

export const hibernate = (stub: DurableObjectStub): Promise<void> => testing.hibernate(stub, { timeoutMs });
