// All options of endpoints, in the order in which their parts receive a message.
import type { EndpointConfig, MutableEndpointConfig } from "../api/endpoint-options.ts";
import type { Limits } from "../hibernation/limits.ts";
import { wayOf, type Way } from "../session/way.ts";
import { allowedOrigins } from "./allowed-origins.ts";
import { autoResponse } from "./auto-response.ts";
import type { Checks } from "./check.ts";
import { configure } from "./configure.ts";
import { flowControl } from "./flow-control/flow-control.ts";
import { hibernate } from "./hibernate.ts";
import { onHandshake } from "./on-handshake.ts";
import type { Defaults, Option, OptionName, Registration } from "./option.ts";
import { pending } from "./pending.ts";
import { placement } from "./placement.ts";
import { rateLimit } from "./rate-limit.ts";
import { sessionCodec } from "./session-codec.ts";
import { shards } from "./shards.ts";
import { sizes } from "./sizes.ts";
import { subprotocols } from "./subprotocols.ts";
import { tags } from "./tags.ts";
import { timeouts } from "./timeouts.ts";
import { topics } from "./topics.ts";
import { trackSessions } from "./track-sessions/track-sessions.ts";
import { version } from "./version.ts";

export const OPTIONS: readonly Option<never>[] = [
  onHandshake,
  configure,
  placement,
  shards,
  sessionCodec,
  version,
  subprotocols,
  allowedOrigins,
  topics,
  flowControl,
  autoResponse,
  timeouts,
  rateLimit,
  sizes,
  pending,
  tags,
  hibernate,
  trackSessions,
];

/** The allowed values of each option. */
export const CHECKS: Checks<OptionName> = {
  ...onHandshake.checks,
  ...configure.checks,
  ...placement.checks,
  ...shards.checks,
  ...sessionCodec.checks,
  ...version.checks,
  ...subprotocols.checks,
  ...allowedOrigins.checks,
  ...topics.checks,
  ...flowControl.checks,
  ...timeouts.checks,
  ...rateLimit.checks,
  ...sizes.checks,
  ...pending.checks,
  ...tags.checks,
  ...autoResponse.checks,
  ...hibernate.checks,
  ...trackSessions.checks,
};

const DEFAULTS = Object.assign({}, ...OPTIONS.map(({ defaults }) => defaults)) as Partial<MutableEndpointConfig>;

const INHERITED = Object.assign({}, ...OPTIONS.map(({ inherited }) => inherited)) as Record<string, keyof Defaults>;

const VARIANTS = OPTIONS.flatMap(({ variant }) => variant ?? []);

/** The values of absent options. */
export function defaultsOf(container: Defaults): Partial<MutableEndpointConfig> {
  const defaults: Record<string, unknown> = { ...DEFAULTS };
  for (const name in INHERITED) defaults[name] = container[INHERITED[name]!] ?? defaults[name];
  return defaults;
}

export function register(endpoint: Registration): void {
  for (const option of OPTIONS) option.register?.(endpoint);
}

/** The way of an endpoint's sessions with these limits. Sessions with the same parts share one. */
export function waysUnder(config: EndpointConfig): (limits: Limits) => Way {
  const ways = new Map<string, Way>();
  return (limits) => {
    const key = VARIANTS.map((variant) => variant(limits)).join();
    let way = ways.get(key);
    if (!way) ways.set(key, (way = wayOf(OPTIONS.flatMap(({ part }) => part?.(config, limits) ?? []))));
    return way;
  };
}
