// The way to an object: its namespace, its name and place, and what is done if it fails.
import * as workers from "cloudflare:workers";

import { OPTIONS, type EndpointDefinition } from "./endpoint-definition.ts";
import { DeploymentError, toError } from "./errors.ts";
import { unavailable } from "./handshake.ts";
import { report } from "./log.ts";
import type { Match } from "./router.ts";
import type { WorkerContext, WsEndpointMap } from "./ws-endpoint-map.ts";

/** How often a request is tried, and half of how long before the second time at most, in milliseconds. */
const TRIES = 3;
const DELAY = 100;

/** An endpoint, and where its objects are. */
export interface Served extends EndpointDefinition {
  /** The name of their class. */
  readonly className: string;
  /** The endpoint has the name of a binding in place of the class. */
  readonly isByName: boolean;
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
  const where = chosen("jurisdiction", jurisdiction, pathParameters);
  const near = chosen("locationHint", locationHint, request, pathParameters);
  return (where ? within(namespace, where) : namespace).getByName(name, near && { locationHint: near });
}

/**
 * The value of an option that may be a function.
 *
 * @throws {@link DeploymentError} if the function returns another than the option may have
 */
function chosen<T, Given extends unknown[]>(
  option: "locationHint" | "jurisdiction",
  value: T | ((...given: Given) => T | undefined) | undefined,
  ...given: Given
): T | undefined {
  if (typeof value !== "function") return value;
  const found = (value as (...given: Given) => T | undefined)(...given);
  const [what, fits] = OPTIONS[option];
  if (found === undefined || fits!(found)) return found;
  throw new DeploymentError(`The option ${option} has returned something else: it must be ${what}.`);
}

/** Asks an object, again if the platform says that it may help. */
export async function ask(
  stub: () => DurableObjectStub,
  request: Request,
  ctx: WorkerContext,
  path: string,
): Promise<Response> {
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
      const { retryable, overloaded } = toError(error) as { retryable?: boolean; overloaded?: boolean };
      if (!retryable && !overloaded) throw error;
      if (overloaded || tries === TRIES || !/^(GET|HEAD)$/.test(request.method)) {
        report(`503 for ${path}`, error);
        return unavailable();
      }
      await scheduler.wait(Math.random() * DELAY * 2 ** tries);
    }
  }
}

function namespaceOf(env: unknown, { config, className, isByName }: Served): DurableObjectNamespace {
  const given = isByName ? (config as WsEndpointMap).durableObject : config.binding;
  const { exports } = workers as { exports?: object };
  const screaming = className.replace(/(?<=[a-z\d])(?=[A-Z])/g, "_").toUpperCase();
  const name = given ?? className;
  const found =
    namespaceAt(env, name) ??
    (given ? undefined : namespaceAt(env, screaming)) ??
    (isByName ? undefined : namespaceAt(exports, name));
  if (found) return found;
  const there = `env has ${namesIn(env)}, and the Worker exports ${namesIn(exports)}`;
  throw new DeploymentError(`No Durable Object ${name} for the class ${className}: ${there}. If a bundler or a wrapper has renamed the class, say where it is, as in { durableObject: ${className}, binding: "NAME" }. Else export the class, and add to wrangler.toml

[[durable_objects.bindings]]
name = "${name}"
class_name = "${className}"

[[migrations]]
tag = "v1"
new_sqlite_classes = ["${className}"]
`);
}

/** An `env` may be a proxy that throws for what it doesn't have. */
function namespaceAt(where: unknown, name: string): DurableObjectNamespace | undefined {
  try {
    const found = (where as Record<string, unknown> | null | undefined)?.[name];
    return isNamespace(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

const namesIn = (where: unknown): string =>
  Object.keys(where ?? {})
    .filter((name) => namespaceAt(where, name))
    .join(", ") || "none";

/** A service, too, seems to have any method: that of a class that is no Durable Object is an RPC property. */
const isNamespace = (found: unknown): found is DurableObjectNamespace =>
  Object.prototype.toString.call((found as Partial<DurableObjectNamespace> | undefined)?.idFromName) ===
  "[object Function]";

function within(namespace: DurableObjectNamespace, jurisdiction: DurableObjectJurisdiction): DurableObjectNamespace {
  try {
    return namespace.jurisdiction(jurisdiction);
  } catch (error) {
    // Local workerd has none. Elsewhere no object may live outside its own.
    if (/not implemented in workerd/.test(toError(error).message)) return namespace;
    throw error;
  }
}
