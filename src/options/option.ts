// What an option is. Each file here is one, or a few that belong together, in this order: what it may be, what it does when an
// endpoint is registered, and what it does with its sessions.
import type { EndpointConfig, EndpointOptions, MutableEndpointConfig } from "../api/endpoint-options.ts";
import type { Limits } from "../hibernation/limits.ts";
import type { Part } from "../session/way.ts";
import type { Checks } from "./check.ts";

/** The names of all options. */
export type OptionName = keyof EndpointOptions | "durableObject";

/** The options of a container that its endpoints' begin with. */
export interface Defaults {
  defaultMaxSessionIdleTimeout?: number;
  defaultMaxTextMessageBufferSize?: number;
  defaultMaxBinaryMessageBufferSize?: number;
}

/** An endpoint that is being registered. */
export interface Registration {
  /** Its configuration, checked: what is written to it holds. */
  readonly config: MutableEndpointConfig;
  /** It is a class, not a map. */
  readonly isClass: boolean;
  /** By what names the endpoint's subprotocols are offered, the preferred first. */
  protocols: readonly string[];
  /** And by what names one is. */
  offers: (subprotocol: string) => readonly string[];
  /** @throws {@link DeploymentError} with the endpoint's path and this text */
  readonly refuse: (what: string) => never;
}

export interface Option<Name extends OptionName = OptionName> {
  /** What it may be. */
  readonly checks: Checks<Name>;
  /** What it is if it is absent. */
  readonly defaults?: Partial<MutableEndpointConfig>;
  /** The container's options that take the place of these. */
  readonly inherited?: Partial<Record<Name, keyof Defaults>>;
  /** When the endpoint is registered: looks at it beside the others. */
  readonly register?: (endpoint: Registration) => void;
  /** Which part a session with these limits has: where it is the same, so is the part. Absent if it is the same for all. */
  readonly variant?: (limits: Limits) => unknown;
  /** What it does with a session that has these limits; undefined if it is absent. */
  readonly part?: (config: EndpointConfig, limits: Limits) => Part | undefined;
}
