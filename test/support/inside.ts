// How tests reach into an object and its sessions.
import { runInDurableObject } from "cloudflare:test";
import type { Endpoint, Session } from "socle";

import type { Served } from "./endpoint.ts";

/** An object with its `ctx`, which only subclasses can access. */
export type Inside = Endpoint & { ctx: DurableObjectState };

/** Runs a function in the object, with its open sessions by their query strings. */
export const within = <R>(
  { stub }: Pick<Served, "stub">,
  use: (sessions: Record<string, Session>, object: Inside) => R | Promise<R>,
): Promise<R> =>
  runInDurableObject(stub as unknown as DurableObjectStub<Inside>, (object) =>
    use(Object.fromEntries([...object.openSessions()].map((session) => [session.queryString, session])), object),
  );

/** The error with which a promise rejects. */
export const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing",
    (error: Error) => `${error.name}: ${error.message}`,
  );
