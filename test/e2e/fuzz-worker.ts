// Echoes, and counts how often each session opened and closed.
import { ServerContainer, type Session } from "../../src/index.ts";

const container = new ServerContainer();
const opened: string[] = [];
const closed: string[] = [];

container.addEndpoint("/echo", {
  subprotocols: ["chat"],
  allowedOrigins: ["https://example.com"],
  onOpen: ({ id }: Session) => void opened.push(id),
  onText: (_, text, session) => session.asyncRemote.sendText(`text ${text.length}`),
  onBinary: (_, data, session) => session.asyncRemote.sendText(`binary ${data.byteLength}`),
  onError: () => {},
  onClose: (_, { id }) => void closed.push(id),
});

export class Endpoints extends container.Endpoint {}

export default {
  fetch(request: Request, env: never, ctx: ExecutionContext): Promise<Response> | Response {
    if (new URL(request.url).pathname !== "/counts") return container.fetch(request, env, ctx);
    const odd = opened.filter((id) => closed.filter((one) => one === id).length !== 1);
    return Response.json({ opened: opened.length, odd: odd.length, closed: closed.length });
  },
};
