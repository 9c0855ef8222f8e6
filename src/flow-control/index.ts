// `socle/flow-control`: the option `flowControl`. A Worker that doesn't import it carries none of it.
import { isPlain } from "../difference.ts";
import { defined, definitions, OPTIONS } from "../endpoint-definition.ts";
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

const LEAST: Required<FlowControl> = { window: 1, maxBufferedAmount: 0, stallTimeoutMs: 1, batchMs: 0 };

/** A timer takes no longer time. */
const MOST = 2 ** 31 - 1;

OPTIONS.flowControl = [
  `true, or { ${Object.keys(DEFAULTS).join(", ")} } of whole numbers up to ${MOST}, the first and the third from 1`,
  (value) => typeof value === "boolean",
  (value) =>
    isPlain(value) &&
    Object.entries(defined(value)).every(
      ([name, number]: [string, unknown]) =>
        Number.isSafeInteger(number) &&
        (number as number) >= (Object.hasOwn(LEAST, name) ? LEAST[name as keyof FlowControl] : Infinity) &&
        (number as number) <= MOST,
    ),
];

const { define } = definitions;
definitions.define = (path, ...given) => {
  const definition = define(path, ...given);
  const { flowControl, subprotocols } = definition.config;
  if (!flowControl) return definition;
  if (subprotocols.some((negotiatedSubprotocol) => isFlowControlled({ negotiatedSubprotocol }))) {
    throw new DeploymentError(
      `The endpoint at "${path}" has flowControl, and a subprotocol that ends in ${PROTOCOL}: leave that to it.`,
    );
  }
  const settings = Object.freeze({ ...DEFAULTS, ...(typeof flowControl === "object" && defined(flowControl)) });
  return {
    ...definition,
    config: Object.freeze({ ...definition.config, flowControl: settings }),
    protocols: [...subprotocols.flatMap((name) => [`${name}+${PROTOCOL}`, name]), PROTOCOL],
    Session: FlowSession,
  };
};
