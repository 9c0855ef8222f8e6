// An endpoint as it was registered: checked once, in the form that the Worker and the object use.
import { DeploymentError } from "./errors.ts";
import type { Callbacks, EndpointConfig, EndpointOptions } from "./types.ts";

const isFunction = (value: unknown): boolean => typeof value === "function";

const isListOf = (value: unknown, pattern: RegExp): boolean =>
  Array.isArray(value) && new Set(value).size === value.length && value.every((one) => pattern.test(one as string));

/** Whether a value can be, and what can. */
type Check = readonly [accepts: (value: unknown) => boolean, expected: string];

const FUNCTION: Check = [isFunction, "a function"];

/** The callbacks first, then the options. */
const CHECKS = new Map<string, Check>([
  ...["onOpen", "onText", "onBinary", "onClose", "onError", "instance", "serializeSession", "deserializeSession"].map(
    (key) => [key, FUNCTION] as const,
  ),
  ["durableObject", [(value) => isFunction(value) || typeof value === "string", "a class or a binding's name"]],
  [
    "subprotocols",
    [(value) => isListOf(value, /^[\w!#$%&'*+.^`|~-]+$/), "an array of different names without spaces or commas"],
  ],
  [
    "allowedOrigins",
    [
      (value) => isFunction(value) || isListOf(value, /^(([a-z][\w+.-]*:\/\/)(\*\.)?|\*\.)[^\s*/?#A-Z]+$|^null$/),
      'a function, or an array such as ["https://example.com", "*.example.com"]',
    ],
  ],
]);
const CALLBACKS = 5;

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
  const known = [...CHECKS.keys()].slice(isClass ? CALLBACKS : 0);
  for (const [key, value] of Object.entries(options)) {
    const [accepts, expected] = CHECKS.get(key) ?? [];
    const wrong = !known.includes(key)
      ? `${accepts ? "a class, and beside it" : "the unknown option"} ${key}: use ${known.join(", ")}`
      : value !== undefined && !accepts!(value) && `a wrong ${key}: it must be ${expected}`;
    if (wrong) throw new DeploymentError(`The endpoint at "${path}" has ${wrong}.`);
  }
  if (!options.serializeSession !== !options.deserializeSession) {
    throw new DeploymentError(
      `The endpoint at "${path}" has one of serializeSession and deserializeSession: give both.`,
    );
  }
  const config = { path, subprotocols: options.subprotocols ?? [] };
  return { config, options, ...(!isClass && { callbacks: options }) };
}
