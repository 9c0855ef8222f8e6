// `configure`: receives the configuration at registration, and may change it.
import type { EndpointOptions, MutableEndpointConfig } from "../api/endpoint-options.ts";
import { loss } from "../hibernation/difference.ts";
import { isPlain } from "../hibernation/plain-data.ts";
import { FUNCTION } from "./check.ts";
import type { Option, Registration } from "./option.ts";

export const configure = { checks: { configure: FUNCTION } } as const satisfies Option<"configure">;

/**
 * Calls configure, if it is there.
 *
 * @returns the options after the call, and the user properties
 * @throws {@link DeploymentError} for a change that is not allowed; what it throws
 */
export function configured(
  options: Pick<EndpointOptions, "configure">,
  config: MutableEndpointConfig,
  { refuse }: Pick<Registration, "refuse">,
): [options: object, userProperties: object] {
  const { path } = config;
  if ((options.configure?.(config) as unknown) instanceof Promise) refuse("needs a synchronous configure");
  const { path: samePath, userProperties, ...now } = config;
  if (samePath !== path) refuse("must keep its path in configure");
  if (!isPlain(userProperties)) refuse("needs a plain object as userProperties");
  const lost =
    Reflect.ownKeys(userProperties).length > 0 && loss(userProperties, () => structuredClone(userProperties));
  if (lost) refuse(`needs plain data in userProperties${lost[0]}`);
  return [now, userProperties];
}
