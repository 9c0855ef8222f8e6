// The container: a table of endpoints, and the Worker's fetch that passes each request to its Durable Object.
import * as workers from "cloudflare:workers";

import type { EventListener } from "../api/container-event.ts";
import { DeploymentError } from "../api/errors.ts";
import type { WorkerContext } from "../api/handshake-decision.ts";
import type { WsEndpointMap } from "../api/ws-endpoint-map.ts";
import { define, type EndpointDefinition } from "../endpoint/definition.ts";
import {
  checkMethods,
  ENDPOINTS,
  hasOnRequest,
  LISTENERS,
  optionsOf,
  SERVES_MAPS,
  TABLE,
  TABLES,
  type Route,
  type Table,
} from "../endpoint/endpoint-class.ts";
import { answer, ENDED, isUpgrade, notFound, pathOf, shakeHands, tell, told } from "../endpoint/handshake.ts";
import { ask } from "../endpoint/retry.ts";
import { checkRivals } from "../endpoint/rivals.ts";
import { Router, type Match } from "../endpoint/router.ts";
import { enterShard } from "../endpoint/shard-entry.ts";
import type { Handshake } from "../hibernation/facts.ts";
import { isPlain } from "../hibernation/plain-data.ts";
import { Endpoint, type EndpointClass } from "../object/endpoint.ts";
import { check, defined } from "../options/check.ts";
import { consult } from "../options/on-handshake.ts";
import type { Defaults } from "../options/option.ts";
import { locationOf } from "../options/placement.ts";
import { tellOf } from "../reporting/listener.ts";
import { report } from "../reporting/log.ts";
import { CONTAINER, type ServerContainerOptions } from "./container-options.ts";
import type { EndpointLike, EndpointsByPath, PathOf } from "./endpoint-like.ts";
import { relay } from "./relay.ts";
import { stubOf } from "./stub.ts";

/** The result of a handshake, with the headers that a hook adds to the 101; or the answer that opens no session. */
type Agreed = Response | Handshake | readonly [Handshake, Headers];

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
 * Register endpoints while the module loads: an object that wakes from hibernation looks its endpoint up again.
 *
 * @typeParam Env the Worker's bindings
 * @see Jakarta: `ServerContainer`
 */
export class ServerContainer<Env = Cloudflare.Env> {
  /**
   * The Durable Object that serves the container's maps. The Worker exports a class that extends it, named `Endpoints`
   * or as the option `endpoint` says.
   */
  readonly Endpoint: EndpointClass<Env> = class extends Endpoint<Env> {
    static override [ENDPOINTS] = new Map<string, EndpointDefinition>();
    static override [LISTENERS] = new Set<EventListener>();
    static override [SERVES_MAPS] = true;
  };
  readonly #routes = new Router<Route>();
  readonly #options: Defaults & { endpoint?: string; onEvent?: EventListener };

