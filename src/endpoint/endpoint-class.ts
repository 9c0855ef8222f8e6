// A class of endpoints before it has an object: its options, its methods, and where containers have registered it.
import type { EventListener } from "../api/container-event.ts";
import type { EndpointOptions } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import { defined } from "../options/check.ts";
import type { EndpointDefinition } from "./definition.ts";
import type { Router } from "./router.ts";

/** Key of a class's endpoints, by their paths as they were registered. */
export const ENDPOINTS = Symbol();

/** Key that marks a container's class, which serves maps at their paths and nothing elsewhere. */
export const SERVES_MAPS = Symbol();

/** Key of the containers' listeners, which learn that an object was created. */
export const LISTENERS = Symbol();

/** Key by which `socle/testing` reaches a container's table. `socle` doesn't export it. */
export const TABLE = Symbol();

/** The part of a class that is read. */
export interface ClassOfEndpoints {
  readonly name: string;
  readonly prototype: object;
  options?: EndpointOptions<unknown>;
  overrides?: boolean;
  [ENDPOINTS]?: Map<string, EndpointDefinition>;
  [LISTENERS]?: Set<EventListener>;
  [SERVES_MAPS]?: boolean;
}

/** What a container has at a path. */
export interface Route extends EndpointDefinition {
  /** The name of its class, by which the namespace is found. */
  readonly className: string;
  /** The endpoint names a binding instead of a class. */
  readonly isByName: boolean;
  readonly type: ClassOfEndpoints;
  /** The class has an `onRequest`. */
  readonly answersRequests: boolean;
}

/** A container's table, for `socle/testing`. */
export interface Table {
  readonly routes: Router<Route>;
  routeOf(path: string, endpoint: object): Route;
  add(path: string, route: Route): void;
}

/** The tables of all containers: an object finds out there whether a request is meant for its class. */
export const TABLES = new Set<Router<Route>>();

/** The methods by which the platform reaches the callbacks, and what a class has to write instead. */
const METHODS = {
  alarm: "onAlarm",
  fetch: "onRequest",
  webSocketMessage: "onText or onBinary",
  webSocketClose: "onClose",
  webSocketError: "onError",
  // The objects of a path under `shards` call each other by it.
  socle: "something else",
};

/** Classes that have been checked. */
const checked = new WeakSet<ClassOfEndpoints>();

/**
 * Refuses a class that has such a method of its own, because its callbacks would never run.
 *
 * @param base has the methods that lead to the callbacks
 * @param besides one method that is allowed
 * @throws {@link DeploymentError}
 */
export function checkMethods(type: ClassOfEndpoints, base: ClassOfEndpoints, besides?: string): void {
  if (type.overrides || checked.has(type)) return;
  // Methods assigned as properties. The names of the other methods may occur in the text with another meaning.
  const assigned = textOf(type, base).matchAll(/\b(webSocket\w+)\s*=[^=]/g);
  const properties = new Set(Array.from(assigned, ([, name]) => name));
  for (const [method, ours] of Object.entries(METHODS)) {
    const isOwn = Reflect.get(type.prototype, method) !== Reflect.get(base.prototype, method);
    const isProperty = properties.has(method);
    if (method === besides || !(isOwn || isProperty)) continue;
    throw new DeploymentError(
      `The class ${type.name} has a method ${method}: rename it ${ours}, or declare static overrides = true if it calls super.${method}.`,
    );
  }
  checked.add(type);
}

export const hasOnRequest = (type: ClassOfEndpoints, base: ClassOfEndpoints): boolean =>
  "onRequest" in type.prototype || /\bonRequest\b/.test(textOf(type, base));

/** The options of a class: those of its superclasses, overridden one by one by its own. */
export function optionsOf(type: ClassOfEndpoints, base: ClassOfEndpoints): EndpointOptions<unknown> {
  const own = [...classesOf(type, base), type].map((one) => (Object.hasOwn(one, "options") ? one.options : undefined));
  // Registration checks that both halves of a codec are given.
  return Object.assign({}, ...own.map((options) => defined(options ?? {}))) as EndpointOptions<unknown>;
}

/** The source of a class and its superclasses: only the source shows a property before there is an object. */
const textOf = (type: ClassOfEndpoints, base: ClassOfEndpoints): string => classesOf(type, base).map(String).join("\n");

/**
 * The classes between a base and a class. The class may be a wrapper: then the constructor of its prototype is the
 * class itself.
 */
function classesOf({ prototype }: ClassOfEndpoints, base: ClassOfEndpoints): ClassOfEndpoints[] {
  const classes: ClassOfEndpoints[] = [];
  for (let of = prototype; of !== base.prototype; of = Object.getPrototypeOf(of) as object) {
    classes.unshift(of.constructor);
  }
  return classes;
}
