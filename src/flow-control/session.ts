// A session whose client speaks `socle.v1`: its frames are read here, and what they carry goes the way of all events.
import { CloseReason } from "../close-reason.ts";
import { LimitExceededError, toError } from "../errors.ts";
import { CREDIT } from "../limits.ts";
import { ServerSession } from "../session.ts";
import type { FlowControl } from "../ws-endpoint-map.ts";
import { Credit } from "./credit.ts";
import { ACKNOWLEDGEMENT, BATCH, FrameReader, malformed, MOST_IN_BATCH, PROTOCOL } from "./frame.ts";
import { FlowRemote } from "./remote.ts";

/** Whether the subprotocol on the wire is `socle.v1`, alone or with one of the application's. */
export const isFlowControlled = (name: string): boolean => name === PROTOCOL || name.endsWith(`+${PROTOCOL}`);

/** Whether a batch has too many messages, by their headers: none of them is read. */
function isLong(batch: ArrayBuffer): boolean {
  const reader = new FrameReader(batch);
  let count = 0;
  try {
    for (; !reader.isAtEnd && count <= MOST_IN_BATCH; count++) reader.take(Math.floor(reader.number() / 2));
  } catch {
    // What stands before the malformed part is delivered.
  }
  return count > MOST_IN_BATCH;
}

/** How long the credit may be in memory only, in milliseconds: to write it takes as long as a tenth of a message. */
const KEEP = 20;

/** The sessions of an object whose credit is not in their attachments yet. Until it is the object doesn't hibernate. */
const changed = new WeakMap<DurableObjectState, Set<FlowSession>>();

export class FlowSession extends ServerSession {
  /** Undefined for a client that doesn't speak it. */
  readonly #remote: FlowRemote | undefined;
  declare readonly credit: Credit;

  constructor(...given: ConstructorParameters<typeof ServerSession>) {
    super(...given);
    const [host, webSocket, definition, facts, , accepted] = given;
    if (!isFlowControlled(facts.negotiatedSubprotocol)) return;
    const negotiatedSubprotocol = facts.negotiatedSubprotocol.slice(0, -PROTOCOL.length - 1);
    const settings = definition.config.flowControl as Required<FlowControl>;
    this.credit = new Credit(settings.window, this.limits[CREDIT]);
    const asyncRemote = new FlowRemote(webSocket, accepted, {
      settings,
      credit: this.credit,
      uncounted: definition.config.autoResponse?.response,
      session: this,
      keep: () => this.#keep(),
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
        const count = frame.number();
        if (!frame.isAtEnd) malformed("more than a number");
        this.#remote.acknowledge(count);
        this.hear();
        return undefined;
      }
      if (this.dispatch.isFull) return undefined;
      const exceeded = frame.type === BATCH && this.#exceededByBatch(message);
      if (exceeded) return this.dispatch.refuse(new LimitExceededError(1009, exceeded));
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

  /** What a batch has too much of, as it is told. */
  #exceededByBatch(batch: ArrayBuffer): string | undefined {
    const { maxTextMessageBufferSize: text, maxBinaryMessageBufferSize: binary } = this;
    const max = Math.max(text, binary);
    if (batch.byteLength > max) {
      const name = text < binary ? "maxBinaryMessageBufferSize" : "maxTextMessageBufferSize";
      return `The client sent a batch of over ${max} bytes: see ${name}.`;
    }
    // Each has a byte at least, for its header.
    if (batch.byteLength - 1 <= MOST_IN_BATCH || !isLong(batch)) return undefined;
    return `The client sent a batch of over ${MOST_IN_BATCH} messages: it has to send several.`;
  }

  #keep(): void {
    const { ctx, definition } = this;
    if (!definition.config.hibernate) return;
    let sessions = changed.get(ctx);
    if (!sessions) {
      sessions = new Set();
      changed.set(ctx, sessions);
      ctx.waitUntil(scheduler.wait(KEEP).then(() => keepAll(ctx)));
    }
    sessions.add(this);
  }
}

function keepAll(ctx: DurableObjectState): void {
  const sessions = changed.get(ctx)!;
  changed.delete(ctx);
  for (const session of sessions) session.limit(CREDIT, session.credit.kept);
}
