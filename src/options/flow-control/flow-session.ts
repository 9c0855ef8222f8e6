// A session whose client speaks `socle.v1`: reads its frames, and passes on their messages like any others.
import { CloseReason } from "../../api/close-reason.ts";
import type { EndpointConfig } from "../../api/endpoint-options.ts";
import { LimitExceededError } from "../../api/errors.ts";
import type { FlowControl } from "../../api/flow-control.ts";
import { CREDIT } from "../../hibernation/limits.ts";
import { toError } from "../../reporting/thrown.ts";
import type { Subject } from "../../session/subject.ts";
import { ACKNOWLEDGEMENT, BATCH, FrameReader, malformed, MOST_IN_BATCH, PROTOCOL, WINDOW } from "../../wire/frame.ts";
import { settingsFrame } from "../../wire/settings.ts";
import { answer } from "../answers.ts";
import { Credit } from "./credit.ts";
import { FlowRemote } from "./flow-remote.ts";

/** Whether the subprotocol on the wire is `socle.v1`, alone or with one of the application's. */
export const isFlowControlled = (name: string): boolean => name === PROTOCOL || name.endsWith(`+${PROTOCOL}`);

/** Whether an endpoint negotiates `socle.v1`: with `topics` alone it does so without credit. */
export const speaks = ({ flowControl, topics }: Pick<EndpointConfig, "flowControl" | "topics">): boolean =>
  Boolean(flowControl || topics);

/** The application's subprotocol in a name on the wire; "" if there is none. */
export const plainName = (name: string): string =>
  isFlowControlled(name) ? name.slice(0, -PROTOCOL.length - 1) : name;

/** Whether a batch has too many messages. Only their headers are read. */
function isLong(batch: ArrayBuffer): boolean {
  const reader = new FrameReader(batch);
  let count = 0;
  try {
    for (; !reader.isAtEnd && count <= MOST_IN_BATCH; count++) reader.take(Math.floor(reader.number() / 2));
  } catch {
    // The messages before a malformed part are still delivered.
  }
  return count > MOST_IN_BATCH;
}

/** The settings with `topics` alone: nothing waits for the client. */
const FREE: Required<FlowControl> = { window: 0, maxBufferedAmount: Infinity, stallTimeoutMs: Infinity, batchMs: 0 };

/** How long the credit may be in memory only, in milliseconds: writing it takes as long as a tenth of a message. */
const KEEP = 20;

/**
 * The sessions of an object whose credit is not in their attachments yet. Until it is, the object doesn't hibernate.
 */
const changed = new WeakMap<DurableObjectState, Set<FlowSession>>();

/** A session whose client speaks it. */
export interface FlowSession extends Subject {
  readonly asyncRemote: FlowRemote;
  readonly credit: Credit | undefined;
}

/** Replaces the usual client's end with the one that waits for credit. */
export function joinBy(config: EndpointConfig): (session: Subject, isAccepted: boolean) => void {
  const { autoResponse, flowControl, maxPendingMessages, rateLimit } = config;
  const settings = flowControl ? (flowControl as Required<FlowControl>) : FREE;
  const { request, response } = autoResponse ?? {};
  const [most, messages, perMs] = [maxPendingMessages, rateLimit?.messages, rateLimit?.perMs].map((one) =>
    one?.toString(),
  );
  const frameFor = (window: number) => settingsFrame([window, response, request, most, messages, perMs]);
  const frame = frameFor(settings.window);
  // A client without topics assumes that there is credit; what it acknowledges is read and ignored.
  const plainFrame = flowControl ? frame : frameFor(WINDOW);
  return (session, isAccepted) => {
    if (!isFlowControlled(session.negotiatedSubprotocol)) return;
    const { webSocket, ctx, knowsTopics } = session;
    const credit = flowControl ? new Credit(settings.window, session.limits[CREDIT]) : undefined;
    const asyncRemote = new FlowRemote(webSocket, isAccepted, {
      settings,
      credit,
      knowsTopics,
      frame: knowsTopics ? frame : plainFrame,
      uncounted: response,
      session,
      keep: () => keep(session as FlowSession),
      stalled() {
        const text = `The client acknowledged nothing for ${settings.stallTimeoutMs} ms: see stallTimeoutMs.`;
        const ended = session.lost(new CloseReason(1008), new LimitExceededError(1008, text));
        if (ended) ctx.waitUntil(ended);
      },
      keepAwake: (sending) => ctx.waitUntil(sending),
    });
    const negotiatedSubprotocol = plainName(session.negotiatedSubprotocol);
    Object.assign(session, { negotiatedSubprotocol, asyncRemote, credit });
  };
}

/** Reads a frame. A heartbeat arrives here if the object's platform answers another endpoint's. */
export function readBy({ autoResponse }: EndpointConfig): typeof read {
  const { request, response = "" } = autoResponse ?? {};
  return (session, message) => (message === request ? answer(session, response) : read(session, message));
}

/** Delivers the messages of a frame. */
function read(session: Subject, message: string | ArrayBuffer): Promise<void> | undefined {
  const { asyncRemote, dispatch } = session;
  if (typeof message === "string" || !(asyncRemote instanceof FlowRemote)) return session.take(message);
  let pending: Promise<void> | undefined;
  try {
    const frame = new FrameReader(message);
    if (frame.type === ACKNOWLEDGEMENT) {
      const count = frame.number();
      if (!frame.isAtEnd) malformed("more than a number");
      asyncRemote.acknowledge(count);
      session.heard();
      return undefined;
    }
    if (dispatch.isFull) return undefined;
    const exceeded = frame.type === BATCH && exceededBy(message, session);
    if (exceeded) return dispatch.refuse(new LimitExceededError(1009, exceeded));
    for (const data of frame.messages()) {
      const received = session.take(data);
      pending ??= received;
      // The rest of the frame is dropped.
      if (!session.isOpen || dispatch.isFull) break;
    }
  } catch (error) {
    const ended = session.lost(new CloseReason(1002), toError(error));
    pending ??= ended;
  }
  return pending;
}

/** The limit that a batch exceeds, as the text of an error. */
function exceededBy(batch: ArrayBuffer, session: Subject): string | undefined {
  const { maxTextMessageBufferSize: text, maxBinaryMessageBufferSize: binary } = session;
  const max = Math.max(text, binary);
  if (batch.byteLength > max) {
    const name = text < binary ? "maxBinaryMessageBufferSize" : "maxTextMessageBufferSize";
    return `The client sent a batch of over ${max} bytes: see ${name}.`;
  }
  // Each message has at least one byte, for its header.
  if (batch.byteLength - 1 <= MOST_IN_BATCH || !isLong(batch)) return undefined;
  return `The client sent a batch of over ${MOST_IN_BATCH} messages: split it.`;
}

function keep(session: FlowSession): void {
  const { ctx, definition, credit } = session;
  if (!credit || !definition.config.hibernate) return;
  let sessions = changed.get(ctx);
  if (!sessions) {
    sessions = new Set();
    changed.set(ctx, sessions);
    ctx.waitUntil(scheduler.wait(KEEP).then(() => keepAll(ctx)));
  }
  sessions.add(session);
}

function keepAll(ctx: DurableObjectState): void {
  const sessions = changed.get(ctx)!;
  changed.delete(ctx);
  for (const session of sessions) session.limit(CREDIT, session.credit!.kept);
}
