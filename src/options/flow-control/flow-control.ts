// `flowControl`: queues messages until the client has credit, and sends small ones together, for clients that speak
// `socle.v1`.
import type { FlowControl } from "../../api/flow-control.ts";
import { isPlain } from "../../hibernation/plain-data.ts";
import { PROTOCOL, WINDOW } from "../../wire/frame.ts";
import { check, defined, isWhole, SWITCH, type Check, type Checks } from "../check.ts";
import type { Option } from "../option.ts";
import { isFlowControlled, joinBy, readBy, speaks } from "./flow-session.ts";

const DEFAULTS: Required<FlowControl> = {
  window: WINDOW,
  maxBufferedAmount: 1_048_576,
  stallTimeoutMs: 30_000,
  batchMs: 0,
};

/** The maximum delay of a timer. */
const MOST = 2 ** 31 - 1;

const whole = (least: number): Check => [`a whole number from ${least} to ${MOST}`, isWhole(least, MOST)];

const SETTINGS: Checks<keyof FlowControl> = {
  window: whole(1),
  maxBufferedAmount: whole(0),
  stallTimeoutMs: whole(1),
  batchMs: whole(0),
};

const [, isSwitch] = SWITCH;

/** The names under which a subprotocol is offered, the one with `socle.v1` first. */
const offers = (name: string): readonly string[] => [`${name}+${PROTOCOL}`, name];

export const flowControl = {
  checks: { flowControl: ["true, false, or an object of settings", isSwitch!, isPlain] },
  register(endpoint) {
    const { config } = endpoint;
    const option = config.flowControl ? "flowControl" : "topics";
    if (!speaks(config)) return;
    if (config.subprotocols.some(isFlowControlled)) {
      endpoint.refuse(`has ${option}, which adds ${PROTOCOL} itself: remove it from subprotocols`);
    }
    endpoint.protocols = [...config.subprotocols.flatMap(offers), PROTOCOL];
    endpoint.offers = offers;
    if (!config.flowControl) return;
    const settings = config.flowControl === true ? {} : config.flowControl;
    check(`The flowControl of the endpoint at "${config.path}"`, settings, SETTINGS);
    config.flowControl = Object.freeze({ ...DEFAULTS, ...defined(settings) });
  },
  part: (config) => (speaks(config) ? { join: joinBy(config), read: readBy(config) } : undefined),
} as const satisfies Option<"flowControl">;
