// Which endpoint serves which path, and the answers if no session opens.
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  addEndpoint,
  addEndpoints,
  DeploymentError,
  Endpoint,
  onOpenStartWsConnection,
  ServerContainer,
  type Session,
} from "socle";
import { describe, expect, it, vi } from "vitest";

import { connect, request, upgrade } from "./support/client.ts";
import { freshPath, serve } from "./support/endpoint.ts";
import { container, Room } from "./support/worker.ts";

/** A map whose sessions report their path. */
const whereabouts = {
  onOpen: (session: {
    asyncRemote: { sendText(text: string): Promise<void> };
    ctx: DurableObjectState;
    pathParameters: {};
  }) => void session.asyncRemote.sendText(JSON.stringify([session.ctx.id.name, session.pathParameters])),
};
const at = async (path: string): Promise<unknown> => JSON.parse((await (await connect(path)).next()) as string);

describe("registration", () => {
  const add =
    (path: string, endpoint: unknown = {}) =>
    () =>
      addEndpoint(new ServerContainer(), path, endpoint as {});

  it("R1: a path that doesn't start with / is refused", () => {
    expect(add("echo")).toThrow(DeploymentError);
    expect(add("echo")).toThrow('Invalid path "echo": begin it with "/"');
    expect(add("")).toThrow(DeploymentError);
  });

  it("R1: a path that no request could match is refused", () => {
    for (const path of ["/a{b}", "/{}", "/{a b}", "/*", "/a?b", "/a#b", "/100%", "/%zz", "/{a}/{a}", "/a{", "/:"]) {
      expect(add(path), path).toThrow(/Invalid path ".*": begin it with/);
    }
  });

  it("R1: a duplicate path, or one that matches the same requests, is refused with both names", () => {
    const duplicate = new ServerContainer();
    addEndpoint(duplicate, "/a/{x}/c", {});
    expect(() => addEndpoint(duplicate, "/a/{x}/c", {})).toThrow('"/a/{x}/c" matches the same paths as "/a/{x}/c"');
    expect(() => addEndpoint(duplicate, "/a/{y}/c", {})).toThrow('"/a/{y}/c" matches the same paths as "/a/{x}/c"');
    expect(() => addEndpoint(duplicate, "/a/:z/c", {})).toThrow('"/a/:z/c" matches the same paths as "/a/{x}/c"');
    expect(() => addEndpoint(duplicate, "/%61/:z/c", {})).toThrow('"/%61/:z/c" matches the same paths as "/a/{x}/c"');
    expect(() => addEndpoint(duplicate, "/a/{x}", {})).not.toThrow();
  });

  it("R1: a callback that is no function is refused with its name", () => {
    expect(add("/a", { onText: "echo" })).toThrow('The endpoint at "/a" has an invalid onText: it must be a function.');
    expect(add("/a", { onClose: {} })).toThrow("an invalid onClose");
  });

  it("R1: an unknown option is refused with those that are known", () => {
    expect(add("/a", { onMessage() {} })).toThrow(
      'The endpoint at "/a" has the unknown option onMessage: use onOpen, onText,',
    );
    expect(add("/a", { idleTimeout: 5 })).toThrow("the unknown option idleTimeout:");
    expect(add("/a", { durableObject: Room, track: true })).toThrow("the unknown option track: use onHandshake,");
    expect(add("/a", { toString: 1 })).toThrow("the unknown option toString");
  });

  it.each([
    ["onTxt", "onText"],
    ["onTetx", "onText"],
    ["onbinary", "onBinary"],
    ["idleTimeout", "idleTimeoutMs"],
    ["allowedOrigin", "allowedOrigins"],
    ["tag", "tags"],
  ])("R1: for the misspelt option %s it asks whether %s was meant", (name, near) => {
    expect(add("/a", { [name]: 1 })).toThrow(
      `The endpoint at "/a" has the unknown option ${name}: did you mean ${near}? Or use onOpen, onText,`,
    );
  });

  it("R1: so does a container, for an option of its own", () => {
    expect(() => new ServerContainer({ onEvnt() {} } as object)).toThrow(
      "A ServerContainer has the unknown option onEvnt: did you mean onEvent? Or use endpoint,",
    );
  });

  it("R1: it asks for no name that is far: of a short one by two letters, of a long one by three", () => {
    expect(add("/a", { tigs: 1, onT: 1 })).toThrow("tigs: did you mean tags?");
    for (const name of ["tigz", "onT", "onTeeext1", "onMessage", "toString", ""]) {
      expect(add("/a", { [name]: 1 }), name).toThrow(`the unknown option ${name}: use onOpen`);
    }
  });

  it("R1: what is refused changes nothing: the first at a path goes on", async () => {
    const answering = (answer: string) => ({
      onText: (_: unknown, __: string, session: Session) => session.asyncRemote.sendText(answer),
    });
    const endpoint = serve(answering("first"));
    expect(() => addEndpoint(container, endpoint.path, answering("second"))).toThrow(DeploymentError);
    expect(await (await endpoint.connect()).ask("")).toBe("first");
  });

  it("R1: options that contradict each other are refused", () => {
    expect(add("/a", { durableObject: Room, onText() {} })).toThrow("has a class and, beside it, onText");
    expect(add("/a", { serializeSession: () => 1 })).toThrow("needs both serializeSession and deserializeSession");
  });

  it("R1: what is no endpoint is refused", () => {
    for (const endpoint of [null, 1, "Chat", () => {}, class {}, new Map(), { durableObject: class {} }, Endpoint]) {
      expect(add("/a", endpoint)).toThrow("must be an object of callbacks, or a class that extends Endpoint");
    }
    expect(add("/a", { durableObject: 5 })).toThrow("an invalid durableObject");
  });

  it("R1: a wrong value of an option is refused", () => {
    for (const subprotocols of ["chat", ["a b"], [""], [1, 2, {}]]) {
      expect(add("/a", { subprotocols })).toThrow("an invalid subprotocols");
    }
    for (const allowedOrigins of [
      "https://a.com",
      ["a.com"],
      ["https://a.com/"],
      ["https://A.com"],
      ["*"],
      ["https://*"],
    ]) {
      expect(add("/a", { allowedOrigins }), JSON.stringify(allowedOrigins)).toThrow("an invalid allowedOrigins");
    }
    expect(add("/a", { instance: "lobby" })).toThrow("an invalid instance");
    expect(add("/a", { subprotocols: undefined, onText: undefined })).not.toThrow();
    expect(() => new ServerContainer({ endpoint: "" })).toThrow(
      "A ServerContainer has an invalid endpoint: it must be the name",
    );
    expect(() => new ServerContainer({ endpoints: "X" } as {})).toThrow(DeploymentError);
  });

  it("addEndpoint and addEndpoints return nothing, the methods the container", () => {
    const fresh = new ServerContainer();
    expect(addEndpoint(fresh, "/a", {})).toBeUndefined();
    expect(addEndpoints(fresh, { "/b": {}, "/c": Room })).toBeUndefined();
    expect(fresh.addEndpoint("/d", {}).addEndpoints({ "/e": {} })).toBe(fresh);
    expect(() => addEndpoint(fresh, "/c", {})).toThrow(DeploymentError);
  });
});

