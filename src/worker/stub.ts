// The way to an object: its namespace, its name and place.
import * as workers from "cloudflare:workers";

import { DeploymentError } from "../api/errors.ts";
import type { WsEndpointMap } from "../api/ws-endpoint-map.ts";
import type { Route } from "../endpoint/endpoint-class.ts";
import type { Match } from "../endpoint/router.ts";
import { locationOf } from "../options/placement.ts";
import { toError } from "../reporting/thrown.ts";

/**
 * The object behind a path.
 *
 * @throws {@link DeploymentError} if no binding and no export leads to its class, or the endpoint doesn't name it
 */
export function stubOf(env: unknown, request: Request, match: Match<Route>): DurableObjectStub {
  const { value: route, pathParameters, concretePath } = match;
  const { name, jurisdiction, locationHint } = locationOf(route.config, request, pathParameters, concretePath);
  const namespace = namespaceOf(env, route);
  return (jurisdiction ? within(namespace, jurisdiction) : namespace).getByName(name, locationHint && { locationHint });
}

function namespaceOf(env: unknown, { config, className, isByName }: Route): DurableObjectNamespace {
  const given = isByName ? (config as WsEndpointMap).durableObject : config.binding;
  const name = given ?? className;
  const inEnv = namespaceAt(env, name) ?? (given ? undefined : namespaceAt(env, screaming(className)));
  if (inEnv) return inEnv;
  const { exports } = workers as { exports?: object };
  const exported = isByName ? undefined : namespaceAt(exports, name);
  if (exported) return exported;
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

/** As bindings are named: CHAT_ROOM for ChatRoom. */
const screaming = (className: string): string => className.replace(/(?<=[a-z\d])(?=[A-Z])/g, "_").toUpperCase();

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
