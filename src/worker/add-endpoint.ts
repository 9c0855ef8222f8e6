// Pedestal's functions that add endpoints to a container.
import type { WsEndpointMap } from "../api/ws-endpoint-map.ts";
import type { ServerContainer } from "./container.ts";
import type { EndpointLike, EndpointsByPath, PathOf } from "./endpoint-like.ts";

/**
 * Adds an endpoint to a container: a map of callbacks and options, a class that extends `Endpoint`, or a class with
 * options. Call it while the module loads.
 *
 * ```ts
 * addEndpoint(container, "/echo", {
 *   onOpen: onOpenStartWsConnection(),
 *   onText: (send, text) => send.put(`echo: ${text}`),
 * });
 * ```
 *
 * @param path begins with "/"; a segment `{name}` or `:name` is a parameter
 * @throws {@link DeploymentError} for an invalid path or endpoint; the message says what to change
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
 * Adds all the endpoints of a map of paths to a container.
 *
 * ```ts
 * addEndpoints(container, {
 *   "/echo": { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) },
 *   "/chat/{room}": Chat,
 * });
 * ```
 *
 * @throws {@link DeploymentError} as {@link addEndpoint} does
 * @see Pedestal: `add-endpoints`. {@link ServerContainer.addEndpoints} is the same as a method, and explains what
 * TypeScript infers.
 */
export function addEndpoints<Env, Sessions>(
  container: ServerContainer<Env>,
  endpoints: EndpointsByPath<NoInfer<Env>, Sessions>,
): void {
  container.addEndpoints(endpoints);
}

/**
 * Returns the map unchanged. It gives TypeScript the types of a map that stands alone.
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
