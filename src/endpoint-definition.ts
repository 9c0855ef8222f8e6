// An endpoint as it was registered: checked once, in the form that the Worker and the object use.
import { DeploymentError } from "./errors.ts";
import type { Callbacks, EndpointConfig, EndpointOptions } from "./types.ts";

const FUNCTION = "a function";

/** What each callback and option must be. The callbacks come first. */
const KEYS: Record<string, string> = {
  onOpen: FUNCTION,
  onText: FUNCTION,
  onBinary: FUNCTION,
  onClose: FUNCTION,
  onError: FUNCTION,
  instance: FUNCTION,
  serializeSession: FUNCTION,
  deserializeSession: FUNCTION,
  durableObject: "a class or a binding's name",
  subprotocols: "an array of names",
  allowedOrigins: 'a function, or an array like ["https://example.com", "*.example.com"]',
};
const CALLBACKS = 5;

/** What a value that is no function must look like, as JSON. */
const PATTERNS: Record<string, RegExp> = {
  durableObject: /^".+"$/,
  subprotocols: /^\[(,?"[\w!#$%&'*+.^`|~-]+")*]$/,
  allowedOrigins: /^\[(,?"([a-z][\w+.-]*:\/\/(\*\.)?|\*\.)[^\s*/?#A-Z"]+"|,?"null")*]$/,
};

export interface EndpointDefinition {
  readonly config: EndpointConfig;
  /** Absent for a class: its objects have the callbacks. */
  readonly callbacks?: Callbacks;
  readonly options: EndpointOptions;
}

/**
 * Checks an endpoint.
 *
 * @param options the map, or the options of a class
 * @throws {@link DeploymentError}
 */
export function define(path: string, options: EndpointOptions & Callbacks, isClass: boolean): EndpointDefinition {
  const known = Object.keys(KEYS).slice(isClass ? CALLBACKS : 0);
  for (const [key, value] of Object.entries(options)) {
    const fits = () =>
      typeof value === "function" ? key !== "subprotocols" : PATTERNS[key]?.test(JSON.stringify(value));
    const wrong = !known.includes(key)
      ? `${Object.hasOwn(KEYS, key) ? "a class, and beside it" : "the unknown option"} ${key}: use ${known.join(", ")}`
      : value !== undefined && !fits() && `a wrong ${key}: it must be ${KEYS[key]}`;
    if (wrong) throw new DeploymentError(`The endpoint at "${path}" has ${wrong}.`);
  }
  if (!options.serializeSession !== !options.deserializeSession) {
    throw new DeploymentError(`The endpoint at "${path}" needs both serializeSession and deserializeSession.`);
  }
  const definition = { config: { path, subprotocols: options.subprotocols ?? [] }, options };
  return isClass ? definition : { ...definition, callbacks: options };
}
