// A Worker that imports `socle/testing` where there is no `cloudflare:test`, or an older one.
import { ServerContainer, type Session } from "socle";
import * as testing from "socle/testing";

const container = new ServerContainer();
container.addEndpoint("/echo", {
  onText: (_: unknown, text, session: Session) => session.asyncRemote.sendText(text),
});
export class Endpoints extends container.Endpoint {}

const stub = {} as DurableObjectStub;
const uses: Record<string, (server: testing.Fetches) => Promise<testing.Message | void> | void> = {
  async connect(server) {
    const client = await testing.connect(server, "/echo");
    const answer = await client.ask("hello");
    await client.close();
    return answer;
  },
  hibernate: () => testing.hibernate(stub),
  drop: () => testing.drop(stub),
  redeploy: () => testing.redeploy(container, "/echo", undefined),
};

export default {
  async fetch(request: Request, env: object, ctx: ExecutionContext): Promise<Response> {
    const use = uses[new URL(request.url).pathname.slice(1)];
    if (!use) return container.fetch(request, env as never, ctx);
    try {
      const server = { fetch: (one: Request) => container.fetch(one, env as never, ctx) };
      return new Response((await use(server)) ?? "done");
    } catch (error) {
      return new Response(`${(error as Error).name}: ${(error as Error).message}`);
    }
  },
};
