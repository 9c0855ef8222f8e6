// `shards`, `shard`: over how many objects the sessions of a path are divided, and in which of them a session opens.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import type { ShardSettings } from "../api/shards.ts";
import { isPlain } from "../hibernation/plain-data.ts";
import { check, defined, FUNCTION, isWhole, type Checks } from "./check.ts";
import type { Option } from "./option.ts";

/** The limit of a path, because a publication is one request to each shard. */
const MOST_SHARDS = 64;

const isCount = isWhole(1, MOST_SHARDS);

const CHECKS: Checks<keyof ShardSettings> = {
  max: [`a whole number from 1 to ${MOST_SHARDS}`, isCount],
  // The platform's limit of sockets for an object.
  sessions: ["a whole number from 1 to 32768", isWhole(1, 32_768)],
};

export const shards = {
  checks: {
    shards: [
      `a whole number from 1 to ${MOST_SHARDS}, or an object of settings with such a max`,
      isCount,
      (value) => isPlain(value) && isCount((value as Partial<ShardSettings>).max),
    ],
    shard: FUNCTION,
  },
  register({ config, refuse }) {
    const { path, shards: given, shard } = config;
    if (!given) {
      if (shard) refuse("has shard but no shards: add them, as in { shards: 8 }");
      return;
    }
    const settings = typeof given === "number" ? { max: given } : given;
    check(`The shards of the endpoint at "${path}"`, settings, CHECKS);
    config.shards = Object.freeze({ sessions: 2000, ...defined(settings) });
  },
} as const satisfies Option<"shards" | "shard">;

/**
 * The shard that the option `shard` chooses; undefined without the option.
 *
 * @throws {@link DeploymentError} if it returns an invalid number; what it throws
 */
export function chosenShard(
  config: EndpointConfig,
  request: Request,
  pathParameters: Readonly<Record<string, string>>,
): number | undefined {
  const { shard, shards: settings } = config;
  if (!shard || !settings) return undefined;
  const chosen: unknown = shard(request, pathParameters);
  if (isWhole(0, settings.max - 1)(chosen)) return chosen as number;
  throw new DeploymentError(`The option shard must return a whole number from 0 to ${settings.max - 1}.`);
}
