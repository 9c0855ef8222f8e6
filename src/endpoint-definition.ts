// An endpoint as it was registered: checked once, in the form that the Worker and the object use.
import type { EventListener } from "./container-event.ts";
import { isObject, isPlain, loss } from "./difference.ts";
import { DeploymentError } from "./errors.ts";
import { isOver } from "./limits.ts";
import type { Callbacks, EndpointConfig, EndpointOptions, MutableEndpointConfig } from "./ws-endpoint-map.ts";

type Fits = (value: unknown) => boolean;

/** What a callback or an option must be: it fits one of these. */
export type Check = [what: string, ...fits: Fits[]];

const isFunction: Fits = (value) => typeof value === "function";
const isWhole =
  (least: number): Fits =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least;
export const isText =
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
    typeof value === "string" && !isOver(value, max);
/** What a value must be, and the list of what it may be, are one text. */
const oneOf = (values: string, given: string): Check => [
  `${values}. Or a function of ${given} that returns one of these or nothing`,
  (value) => values.split(/, | or /).includes(value as string),
  isFunction,
];

const FUNCTION: Check = ["a function", isFunction];
const BYTES: Check = ["a whole number of bytes from 1", isWhole(1)];
const TIMEOUT: Check = ["a whole number of milliseconds, 0 for never", isWhole(0)];
const SWITCH: Check = ["true or false", (value) => typeof value === "boolean"];

/** The platform's limits for tags. */
export const isTags: Fits = (value) => Array.isArray(value) && value.length <= 10 && value.every(isShort(256));

const CALLBACKS: Record<keyof Callbacks, Check> = {
  onOpen: FUNCTION,
  onText: FUNCTION,
  onBinary: FUNCTION,
  onClose: FUNCTION,
  onError: FUNCTION,
};

