// What a container may be given.
import type { ContainerEvent } from "../api/container-event.ts";
import { FUNCTION, isText, BYTES, TIMEOUT, type Checks } from "../options/check.ts";

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

export const CONTAINER: Checks<keyof ServerContainerOptions> = {
  endpoint: ["the name of a class that the Worker exports", isText(/./)],
  defaultMaxSessionIdleTimeout: TIMEOUT,
  defaultMaxTextMessageBufferSize: BYTES,
  defaultMaxBinaryMessageBufferSize: BYTES,
  onEvent: FUNCTION,
};
