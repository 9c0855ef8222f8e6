// `socle/flow-control`: the option `flowControl`. A Worker that doesn't import it carries none of it.
import { isPlain } from "../difference.ts";
import { amended, check, defined, definitions, OPTIONS, type Check } from "../endpoint-definition.ts";
import { DeploymentError } from "../errors.ts";
import type { FlowControl } from "../ws-endpoint-map.ts";
import { PROTOCOL, WINDOW } from "./frame.ts";
import { FlowSession, isFlowControlled } from "./session.ts";

const DEFAULTS: Required<FlowControl> = {
  window: WINDOW,
  maxBufferedAmount: 1_048_576,
  stallTimeoutMs: 30_000,
  batchMs: 0,
};

/** A timer takes no longer time. */
const MOST = 2 ** 31 - 1;

const whole = (least: number): Check => [
  `a whole number from ${least} to ${MOST}`,
  (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= MOST,
];

const SETTINGS: Record<keyof FlowControl, Check> = {
  window: whole(1),
  maxBufferedAmount: whole(0),
  stallTimeoutMs: whole(1),
  batchMs: whole(0),
};

OPTIONS.flowControl = ["true, false, or an object of settings", (value) => typeof value === "boolean", isPlain];

const offers = (name: string) => [`${name}+${PROTOCOL}`, name];

const { define } = definitions;
definitions.define = (path, ...given) => {
  const definition = define(path, ...given);
  const { flowControl, subprotocols } = definition.config;
  if (!flowControl) return definition;
  if (subprotocols.some(isFlowControlled)) {
    throw new DeploymentError(
      `The endpoint at "${path}" has flowControl, and a subprotocol that ends in ${PROTOCOL}: leave that to it.`,
    );
  }
  const settings = flowControl === true ? {} : flowControl;
  check(`The flowControl of the endpoint at "${path}"`, settings, SETTINGS);
  return {
    ...definition,
    config: amended(definition.config, { flowControl: Object.freeze({ ...DEFAULTS, ...defined(settings) }) }),
    protocols: Object.freeze([...subprotocols.flatMap(offers), PROTOCOL]),
    offers,
    Session: FlowSession,
  };
};
