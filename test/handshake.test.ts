// Decisions before a session opens: of the hook in the Worker, of the object without the router, and at registration.
import { createExecutionContext, listDurableObjectIds } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import {
  addEndpoint,
  DeploymentError,
  Endpoint,
  ServerContainer,
  type EndpointOptions,
  type HandshakeClosure,
  type HandshakeContext,
  type HandshakeResult,
  type MutableEndpointConfig,
  type Session,
  type WsEndpointMap,
} from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { Client, connect, request, upgrade } from "./support/client.ts";
import { freshPath, Log, Served, serve } from "./support/endpoint.ts";
import { Bound, ChatRoom, container, Endpoints, Exported, Room } from "./support/worker.ts";

const upgrading = (path: string, headers: Record<string, string> = {}): Request =>
  new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket", ...headers } });

/** Calls the Worker's own fetch, which sees the method and the context as they are. */
const direct = (asked: Request, ctx = createExecutionContext()) => container.fetch(asked, env, ctx);

/** Whether the object of a path was ever constructed. */
async function wasWoken(path: string): Promise<boolean> {
  const ids = await listDurableObjectIds(env.Endpoints);
  return ids.some((id) => id.equals(env.Endpoints.idFromName(path)));
}

/** Sends the client what the Worker told the session. */
const telling = {
  onText: (_: unknown, __: string, session: Session) => {
    const { id, userPrincipal, userProperties, negotiatedSubprotocol, pathParameters, tags } = session;
    return session.asyncRemote.sendText(
      JSON.stringify({ id, userPrincipal, userProperties, negotiatedSubprotocol, pathParameters, tags }),
    );
  },
};
const told = async (client: Client): Promise<unknown> => JSON.parse((await client.ask("")) as string);

