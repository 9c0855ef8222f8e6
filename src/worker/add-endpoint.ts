// Pedestal's functions to add endpoints to a container.
import type { WsEndpointMap } from "../api/ws-endpoint-map.ts";
import type { ServerContainer } from "./container.ts";
import type { EndpointLike, EndpointsByPath, PathOf } from "./endpoint-like.ts";

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
