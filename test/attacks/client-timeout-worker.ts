// A room where others talk, with a bound for how long a client may be silent.
import { addEndpoint, ServerContainer } from "socle";

const closes: Record<string, number> = {};

const container = new ServerContainer({
  onEvent(event) {
    if (event.type === "close") closes[event.closeReason.closeCode] = (closes[event.closeReason.closeCode] ?? 0) + 1;
  },
});

const one = { instance: () => "one" };

addEndpoint(container, "/neighbour", {
  ...one,
  onText: (_, text, { asyncRemote }) => asyncRemote.sendText(text),
});

addEndpoint(container, "/talking", {
  ...one,
  clientTimeoutMs: 3000,
  async onText(_, text, { openSessions, asyncRemote }) {
    for (const other of openSessions) void other.asyncRemote.sendText(text);
    await asyncRemote.sendText("said");
  },
});

export class Endpoints extends container.Endpoint {}

export default {
  fetch(request: Request, env: never, ctx: ExecutionContext): Promise<Response> | Response {
    if (new URL(request.url).pathname === "/closes") return Response.json(closes);
    return container.fetch(request, env, ctx);
  },
};