describe("paths", () => {
  it("R2: a parameter, in braces or with a colon, is one non-empty segment, percent-decoded", async () => {
    const base = freshPath();
    addEndpoint(container, `${base}/{room}/x/:member-id`, whereabouts);
    expect(await at(`${base}/a%20b/x/%F0%9F%98%80`)).toEqual([
      `${base}/a%20b/x/%F0%9F%98%80`,
      { room: "a b", "member-id": "😀" },
    ]);
    for (const path of [`${base}//x/m`, `${base}/r/x/`, `${base}/r/x/m/`, `${base}/r/x`, `${base}/r/y/m`]) {
      expect((await upgrade(path)).status, path).toBe(404);
    }
  });

  it("R2: exact segments win over parameters, compared from the left, in whatever order they were registered", async () => {
    const base = freshPath();
    const named = (name: string) => ({
      onOpen: (session: { asyncRemote: { sendText(text: string): Promise<void> } }) =>
        void session.asyncRemote.sendText(name),
    });
    for (const path of ["/{a}/{b}", "/{a}/y", "/x/{b}", "/x/y", "/{a}/{b}/z", "/x/{b}/{c}"]) {
      addEndpoint(container, base + path, named(path));
    }
    const answers = new Map([
      ["/x/y", "/x/y"],
      ["/x/q", "/x/{b}"],
      ["/q/y", "/{a}/y"],
      ["/q/q", "/{a}/{b}"],
      ["/x/q/z", "/x/{b}/{c}"],
      ["/q/q/z", "/{a}/{b}/z"],
    ]);
    for (const [path, template] of answers) expect(await (await connect(base + path)).next(), path).toBe(template);
  });

  it("R3: the object is named by the concrete path, in one spelling", async () => {
    const base = freshPath();
    addEndpoint(container, `${base}/{room}`, whereabouts);
    expect(await at(`${base}/lobby`)).toEqual([`${base}/lobby`, { room: "lobby" }]);
    expect(await at(`${base}/lob%62y`)).toEqual([`${base}/lobby`, { room: "lobby" }]);
    expect(await at(`${base}/a%2Fb`)).toEqual([`${base}/a%2Fb`, { room: "a/b" }]);
    expect(await at(`${base}/me@x`)).toEqual([`${base}/me@x`, { room: "me@x" }]);
  });

  it("R3: instance names the object instead", async () => {
    const path = freshPath();
    addEndpoint(container, `${path}/{a}`, { ...whereabouts, instance: (req, { a }) => `${req.method} ${a}` });
    expect(await at(`${path}/1`)).toEqual(["GET 1", { a: "1" }]);
  });

  it("R3: a class is found by its name, in capitals, by the given binding, or among the exports", async () => {
    expect(await (await connect("/chat-room")).next()).toBe("ChatRoom /chat-room");
    expect(await (await connect("/bound/1")).next()).toBe("Bound /bound/1");
    expect(await (await connect("/exported")).next()).toBe("Exported /exported");
  });

  it("R3: a class without a namespace is 500, and the log has the lines to add", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const response = await upgrade("/nowhere");
    expect([response.status, await response.text()]).toEqual([500, "The endpoint failed"]);
    const [what, logged] = error.mock.lastCall!;
    expect(what).toBe("socle: 500 for /nowhere:");
    expect(logged).toBeInstanceOf(DeploymentError);
    expect((logged as Error).message).toContain(
      '"durable_objects": { "bindings": [{ "name": "Nowhere", "class_name": "Nowhere" }] },\n' +
        '"migrations": [{ "tag": "v1", "new_sqlite_classes": ["Nowhere"] }],\n',
    );
    error.mockRestore();
  });

  it("R3: an option that throws, or names no object, is 500, and the client is not told why", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const failing = freshPath();
    addEndpoint(container, failing, {
      instance() {
        throw new Error("secret");
      },
    });
    addEndpoint(container, `${failing}/empty`, { instance: () => "" });
    for (const path of [failing, `${failing}/empty`]) {
      const response = await upgrade(path);
      expect([response.status, await response.text()]).toEqual([500, "The endpoint failed"]);
    }
    expect(error.mock.calls.map(([, logged]) => (logged as Error).message)).toEqual([
      "secret",
      "The option instance must return a non-empty string.",
    ]);
    error.mockRestore();
  });

  it("R3: a container's maps are served by the class of the name it was given", async () => {
    const renamed = new ServerContainer({ endpoint: "Elsewhere" }).addEndpoint("/a", {});
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const upgrading = new Request("https://socle.test/a", { headers: { Upgrade: "websocket" } });
    expect((await renamed.fetch(upgrading, env, createExecutionContext())).status).toBe(500);
    expect(String(error.mock.lastCall![1])).toContain('"class_name": "Elsewhere"');
    error.mockRestore();
  });
});

