// `autoResponse`: a text that the platform answers without waking the object. Where the platform doesn't, answers.ts
// does.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import type { Subject } from "../session/subject.ts";
import { answer } from "./answers.ts";
import { isPair, isShort } from "./check.ts";
import { speaks } from "./flow-control/flow-session.ts";
import type { Option } from "./option.ts";

/** The default of an endpoint that speaks `socle.v1`, so that its clients detect a dead connection by themselves. */
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
    // A browser ends the connection for a text that is not well-formed Unicode.
    config.autoResponse = Object.freeze({ request: request.toWellFormed(), response: response.toWellFormed() });
  },
  part(config) {
    const { autoResponse: pair, hibernate } = config;
    if (!pair || !hibernate) return undefined;
    const accepted = ({ ctx }: Subject) => answerBy(ctx, pair);
    // With `socle.v1`, pings are read in flow-session.ts, because a frame need not be one message.
    if (speaks(config)) return { accepted };
    return {
      accepted,
      receive: (session, message, take) =>
        message === pair.request ? answer(session, pair.response) : take(session, message),
    };
  },
} as const satisfies Option<"autoResponse">;

/** Sets the platform's pair for all the sockets of an object; undefined removes it. */
export const answerBy = (ctx: DurableObjectState, pair: EndpointConfig["autoResponse"]): void =>
  ctx.setWebSocketAutoResponse(pair && new WebSocketRequestResponsePair(pair.request, pair.response));

/** Whether it is the default pair of such an endpoint. */
export const isHeartbeat = ({ request, response }: { request: string; response: string }): boolean =>
  request === HEARTBEAT.request && response === HEARTBEAT.response;
