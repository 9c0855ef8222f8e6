// An endpoint as a map of callbacks and options.
import type { Callbacks } from "./callbacks.ts";
import type { MapOptions } from "./endpoint-options.ts";
import type { NamespaceBinding } from "./namespace-binding.ts";

/**
 * An endpoint as a map of callbacks and options.
 *
 * ```ts
 * addEndpoint(container, "/echo", {
 *   onOpen: onOpenStartWsConnection(),
 *   onText: (send, text) => send.put(`echo: ${text}`),
 * });
 * ```
 *
 * @see Pedestal: `ws-endpoint-map`
 */
export type WsEndpointMap<Env = unknown, T = unknown, Path extends string = string> = Callbacks<Env, T, Path> &
  MapOptions<Env, T, Path> & {
    /**
     * The binding of the namespace that serves the map, if that isn't the namespace of the container's own `Endpoint`
     * class.
     */
    durableObject?: NamespaceBinding<Env>;
  };
