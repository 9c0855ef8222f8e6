// The way to an object: its namespace, its name and place, and what is done if it fails.
import * as workers from "cloudflare:workers";

import type { EndpointDefinition } from "./endpoint-definition.ts";
import { DeploymentError, report } from "./errors.ts";
import { unavailable } from "./handshake.ts";
import type { Match } from "./router.ts";
import type { WorkerContext, WsEndpointMap } from "./ws-endpoint-map.ts";

/** How often a request is tried, and half of how long before the second time at most, in milliseconds. */
const TRIES = 3;
const DELAY = 100;

/** An endpoint, and the name of the class of its objects. */
export interface Served extends EndpointDefinition {
  readonly className: string;
}

/**
 * The object behind a path.
 *
 * @throws {@link DeploymentError} if no binding and no export leads to its class, or the endpoint doesn't name it
 */
export function stubOf(env: unknown, request: Request, match: Match<Served>): DurableObjectStub {
  const { value: endpoint, pathParameters, concretePath } = match;
  const { instance, locationHint, jurisdiction } = endpoint.config;
  const name = instance ? instance(request, pathParameters) : concretePath;
  if (!name || typeof name !== "string") {
    throw new DeploymentError("The option instance must return the name of an object.");
  }
  const namespace = namespaceOf(env, endpoint);
  return (jurisdiction ? within(namespace, jurisdiction) : namespace).getByName(name, locationHint && { locationHint });
}

/** Asks an object, again if the platform says that it may help. */
export async function ask(stub: () => DurableObjectStub, request: Request, ctx: WorkerContext): Promise<Response> {
  for (let tries = 1; ; tries++) {
    try {
      // A stub that has failed goes on failing.
      const answered = stub().fetch(request);
      // A client that resets its connection ends this request. If that ended the object's too, nobody would take its
      // 101, and the object would never hear that the client is gone.
      ctx.waitUntil(answered.catch(() => {}));
      const response = await answered;
      // The platform's has headers that can't be changed, and middleware around the container does change them.
      return new Response(response.body, response);
    } catch (error) {
      const { retryable, overloaded } = (error ?? {}) as { retryable?: boolean; overloaded?: boolean };
      if (!retryable && !overloaded) throw error;
      if (overloaded || tries === TRIES || !/^(GET|HEAD)$/.test(request.method)) {
        report("503", error);
        return unavailable();
      }
      await scheduler.wait(Math.random() * DELAY * 2 ** tries);
    }
  }
}

function namespaceOf(env: unknown, { config, className }: Served): DurableObjectNamespace {
  const { durableObject } = config as WsEndpointMap;
  const bindings = (env ?? {}) as Record<string, unknown>;
  const { exports } = workers as { exports?: Record<string, unknown> };
  const screaming = className.replace(/(?<=[a-z\d])(?=[A-Z])/g, "_").toUpperCase();
  const found = (
    typeof durableObject === "string"
      ? [bindings[durableObject]]
      : [bindings[className], bindings[screaming], exports?.[className]]
  ).find(isNamespace);
  if (found) return found;
  const binding = typeof durableObject === "string" ? durableObject : className;
  throw new DeploymentError(`No Durable Object. Export its class, and add to wrangler.toml

[[durable_objects.bindings]]
name = "${binding}"
class_name = "${className}"

[[migrations]]
tag = "v1"
new_sqlite_classes = ["${className}"]
`);
}

/** A service, too, seems to have any method: that of a class that is no Durable Object is an RPC property. */
const isNamespace = (found: unknown): found is DurableObjectNamespace =>
  Object.prototype.toString.call((found as Partial<DurableObjectNamespace> | undefined)?.idFromName) ===
  "[object Function]";

function within(namespace: DurableObjectNamespace, jurisdiction: DurableObjectJurisdiction): DurableObjectNamespace {
  try {
    return namespace.jurisdiction(jurisdiction);
  } catch (error) {
    // Local workerd has none. Elsewhere no object may live outside its own.
    if (/not implemented in workerd/.test(String(error))) return namespace;
    throw error;
  }
}
