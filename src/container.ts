// The container: a table of endpoints, and the Worker's fetch that takes each request to its Durable Object.
import * as workers from "cloudflare:workers";

import { tellOf, type ContainerEvent, type EventListener } from "./container-event.ts";
import { difference, isPlain } from "./difference.ts";
import {
  checkMethods,
  ENDPOINTS,
  hasOnRequest,
  LISTENERS,
  optionsOf,
  SERVES_MAPS,
  TABLES,
  type Route,
} from "./endpoint-class.ts";
import {
  check,
  defined,
  definitions,
  isText,
  OPTIONS,
  type Check,
  type Defaults,
  type EndpointDefinition,
} from "./endpoint-definition.ts";
import { Endpoint, type EndpointClass } from "./endpoint.ts";
import { DeploymentError } from "./errors.ts";
import { answer, consult, ENDED, isUpgrade, notFound, pathOf, relay, tell, told } from "./handshake.ts";
import { report } from "./log.ts";
import { Router } from "./router.ts";
import { ask, stubOf } from "./stub.ts";
import type { EndpointOptions, NamespaceBinding, WorkerContext, WsEndpointMap } from "./ws-endpoint-map.ts";

/** A class with options, or the binding of a class that another module or Worker has. */
export type EndpointOfClass<Env = unknown, T = unknown, Path extends string = string> = EndpointOptions<
  Env,
  T,
  Path
> & {
  /** The class, or the name of the binding of its namespace. */
  durableObject: EndpointClass<Env, T, Path> | NamespaceBinding<Env>;
};

/** What is registered at a path: a map, a class, or a class with options. */
export type EndpointLike<Env = unknown, T = unknown, Path extends string = string> =
  | WsEndpointMap<Env, T, Path>
  | EndpointClass<Env, T, Path>
  | EndpointOfClass<Env, T, Path>;

/** The path, or where it can't begin with "/" what it must be. No `infer`: so a wrapper generic in its path can pass it on. */
type PathOf<Path extends string> = [Path & `/${string}`] extends [never] ? `/${string}` : Path;

/** The endpoints of a map of paths, each with the type of its session object. */
export type EndpointsByPath<Env, Sessions> = {
  [Path in keyof Sessions]: [Path & `/${string}`] extends [never]
    ? "A path begins with /"
    : EndpointLike<Env, Sessions[Path], Path & string>;
};

/**
 * What a {@link ServerContainer} may be given.
 *
 * ```ts
 * new ServerContainer<Env>({ defaultMaxSessionIdleTimeout: 300_000, defaultMaxTextMessageBufferSize: 16_384 });
 * ```
 *
 * @see Jakarta: `WebSocketContainer`, for the defaults
 */
export interface ServerContainerOptions<Env = unknown> {
  /** The name under which the Worker exports the class that extends `container.Endpoint`; "Endpoints" if absent. */
  endpoint?: string;
  /** The `idleTimeoutMs` of the endpoints that have none of their own, in milliseconds; 0, for never, if absent. */
  defaultMaxSessionIdleTimeout?: number;
  /** The `maxTextMessageBufferSize` of the endpoints that have none of their own, in bytes; 32 MiB if absent. */
  defaultMaxTextMessageBufferSize?: number;
  /** The `maxBinaryMessageBufferSize` of the endpoints that have none of their own, in bytes; 32 MiB if absent. */
  defaultMaxBinaryMessageBufferSize?: number;
  /**
   * Is told what happens in the Worker and in the objects, for logs and metrics. Nobody waits for it; what it throws is
   * logged.
   *
   * ```ts
   * onEvent: (event) => console.log(event.type)
   * ```
   */
  onEvent?: (event: ContainerEvent<Env>, env: Env) => void | Promise<void>;
}