describe("requests that open no session", () => {
  const path = freshPath();
  addEndpoint(container, path, { allowedOrigins: ["https://a.example", "*.b.example", "https://*.c.example:8443"] });

  /** Between Workers, the runtime turns an upgrade with another method into a GET, and drops "Upgrade". */
  const direct = (to: string, init: RequestInit) =>
    container.fetch(new Request(`https://socle.test${to}`, init), env, createExecutionContext());

  it("R4: no endpoint is 404", async () => {
    expect((await upgrade("/nothing/here")).status).toBe(404);
  });

  it("R4: a method other than GET is 405 with Allow", async () => {
    for (const method of ["POST", "HEAD", "DELETE"]) {
      const response = await direct(path, { method, headers: { Upgrade: "websocket" } });
      expect([response.status, response.headers.get("Allow")]).toEqual([405, "GET"]);
    }
  });

  it("R4: no upgrade is 426 with Upgrade", async () => {
    for (const headers of [{}, { Upgrade: "h2c" }]) {
      const response = await direct(path, { headers });
      expect([response.status, response.headers.get("Upgrade")]).toEqual([426, "websocket"]);
    }
    expect((await request(path, { headers: { Upgrade: "WebSocket" } })).status).toBe(101);
  });

  it("R4: another WebSocket version is 426 with the one that is spoken", async () => {
    const response = await upgrade(path, { "Sec-WebSocket-Version": "8" });
    expect([response.status, response.headers.get("Sec-WebSocket-Version")]).toEqual([426, "13"]);
    expect((await upgrade(path, { "Sec-WebSocket-Version": "13" })).status).toBe(101);
  });

  it("R4: an origin that is not allowed is 403; a request without one passes", async () => {
    const status = async (Origin: string) => (await upgrade(path, { Origin })).status;
    for (const origin of [
      "https://a.example",
      "https://x.b.example",
      "http://x.y.b.example",
      "https://x.c.example:8443",
    ]) {
      expect(await status(origin), origin).toBe(101);
    }
    for (const origin of [
      "http://a.example",
      "https://a.example:8443",
      "https://b.example",
      "https://evilb.example",
      "https://x.b.example.evil",
      "http://x.c.example:8443",
      "https://x.c.example",
      "null",
    ]) {
      expect(await status(origin), origin).toBe(403);
    }
    expect((await upgrade(path)).status).toBe(101);
  });

  it("R4: of allowedOrigins a star stands for labels of a host, and for nothing else", async () => {
    const status = async (Origin: string) => (await upgrade(path, { Origin })).status;
    for (const origin of ["app://x.b.example", "https://x-1.y_2.b.example", "https://xn--bcher-kva.b.example"]) {
      expect(await status(origin), origin).toBe(101);
    }
    for (const origin of [
      "https://evil.test/.b.example",
      "https://evil.test?.b.example",
      "https://evil.test#.b.example",
      "https://x@y.b.example",
      "https://x:1@y.b.example",
      "https://evil.test:99/x.c.example:8443",
      "https://evil.test, https://x.b.example",
      "https://x.b.example:99",
      "https://.b.example",
      "https://x..b.example",
      "https://x%2e.b.example",
      "https://x\\.b.example",
      "null.b.example",
      "x.b.example",
      "//x.b.example",
      "https:x.b.example",
    ]) {
      expect(await status(origin), origin).toBe(403);
    }
  });

  it("R4: allowedOrigins may be a function of the origin and the request", async () => {
    const endpoint = serve({ allowedOrigins: (origin, { url }) => origin === new URL(url).searchParams.get("from") });
    expect((await upgrade(`${endpoint.path}?from=x`, { Origin: "x" })).status).toBe(101);
    expect((await upgrade(`${endpoint.path}?from=x`, { Origin: "y" })).status).toBe(403);
    const asynchronous = serve({ allowedOrigins: (async () => true) as never });
    expect((await upgrade(asynchronous.path, { Origin: "x" })).status).toBe(403);
  });

  it("R4: a class with onRequest gets the requests to its path that are no upgrade, whatever the method", async () => {
    for (const method of ["GET", "POST", "DELETE"]) {
      const response = await request("/room/plain", { method });
      expect([response.status, await response.text()]).toEqual([200, `${method} /room/plain`]);
    }
    const wrong = await direct("/room/plain", { method: "POST", headers: { Upgrade: "websocket" } });
    expect(wrong.status).toBe(405);
  });

  it("R2: a malformed percent escape is 400", async () => {
    for (const malformed of [`${path}/%zz`, "/room/%E0%A4%A"]) {
      const response = await upgrade(malformed);
      expect([response.status, await response.text()]).toEqual([400, "The path has a malformed escape"]);
    }
  });

  it("R5: handle is fetch that returns undefined where no endpoint matches", async () => {
    const handle = (to: string) =>
      container.handle(
        new Request(`https://socle.test${to}`, { headers: { Upgrade: "websocket" } }),
        env,
        createExecutionContext(),
      );
    expect(await handle("/nothing/here")).toBeUndefined();
    expect(await handle("/nothing/%zz")).toBeUndefined();
    expect((await handle(path))?.status).toBe(101);
  });

  it("R4: a request that comes to the object past the router passes the same checks", async () => {
    const raw = (stub: Fetcher, to: string, headers: Record<string, string>) =>
      stub.fetch(`https://socle.test${to}`, { headers: { Upgrade: "websocket", ...headers } });
    const room = env.Room.getByName("past the router");
    expect((await raw(room, "/room/a", { "Sec-WebSocket-Version": "9" })).status).toBe(426);
    expect((await raw(room, "/room/a", {})).status).toBe(101);
    expect((await raw(room, "/somewhere/else", {})).status).toBe(101);

    const maps = env.Endpoints.getByName("past the router");
    expect((await maps.fetch(`https://socle.test${path}`)).status).toBe(426);
    expect((await raw(maps, path, { Origin: "https://evil.example" })).status).toBe(403);
    expect((await raw(maps, path, { Origin: "https://a.example" })).status).toBe(101);
    expect((await raw(maps, "/nothing/here", {})).status).toBe(404);
  });
});

