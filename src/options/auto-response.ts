// `autoResponse`: a text to which the platform answers without waking the object, and Socle for sockets that don't hibernate:
// hibernate.ts listens to those.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import type { Subject } from "../session/subject.ts";
import { spend } from "./budget.ts";
import { isPair, isShort } from "./check.ts";
import type { Option } from "./option.ts";

export const autoResponse = {
  checks: {
    autoResponse: [
      "{ request, response } of strings of at most 2,048 bytes",
      isPair("request,response", isShort(2048)),
    ],
  },
  register({ config }) {
    if (!config.autoResponse) return;
    const { request, response } = config.autoResponse;
    // As everything that is sent: what is no Unicode ends the connection of a browser.
    config.autoResponse = Object.freeze({ request: request.toWellFormed(), response: response.toWellFormed() });
  },
  part({ autoResponse: pair, hibernate }) {
    if (!pair || !hibernate) return undefined;
    return { accepted: ({ ctx }: Subject) => answerBy(ctx, pair) };
  },
} as const satisfies Option<"autoResponse">;

/** Has the platform answer by itself for all the sockets of an object; by no pair not at all. */
export const answerBy = (ctx: DurableObjectState, pair: EndpointConfig["autoResponse"]): void =>
  ctx.setWebSocketAutoResponse(pair && new WebSocketRequestResponsePair(pair.request, pair.response));

/** Twenty at once, then one each second: nobody is told whether the client reads them, and what it doesn't is kept. */
const BUDGET = { messages: 20, perMs: 20_000 };

export class AutoResponse {
  readonly #send: () => void;
  #spentUntil = 0;
  #timer: ReturnType<typeof setTimeout> = 0 as never;

  constructor(send: () => void) {
    this.#send = send;
  }

  /** Answers a ping; those past the budget by one answer, a second later. */
  ping(): void {
    if (!this.#timer) this.#answer();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  readonly #answer = (): void => {
    const spentUntil = spend(BUDGET, this.#spentUntil, Date.now());
    this.#timer = spentUntil ? (0 as never) : setTimeout(this.#answer, 1000);
    if (!spentUntil) return;
    this.#spentUntil = spentUntil;
    this.#send();
  };
}