const CHECKS: Record<keyof ServerContainerOptions, Check> = {
  endpoint: ["the name of a class that the Worker exports", isText(/./)],
  defaultMaxSessionIdleTimeout: OPTIONS.idleTimeoutMs,
  defaultMaxTextMessageBufferSize: OPTIONS.maxTextMessageBufferSize,
  defaultMaxBinaryMessageBufferSize: OPTIONS.maxBinaryMessageBufferSize,
  onEvent: OPTIONS.configure,
};

/**
 * The table of endpoints, and the Worker that routes to them.
 *
 * ```ts
 * const container = new ServerContainer<Env>();
 * addEndpoint(container, "/echo", {
 *   onOpen: onOpenStartWsConnection(),
 *   onText: (send, text) => send.put(text),
 * });
 * export class Endpoints extends container.Endpoint {}
 * export default container;
 * ```
 *
 * Register while the module loads: an object that wakes from hibernation looks its endpoint up again.
 *
 * @typeParam Env the Worker's bindings
 * @see Jakarta: `ServerContainer`
 */
export class ServerContainer<Env = Cloudflare.Env> {
  /**
   * The Durable Object that serves the container's maps. The Worker exports a class that extends it, by the name
   * `Endpoints`, or that of the option `endpoint`.
   */
  readonly Endpoint: EndpointClass<Env> = class extends Endpoint<Env> {
    static override [ENDPOINTS] = new Map<string, EndpointDefinition>();
    static override [LISTENERS] = new Set<EventListener>();
    static override [SERVES_MAPS] = true;
  };
  readonly #routes = new Router<Route>();
  readonly #options: Defaults & { endpoint?: string; onEvent?: EventListener };

