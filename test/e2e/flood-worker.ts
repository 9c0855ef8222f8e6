// An endpoint with a slow callback, to be flooded.
import { addEndpoint, ServerContainer } from "socle";

interface Env {
  Endpoints: DurableObjectNamespace<Endpoints>;
}

const container = new ServerContainer<Env>();

/** Holds the callback of a long text until a short text comes. */
const held = Promise.withResolvers<void>();

addEndpoint(container, "/flooded/{name}", {
  maxPendingMessages: 20,

  async onText(_, text, { asyncRemote }) {
    if (text === "go on") held.resolve();
    await (text.length > 100 ? held.promise : scheduler.wait(20));
    await asyncRemote.sendText(text.trimEnd());
  },

  onError: (_, { asyncRemote }, error) => asyncRemote.sendText(`onError: ${error.name}`),

  async onClose(_, { openSessions }, { closeCode }) {
    for (const { asyncRemote } of openSessions) await asyncRemote.sendText(`onClose: ${closeCode}`);
  },
});

export class Endpoints extends container.Endpoint {}

export default container;