describe("onHandshake", () => {
  let logged: MockInstance<typeof console.error>;
  beforeEach(() => {
    logged = vi.spyOn(console, "error").mockImplementation(() => {});
  });
  afterEach(() => logged.mockRestore());

  it("R6: is given the request, env, the Worker's ctx, the path parameters and the configuration, once", async () => {
    const path = freshPath();
    const calls: [Request, HandshakeContext][] = [];
    addEndpoint(container, `${path}/{room}`, {
      subprotocols: ["v1"],
      onHandshake: (...given) => void calls.push(given),
    });
    const ctx = createExecutionContext();
    const response = await direct(upgrading(`${path}/a%20b?token=t`, { Authorization: "me" }), ctx);
    const client = new Client(response);
    const endpoint = new Served(`${path}/a%20b`);
    await endpoint.hibernate();
    client.send("x");
    client.socket.close();
    await client.closed;
    expect(calls).toHaveLength(1);
    const [asked, context] = calls[0]!;
    expect([asked.url, asked.headers.get("Authorization")]).toEqual([`https://socle.test${path}/a%20b?token=t`, "me"]);
    expect(context.env).toBe(env);
    expect(context.ctx).toBe(ctx);
    expect(context.pathParameters).toEqual({ room: "a b" });
    expect(context.config).toMatchObject({ path: `${path}/{room}`, subprotocols: ["v1"], idleTimeoutMs: 0 });
  });

  it("R6, R8: runs once also if the object has to be asked again", async () => {
    const onHandshake = vi.fn<() => HandshakeResult>(() => ({ userPrincipal: "me" }));
    const endpoint = serve({ onHandshake, ...telling });
    const failure = Object.assign(new Error("the network"), { retryable: true });
    const fetch = vi.fn<Fetcher["fetch"]>().mockRejectedValueOnce(failure);
    fetch.mockImplementation((asked) => endpoint.stub.fetch(asked));
    const namespace = { idFromName() {}, getByName: () => ({ fetch }) } as unknown as Cloudflare.Env["Endpoints"];
    const bindings = { ...env, Endpoints: namespace };
    const response = await container.fetch(upgrading(endpoint.path), bindings, createExecutionContext());
    expect(await told(new Client(response))).toMatchObject({ userPrincipal: "me" });
    expect(fetch).toHaveBeenCalledTimes(2);
    expect(onHandshake).toHaveBeenCalledTimes(1);
  });

  it("R4, R6: is asked after all other checks, and none of these wakes the object", async () => {
    const onHandshake = vi.fn<() => void>();
    const { path } = serve({ onHandshake, allowedOrigins: ["https://a.example"] });
    const status = async (asked: Request) => (await direct(asked)).status;
    expect(await status(new Request(upgrading(path), { method: "POST" }))).toBe(405);
    expect(await status(new Request(`https://socle.test${path}`))).toBe(426);
    expect(await status(upgrading(path, { "Sec-WebSocket-Version": "8" }))).toBe(426);
    expect(await status(upgrading(path, { Origin: "https://b.example" }))).toBe(403);
    expect(onHandshake).not.toHaveBeenCalled();
    expect(await wasWoken(path)).toBe(false);
    expect(await status(upgrading(path, { Origin: "https://a.example" }))).toBe(101);
    expect(onHandshake).toHaveBeenCalledTimes(1);
    expect(await wasWoken(path)).toBe(true);
  });

  it("R4: does not run before onRequest", async () => {
    const onHandshake = vi.fn<() => Response>(() => new Response("no", { status: 401 }));
    const path = freshPath();
    addEndpoint(container, path, { durableObject: Room, onHandshake });
    expect(await (await request(path, { method: "PUT" })).text()).toBe(`PUT ${path}`);
    expect(onHandshake).not.toHaveBeenCalled();
    expect((await upgrade(path)).status).toBe(401);
  });

  for (const when of ["at once", "later"]) {
    it(`R6: a Response ${when} is sent as it is, and the object is not woken`, async () => {
      const refusal = () => {
        const headers = new Headers({ "WWW-Authenticate": "Bearer", "X-Why": "no token" });
        headers.append("Set-Cookie", "a=1");
        headers.append("Set-Cookie", "b=2");
        return new Response("Sign in first", { status: 401, statusText: "Who are you", headers });
      };
      const onOpen = vi.fn<() => void>();
      const { path } = serve({
        onOpen,
        onHandshake: () => (when === "later" ? scheduler.wait(1).then(refusal) : refusal()),
      });
      const response = await upgrade(path);
      expect([response.status, response.statusText, await response.text()]).toEqual([
        401,
        "Who are you",
        "Sign in first",
      ]);
      expect(response.headers.get("WWW-Authenticate")).toBe("Bearer");
      expect(response.headers.get("X-Why")).toBe("no token");
      expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
      expect(response.webSocket).toBeNull();
      expect(await wasWoken(path)).toBe(false);
      expect(onOpen).not.toHaveBeenCalled();
      expect(logged).not.toHaveBeenCalled();
    });
  }

  it("R6: a Response may be a 101 of the hook's own", async () => {
    const { path } = serve({
      onHandshake() {
        const { 0: webSocket, 1: socket } = new WebSocketPair();
        socket.accept();
        socket.send("from the hook");
        return new Response(null, { status: 101, webSocket });
      },
    });
    expect(await (await connect(path)).next()).toBe("from the hook");
    expect(await wasWoken(path)).toBe(false);
  });

  it("R6: nothing, or nothing in it, lets the client in as it would without a hook", async () => {
    const results: (HandshakeResult | undefined | Promise<void>)[] = [undefined, {}, Promise.resolve()];
    for (const result of results) {
      const client = await serve({ onHandshake: () => result as HandshakeResult, ...telling }).connect();
      expect(await told(client)).toEqual({
        id: expect.any(String) as unknown,
        userProperties: {},
        negotiatedSubprotocol: "",
        pathParameters: {},
        tags: [],
      });
      expect([...client.response.headers]).toEqual([...(await serve({}).connect()).response.headers]);
    }
  });

  it("R6: headers go on the 101, each of several cookies, beside the subprotocol", async () => {
    const pairs = [
      ["Set-Cookie", "a=1; HttpOnly"],
      ["Set-Cookie", "b=2"],
      ["X-Request-Id", "7"],
    ];
    for (const headers of [pairs, new Headers(pairs as [string, string][])]) {
      const endpoint = serve({ subprotocols: ["v1"], onHandshake: async () => ({ headers }), ...telling });
      const client = await endpoint.connect("", { "Sec-WebSocket-Protocol": "v1" });
      const sent = client.response.headers;
      expect(sent.getSetCookie()).toEqual(["a=1; HttpOnly", "b=2"]);
      expect(sent.get("X-Request-Id")).toBe("7");
      expect(sent.get("Sec-WebSocket-Protocol")).toBe("v1");
      expect(await told(client)).toMatchObject({ negotiatedSubprotocol: "v1", userProperties: {} });
    }
    const named = serve({ onHandshake: () => ({ headers: { "X-One": "1" } }) });
    expect((await upgrade(named.path)).headers.get("X-One")).toBe("1");
  });

  it("R6, R24: userProperties and userPrincipal are the session's, in onOpen already and after evictions", async () => {
    const log = new Log();
    const seen = (where: string, { userPrincipal, userProperties }: Session) =>
      log.add(where, userPrincipal, userProperties);
    const endpoint = serve({
      onHandshake: async ({ url }) => {
        const name = new URL(url).search.slice(1);
        return { userPrincipal: { name, roles: ["a", { deep: [null, true] }] }, userProperties: { name, n: 1.5 } };
      },
      onOpen: (session) => seen("open", session),
      onText: (_, __, session) => seen("text", session),
      onClose: (_, session) => seen("close", session),
    });
    const [ann, bob] = [await endpoint.connect("?ann"), await endpoint.connect("?bob")];
    const entry = (where: string, name: string) => [
      where,
      { name, roles: ["a", { deep: [null, true] }] },
      { name, n: 1.5 },
    ];
    expect(log.entries).toEqual([entry("open", "ann"), entry("open", "bob")]);
    await endpoint.hibernate();
    ann.send("x");
    await log.has(entry("text", "ann"));
    await endpoint.hibernate();
    bob.socket.close();
    await log.has(entry("close", "bob"));
  });

  it("R6: each kind of JSON value may be the principal, and what is one object twice is JSON too", async () => {
    const twice = { team: "a" };
    for (const userPrincipal of ["ann", 7, false, null, [], [[1], "2"], { twice: [twice, twice] }]) {
      const endpoint = serve({ onHandshake: () => ({ userPrincipal }), ...telling });
      const client = await endpoint.connect();
      await endpoint.hibernate();
      expect(await told(client)).toMatchObject({ userPrincipal });
    }
  });

  it("R6: a hook that throws is 500 and a log; the client is not told why", async () => {
    const hooks = {
      thrown() {
        throw new Error("secret");
      },
      rejected: () => Promise.reject(new Error("secret")),
      odd() {
        throw "secret";
      },
    };
    for (const [how, onHandshake] of Object.entries(hooks)) {
      const { path } = serve({ onHandshake });
      const response = await upgrade(path);
      expect([response.status, await response.text()], how).toEqual([500, "The endpoint failed"]);
      expect(JSON.stringify([...response.headers])).not.toContain("secret");
      expect(logged.mock.lastCall![0]).toBe(`socle: 500 for ${path}:`);
      expect(String(logged.mock.lastCall![1])).toContain("secret");
      expect(await wasWoken(path)).toBe(false);
    }
    expect(logged).toHaveBeenCalledTimes(3);
  });

  const cycle: Record<string, unknown> = {};
  cycle.self = { cycle };
  const results: [what: string, result: unknown, named: string][] = [
    ["a number", 1, "something else"],
    ["a text", "yes", "something else"],
    ["true", true, "something else"],
    ["false", false, "something else"],
    ["an array", [], "something else"],
    ["a Map", new Map([["userPrincipal", "ann"]]), "something else"],
    ["an instance of a class", new (class Result {})(), "something else"],
    ["an unknown key", { user: "ann" }, "something else"],
    ["userProperties that are an array", { userProperties: [] }, "userProperties"],
    ["userProperties that are a Map", { userProperties: new Map() }, "userProperties"],
    ["userProperties that are null", { userProperties: null }, "userProperties"],
    ["a Date", { userProperties: { a: { when: new Date(0) } } }, "userProperties.a.when"],
    ["a Map inside", { userProperties: { list: [new Map()] } }, "userProperties.list.0"],
    ["an undefined member", { userProperties: { gone: undefined } }, "userProperties.gone"],
    ["NaN", { userPrincipal: { n: Number.NaN } }, "userPrincipal.n"],
    ["Infinity", { userPrincipal: Infinity }, "userPrincipal"],
    ["a function", { userPrincipal: { can: () => true } }, "userPrincipal.can"],
    ["an instance of a class inside", { userPrincipal: new (class User {})() }, "userPrincipal"],
    ["a method toJSON", { userPrincipal: { toJSON: () => 1 } }, "userPrincipal"],
    ["a symbol", { userPrincipal: { s: Symbol("s") } }, "userPrincipal.s"],
    ["a key that is a symbol", { userProperties: { [Symbol("key")]: 1 } }, "userProperties.Symbol(key)"],
    ["a hole", { userPrincipal: Object.assign([], { 1: "b" }) }, "userPrincipal"],
    ["a list with a property of its own", { userPrincipal: Object.assign(["a"], { b: 1 }) }, "userPrincipal"],
    ["a BigInt", { userPrincipal: { big: 1n } }, "userPrincipal.big"],
    ["a cycle", { userProperties: cycle }, "userProperties.self.cycle"],
    ["the header Upgrade", { headers: { Upgrade: "h2c" } }, "the header upgrade"],
    ["the header Connection", { headers: { connection: "close" } }, "the header connection"],
    ["a header of the handshake", { headers: { "Sec-WebSocket-Protocol": "v1" } }, "the header sec-websocket-protocol"],
    ["another of these", { headers: [["SEC-WEBSOCKET-ACCEPT", "x"]] }, "the header sec-websocket-accept"],
  ];
  for (const [what, result, named] of results) {
    it(`R6: ${what} in the result is 500, and the log names it`, async () => {
      const { path } = serve({ onHandshake: () => result as HandshakeResult });
      const response = await upgrade(path);
      expect([response.status, await response.text()]).toEqual([500, "The endpoint failed"]);
      const [where, error] = logged.mock.lastCall!;
      expect(where).toBe(`socle: 500 for ${path}:`);
      expect(error).toBeInstanceOf(DeploymentError);
      const { message } = error as Error;
      expect(message).toContain("onHandshake must return nothing, a Response, { headers, userProperties,");
      expect(message.split(", not ").at(-1)).toMatch(new RegExp(`^${named.replace(/[.()]/g, "\\$&")}[ ,.]`));
      expect(await wasWoken(path)).toBe(false);
    });
  }

  it("R6: headers that can't be are 500 and a log", async () => {
    for (const headers of [5, { "a b": "c" }, { a: "b\r\nSet-Cookie: c" }]) {
      logged.mockClear();
      const response = await upgrade(serve({ onHandshake: () => ({ headers }) as HandshakeResult }).path);
      expect(response.status).toBe(500);
      expect(logged).toHaveBeenCalledTimes(1);
    }
  });

  it("R6: stands beside a class, or in its static options; what is registered wins, but not what is undefined", async () => {
    const refusing = (status: number) => ({ onHandshake: () => new Response(null, { status }) });
    const paths = Array.from({ length: 4 }, () => freshPath());
    container.addEndpoint(paths[0]!, { durableObject: ChatRoom, ...refusing(401) });
    ChatRoom.options = refusing(402);
    container.addEndpoint(paths[1]!, ChatRoom);
    container.addEndpoint(paths[2]!, { durableObject: ChatRoom, ...refusing(403) });
    container.addEndpoint(paths[3]!, { durableObject: ChatRoom, onHandshake: undefined as never });
    delete ChatRoom.options;
    const statuses = await Promise.all(paths.map(async (path) => (await upgrade(path)).status));
    expect(statuses).toEqual([401, 402, 403, 402]);
  });

  it("R6: what it adds reaches the sessions of a class", async () => {
    const path = freshPath();
    const sessions: Session[] = [];
    container.addEndpoint(path, {
      durableObject: Room,
      onHandshake: () => ({ userPrincipal: "ann", userProperties: { a: 1 } }),
      tags: (session) => (sessions.push(session), []),
    });
    await connect(path);
    expect(sessions.map(({ userPrincipal, userProperties }) => [userPrincipal, userProperties])).toEqual([
      ["ann", { a: 1 }],
    ]);
  });
});