  /** @throws {@link DeploymentError} for an option that does not exist, or has a value that can't be */
  constructor(options: ServerContainerOptions<NoInfer<Env>> = {}) {
    check("A ServerContainer", options, CHECKS);
    this.#options = { ...options };
    TABLES.add(this.#routes);
  }

  /**
   * Adds an endpoint.
   *
   * ```ts
   * container.addEndpoint("/chat/{room}", Chat).addEndpoint("/echo", { onText: (_, text) => log(text) });
   * ```
   *
   * @param path begins with "/"; a segment `{name}` or `:name` is a parameter
   * @param endpoint a map of callbacks and options, a class that extends {@link Endpoint}, or a class with options
   * @returns the container
   * @throws {@link DeploymentError} for a path or an endpoint that can't be; it says what to change
   * @see Pedestal: `add-endpoint`
   */
  addEndpoint<T, const Path extends string>(path: PathOf<Path>, endpoint: EndpointLike<Env, T, NoInfer<Path>>): this {
    const given = (typeof endpoint === "function" ? { durableObject: endpoint } : endpoint) as WsEndpointMap;
    const durableObject: unknown = given?.durableObject;
    const isClass = typeof durableObject === "function";
    const type = (isClass ? durableObject : this.Endpoint) as typeof Endpoint;
    if (!(type.prototype instanceof Endpoint) || !isPlain(given)) {
      throw new DeploymentError(
        `The endpoint at "${path}" must be an object of callbacks, or a class that extends Endpoint.`,
      );
    }
    checkMethods(type, Endpoint);
    const options = isClass ? { ...optionsOf(type, Endpoint), ...defined(given) } : given;
    const { endpoint: name = "Endpoints", onEvent } = this.#options;
    const definition = Object.freeze({ ...definitions.define(path, options, isClass, this.#options), onEvent });
    const route = {
      ...definition,
      type,
      className: type === this.Endpoint ? name : type.name,
      isByName: typeof durableObject === "string",
      answersRequests: hasOnRequest(type, Endpoint),
    };
    this.#checkName(route);
    this.#checkOthers(route);
    this.#routes.add(path, route);
    if (!Object.hasOwn(type, ENDPOINTS)) Object.assign(type, { [ENDPOINTS]: new Map(), [LISTENERS]: new Set() });
    type[ENDPOINTS]!.set(path, definition);
    if (onEvent) type[LISTENERS]!.add(onEvent);
    return this;
  }

  /**
   * Adds all the endpoints of a map of paths.
   *
   * TypeScript infers the session object of each from an `onOpen` without parameters, with an annotated parameter, or
   * made by {@link onOpenStartWsConnection}; for another `onOpen` write {@link defineEndpoint} around the map, or add it
   * by {@link addEndpoint}.
   *
   * @returns the container
   * @throws {@link DeploymentError} as {@link addEndpoint} does
   * @see Pedestal: `add-endpoints`
   */
  addEndpoints<Sessions>(endpoints: EndpointsByPath<Env, Sessions>): this {
    for (const [path, endpoint] of Object.entries(endpoints)) this.addEndpoint(path, endpoint as EndpointLike<Env>);
    return this;
  }

  /** The Worker: answers a request, with 404 where there is no endpoint. It may be passed on without the container. */
  readonly fetch = async (request: Request, env?: Env, ctx?: WorkerContext): Promise<Response> =>
    (await this.handle(request, env, ctx)) ?? notFound(request);

  /**
   * As {@link fetch}, for a Worker that answers other requests too. It may be passed on without the container, too.
   *
   * ```ts
   * fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? env.ASSETS.fetch(request)
   * ```
   *
   * @param env that of `cloudflare:workers` if absent
   * @param ctx `waitUntil` of `cloudflare:workers` if absent
   * @returns the answer, or undefined where there is no endpoint
   */
  readonly handle = async (
    request: Request,
    env = workers.env as Env,
    ctx: WorkerContext = workers,
  ): Promise<Response | undefined> => {
    const match = this.#routes.match(pathOf(request));
    if (!match) return undefined;
    const { pathParameters, concretePath } = match;
    const { config, isByName, answersRequests } = match.value;
    const reach = (passed: Request) => ask(() => stubOf(env, request, match), passed, ctx, concretePath);
    let response: Response;
    let isRefused = false;
    try {
      if (!isUpgrade(request) && answersRequests)
        return await reach(tell(request, { path: config.path, pathParameters, negotiatedSubprotocol: "" }));
      const context = Object.freeze({ env, ctx, pathParameters, config });
      const consulted = await consult(request, match.value, context);
      if (consulted instanceof Response) {
        response = consulted;
        isRefused = true;
      } else {
        const [handshake, headers] = consulted;
        // To be told costs an object more than to look at the request again. Another Worker's class doesn't know the endpoint, and of
        // two containers' paths an object doesn't know which was meant.
        const isUnderstood = !headers && !isByName && !told(request) && TABLES.size === 1;
        response = await reach(isUnderstood ? request : tell(request, handshake));
        if (response.webSocket && response.headers.has(ENDED)) response = relay(response);
        if (headers && response.webSocket) for (const [name, value] of headers) response.headers.append(name, value);
      }
    } catch (error) {
      report(`500 for ${concretePath}`, error);
      response = answer(500, "The endpoint failed");
    }
    if ((isRefused || !response.webSocket) && isUpgrade(request)) {
      tellOf(this.#options.onEvent, { type: "refusal", request, status: response.status }, env, { path: concretePath });
    }
    return response;
  };

  /**
   * The object behind a path, to call it from elsewhere in the Worker: its RPC methods, and those of every endpoint.
   *
   * ```ts
   * await container.stub(env, "/chat/lobby").broadcast("maintenance at 9"); // how many sessions it went to
   * await container.stub<Chat>(env, "/chat/lobby").members();
   * ```
   *
   * No check and no hook runs. What the object throws rejects the call.
   *
   * @param path a concrete path, whose segments are taken as they are; with a query if the option `instance` looks at it
   * @typeParam Class the class of the endpoint, if it has methods of its own
   * @throws {@link DeploymentError} if there is no endpoint at the path, or no binding for it
   */
  stub<Class extends Rpc.DurableObjectBranded = Endpoint<Env>>(env: Env, path: string): DurableObjectStub<Class> {
    // As it is: a URL would take a segment "..", encoded or not, for a way up.
    const match = this.#routes.match(path.split(/[?#]/, 1)[0]!);
    if (!match) throw new DeploymentError(`No endpoint at ${path}: give a session's path, such as /chat/lobby.`);
    // The dot keeps it a path, however it begins.
    const request = new Request(`https://socle.invalid/.${path}`);
    return stubOf(env, request, match) as unknown as DurableObjectStub<Class>;
  }

  /** A class has one definition for a path: its objects don't know by which container a request came. */
  #checkOthers({ type, className, config, onEvent }: Route): void {
    for (const table of TABLES) {
      const rival = table === this.#routes ? undefined : table.at(config.path);
      // A wrapper of a class has the class's own list.
      if (!rival || !Object.hasOwn(type, ENDPOINTS) || rival.type[ENDPOINTS] !== type[ENDPOINTS]) continue;
      const [ours, theirs] = [comparable({ config, onEvent }), comparable(rival)];
      const other = Object.keys({ ...ours, ...theirs }).find((name) =>
        difference(Reflect.get(ours, name), Reflect.get(theirs, name), undefined, true),
      );
      if (!other) continue;
      throw new DeploymentError(
        `"${rival.config.path}" and "${config.path}" have the class ${className} in two containers, with another ${other}: give both the same options, or the class to one of them.`,
      );
    }
  }

  /** Two classes of one name would be served by the same objects, of one of them. */
  #checkName({ type, className, isByName, config: { path, binding } }: Route): void {
    const rival = this.#routes.values.find(
      (route) =>
        route.className === className &&
        route.type !== type &&
        !(route.isByName || isByName) &&
        !(route.config.binding || binding),
    );
    if (!rival) return;
    throw new DeploymentError(
      `"${rival.config.path}" and "${path}" have two classes of the name ${className}: give each its binding, as in { durableObject: ${className}, binding: "NAME" }.`,
    );
  }
}

/** What two registrations of a class at the same path must agree on: of the path it is the names of its parameters. */
const comparable = ({ config, onEvent }: EndpointDefinition): object => ({
  ...config,
  // The one has run, and the other may be a wrapper.
  configure: undefined,
  durableObject: undefined,
  path: config.path.match(/(?<=\/[{:])[\w-]+/g),
  onEvent,
});

/**
 * Adds an endpoint to a container. Returns nothing.
 *
 * @throws {@link DeploymentError} for a path or an endpoint that can't be; it says what to change
 * @see Pedestal: `add-endpoint`. {@link ServerContainer.addEndpoint} is the same as a method.
 */
export function addEndpoint<Env, T, const Path extends string>(
  container: ServerContainer<Env>,
  path: PathOf<Path>,
  endpoint: EndpointLike<NoInfer<Env>, T, NoInfer<Path>>,
): void {
  container.addEndpoint(path, endpoint);
}

/**
 * Adds all the endpoints of a map of paths to a container. Returns nothing.
 *
 * ```ts
 * addEndpoints(container, {
 *   "/echo": { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) },
 *   "/chat/{room}": Chat,
 * });
 * ```
 *
 * @throws {@link DeploymentError} as {@link addEndpoint} does
 * @see Pedestal: `add-endpoints`. {@link ServerContainer.addEndpoints} is the same as a method, and says what is inferred.
 */
export function addEndpoints<Env, Sessions>(
  container: ServerContainer<Env>,
  endpoints: EndpointsByPath<NoInfer<Env>, Sessions>,
): void {
  container.addEndpoints(endpoints);
}

/**
 * The map itself, for the inference of its types where it stands alone.
 *
 * ```ts
 * export const counter = defineEndpoint({
 *   onOpen: (session) => ({ n: 0, from: session.id }),
 *   onText: (count) => void count.n++,
 * });
 * ```
 */
export const defineEndpoint = <Env, T, const Path extends string = string>(
  map: WsEndpointMap<Env, T, Path>,
): WsEndpointMap<Env, T, Path> => map;
