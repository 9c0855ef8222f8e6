// An endpoint as it was registered: checked once, in the form that the Worker and the object use.
import { difference, isPlain, uncloneable } from "./difference.ts";
import { DeploymentError } from "./errors.ts";
import type { Callbacks, EndpointConfig, EndpointOptions, MutableEndpointConfig } from "./types.ts";

type Fits = (value: unknown) => boolean;

const isFunction: Fits = (value) => typeof value === "function";
const isBoolean: Fits = (value) => typeof value === "boolean";
const isWhole =
  (least: number): Fits =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least;
const isText =
  (pattern: RegExp): Fits =>
  (value) =>
    typeof value === "string" && pattern.test(value);
const isList =
  (pattern: RegExp): Fits =>
  (value) =>
    Array.isArray(value) && value.every(isText(pattern));
const isPair =
  (keys: string, fits: Fits): Fits =>
  (value) =>
    Object.keys(Object(value)).toSorted().join() === keys && Object.values(value as object).every(fits);
/** The platform counts bytes of UTF-8, for tags too. */
const isShort =
  (max: number): Fits =>
  (value) =>
    typeof value === "string" && new TextEncoder().encode(value).length <= max;

const FUNCTION: [string, Fits] = ["a function", isFunction];
const BYTES: [string, Fits] = ["a whole number of bytes, at least 1", isWhole(1)];
const SWITCH: [string, Fits] = ["true or false", isBoolean];

/** The platform's limits for tags. */
export const isTags: Fits = (value) => Array.isArray(value) && value.length <= 10 && value.every(isShort(256));

/** What each callback and option must be. */
const KEYS: Record<string, [what: string, fits: Fits, orFits?: Fits]> = {
  onOpen: FUNCTION,
  onText: FUNCTION,
  onBinary: FUNCTION,
  onClose: FUNCTION,
  onError: FUNCTION,
  onHandshake: FUNCTION,
  configure: FUNCTION,
  instance: FUNCTION,
  serializeSession: FUNCTION,
  deserializeSession: FUNCTION,
  durableObject: ["a class or a binding's name", isFunction, isText(/./)],
  locationHint: [
    "wnam, enam, sam, weur, eeur, apac, apac-ne, apac-se, oc, afr or me",
    isText(/^([we]nam|sam|[we]eur|apac(-ne|-se)?|oc|afr|me)$/),
  ],
  jurisdiction: ["eu, us, fedramp or fedramp-high", isText(/^(eu|us|fedramp(-high)?)$/)],
  subprotocols: ["an array of names", isList(/^[\w!#$%&'*+.^`|~-]+$/)],
  allowedOrigins: [
    'a function, or an array like ["https://example.com", "*.example.com"]',
    isFunction,
    isList(/^(([a-z][\w+.-]*:\/\/(\*\.)?|\*\.)[^\s*/?#A-Z"]+|null)$/),
  ],
  idleTimeoutMs: ["a whole number of milliseconds, 0 for never", isWhole(0)],
  maxTextMessageBufferSize: BYTES,
  maxBinaryMessageBufferSize: BYTES,
  maxPendingMessages: ["a whole number, at least 1", isWhole(1)],
  rateLimit: ["{ messages, perMs }, two whole numbers from 1", isPair("messages,perMs", isWhole(1))],
  tags: ["a function, or an array of at most 10 strings of at most 256 bytes", isFunction, isTags],
  autoResponse: [
    "{ request, response }, two strings of at most 2,048 bytes",
    isPair("request,response", isShort(2048)),
  ],
  hibernate: SWITCH,
  trackSessions: SWITCH,
};
const NAMES = Object.keys(KEYS);
/** The callbacks come first. */
const CALLBACKS = 5;

const DEFAULTS = {
  idleTimeoutMs: 0,
  maxTextMessageBufferSize: 2 ** 25,
  maxBinaryMessageBufferSize: 2 ** 25,
  maxPendingMessages: 1000,
  hibernate: true,
  trackSessions: false,
};

export interface EndpointDefinition {
  readonly config: EndpointConfig;
  /** Absent for a class: its objects have the callbacks. */
  readonly callbacks?: Callbacks;
}

/** Without what is undefined, which counts as absent. */
export const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** What a callback or an option must be, if it isn't that. */
export function wrong(key: string, value: unknown): string | undefined {
  const [what, ...fits] = KEYS[key]!;
  return value === undefined || fits.some((fit) => fit?.(value)) ? undefined : what;
}

/** The path of the first property that the copies of each session would not have as it is. */
function lostProperty(userProperties: object): string | undefined {
  try {
    return difference(userProperties, structuredClone(userProperties), () => false, true)?.[0];
  } catch {
    return uncloneable(userProperties)[0];
  }
}

/**
 * Checks an endpoint.
 *
 * @param options the map, or the options of a class
 * @param defaults the container's
 * @throws {@link DeploymentError}
 */
export function define(
  path: string,
  options: EndpointOptions & Callbacks,
  isClass: boolean,
  defaults: EndpointOptions = {},
): EndpointDefinition {
  const refuse = (what: string): never => {
    throw new DeploymentError(`The endpoint at "${path}" ${what}.`);
  };
  const optionNames = NAMES.slice(CALLBACKS);
  const check = (given: object, known: readonly string[]) => {
    for (const [key, value] of Object.entries(given)) {
      if (!known.includes(key)) {
        refuse(
          `has ${Object.hasOwn(KEYS, key) ? "a class, and beside it" : "the unknown option"} ${key}: use ${known.join(", ")}`,
        );
      }
      const what = wrong(key, value);
      if (what) refuse(`has a wrong ${key}: it must be ${what}`);
    }
  };
  check(options, isClass ? optionNames : NAMES);
  const given = Object.entries({ ...defined(defaults), ...defined(options) }).filter(([key]) =>
    optionNames.includes(key),
  );
  const filled = { ...DEFAULTS, subprotocols: [] };
  const config = { ...filled, ...Object.fromEntries(given), path, userProperties: {} } as MutableEndpointConfig;
  if ((options.configure?.(config) as unknown) instanceof Promise) refuse("has an asynchronous configure");
  const { path: samePath, userProperties, ...configured } = config;
  check(configured, optionNames);
  Object.assign(config, { ...filled, ...defined(config) });
  if (samePath !== path) refuse("can't be given another path by its configure");
  if (!isPlain(userProperties)) refuse("has userProperties that are no plain object");
  const lost = lostProperty(userProperties);
  if (lost !== undefined) refuse(`has a configure whose userProperties${lost} no session can keep: use plain data`);
  if (!config.serializeSession !== !config.deserializeSession)
    refuse("needs both serializeSession and deserializeSession");
  if (!config.hibernate && (config.trackSessions || config.serializeSession)) {
    refuse("has hibernate: false, under which trackSessions and serializeSession are of no use: remove them");
  }
  Object.freeze(config);
  return isClass ? { config } : { config, callbacks: options };
}