describe("what the hook decides beside", () => {
  let logged: MockInstance<typeof console.error>;
  beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
  afterEach(() => vi.restoreAllMocks());

  const offering = (...names: string[]) => ({ "Sec-WebSocket-Protocol": names.join(", ") });
  const agreed = (client: Client) => client.response.headers.get("Sec-WebSocket-Protocol");
  const choosing = (subprotocol: unknown, options: WsEndpointMap<Cloudflare.Env> = {}) =>
    serve({
      ...options,
      onHandshake: () => ({ subprotocol: subprotocol as string }),
      onText: (_, __, session) => session.asyncRemote.sendText(session.negotiatedSubprotocol),
    });

  it("P12: its subprotocol is agreed on, before those of the endpoint, and is the session's", async () => {
    const endpoint = choosing("token-1", { subprotocols: ["chat"] });
    const client = await endpoint.connect("", offering("chat", "token-1"));
    expect(agreed(client)).toBe("token-1");
    expect(await client.ask("?")).toBe("token-1");
    await endpoint.hibernate();
    expect(await client.ask("?")).toBe("token-1");
  });

  it.each([undefined, ""])("P12: without one (%j) the endpoint's own list decides", async (none) => {
    const client = await choosing(none, { subprotocols: ["chat"] }).connect("", offering("other", "chat"));
    expect(agreed(client)).toBe("chat");
  });

  it.each([["nobody-offered-this"], [7]])("P12: a subprotocol that can't be, %j, is 500 and a log", async (name) => {
    const response = await upgrade(choosing(name).path, offering("token"));
    expect(response.status).toBe(500);
    expect(String(logged.mock.lastCall![1])).toContain("not a subprotocol that the client did not offer.");
  });

  const closing = (closure: object) => serve({ onHandshake: () => closure as HandshakeClosure, onOpen: () => "never" });

  it("P12: a close code refuses the client: the Worker closes, with its headers, and wakes no object", async () => {
    const endpoint = closing({ closeCode: 4401, reasonPhrase: "Sign in", headers: { "X-Why": "token" } });
    const client = await endpoint.connect("", offering("chat"));
    expect(await client.closed).toMatchObject({ code: 4401, reason: "Sign in" });
    expect([agreed(client), client.response.headers.get("X-Why")]).toEqual(["chat", "token"]);
    expect(await wasWoken(endpoint.path)).toBe(false);
    const plain = await closing({ closeCode: 1008 }).connect();
    expect(await plain.closed).toMatchObject({ code: 1008, reason: "" });
    expect(agreed(plain)).toBe(null);
  });

  it.each([
    [{ closeCode: 1006 }, "A Close frame can't carry 1006"],
    [{ closeCode: 4000, reasonPhrase: "x".repeat(124) }, "The reason phrase is over 123 bytes"],
    [{ closeCode: 4000, userPrincipal: "ann" }, "not something else."],
    [{ reasonPhrase: "alone" }, "not something else."],
    [{ closeCode: 4000, headers: { Upgrade: "x" } }, "not the header upgrade, which is Socle's."],
  ])("P12: a refusal that can't be is 500 and a log: %j", async (closure, message) => {
    const response = await upgrade(closing(closure).path);
    expect(response.status).toBe(500);
    expect(String(logged.mock.lastCall![1])).toContain(message);
  });
});

