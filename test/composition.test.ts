// Socle next to other things: in a Hono app, before static assets, and as one object for HTTP, RPC and WebSockets.
// docs/composition.md and docs/frameworks.md show the code of this file. The last test checks that.
import { createExecutionContext, evictDurableObject } from "cloudflare:test";
import * as workers from "cloudflare:workers";
import { Hono, type MiddlewareHandler } from "hono";
import { compress } from "hono/compress";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { mount } from "hono/mount";
import { poweredBy } from "hono/powered-by";
import { secureHeaders } from "hono/secure-headers";
import { timing } from "hono/timing";
import { addEndpoint, addEndpoints, type ServerContainer } from "socle";
import { describe, expect, it, vi } from "vitest";

import type { Env, Note } from "./support/board.ts";
import { Client } from "./support/client.ts";
import { freshPath, serve } from "./support/endpoint.ts";
import { Board, container as shared } from "./support/worker.ts";

// The Worker under test has the one class for all maps, so there is the one container.
const container = shared as unknown as ServerContainer<Env>;

addEndpoints(container, {
  "/chat/{room}": {
    onText: (_, text, session) => session.asyncRemote.sendText(`${session.pathParameters.room}: ${text}`),
  },
  "/live/{match}": {
    onText: (_, text, session) => session.asyncRemote.sendText(`${session.pathParameters.match}: ${text}`),
  },
});

const app = new Hono<{ Bindings: Env }>();
app.use("/ws/*", async (c, next) => {
  await next();
  c.header("X-Served-By", "Hono");
});
app.get("/", (c) => c.text("the site"));
app.all("/ws/*", mount(container.fetch));
app.all("/live/*", (c) => container.fetch(c.req.raw, c.env, c.executionCtx));

const after = new Hono<{ Bindings: Env }>();
after.use(async (c, next) => (await container.handle(c.req.raw, c.env, c.executionCtx)) ?? next());
after.get("/chat", (c) => c.text("a list of the rooms"));

const worker = {
  async fetch(request, env, ctx) {
    const handled = await container.handle(request, env, ctx);
    if (handled) return handled;
    if (new URL(request.url).pathname === "/health") return new Response("fine");
    return env.ASSETS.fetch(request);
  },
} satisfies ExportedHandler<Env>;

addEndpoint(container, "/board/{name}", { durableObject: Board, idleTimeoutMs: 60_000 });

async function announce(env: Env, text: string): Promise<number> {
  const stub = container.stub<Board>(env, "/board/lobby");
  await stub.post("the management", text);
  return stub.openSessionCount();
}

const direct = {
  async fetch(request, env, ctx) {
    const opening = env.Endpoints.getByName("all rooms").fetch(request);
    ctx.waitUntil(opening.catch(() => {}));
    return opening;
  },
} satisfies ExportedHandler<Env>;

const bindings: Env = {
  ...workers.env,
  ASSETS: { fetch: async () => new Response("an asset") } as unknown as Fetcher,
};

interface Handler {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
}

const visit = (handler: Handler, path: string, init?: RequestInit) =>
  handler.fetch(new Request(`https://socle.test${path}`, init), bindings, createExecutionContext());

async function open(handler: Handler, path: string, headers = {}): Promise<Client> {
  const response = await visit(handler, path, { headers: { Upgrade: "websocket", ...headers } });
  expect(response.status).toBe(101);
  return new Client(response);
}