export const OPTIONS: Record<keyof EndpointOptions | "durableObject", Check> = {
  onHandshake: FUNCTION,
  configure: FUNCTION,
  instance: FUNCTION,
  serializeSession: FUNCTION,
  deserializeSession: FUNCTION,
  durableObject: ["a class or a binding's name", isFunction, isText(/./)],
  binding: ["the name of a class's binding", isText(/./)],
  locationHint: oneOf(
    "wnam, enam, sam, weur, eeur, apac, apac-ne, apac-se, oc, afr or me",
    "the request and the path parameters",
  ),
  jurisdiction: oneOf("eu, us, fedramp or fedramp-high", "the path parameters"),
  subprotocols: ["an array of names", isList(/^[\w!#$%&'*+.^`|~-]+$/)],
  allowedOrigins: [
    'a function, or an array like ["https://example.com", "*.example.com"]',
    isFunction,
    isList(/^(([a-z][\w+.-]*:\/\/(\*\.)?|\*\.)[^\s*/?#A-Z"]+|null)$/),
  ],
  idleTimeoutMs: TIMEOUT,
  clientTimeoutMs: TIMEOUT,
  maxTextMessageBufferSize: BYTES,
  maxBinaryMessageBufferSize: BYTES,
  maxPendingMessages: ["a whole number from 1", isWhole(1)],
  rateLimit: ["{ messages, perMs } of whole numbers from 1", isPair("messages,perMs", isWhole(1))],
  tags: ["a function, or an array of at most 10 strings of at most 256 bytes", isFunction, isTags],
  autoResponse: ["{ request, response } of strings of at most 2,048 bytes", isPair("request,response", isShort(2048))],
  hibernate: SWITCH,
  trackSessions: SWITCH,
  flowControl: ['used with import "socle/flow-control"'],
};

/** The options of a container that its endpoints' begin with. */
export interface Defaults {
  defaultMaxSessionIdleTimeout?: number;
  defaultMaxTextMessageBufferSize?: number;
  defaultMaxBinaryMessageBufferSize?: number;
}

const defaultsOf = (container: Defaults) => ({
  idleTimeoutMs: container.defaultMaxSessionIdleTimeout ?? 0,
  maxTextMessageBufferSize: container.defaultMaxTextMessageBufferSize ?? 2 ** 25,
  maxBinaryMessageBufferSize: container.defaultMaxBinaryMessageBufferSize ?? 2 ** 25,
  maxPendingMessages: 1000,
  hibernate: true,
  trackSessions: false,
  subprotocols: [],
});

export interface EndpointDefinition {
  readonly config: EndpointConfig;
  /** Absent for a class: its objects have the callbacks. */
  readonly callbacks?: Callbacks;
  /** By what names subprotocols are offered, if not by those of `subprotocols`; and by what names one is. */
  readonly protocols?: readonly string[];
  readonly offers?: (subprotocol: string) => readonly string[];
  /** The class of its sessions, if not the usual one. */
  readonly Session?: unknown;
  /** The container's. */
  readonly onEvent?: EventListener | undefined;
}

/**
 * A copy of options, of which no list and no object is the application's.
 *
 * @param seal freezes each, or leaves it as it is
 */
function copyOf(value: unknown, seal: (copy: object) => object = (copy) => copy): unknown {
  if (!isObject(value)) return value;
  if (Array.isArray(value)) return seal(value.map((one) => copyOf(one, seal)));
  return seal(Object.fromEntries(Object.entries(value).map(([name, one]) => [name, copyOf(one, seal)])));
}

/** A frozen configuration with changes. A spread would make one of all the user properties that it has. */
export const amended = <T extends EndpointConfig>(config: T, changes: Partial<T>): T =>
  Object.freeze(
    Object.defineProperties({} as T, {
      ...Object.getOwnPropertyDescriptors(config),
      ...Object.getOwnPropertyDescriptors(changes),
    }),
  );

/** Without what is undefined, which counts as absent. */
export const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/**
 * Checks what is given against what there may be. What is undefined counts as absent.
 *
 * @param owner begins the error's text
 * @throws {@link DeploymentError}
 */
export function check(owner: string, given: object, checks: Record<string, Check>): void {
  const names = Object.keys(checks);
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name)) {
      throw new DeploymentError(`${owner} has the unknown option ${name}: use ${names.join(", ")}.`);
    }
    const [what, ...fits] = checks[name]!;
    if (value !== undefined && !fits.some((fit) => fit(value))) {
      throw new DeploymentError(`${owner} has a wrong ${name}: it must be ${what}.`);
    }
  }
}

/**
 * Checks an endpoint.
 *
 * @param options the map, or the options of a class
 * @param container has the defaults
 * @throws {@link DeploymentError}
 */
function define(
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
  if (callback) refuse(`has a class, and beside it ${callback}: make it a method of the class`);
  check(owner, options, isClass ? OPTIONS : { ...CALLBACKS, ...OPTIONS });
  const filled = defaultsOf(container);
  const given = Object.entries({ ...filled, ...defined(options) });
  const own = Object.fromEntries(given.filter(([name]) => Object.hasOwn(OPTIONS, name)));
  const config = { ...(copyOf(own) as object), path, userProperties: {} } as MutableEndpointConfig;
  if ((options.configure?.(config) as unknown) instanceof Promise) refuse("needs a synchronous configure");
  const { path: samePath, userProperties, ...configured } = config;
  check(owner, configured, OPTIONS);
  // What configure has put there is copied too: the objects that it may have kept are another's, and an accessor is the value of now.
  const copied = copyOf({ ...filled, ...defined(configured) }, Object.freeze) as object;
  Object.defineProperties(config, Object.getOwnPropertyDescriptors({ ...copied }));
  if (samePath !== path) refuse("needs the same path after its configure");
  if (!isPlain(userProperties)) refuse("needs a plain object as userProperties");
  const lost = loss(userProperties, () => structuredClone(userProperties));
  if (lost) refuse(`needs plain data as userProperties${lost[0]}`);
  if (config.binding && !isClass) refuse("has a binding, and no class: name it as durableObject");
  if (!config.serializeSession !== !config.deserializeSession)
    refuse("needs both serializeSession and deserializeSession");
  if (!config.hibernate && (config.trackSessions || config.serializeSession)) {
    refuse("has hibernate: false: remove trackSessions and serializeSession");
  }
  const { autoResponse } = config;
  if (autoResponse) {
    // As everything that is sent: what is no Unicode ends the connection of a browser.
    const [request, response] = [autoResponse.request.toWellFormed(), autoResponse.response.toWellFormed()];
    config.autoResponse = Object.freeze({ request, response });
  }
  const properties = structuredClone(userProperties);
  // They may hold what can't be frozen, such as a Map.
  Object.defineProperty(config, "userProperties", { get: () => structuredClone(properties) });
  Object.freeze(config);
  return isClass ? { config } : { config, callbacks: Object.freeze({ ...options }) };
}

/** An import puts a function of its own in front of this one: a Worker without it carries none of that. */
export const definitions = { define };