describe("container.stub", () => {
  const path = freshPath();
  const seen: [url: string, pathParameters: object][] = [];
  const instance = ({ url }: Request, pathParameters: object) => {
    seen.push([url, pathParameters]);
    return "named";
  };
  container.addEndpoint(path, {}).addEndpoint(`${path}/{room}`, {});
  container.addEndpoint(`${path}/{room}/by/{name}`, { instance });
  const nameOf = (to: string) => container.stub(env, to).name;

  it("P25: takes the segments as they are: two dots are a name, encoded or not", () => {
    for (const dots of ["..", ".", "%2e%2e", "%2E.", "%2e"]) {
      expect(nameOf(`${path}/${dots}`)).toBe(`${path}/${decodeURIComponent(dots)}`);
      expect(nameOf(`${path}/${dots}?query=/x`)).toBe(`${path}/${decodeURIComponent(dots)}`);
    }
    expect(nameOf(`${path}/a b`)).toBe(`${path}/a%20b`);
    expect(nameOf(`${path}/a%2Fb`)).toBe(`${path}/a%2Fb`);
    expect(nameOf(`${path}/a\\b`)).toBe(`${path}/a%5Cb`);
    expect(nameOf(`${path}/caf\u00e9#part`)).toBe(`${path}/caf%C3%A9`);
    expect(() => nameOf(`${path}/x/../y`)).toThrow("No endpoint at ");
    expect(() => nameOf(`/${path}/x`)).toThrow(DeploymentError);
    expect(() => nameOf(`${path.slice(1)}/x`)).toThrow(DeploymentError);
  });

  it("P25: gives instance a request with the query, and the parameters as they are", () => {
    expect(nameOf(`${path}/%2e%2e/by/ann?as=bob&at=/x#part`)).toBe("named");
    const [[url, pathParameters]] = seen as [[string, object]];
    expect(new URL(url).search).toBe("?as=bob&at=/x");
    expect(pathParameters).toEqual({ room: "..", name: "ann" });
  });
});

