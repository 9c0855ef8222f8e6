// Reports which request targets and hosts it refuses. An endpoint at "/" would serve those that it reads wrongly.
import { Endpoint, ServerContainer } from "socle";

interface Env {
  Root: DurableObjectNamespace<Root>;
  Sample: DurableObjectNamespace<Sample>;
}

const container = new ServerContainer<Env>();

export class Root extends Endpoint<Env> {
  override onRequest = ({ url }: Request): Response => new Response(url);
}
export class Sample extends Endpoint<Env> {}

container.addEndpoint("/", Root).addEndpoint("/sample/{x}", Sample);

/** The answer, with a header that says whether `handle` had one. */
async function answer(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const isDirect = request.headers.has("Past-The-Router");
  const asked = isDirect ? env.Root.getByName("/").fetch(request) : container.fetch(request, env, ctx);
  const response = await asked;
  if (response.status !== 400 || isDirect) return response;
  response.headers.set("Handled", String((await container.handle(request, env, ctx)) !== undefined));
  return response;
}

export default { fetch: answer };
