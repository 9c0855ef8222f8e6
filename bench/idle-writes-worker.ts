// An endpoint with an idle timeout, in an object that counts the writes passed to the platform.
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

/** In milliseconds. The bench inserts the value. */
declare const TIMEOUT: number;

interface Env {
  Idle: DurableObjectNamespace<Idle>;
}

const counts = { messages: 0, attachments: 0, alarms: 0 };
export type Counts = typeof counts;

// oxlint-disable-next-line typescript/unbound-method -- it is called on the socket
const { serializeAttachment } = WebSocket.prototype;
WebSocket.prototype.serializeAttachment = function (attachment: unknown): void {
  counts.attachments++;
  serializeAttachment.call(this, attachment);
};

export class Idle extends Endpoint<Env, undefined> {
  static override options = { idleTimeoutMs: TIMEOUT };

  constructor(ctx: DurableObjectState, env: Env) {
    // The platform's own method, before Socle replaces it.
    const { storage } = ctx;
    const setAlarm = storage.setAlarm.bind(storage);
    storage.setAlarm = (time, options) => {
      counts.alarms++;
      return setAlarm(time, options);
    };
    super(ctx, env);
  }

  override onRequest(): Response {
    return Response.json(counts);
  }

  /** Outgoing messages count as activity, like incoming ones. */
  override onText(_: undefined, text: string, { asyncRemote }: Session): void {
    counts.messages++;
    void asyncRemote.sendText(text);
  }
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/idle", Idle);

export default container;