describe("a Hono app", () => {
  it("R5: mounts the container under a prefix, which no endpoint sees, and the socket opens through it", async () => {
    const client = await open(app, "/ws/chat/a%20b");
    expect(await client.ask("hi")).toBe("a b: hi");
    expect(client.response.headers.get("X-Served-By")).toBe("Hono");
    expect(await container.stub(bindings, "/chat/a b").broadcast("pushed")).toBe(1);
    expect(await client.next()).toBe("pushed");
    expect(await (await visit(app, "/")).text()).toBe("the site");
    expect((await visit(app, "/chat/lobby")).status).toBe(404);
    expect(await (await visit(app, "/ws/nothing")).text()).toBe("No endpoint at this path");
    expect((await visit(app, "/ws/chat/lobby")).status).toBe(426);
  });

  it("R5: mounts it by app.mount", async () => {
    const endpoint = serve({ onText: (_, text, session) => session.asyncRemote.sendText(session.requestURI + text) });
    const older = new Hono<{ Bindings: Env }>();
    // oxlint-disable-next-line typescript/no-deprecated -- what older Honos have
    older.mount("/ws", container.fetch);
    const client = await open(older, `/ws${endpoint.path}?a=1`);
    expect(await client.ask("#")).toBe(`https://socle.test${endpoint.path}?a=1#`);
  });

  it("R5: hands requests to it with their paths as they are", async () => {
    const client = await open(app, "/live/7");
    expect(await client.ask("hi")).toBe("7: hi");
    expect((await visit(app, "/live/7")).status).toBe(426);
  });

  it("R5: comes behind it, where there is no endpoint", async () => {
    const client = await open(after, "/chat/lobby");
    expect(await client.ask("hi")).toBe("lobby: hi");
    expect((await visit(after, "/chat/lobby")).status).toBe(426);
    expect(await (await visit(after, "/chat")).text()).toBe("a list of the rooms");
    expect((await visit(after, "/nothing")).status).toBe(404);
  });

  /** An app with a middleware around an endpoint whose 101 has headers of its own. */
  function around(middleware: MiddlewareHandler) {
    const { path } = serve({
      subprotocols: ["v1"],
      onHandshake: () => ({
        headers: [
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2"],
        ],
      }),
      onText: (_, text, session) => session.asyncRemote.sendText(text),
    });
    const surrounded = new Hono<{ Bindings: Env }>();
    surrounded.onError((error) => new Response(error.message, { status: 500 }));
    surrounded.use(middleware);
    surrounded.all("*", mount(container.fetch));
    return { surrounded, path };
  }

  const harmless: [string, MiddlewareHandler, ...headers: string[]][] = [
    ["c.header after next", async (c, next) => (await next(), c.header("X-Added", "yes")), "X-Added"],
    ["c.res.headers.set after next", async (c, next) => (await next(), c.res.headers.set("X-Added", "yes")), "X-Added"],
    ["c.res.headers.set before next", (c, next) => (c.res.headers.set("X-Added", "yes"), next()), "X-Added"],
    ["a copy of c.res", async (c, next) => (await next(), void (c.res = new Response(c.res.body, c.res)))],
    ["cors", cors(), "Access-Control-Allow-Origin"],
    ["secureHeaders", secureHeaders(), "X-Frame-Options"],
    ["timing", timing(), "Server-Timing"],
    ["poweredBy", poweredBy(), "X-Powered-By"],
    ["etag", etag()],
    ["compress", compress()],
  ];

  it.each(harmless)("R5: opens a socket through middleware: %s", async (_, middleware, ...added) => {
    const { surrounded, path } = around(middleware);
    const client = await open(surrounded, path, { "Sec-WebSocket-Protocol": "v1", "Accept-Encoding": "gzip" });
    expect(await client.ask("hi")).toBe("hi");
    const { headers } = client.response;
    expect(headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(headers.get("Sec-WebSocket-Protocol")).toBe("v1");
    expect(added.filter((name) => !headers.has(name))).toEqual([]);
  });

  it.each(harmless)("R5: gives what onRequest answers through middleware: %s", async (_, middleware, ...added) => {
    const { surrounded } = around(middleware);
    const response = await visit(surrounded, "/room/middleware");
    expect([response.status, await response.text()]).toEqual([200, "GET /room/middleware"]);
    expect(added.filter((name) => !response.headers.has(name))).toEqual([]);
  });

  it("R5: loses a header that c.header sets before next, and the socket with a response made without it", async () => {
    const before = around((c, next) => (c.header("X-Added", "no"), next()));
    expect((await open(before.surrounded, before.path)).response.headers.has("X-Added")).toBe(false);

    const rebuilt = around(async (c, next) => {
      await next();
      c.res = new Response(c.res.body, { status: c.res.status, headers: c.res.headers });
    });
    const response = await visit(rebuilt.surrounded, rebuilt.path, { headers: { Upgrade: "websocket" } });
    expect([response.status, response.webSocket]).toEqual([500, null]);
  });
});

describe("before other routes and static assets", () => {
  it("R5: handle answers where there is an endpoint, and what follows where there is none", async () => {
    const client = await open(worker, "/chat/lobby");
    expect(await client.ask("hi")).toBe("lobby: hi");
    expect((await visit(worker, "/chat/lobby")).status).toBe(426);
    expect((await visit(worker, "/chat/lobby", { method: "POST" })).status).toBe(405);
    expect(await (await visit(worker, "/health")).text()).toBe("fine");
    expect(await (await visit(worker, "/index.html")).text()).toBe("an asset");
    expect(await (await visit(worker, "/100%")).text()).toBe("an asset");
  });
});

describe("an Endpoint subclass", () => {
  const notes = async (path: string): Promise<Note[]> => (await visit(worker, path)).json();

  it("serves HTTP, RPC and WebSockets in one object, over one table of its own", async () => {
    const client = await open(worker, "/board/one?author=ann");
    client.send("by WebSocket");
    expect(await client.next()).toBe("ann: by WebSocket");

    const posted = await visit(worker, "/board/one", { method: "POST", body: "by HTTP" });
    expect([posted.status, await posted.json()]).toEqual([201, { reached: 1 }]);
    expect(await client.next()).toBe("HTTP: by HTTP");

    const stub = container.stub<Board>(bindings, "/board/one");
    expect(await stub.post("bob", "by RPC")).toBe(1);
    expect(await client.next()).toBe("bob: by RPC");

    await evictDurableObject(bindings.Board.getByName("/board/one"));
    client.socket.close();
    await client.closed;
    const all = [
      { author: "ann", text: "by WebSocket" },
      { author: "HTTP", text: "by HTTP" },
      { author: "bob", text: "by RPC" },
      { author: "ann", text: "has left" },
    ];
    await expect.poll(() => notes("/board/one")).toEqual(all);
    expect(await stub.notes()).toEqual(all);
    expect(await notes("/board/other")).toEqual([]);

    const refused = await visit(worker, "/board/one", { method: "DELETE" });
    expect([refused.status, refused.headers.get("Allow")]).toEqual([405, "GET, POST"]);
  });

  it("R18: has its own alarm, beside the idle timeout, and from hibernation", async () => {
    const client = await open(worker, "/board/alarm");
    const stub = container.stub<Board>(bindings, "/board/alarm");
    await stub.post("ann", "short-lived");
    expect(await client.next()).toBe("ann: short-lived");
    await stub.clearAt(Date.now() + 200);
    await evictDurableObject(bindings.Board.getByName("/board/alarm"));
    expect(await client.next()).toBe("cleared");
    expect(await notes("/board/alarm")).toEqual([]);
    expect(await stub.openSessionCount()).toBe(1);
  });

  it("R9: is pushed to from elsewhere in the Worker", async () => {
    const client = await open(worker, "/board/lobby");
    expect(await announce(bindings, "we close at 9")).toBe(1);
    expect(await client.next()).toBe("the management: we close at 9");
  });
});

describe("one's own way to the object", () => {
  it("R4: opens the session of the request's path, after the same checks", async () => {
    const client = await open(direct, "/chat/x");
    expect(await client.ask("hi")).toBe("x: hi");
    const other = await open(direct, "/live/7");
    expect(await bindings.Endpoints.getByName("all rooms").broadcast("to all")).toBe(2);
    expect([await client.next(), await other.next()]).toEqual(["to all", "to all"]);
    expect((await visit(direct, "/chat/x")).status).toBe(426);
    expect((await visit(direct, "/chat/x", { method: "POST" })).status).toBe(405);
    expect((await visit(direct, "/nothing", { headers: { Upgrade: "websocket" } })).status).toBe(404);
    const old = { headers: { Upgrade: "websocket", "Sec-WebSocket-Version": "8" } };
    expect((await visit(direct, "/chat/x", old)).status).toBe(426);
  });

  it("R6: is refused with 403 where a map or a class has onHandshake, which nobody asked", async () => {
    const onHandshake = vi.fn<() => void>();
    const map = serve({ onHandshake });
    const path = freshPath();
    addEndpoint(container, `${path}/{name}`, { durableObject: Board, onHandshake });
    for (const guarded of [map.path, `${path}/a`]) {
      const past = { fetch: (request: Request) => container.stub(bindings, guarded).fetch(request) };
      const response = await visit(past, guarded, { headers: { Upgrade: "websocket" } });
      expect([response.status, response.webSocket]).toEqual([403, null]);
      expect(onHandshake).not.toHaveBeenCalled();
      await open(worker, guarded);
      expect(onHandshake).toHaveBeenCalledOnce();
      onHandshake.mockClear();
    }
  });
});

it("docs/composition.md and docs/frameworks.md show the code that these tests run", async () => {
  const [page, frameworks, ...code] = await Promise.all(
    [
      "../docs/composition.md?raw",
      "../docs/frameworks.md?raw",
      "./composition.test.ts?raw",
      "./support/board.ts?raw",
    ].map(async (file) => ((await import(file)) as { default: string }).default),
  );
  // The blocks that are files of recipes have their names above them, and are run by test/e2e/frameworks.test.ts.
  const text = page! + frameworks!.replaceAll(/^`[^`\n]+`:\n\n```\w+\n[^]*?^```$/gm, "");
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block!);
  expect(blocks.length).toBeGreaterThan(6);
  // Here imports are at the top, a module has one default export, and the parts of a block may be in two files.
  const bare = (block: string) => block.replace(/^(import|export default) .*\n+/gm, "").replace(/^export /gm, "");
  const run = bare(code.join("\n"));
  for (const part of blocks.flatMap((block) => bare(block).trim().split("\n\n"))) expect(run).toContain(part);
});
