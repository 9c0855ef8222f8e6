// A Worker and an object of different versions: a request that one of them does not know is refused, never misread.
import { createExecutionContext } from "cloudflare:test";
import { Endpoint, ServerContainer, type Session } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { freshPath, serve } from "./support/endpoint.ts";
import { container } from "./support/worker.ts";

const handshake = (path: string, socle?: object) =>
  new Request(`https://socle.test${path}`, {
    headers: { Upgrade: "websocket" },
    ...(socle && { cf: { socle } as CfProperties }),
  });
const answer = async (response: Response) => [response.status, response.headers.get("Retry-After")];
const agreed = (path: string) => ({ path, pathParameters: {}, negotiatedSubprotocol: "" });

describe("an object", () => {
  it("D5: understands a Worker of 0.1.0, which tells it no form", async () => {
    const { path, stub } = serve({
      onOpen: (session: Session) => void session.asyncRemote.sendText(JSON.stringify(session.userProperties)),
    });
    const { webSocket } = await stub.fetch(handshake(path, { ...agreed(path), userProperties: { a: 1 } }));
    const message = new Promise((resolve) => webSocket!.addEventListener("message", ({ data }) => resolve(data)));
    webSocket!.accept();
    expect(await message).toBe('{"a":1}');
  });

  it.each([2, 0, "1", null])("D5: refuses what is told in the form %o with 503", async (socle) => {
    const { path, stub } = serve({ onOpen: () => expect.unreachable() });
    expect(await answer(await stub.fetch(handshake(path, { ...agreed(path), socle })))).toEqual([503, "5"]);
  });

  it("D5: refuses a path that it does not know with 503, where the Worker has let it pass", async () => {
    const { stub } = serve({});
    expect(await answer(await stub.fetch(handshake("/later", agreed("/later"))))).toEqual([503, "5"]);
  });
});

describe("a Worker", () => {
  let logged: MockInstance<typeof console.error>;
  beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
  afterEach(() => vi.restoreAllMocks());

  /** An object of another version, which the Worker finds behind its path. */
  const served = (fetch: () => Promise<Response>) => {
    const path = freshPath();
    const worker = new ServerContainer<object>({ endpoint: "Other" });
    worker.addEndpoint(path as `/${string}`, { onText: () => {} });
    const namespace = { idFromName: () => ({}), get: () => ({ fetch }), getByName: () => ({ fetch }) };
    return (request: Request = handshake(path)) =>
      worker.fetch(request, { Other: namespace }, createExecutionContext());
  };

  it.each([
    ["does not know the path", (path: string) => handshake(`${path}/later`)],
    ["would ask a hook", () => handshake("/guarded")],
  ])("D5: answers 503 where the object %s", async (what, refused) => {
    if (what === "would ask a hook") container.addEndpoint("/guarded", { onHandshake: () => ({}) });
    const endpoint = serve({});
    // The object's own answer, if a request bypasses the router.
    const direct = await endpoint.stub.fetch(refused(endpoint.path));
    expect(direct.status).toBeGreaterThanOrEqual(403);
    const ask = served(() => endpoint.stub.fetch(refused(endpoint.path)));
    expect(await answer(await ask())).toEqual([503, "5"]);
    const [[entry, error]] = logged.mock.calls as [[string, Error]];
    expect(entry).toMatch(/^socle: 503 for \/test-\d+:$/);
    expect(error.message).toContain(`The object answered ${direct.status} to a request that its Worker accepted`);
  });

  it("D5: leaves what a class answers itself as it is", async () => {
    const ask = served(() => Promise.resolve(new Response("no", { status: 403 })));
    expect((await ask()).status).toBe(403);
  });

  it("D5: answers 503 where its class has an onRequest and the object's has none", async () => {
    class Answering extends Endpoint {
      override onRequest() {
        return new Response("later");
      }
    }
    const worker = new ServerContainer<object>();
    const path = freshPath();
    worker.addEndpoint(path as `/${string}`, { durableObject: Answering, binding: "Other" } as never);
    const endpoint = serve({});
    const ask = () => endpoint.stub.fetch(new Request(`https://socle.test${endpoint.path}`));
    const namespace = { idFromName: () => ({}), get: () => ({ fetch: ask }), getByName: () => ({ fetch: ask }) };
    const request = new Request(`https://socle.test${path}`);
    expect(await answer(await worker.fetch(request, { Other: namespace }, createExecutionContext()))).toEqual([
      503,
      "5",
    ]);
  });
});
