// The definition of an option. Each file here has one option, or a few that belong together, in this order: the allowed
// values, the work at registration, and the part of its sessions.
import type { EndpointConfig, EndpointOptions, MutableEndpointConfig } from "../api/endpoint-options.ts";
import type { Limits } from "../hibernation/limits.ts";
import type { Part } from "../session/way.ts";
import type { Checks } from "./check.ts";

export type OptionName = keyof EndpointOptions | "durableObject";

/** The options of a container that are defaults for its endpoints. */
export interface Defaults {
  defaultMaxSessionIdleTimeout?: number;
  defaultMaxTextMessageBufferSize?: number;
  defaultMaxBinaryMessageBufferSize?: number;
}

/** An endpoint that is being registered. */
export interface Registration {
  /** Its checked configuration; `register` may change it. */
  readonly config: MutableEndpointConfig;
  /** It is a class, not a map. */
  readonly isClass: boolean;
  /** The names under which the endpoint's subprotocols are offered, the preferred one first. */
  protocols: readonly string[];
  /** The names under which one subprotocol is offered. */
  offers: (subprotocol: string) => readonly string[];
  /** @throws {@link DeploymentError} with the endpoint's path and this text */
  readonly refuse: (what: string) => never;
}

export interface Option<Name extends OptionName = OptionName> {
  /** The allowed values. */
  readonly checks: Checks<Name>;
  /** The values if absent. */
  readonly defaults?: Partial<MutableEndpointConfig>;
  /** The container's options that replace these defaults. */
  readonly inherited?: Partial<Record<Name, keyof Defaults>>;
  /** Called at registration: looks at the option together with the others. */
  readonly register?: (endpoint: Registration) => void;
  /**
   * The key of the part for a session with these limits: sessions with equal keys have equal parts. Absent if the part
   * is the same for all.
   */
  readonly variant?: (limits: Limits) => unknown;
  /** The part of a session with these limits; undefined if the option is not used. */
  readonly part?: (config: EndpointConfig, limits: Limits) => Part | undefined;
}
