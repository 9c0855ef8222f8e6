// A deploy in a test: another endpoint is registered at a path, and objects find it when they wake.
import type { Callbacks } from "../api/callbacks.ts";
import { DeploymentError } from "../api/errors.ts";
import { amended, CALLBACKS } from "../endpoint/definition.ts";
import { ENDPOINTS, SERVES_MAPS, TABLE, type Route } from "../endpoint/endpoint-class.ts";
import type { ServerContainer } from "../worker/container.ts";
import type { EndpointLike, PathOf } from "../worker/endpoint-like.ts";
import { platformFor } from "./platform.ts";

/**
 * Simulates a deploy: from now on another endpoint is registered at a path. Objects that are awake keep the previous
 * endpoint. They find the new one when they wake: after {@link hibernate} with their sockets, as with a deferred
 * update; after {@link drop} without, as with one that doesn't wait.
 *
 * ```ts
 * const ann = await connect(exports.default, "/chat/lobby?name=Ann");
 * redeploy(container, "/chat/{room}", {
 *   ...chat,
 *   version: 1,
 *   migrateSession: (data) => ({ names: [(data as { name: string }).name] }),
 * });
 * await hibernate(container.stub(env, "/chat/lobby"));
 * expect(await ann.ask("hello")).toBe("Ann: hello");
 * ```
 *
 * At the path of a class, the objects stay those of the exported class. The given endpoint supplies all the options and
 * the callbacks: the methods of another class, or the functions of a map. Socle calls them on the object.
 *
 * @param path as it was registered
 * @param endpoint undefined removes the endpoint
 * @throws {@link DeploymentError} if there is no endpoint at the path, and as `addEndpoint` does;
 * {@link TestEnvironmentError} if there is no `cloudflare:test`
 */
export function redeploy<Env, T, const Path extends string>(
  container: ServerContainer<Env>,
  path: PathOf<Path>,
  endpoint: EndpointLike<NoInfer<Env>, T, NoInfer<Path>> | undefined,
): void {
  platformFor("redeploy");
  const table = container[TABLE]();
  const taken = gone.get(container) ?? new Map<string, Route>();
  gone.set(container, taken);
  const former = table.routes.at(path) ?? taken.get(path);
  if (!former) throw new DeploymentError(`No endpoint at "${path}": redeploy replaces an existing one.`);
  const route = endpoint && table.routeOf(path, endpoint);
  taken.set(path, former);
  table.routes.delete(path);
  former.type[ENDPOINTS]!.delete(former.config.path);
  if (route) table.add(path, former.type[SERVES_MAPS] ? route : standIn(route, former));
}

/** The first endpoints at the paths of containers. The class of a removed endpoint stays known. */
const gone = new WeakMap<object, Map<string, Route>>();

/** An endpoint in place of a class, whose objects stay. */
function standIn(route: Route, { type, className, answersRequests, config: { binding } }: Route): Route {
  const source = (route.callbacks ?? route.type.prototype) as Record<string, unknown>;
  const callbacksOf = (object: object): Callbacks => {
    if (route.type === type) return object;
    const callbacks: Record<string, unknown> = {};
    for (const name of Object.keys(CALLBACKS)) {
      const callback = source[name];
      if (typeof callback === "function") callbacks[name] = callback.bind(object);
    }
    return callbacks;
  };
  return {
    ...route,
    type,
    className,
    answersRequests,
    config: binding ? amended(route.config, { binding }) : route.config,
    callbacksOf,
  };
}
