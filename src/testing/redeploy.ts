// A deploy in a test: another endpoint stands at a path, and objects find it as they wake.
import type { Callbacks } from "../api/callbacks.ts";
import { DeploymentError } from "../api/errors.ts";
import { amended, CALLBACKS } from "../endpoint/definition.ts";
import { ENDPOINTS, SERVES_MAPS, TABLE, type Route } from "../endpoint/endpoint-class.ts";
import type { ServerContainer } from "../worker/container.ts";
import type { EndpointLike, PathOf } from "../worker/endpoint-like.ts";
import { platformFor } from "./platform.ts";

/**
 * Plays a deploy: from now on another endpoint stands at a path. Objects that are awake go on with the former one, and find
 * the new one as they wake: after {@link hibernate} with their sockets, as by a deferred update, after {@link drop} without, as by
 * one that doesn't wait.
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
 * At the path of a class the objects stay those of the exported class. What is given brings the options, all of them, and the
 * callbacks: the methods of another class, or the functions of a map, called on the object.
 *
 * @param path as it was registered
 * @param endpoint undefined takes the endpoint away
 * @throws {@link DeploymentError} where there is no endpoint, and as `addEndpoint` does; {@link TestEnvironmentError} where there
 * is no `cloudflare:test`
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

/** What stood at the paths of containers: of one that was taken away the class is still known. */
const gone = new WeakMap<object, Map<string, Route>>();

/** An endpoint in the place of a class, whose objects stay. */
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
