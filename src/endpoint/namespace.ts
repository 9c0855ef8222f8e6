// The namespace of an endpoint's class, and the stubs of its objects.
import * as workers from "cloudflare:workers";

import { DeploymentError } from "../api/errors.ts";
import type { WsEndpointMap } from "../api/ws-endpoint-map.ts";
import { toError } from "../reporting/thrown.ts";
import type { Route } from "./endpoint-class.ts";

/** The data by which a namespace is found. */
export type Home = Pick<Route, "config" | "className" | "isByName">;

/** The name of an object, and where it is. */
export interface Location {
  readonly name: string;
  /** As in `ctx.id`, or the value of the option. */
  readonly jurisdiction?: string | undefined;
  readonly locationHint?: DurableObjectLocationHint | undefined;
}

/**
 * The stub of the object with a name. An object reaches another one of its path in its own jurisdiction, that of
 * `ctx.id`. Only a Worker, which is near the client, gives a location hint.
 *
 * ```ts
 * stubAt(env, route, { name: shardName(root, 3), jurisdiction: ctx.id.jurisdiction });
 * ```
 *
 * @throws {@link DeploymentError} if no binding and no export leads to its class
 */
export function stubAt(
  env: unknown,
  home: Home,
  {
    name,
    jurisdiction,
    locationHint,
  }: { name: string; jurisdiction?: string | undefined } & Partial<Pick<Location, "locationHint">>,
): DurableObjectStub {
  const namespace = namespaceOf(env, home);
  const found = jurisdiction ? within(namespace, jurisdiction as DurableObjectJurisdiction) : namespace;
  return found.getByName(name, locationHint && { locationHint });
}

/** @throws {@link DeploymentError} if no binding and no export leads to the class */
export function namespaceOf(env: unknown, { config, className, isByName }: Home): DurableObjectNamespace {
  const given = isByName ? (config as WsEndpointMap).durableObject : config.binding;
  const name = given ?? className;
  const inEnv = namespaceAt(env, name) ?? (given ? undefined : namespaceAt(env, screaming(className)));
  if (inEnv) return inEnv;
  const { exports } = workers as { exports?: object };
  const exported = isByName ? undefined : namespaceAt(exports, name);
  if (exported) return exported;
  const there = `env has ${namesIn(env)}, and the Worker exports ${namesIn(exports)}`;
  throw new DeploymentError(`No Durable Object ${name} for the class ${className}: ${there}. If a bundler or a wrapper has renamed the class, say where it is, as in { durableObject: ${className}, binding: "NAME" }. Else export the class, and add to wrangler.jsonc

"durable_objects": { "bindings": [{ "name": "${name}", "class_name": "${className}" }] },
"migrations": [{ "tag": "v1", "new_sqlite_classes": ["${className}"] }],
`);
}

/** The usual name of a binding: CHAT_ROOM for ChatRoom. */
const screaming = (className: string): string => className.replace(/(?<=[a-z\d])(?=[A-Z])/g, "_").toUpperCase();

/** An `env` may be a proxy that throws for unknown names. */
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

/** A service binding also seems to have any method: for a class that is not a Durable Object it is an RPC property. */
const isNamespace = (found: unknown): found is DurableObjectNamespace =>
  Object.prototype.toString.call((found as Partial<DurableObjectNamespace> | undefined)?.idFromName) ===
  "[object Function]";

function within(namespace: DurableObjectNamespace, jurisdiction: DurableObjectJurisdiction): DurableObjectNamespace {
  try {
    return namespace.jurisdiction(jurisdiction);
  } catch (error) {
    // Local workerd has no jurisdictions. Elsewhere no object may live outside its own.
    if (/not implemented in workerd/.test(toError(error).message)) return namespace;
    throw error;
  }
}