describe("past the router", () => {
  const raw = (stub: Fetcher, path: string, headers: Record<string, string> = {}) =>
    stub.fetch(upgrading(path, headers));
  const status = async (...asked: Parameters<typeof raw>) => (await raw(...asked)).status;

  it("R4, R6: an upgrade passes the same checks, and is then served as by the router", async () => {
    const path = freshPath();
    addEndpoint(container, `${path}/{room}`, {
      allowedOrigins: ["https://a.example"],
      subprotocols: ["v1"],
      ...telling,
    });
    const stub = env.Endpoints.getByName(`past ${path}`);
    const post = await stub.fetch(`https://socle.test${path}/x`, { method: "POST" });
    expect([post.status, post.headers.get("Allow")]).toEqual([405, "GET"]);
    expect((await stub.fetch(`https://socle.test${path}/x`)).status).toBe(426);
    expect(await status(stub, `${path}/x`, { "Sec-WebSocket-Version": "8" })).toBe(426);
    expect(await status(stub, `${path}/x`, { Origin: "https://b.example" })).toBe(403);
    expect(await status(stub, `${path}/x/y`)).toBe(404);
    const headers = { Origin: "https://a.example", "Sec-WebSocket-Protocol": "v2, v1" };
    const response = await raw(stub, `${path}/a%20b`, headers);
    expect([response.status, response.headers.get("Sec-WebSocket-Protocol")]).toEqual([101, "v1"]);
    expect(await told(new Client(response))).toMatchObject({
      pathParameters: { room: "a b" },
      negotiatedSubprotocol: "v1",
      userProperties: {},
    });
  });

  it("R6: what has a hook is refused with 403, unasked", async () => {
    const onHandshake = vi.fn<() => void>();
    const onOpen = vi.fn<() => void>();
    const endpoint = serve({ onHandshake, onOpen, allowedOrigins: ["https://a.example"] });
    expect(await status(endpoint.stub, endpoint.path)).toBe(403);
    expect(await status(endpoint.stub, endpoint.path, { Origin: "https://a.example" })).toBe(403);
    expect((await endpoint.stub.fetch(`https://socle.test${endpoint.path}`)).status).toBe(426);
    expect(onHandshake).not.toHaveBeenCalled();
    expect(onOpen).not.toHaveBeenCalled();
    expect((await upgrade(endpoint.path)).status).toBe(101);
  });

  it("R6: a class where it isn't registered obeys the checks of all its registrations", async () => {
    const stub = exports.Exported.getByName("past the router");
    const origins = (...allowedOrigins: string[]) =>
      container.addEndpoint(freshPath(), { durableObject: Exported, allowedOrigins });
    const [a, b] = [{ Origin: "https://a.example" }, { Origin: "https://b.example" }];
    const statuses = async () => [await status(stub, "/anywhere", a), await status(stub, "/anywhere", b)];
    expect(await statuses()).toEqual([101, 101]);
    origins(a.Origin, b.Origin);
    expect(await statuses()).toEqual([101, 101]);
    origins(a.Origin);
    expect(await statuses()).toEqual([101, 403]);
    origins();
    expect(await statuses()).toEqual([403, 403]);
    expect(await status(stub, "/anywhere")).toBe(101);
    expect(await status(stub, "/exported", b)).toBe(101);

    const asking = freshPath();
    container.addEndpoint(asking, { durableObject: Exported, onHandshake: () => {} });
    expect(await status(stub, asking)).toBe(403);
    expect(await status(stub, "/anywhere")).toBe(403);
    expect(await status(stub, "/exported")).toBe(101);
  });

  it("R6: a class where it isn't registered obeys its static options", async () => {
    Bound.options = { allowedOrigins: ["https://a.example"], subprotocols: ["v1"] };
    const stub = env.OTHER.getByName("static options");
    expect(await status(stub, "/anywhere", { Origin: "https://b.example" })).toBe(403);
    const response = await raw(stub, "/anywhere", {
      Origin: "https://a.example",
      "Sec-WebSocket-Protocol": "v1",
    });
    expect([response.status, response.headers.get("Sec-WebSocket-Protocol")]).toEqual([101, "v1"]);
    Bound.options = { onHandshake: () => {} };
    expect(await status(env.OTHER.getByName("static hook"), "/anywhere")).toBe(403);
    delete Bound.options;
    expect(await status(env.OTHER.getByName("no static options"), "/anywhere")).toBe(101);
  });

  /** Headers with which a client may try to imitate the Worker. */
  const word = {
    userPrincipal: "forged",
    userProperties: { forged: 1 },
    negotiatedSubprotocol: "forged",
    id: "forged",
  };
  const forged = (path: string) => ({ path, pathParameters: { x: "forged" }, tags: ["forged"], ...word });
  const forging = (path: string, init: RequestInit = {}) => {
    const json = JSON.stringify({ socle: forged(path) });
    const names = ["cf", "cf-socle", "x-socle", "socle", "x-user-principal", "x-session-id", "sec-websocket-key", "id"];
    const headers = {
      Upgrade: "websocket",
      "Sec-WebSocket-Protocol": "forged",
      ...Object.fromEntries(names.map((name) => [name, json])),
    };
    const query = new URLSearchParams({ ...word, userProperties: json, cf: json, socle: json });
    return new Request(`https://socle.test${path}?${query.toString()}`, { headers, ...init });
  };
  const honest = {
    id: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/) as unknown,
    userProperties: {},
    negotiatedSubprotocol: "",
    pathParameters: {},
    tags: [],
  };

  it("R6: nothing that a client sends is taken for the Worker's word", async () => {
    const endpoint = serve(telling);
    for (const stub of [exports.default, endpoint.stub]) {
      const ids = new Set<string>();
      for (let i = 0; i < 2; i++) {
        const response = await stub.fetch(forging(endpoint.path));
        const client = new Client(response);
        const said = await told(client);
        expect(said).toEqual(honest);
        expect(client.response.headers.has("Sec-WebSocket-Protocol")).toBe(false);
        await endpoint.hibernate();
        expect(await told(client)).toEqual(said);
        ids.add((said as { id: string }).id);
      }
      expect(ids.size).toBe(2);
    }
  });

  it("R6: a cf that came with the request is overwritten by the router", async () => {
    const endpoint = serve(telling);
    const hooked = serve({ onHandshake: () => ({ userPrincipal: "ann" }), ...telling });
    for (const [{ path }, principal] of [[endpoint], [hooked, { userPrincipal: "ann" }]] as const) {
      const asked = forging(path, { cf: { socle: forged(path) } as RequestInitCfProperties });
      expect(asked.cf).toHaveProperty("socle");
      for (const fetching of [direct(asked), exports.default.fetch(asked)]) {
        const response = await fetching;
        expect(await told(new Client(response))).toEqual({ ...honest, ...principal });
      }
    }
    const refusing = serve({ onHandshake: () => new Response(null, { status: 401 }) });
    const asked = forging(refusing.path, { cf: { socle: forged(refusing.path) } as RequestInitCfProperties });
    expect((await direct(asked)).status).toBe(401);
  });

  it("R6: what else is in the request's cf stays, for the object, for onRequest and for the hook", async () => {
    const cf = { colo: "TXL", country: "DE" };
    const seen: unknown[] = [];
    const see = ({ cf: given }: { cf?: unknown }) => void seen.push(given);
    const fetching = vi.spyOn(Endpoints.prototype, "fetch").mockImplementation((asked) => {
      see(asked);
      return Promise.resolve(new Response());
    });
    const asking = vi.spyOn(Room.prototype, "onRequest").mockImplementation((asked) => {
      see(asked);
      return new Response();
    });
    // The router tells the object about cf if there is a hook, and if there is an onRequest.
    const paths = [freshPath(), freshPath(), freshPath()] as const;
    container.addEndpoint(paths[0], {}).addEndpoint(paths[1], { onHandshake: see }).addEndpoint(paths[2], Room);
    for (const path of paths.slice(0, 2)) await direct(new Request(upgrading(path), { cf }));
    await direct(new Request(`https://socle.test${paths[2]}`, { cf }));
    fetching.mockRestore();
    asking.mockRestore();
    expect(seen).toEqual([
      expect.objectContaining(cf),
      expect.objectContaining(cf),
      expect.objectContaining({ ...cf, socle: expect.anything() }),
      expect.objectContaining({ ...cf, socle: expect.anything() }),
    ]);
  });
});