  /** @throws {@link DeploymentError} for an option that does not exist or that has an invalid value */
  constructor(options: ServerContainerOptions<NoInfer<Env>> = {}) {
    check("A ServerContainer", options, CONTAINER);
    this.#options = { ...options };
    TABLES.add(this.#routes);
  }

  /**
   * Adds an endpoint. Call it while the module loads.
   *
   * ```ts
   * container.addEndpoint("/chat/{room}", Chat).addEndpoint("/echo", { onText: (_, text) => log(text) });
   * ```
   *
   * @param path begins with "/"; a segment `{name}` or `:name` is a parameter
   * @param endpoint a map of callbacks and options, a class that extends {@link Endpoint}, or a class with options
   * @returns the container
   * @throws {@link DeploymentError} for an invalid path or endpoint; the message says what to change
   * @see Pedestal: `add-endpoint`
   */
  addEndpoint<T, const Path extends string>(path: PathOf<Path>, endpoint: EndpointLike<Env, T, NoInfer<Path>>): this {
    const route = this.#routeOf(path, endpoint as EndpointLike);
    checkRivals(route, this.#routes);
    this.#add(path, route);
    return this;
  }

  /**
   * Adds all the endpoints of a map of paths.
   *
   * TypeScript infers the session object from an `onOpen` that has no parameters, that has an annotated parameter, or
   * that {@link onOpenStartWsConnection} made. For any other `onOpen`, wrap the map in {@link defineEndpoint}, or use
   * {@link addEndpoint}.
   *
   * @returns the container
   * @throws {@link DeploymentError} as {@link addEndpoint} does
   * @see Pedestal: `add-endpoints`
   */
  addEndpoints<Sessions>(endpoints: EndpointsByPath<Env, Sessions>): this {
    for (const [path, endpoint] of Object.entries(endpoints)) this.addEndpoint(path, endpoint as EndpointLike<Env>);
    return this;
  }

  /**
   * The Worker: answers a request, with 404 if there is no endpoint at the path. It is bound, so you can pass it on
   * alone.
   */
  readonly fetch = async (request: Request, env?: Env, ctx?: WorkerContext): Promise<Response> =>
    (await this.handle(request, env, ctx)) ?? notFound(request);

  /**
   * Like {@link fetch}, for a Worker that also answers other requests. It is bound too.
   *
   * ```ts
   * fetch: async (request, env, ctx) => (await container.handle(request, env, ctx)) ?? env.ASSETS.fetch(request)
   * ```
   *
   * @param env `env` of `cloudflare:workers` if absent
   * @param ctx `waitUntil` of `cloudflare:workers` if absent
   * @returns the answer, or undefined if there is no endpoint at the path
   */
  readonly handle = async (
    request: Request,
    env = workers.env as Env,
    ctx: WorkerContext = workers,
  ): Promise<Response | undefined> => {
    const match = this.#routes.match(pathOf(request));
    if (!match) return undefined;
    const { pathParameters, concretePath } = match;
    const { config, answersRequests } = match.value;
    const opens = isUpgrade(request);
    let response: Response;
    let isRefused = false;
    try {
      if (!opens && answersRequests) {
        const passed = tell(request, { path: config.path, pathParameters, negotiatedSubprotocol: "" });
        return await ask(() => stubOf(env, request, match), passed, ctx, concretePath);
      }
      let agreed: Agreed = shakeHands(request, match.value, pathParameters, opens);
      if (config.onHandshake && !(agreed instanceof Response)) {
        const context = Object.freeze({ env, ctx, pathParameters, config });
        agreed = await consult(request, agreed, match.value, context);
      }
      isRefused = agreed instanceof Response;
      response = agreed instanceof Response ? agreed : await this.#open(request, match, agreed, env, ctx);
    } catch (error) {
      report(`500 for ${concretePath}`, error);
      response = answer(500, "The endpoint failed");
    }
    if ((isRefused || !response.webSocket) && opens) {
      tellOf(this.#options.onEvent, { type: "refusal", request, status: response.status }, env, { path: concretePath });
    }
    return response;
  };

  /**
   * The stub of the object behind a path, to call its RPC methods from elsewhere in the Worker: those of its class and
   * those of every endpoint.
   *
   * ```ts
   * await container.stub(env, "/chat/lobby").broadcast("maintenance at 9"); // the number of receivers
   * await container.stub<Chat>(env, "/chat/lobby").members();
   * ```
   *
   * No check and no hook runs. If the method throws, the call rejects.
   *
   * @param path a concrete path, whose segments are taken literally; with a query if the option `instance` reads it
   * @typeParam Class the class of the endpoint, if it has methods of its own
   * @throws {@link DeploymentError} if there is no endpoint at the path, or no binding for it
   */
  stub<Class extends Rpc.DurableObjectBranded = Endpoint<Env>>(env: Env, path: string): DurableObjectStub<Class> {
    // Not parsed as a URL, which would resolve a segment "..", encoded or not.
    const match = this.#routes.match(path.split(/[?#]/, 1)[0]!);
    if (!match) throw new DeploymentError(`No endpoint at ${path}: pass a concrete path, such as /chat/lobby.`);
    // With the dot it stays a path, whatever it begins with.
    const request = new Request(`https://socle.invalid/.${path}`);
    return stubOf(env, request, match) as unknown as DurableObjectStub<Class>;
  }

  /** The route of an endpoint, which need not be in the table yet. */
  #routeOf(path: string, endpoint: EndpointLike): Route {
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
    return {
      ...define(path, options, isClass, this.#options),
      onEvent,
      type,
      className: type === this.Endpoint ? name : type.name,
      isByName: typeof durableObject === "string",
      answersRequests: hasOnRequest(type, Endpoint),
    };
  }

  #add(path: string, route: Route): void {
    const { type, onEvent, className: _, isByName: __, answersRequests: ___, ...definition } = route;
    this.#routes.add(path, route);
    if (!Object.hasOwn(type, ENDPOINTS)) Object.assign(type, { [ENDPOINTS]: new Map(), [LISTENERS]: new Set() });
    type[ENDPOINTS]!.set(path, Object.freeze({ ...definition, onEvent }));
    if (onEvent) type[LISTENERS]!.add(onEvent);
  }

  /** For `socle/testing`, which replaces endpoints. */
  [TABLE](): Table {
    return {
      routes: this.#routes,
      routeOf: (path, endpoint) => this.#routeOf(path, endpoint),
      add: (path, route) => this.#add(path, route),
    };
  }

  /** Passes a handshake to its object. */
  async #open(
    request: Request,
    match: Match<Route>,
    agreed: Exclude<Agreed, Response>,
    env: Env,
    ctx: WorkerContext,
  ): Promise<Response> {
    const [handshake, headers] = Array.isArray(agreed) ? agreed : [agreed];
    const { value: route, pathParameters, concretePath } = match;
    let response: Response;
    if (route.config.shards) {
      const location = locationOf(route.config, request, pathParameters, concretePath);
      response = await enterShard({ request, handshake, route, location, env, ctx, path: concretePath });
    } else {
      // Passing the handshake along costs an object more than repeating the checks. It is needed for another Worker's
      // class, which doesn't know the endpoint, and with two containers, whose paths may match the same request.
      const isUnderstood = !headers && !route.isByName && TABLES.size === 1 && !told(request);
      const passed = isUnderstood ? request : tell(request, handshake);
      response = await ask(() => stubOf(env, request, match), passed, ctx, concretePath);
    }
    if (response.webSocket && response.headers.has(ENDED)) response = relay(response);
    if (headers && response.webSocket) for (const [name, value] of headers) response.headers.append(name, value);
    return response;
  }
}
