// A class of endpoints as it is before there is an object: its options, its methods, and where containers have registered it.
import type { EventListener } from "../api/container-event.ts";
import type { EndpointOptions } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import { defined } from "../options/check.ts";
import type { EndpointDefinition } from "./definition.ts";
import type { Router } from "./router.ts";

/** Where a class has the endpoints that its objects serve, by their paths as they were registered. */
export const ENDPOINTS = Symbol();

/** Whether it is a container's class, which serves maps at their paths and nothing elsewhere. */
export const SERVES_MAPS = Symbol();

/** And the containers' functions that are told when one is made. */
export const LISTENERS = Symbol();

/** By what `socle/testing` gets at a container's table: `socle` gives it to nobody. */
export const TABLE = Symbol();

/** What is looked at of a class. */
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
  /** The endpoint has the name of a binding in place of the class. */
  readonly isByName: boolean;
  /** The class of its objects. */
  readonly type: ClassOfEndpoints;
  /** It has an `onRequest`. */
  readonly answersRequests: boolean;
}

/** A container's table, for who changes it. */
export interface Table {
  readonly routes: Router<Route>;
  routeOf(path: string, endpoint: object): Route;
  add(path: string, route: Route): void;
}

/** The tables of all containers: an object looks there whether a request is meant for its class. */
export const TABLES = new Set<Router<Route>>();

/** The methods by which the platform reaches the callbacks, and what a class writes in their place. */
const METHODS = {
  alarm: "onAlarm",
  fetch: "onRequest",
  webSocketMessage: "onText or onBinary",
  webSocketClose: "onClose",
  webSocketError: "onError",
  // By it the objects of a path under `shards` talk to each other.
  socle: "something else",
};

/** Those that were looked at. */
const checked = new WeakSet<ClassOfEndpoints>();

/**
 * A class with such a method of its own would have callbacks that never run.
 *
 * @param base has the methods that lead to the callbacks
 * @param besides one that may be there
 * @throws {@link DeploymentError}
 */
export function checkMethods(type: ClassOfEndpoints, base: ClassOfEndpoints, besides?: string): void {
  if (type.overrides || checked.has(type)) return;
  // As properties. The names of the others may stand there for something else.
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

/** Whether a class has an `onRequest`, as a method or as a property. */
export const hasOnRequest = (type: ClassOfEndpoints, base: ClassOfEndpoints): boolean =>
  "onRequest" in type.prototype || /\bonRequest\b/.test(textOf(type, base));

/** The options of a class: those of the classes that it extends, and over them its own, one by one. */
export function optionsOf(type: ClassOfEndpoints, base: ClassOfEndpoints): EndpointOptions<unknown> {
  const own = [...classesOf(type, base), type].map((one) => (Object.hasOwn(one, "options") ? one.options : undefined));
  // That both halves of a codec come together is seen at registration.
  return Object.assign({}, ...own.map((options) => defined(options ?? {}))) as EndpointOptions<unknown>;
}

/** The text of a class and of those that it extends: only that shows a property before there is an object. */
const textOf = (type: ClassOfEndpoints, base: ClassOfEndpoints): string => classesOf(type, base).map(String).join("\n");

/** The classes between a base and a class, which may be a wrapper: the constructor of its prototype is then the class itself. */
function classesOf({ prototype }: ClassOfEndpoints, base: ClassOfEndpoints): ClassOfEndpoints[] {
  const classes: ClassOfEndpoints[] = [];
  for (let of = prototype; of !== base.prototype; of = Object.getPrototypeOf(of) as object) {
    classes.unshift(of.constructor);
  }
  return classes;
}
