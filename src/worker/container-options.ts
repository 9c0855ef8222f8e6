// The options of a container.
import type { ContainerEvent } from "../api/container-event.ts";
import { FUNCTION, isText, BYTES, TIMEOUT, type Checks } from "../options/check.ts";

/**
 * The options of {@link ServerContainer}.
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
  /** The default of `idleTimeoutMs` for the container's endpoints, in milliseconds; 0, for never, if absent. */
  defaultMaxSessionIdleTimeout?: number;
  /** The default of `maxTextMessageBufferSize` for the container's endpoints, in bytes; 32 MiB if absent. */
  defaultMaxTextMessageBufferSize?: number;
  /** The default of `maxBinaryMessageBufferSize` for the container's endpoints, in bytes; 32 MiB if absent. */
  defaultMaxBinaryMessageBufferSize?: number;
  /**
   * Receives the events of the Worker and of the objects, for logs and metrics. Socle doesn't wait for it, and logs its
   * errors.
   *
   * ```ts
   * onEvent: (event) => console.log(event.type)
   * ```
   */
  onEvent?: (event: ContainerEvent<Env>, env: Env) => void | Promise<void>;
}

export const CONTAINER: Checks<keyof ServerContainerOptions> = {
  endpoint: ["the name of a class that the Worker exports", isText(/./)],
  defaultMaxSessionIdleTimeout: TIMEOUT,
  defaultMaxTextMessageBufferSize: BYTES,
  defaultMaxBinaryMessageBufferSize: BYTES,
  onEvent: FUNCTION,
};