describe("subprotocols", () => {
  const endpoint = serve({
    onOpen: onOpenStartWsConnection(),
    subprotocols: ["v2", "v1"],
    onText: (send, _, session) => send.put(session.negotiatedSubprotocol),
  });
  const offer = (...offered: string[]) => endpoint.connect("", { "Sec-WebSocket-Protocol": offered.join(", ") });

  it("R7: the first of the endpoint's own list that the client offers goes into the 101", async () => {
    const client = await offer("v1", "v3", "v2");
    expect(client.response.headers.get("Sec-WebSocket-Protocol")).toBe("v2");
    expect(await client.ask("?")).toBe("v2");
  });

  it("R7: with none in common there is none in the 101", async () => {
    const client = await offer("v3");
    expect(client.response.headers.has("Sec-WebSocket-Protocol")).toBe(false);
    expect(await client.ask("?")).toBe("");
  });

  it("R7, C1: who offers socle.plain is answered with it where nothing else is agreed on, and the session has none", async () => {
    const client = await offer("socle.topics.", "socle.plain", "v3", "socle.v1");
    expect(client.protocol).toBe("socle.plain");
    expect(await client.ask("?")).toBe("");
    expect((await offer("socle.plain", "v1")).protocol).toBe("v1");
    const flow = serve({ flowControl: true });
    expect((await flow.connect("", { "Sec-WebSocket-Protocol": "socle.plain, socle.v1" })).protocol).toBe("socle.v1");
  });
});

it("P12, C1: who offers socle.plain is closed by the hook on socle.v1, on which it waits for settings", async () => {
  const closing = serve({ subprotocols: ["chat"], onHandshake: () => ({ closeCode: 4401 }) });
  for (const [offered, agreed] of [
    ["socle.plain, socle.v1, socle.topics.", "socle.v1"],
    ["socle.plain, chat+socle.v1, chat, socle.topics.", "chat+socle.v1"],
    ["socle.v1, socle.topics.", "socle.v1"],
    ["chat+socle.v1, chat", "chat"],
  ] as const) {
    const client = await closing.connect("", { "Sec-WebSocket-Protocol": offered });
    expect(client.protocol).toBe(agreed);
    expect(await client.closed).toMatchObject({ code: 4401 });
  }
});

it("R3: a class that is exported is found without any bindings", async () => {
  const handshake = new Request("https://socle.test/exported", { headers: { Upgrade: "websocket" } });
  const response = await container.fetch(handshake, undefined, createExecutionContext());
  expect(response.status).toBe(101);
});
