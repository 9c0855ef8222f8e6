// `autoResponse`: a text to which the platform answers without waking the object, and Socle where that doesn't: answers.ts.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import type { Subject } from "../session/subject.ts";
import { answer } from "./answers.ts";
import { isPair, isShort } from "./check.ts";
import { speaks } from "./flow-control/flow-session.ts";
import type { Option } from "./option.ts";

/** What an endpoint has that speaks `socle.v1`, so that its clients find out by themselves that a connection is dead. */
const HEARTBEAT = { request: "socle:ping", response: "socle:pong" };

export const autoResponse = {
  checks: {
    autoResponse: [
      "{ request, response } of strings of at most 2,048 bytes",
      isPair("request,response", isShort(2048)),
    ],
  },
  register({ config }) {
    const pair = config.autoResponse ?? (speaks(config) ? HEARTBEAT : undefined);
    if (!pair) return;
    const { request, response } = pair;
    // As everything that is sent: what is no Unicode ends the connection of a browser.
    config.autoResponse = Object.freeze({ request: request.toWellFormed(), response: response.toWellFormed() });
  },
  part(config) {
    const { autoResponse: pair, hibernate } = config;
    if (!pair || !hibernate) return undefined;
    const accepted = ({ ctx }: Subject) => answerBy(ctx, pair);
    // Its frames are no messages, and read in flow-session.ts.
    if (speaks(config)) return { accepted };
    return {
      accepted,
      receive: (session, message, take) =>
        message === pair.request ? answer(session, pair.response) : take(session, message),
    };
  },
} as const satisfies Option<"autoResponse">;

/** Has the platform answer by itself for all the sockets of an object; by no pair not at all. */
export const answerBy = (ctx: DurableObjectState, pair: EndpointConfig["autoResponse"]): void =>
  ctx.setWebSocketAutoResponse(pair && new WebSocketRequestResponsePair(pair.request, pair.response));

/** Whether it is the pair that such an endpoint has by itself. */
export const isHeartbeat = ({ request, response }: { request: string; response: string }): boolean =>
  request === HEARTBEAT.request && response === HEARTBEAT.response;
