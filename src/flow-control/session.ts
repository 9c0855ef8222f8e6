// A session whose client speaks `socle.v1`: its frames are read here, and what they carry goes the way of all events.
import type { SessionFacts } from "../attachment.ts";
import { CloseReason } from "../close-reason.ts";
import { LimitExceededError, toError } from "../errors.ts";
import { CREDIT } from "../limits.ts";
import { ServerSession } from "../session.ts";
import type { FlowControl } from "../ws-endpoint-map.ts";
import { Credit } from "./credit.ts";
import { ACKNOWLEDGEMENT, FrameReader, PROTOCOL } from "./frame.ts";
import { FlowRemote } from "./remote.ts";

/** Whether the subprotocol on the wire is `socle.v1`, alone or with one of the application's. */
export const isFlowControlled = ({
  negotiatedSubprotocol: name,
}: Pick<SessionFacts, "negotiatedSubprotocol">): boolean => name === PROTOCOL || name.endsWith(`+${PROTOCOL}`);

export class FlowSession extends ServerSession {
  /** Undefined for a client that doesn't speak it. */
  readonly #remote: FlowRemote | undefined;

  constructor(...given: ConstructorParameters<typeof ServerSession>) {
    super(...given);
    const [host, webSocket, definition, facts, , accepted] = given;
    if (!isFlowControlled(facts)) return;
    const negotiatedSubprotocol = facts.negotiatedSubprotocol.slice(0, -PROTOCOL.length - 1);
    const { attachment, limits } = this;
    const settings = definition.config.flowControl as Required<FlowControl>;
    const credit = new Credit(settings.window, limits[CREDIT]);
    const asyncRemote = new FlowRemote(webSocket, accepted, {
      settings,
      credit,
      uncounted: definition.config.autoResponse?.response,
      touch: () => this.touch(),
      keep: () => attachment.limit(CREDIT, credit.kept),
      stalled: () => {
        const text = `The client took nothing for ${settings.stallTimeoutMs} ms: see stallTimeoutMs.`;
        const ended = this.lost(new CloseReason(1008), new LimitExceededError(1008, text));
        if (ended) host.ctx.waitUntil(ended);
      },
      keepAwake: (sending) => host.ctx.waitUntil(sending),
    });
    this.#remote = asyncRemote;
    Object.assign(this, { negotiatedSubprotocol, asyncRemote });
  }

  override receive(message: string | ArrayBuffer): Promise<void> | undefined {
    if (!this.#remote || typeof message === "string") return super.receive(message);
    let pending: Promise<void> | undefined;
    try {
      const frame = new FrameReader(message);
      if (frame.type === ACKNOWLEDGEMENT) {
        const count = frame.onlyNumber();
        if (this.isOpen) this.#remote.acknowledge(count);
        return undefined;
      }
      for (const data of frame.messages()) {
        const received = super.receive(data);
        pending ??= received;
        // What is left of it would be nobody's.
        if (!this.isOpen || this.dispatch.isFull) break;
      }
    } catch (error) {
      const ended = this.lost(new CloseReason(1002), toError(error));
      pending ??= ended;
    }
    return pending;
  }
}
