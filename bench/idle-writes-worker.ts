// An endpoint with an idle timeout, in an object that counts what the platform is given to write.
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

/** In milliseconds: the bench puts it in. */
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
    // The platform's own, before Socle's alarm takes its place.
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

  /** A message out counts as activity as one in does. */
  override onText(_: undefined, text: string, { asyncRemote }: Session): void {
    counts.messages++;
    void asyncRemote.sendText(text);
  }
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/idle", Idle);

export default container;
