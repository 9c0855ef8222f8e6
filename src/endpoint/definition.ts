// An endpoint as it was registered: checked once, in the form that the Worker and the object use.
import type { Callbacks } from "../api/callbacks.ts";
import type { EventListener } from "../api/container-event.ts";
import type { EndpointConfig, EndpointOptions, MutableEndpointConfig } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import { limitsOf, type Limits } from "../hibernation/limits.ts";
import { isObject } from "../hibernation/plain-data.ts";
import { check, defined, FUNCTION, type Checks } from "../options/check.ts";
import { configured } from "../options/configure.ts";
import type { Defaults, Registration } from "../options/option.ts";
import { CHECKS, defaultsOf, register, waysUnder } from "../options/options.ts";
import { madeBy } from "../options/version.ts";
import type { Way } from "../session/way.ts";

export const CALLBACKS: Checks<keyof Callbacks> = {
  onOpen: FUNCTION,
  onText: FUNCTION,
  onBinary: FUNCTION,
  onClose: FUNCTION,
  onError: FUNCTION,
};

export interface EndpointDefinition extends Pick<Registration, "protocols" | "offers"> {
  readonly config: EndpointConfig;
  /** Absent for a class: its objects have the callbacks. */
  readonly callbacks?: Callbacks;
  /** Replaces the callbacks of a class's object, if a test has registered another endpoint. */
  readonly callbacksOf?: (object: object) => Callbacks;
  /** What the options do with the endpoint's sessions. */
  readonly way: Way;
  readonly wayOf: (limits: Limits) => Way;
  /** The endpoint's version, and those of its options on which a kept session depends. */
  readonly made: string;
  /** The listener of the container. */
  readonly onEvent?: EventListener | undefined;
}

/** With the callbacks of a map, or of the object of a class. */
export interface CompleteDefinition extends EndpointDefinition {
  readonly callbacks: Callbacks;
}

/**
 * Copies options deeply, so that no list and no object is shared with the application.
 *
 * @param seal freezes each copy, or returns it as it is
 */
function copyOf(value: unknown, seal: (copy: object) => object = (copy) => copy): unknown {
  if (!isObject(value)) return value;
  if (Array.isArray(value)) return seal(value.map((one) => copyOf(one, seal)));
  return seal(Object.fromEntries(Object.entries(value).map(([name, one]) => [name, copyOf(one, seal)])));
}

/**
 * A frozen configuration with changes. A spread would call the getter of `userProperties` and freeze one copy of them.
 */
export const amended = <T extends EndpointConfig>(config: T, changes: Partial<T>): T =>
  Object.freeze(
    Object.defineProperties({} as T, {
      ...Object.getOwnPropertyDescriptors(config),
      ...Object.getOwnPropertyDescriptors(changes),
    }),
  );

/**
 * Checks an endpoint.
 *
 * @param options the map, or the options of a class
 * @param container has the defaults
 * @throws {@link DeploymentError}
 */
export function define(
  path: string,
  options: EndpointOptions<unknown> & Callbacks,
  isClass: boolean,
  container: Defaults = {},
): EndpointDefinition {
  const owner = `The endpoint at "${path}"`;
  const refuse = (what: string): never => {
    throw new DeploymentError(`${owner} ${what}.`);
  };
  const callback = isClass && Object.keys(options).find((name) => Object.hasOwn(CALLBACKS, name));
  if (callback) refuse(`has a class and, beside it, ${callback}: make that a method of the class`);
  check(owner, options, isClass ? CHECKS : { ...CALLBACKS, ...CHECKS });
  const filled = defaultsOf(container);
  const given = Object.entries({ ...filled, ...defined(options) });
  const own = Object.fromEntries(given.filter(([name]) => Object.hasOwn(CHECKS, name)));
  const config = { ...(copyOf(own) as object), path, userProperties: {} } as MutableEndpointConfig;
  const [now, userProperties] = configured(options, config, { refuse });
  check(owner, now, CHECKS);
  // What configure has assigned is copied too: it may have kept the objects, and an accessor counts with its current
  // value.
  const copied = copyOf({ ...filled, ...defined(now) }, Object.freeze) as object;
  Object.defineProperties(config, Object.getOwnPropertyDescriptors({ ...copied }));
  const endpoint: Registration = { config, isClass, protocols: config.subprotocols, offers: (name) => [name], refuse };
  register(endpoint);
  const properties = structuredClone(userProperties);
  const isEmpty = Object.keys(properties).length === 0;
  // After `register` each option that may be given in several forms has one form.
  const { userProperties: _, ...settled } = Object.freeze(config) as EndpointConfig;
  const complete: EndpointConfig = Object.freeze({
    ...settled,
    // A getter with a copy, because user properties may hold what can't be frozen, such as a Map. Redefining the
    // property would make every look-up in the object slow.
    get userProperties() {
      return (isEmpty ? {} : structuredClone(properties)) as Record<string, unknown>;
    },
  });
  const { protocols, offers } = endpoint;
  const wayOf = waysUnder(complete);
  return {
    config: complete,
    made: madeBy(complete),
    protocols,
    offers,
    way: wayOf(limitsOf(complete)),
    wayOf,
    ...(!isClass && { callbacks: Object.freeze({ ...options }) }),
  };
}