it("R6: a principal or user properties that nest over 1,000 levels deep are refused", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
  const endpoint = serve({
    onHandshake: ({ url }) => ({ userPrincipal: nested(Number(new URL(url).search.slice(1))) }),
    onText: (_, text, session) =>
      session.asyncRemote.sendText(`${text} ${JSON.stringify(session.userPrincipal).length}`),
  });
  const client = await endpoint.connect("?1000");
  await endpoint.hibernate();
  expect(await client.ask("here")).toBe("here 2000");
  for (const levels of [1001, 3000, 20_000]) {
    expect((await upgrade(`${endpoint.path}?${levels}`)).status).toBe(500);
  }
  expect(logged).toHaveBeenCalledTimes(3);
  logged.mockRestore();
});

describe("configure", () => {
  const add = (map: EndpointOptions, path = "/a", target = new ServerContainer()) => {
    let configured!: MutableEndpointConfig;
    target.addEndpoint(path, {
      ...map,
      configure(config) {
        configured = config;
        return map.configure?.(config);
      },
    });
    return configured;
  };
  /** A change that the types forbid. */
  const forbidden = (change: (config: Record<string, unknown>) => unknown) => ({
    configure: change as unknown as (config: MutableEndpointConfig) => void,
  });

  it("R1: is given the path and the options, the defaults filled in, once, at registration", async () => {
    const configure = vi.fn<(config: MutableEndpointConfig) => void>();
    let given: unknown;
    configure.mockImplementation((config) => (given = structuredClone({ ...config, configure: undefined })));
    const endpoint = serve({ configure, subprotocols: ["v1"], idleTimeoutMs: 60_000, tags: ["a"] });
    expect(given).toEqual({
      path: endpoint.path,
      subprotocols: ["v1"],
      tags: ["a"],
      idleTimeoutMs: 60_000,
      maxTextMessageBufferSize: 33_554_432,
      maxBinaryMessageBufferSize: 33_554_432,
      maxPendingMessages: 1000,
      hibernate: true,
      trackSessions: false,
      userProperties: {},
    });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    client.send("x");
    await endpoint.connect();
    expect(configure).toHaveBeenCalledTimes(1);
    expect(add({})).toMatchObject({ path: "/a", subprotocols: [], idleTimeoutMs: 0 });
  });

  it("R1: changes the endpoint: what is negotiated, its limits, and what onOpen sees, after an eviction too", async () => {
    const log = new Log();
    const endpoint = serve({
      configure(config) {
        config.subprotocols = ["v1"];
        config.idleTimeoutMs = 60_000;
        config.maxTextMessageBufferSize = 4;
        config.tags = ["a"];
        config.onHandshake = () => ({ userPrincipal: "ann" });
        config.userProperties.greeting = "hello";
      },
      onOpen: (session, config) =>
        log.add("open", Object.isFrozen(config), config.maxTextMessageBufferSize, factsOf(session)),
      onText: (_, __, session) => log.add("text", factsOf(session)),
      onError: () => {},
    });
    const factsOf = ({ negotiatedSubprotocol, maxIdleTimeout, tags, userPrincipal, userProperties }: Session) => [
      negotiatedSubprotocol,
      maxIdleTimeout,
      tags,
      userPrincipal,
      userProperties,
    ];
    const client = await endpoint.connect("", { "Sec-WebSocket-Protocol": "v1" });
    const facts = ["v1", 60_000, ["a"], "ann", { greeting: "hello" }];
    expect(log.entries).toEqual([["open", true, 4, facts]]);
    await endpoint.hibernate();
    client.send("x");
    await log.has(["text", facts]);
    client.send("12345");
    expect(await client.closed).toMatchObject({ code: 1009 });
  });

  it("R1: onOpen can't change the configuration", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: (_, config) => {
        try {
          (config as { idleTimeoutMs: number }).idleTimeoutMs = 1;
        } catch (error) {
          log.add((error as Error).name, config.idleTimeoutMs);
        }
      },
    });
    await endpoint.connect();
    expect(log.entries).toEqual([["TypeError", 0]]);
  });

  it("R24: gives each session its own copy of the user properties, under those of the hook", async () => {
    const endpoint = serve({
      configure(config) {
        config.userProperties = { list: [0], when: new Date(5), by: "configure" };
      },
      onHandshake: ({ url }) => (url.endsWith("hook") ? { userProperties: { by: "hook", more: 1 } } : {}),
      async onText(_, text, session) {
        const { userProperties } = session as { userProperties: { list?: string[] } };
        userProperties.list?.push(text);
        await session.asyncRemote.sendText(JSON.stringify(userProperties));
      },
    });
    const when = "1970-01-01T00:00:00.005Z";
    const [ann, bob] = [await endpoint.connect(), await endpoint.connect("?hook")];
    const ask = async (client: Client, text: string): Promise<unknown> =>
      JSON.parse((await client.ask(text)) as string);
    expect(await ask(ann, "a")).toEqual({ list: [0, "a"], when, by: "configure" });
    expect(await ask(bob, "b")).toEqual({ list: [0, "b"], when, by: "hook", more: 1 });
    await endpoint.hibernate();
    expect(await ask(ann, "c")).toEqual({ list: [0, "a", "c"], when, by: "configure" });
    expect(await ask(await endpoint.connect(), "d")).toEqual({ list: [0, "d"], when, by: "configure" });
  });

  it("R1: stands beside a class, or in its static options", () => {
    const configure = vi.fn<(config: MutableEndpointConfig) => void>();
    new ServerContainer().addEndpoint("/a", { durableObject: Room, configure });
    expect(configure.mock.lastCall![0]).toMatchObject({ path: "/a", idleTimeoutMs: 0 });
    class Configured extends Endpoint {
      static override options: EndpointOptions = { idleTimeoutMs: 7, configure };
    }
    new ServerContainer().addEndpoint("/b", Configured);
    expect(configure.mock.lastCall![0]).toMatchObject({ path: "/b", idleTimeoutMs: 7 });
    expect(configure).toHaveBeenCalledTimes(2);
  });

  const bad: [what: string, map: EndpointOptions, message: string][] = [
    ["an unknown option", forbidden((config) => (config.onMessage = 1)), "has the unknown option onMessage: use"],
    ["a callback", forbidden((config) => (config.onText = () => {})), "onText"],
    [
      "a wrong value",
      forbidden((config) => (config.idleTimeoutMs = -1)),
      "an invalid idleTimeoutMs: it must be a whole",
    ],
    ["a wrong list", forbidden((config) => (config.subprotocols = "v1")), "an invalid subprotocols"],
    ["another path", forbidden((config) => (config.path = "/b")), "must keep its path in configure"],
    ["no path", forbidden((config) => delete config.path), "must keep its path in configure"],
    ["a contradiction", { configure: (config) => void (config.serializeSession = () => 1) }, "needs both"],
    [
      "another contradiction",
      { hibernate: false, configure: (config) => void (config.trackSessions = true) },
      "hibernate: false",
    ],
    [
      "an instance to keep",
      { configure: (config) => void (config.userProperties.at = new (class Point {})()) },
      "needs plain data in userProperties.at",
    ],
    [
      "a function to keep",
      { configure: (config) => void (config.userProperties.f = () => {}) },
      "needs plain data in userProperties.f",
    ],
    [
      "a number for properties",
      forbidden((config) => (config.userProperties = 5)),
      "needs a plain object as userProperties",
    ],
    [
      "a Map for properties",
      forbidden((config) => (config.userProperties = new Map())),
      "needs a plain object as userProperties",
    ],
    [
      "a list for properties",
      forbidden((config) => (config.userProperties = [])),
      "needs a plain object as userProperties",
    ],
    [
      "null for properties",
      forbidden((config) => (config.userProperties = null)),
      "needs a plain object as userProperties",
    ],
    ["a promise", forbidden(async () => {}), "needs a synchronous configure"],
    ["something that is no function", { configure: "later" as never }, "an invalid configure: it must be a function"],
  ];
  for (const [what, map, message] of bad) {
    it(`R1: ${what} in or as configure is refused, and nothing is registered`, () => {
      const target = new ServerContainer();
      const adding = () => target.addEndpoint("/a", map);
      expect(adding).toThrow(DeploymentError);
      expect(adding).toThrow('The endpoint at "/a" ');
      expect(adding).toThrow(message);
      expect(() => target.addEndpoint("/a", {})).not.toThrow();
    });
  }

  it("R1: what it takes away or sets to undefined is the default again, and no endpoint changes another's", () => {
    const emptied = add({
      idleTimeoutMs: 5,
      ...forbidden((config) => {
        delete config.maxPendingMessages;
        config.subprotocols = undefined;
        config.idleTimeoutMs = undefined;
      }),
    });
    expect(emptied).toMatchObject({ maxPendingMessages: 1000, subprotocols: [], idleTimeoutMs: 0 });
    add(forbidden((config) => (config.subprotocols as string[]).push("v1")));
    expect(add({}).subprotocols).toEqual([]);
  });

  it("R1: what it throws is thrown by the registration", () => {
    const failing = () => {
      throw new RangeError("no such thing");
    };
    expect(() => new ServerContainer().addEndpoint("/a", { configure: failing })).toThrow(RangeError);
  });
});
