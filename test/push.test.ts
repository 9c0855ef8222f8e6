// From the Worker to the object behind a path: sending to its sessions, retries, and the object's location.
import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { addEndpoint, DeploymentError, Endpoint, ServerContainer, type HandshakeResult, type Session } from "socle";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi, type MockInstance } from "vitest";

import { connect, request, type Client } from "./support/client.ts";
import { freshPath, Log, recorded, serve, type Served } from "./support/endpoint.ts";
import { container, Room } from "./support/worker.ts";

/** Each session first gets its id. */
const telling = {
  tags: ({ requestParameterMap }: Session) => requestParameterMap.getAll("tag"),
  onOpen: (session: Session) => session.asyncRemote.sendText(session.id),
};

async function join({ path }: Pick<Served, "path">, query = ""): Promise<{ client: Client; id: string }> {
  const client = await connect(path + query);
  return { client, id: (await client.next()) as string };
}

/** The error of an RPC. `expect` can't be used: it would read properties of the call's result, which are calls too. */
async function failureOf(call: () => PromiseLike<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("container.stub", () => {
  it("R9: broadcasts from an HTTP handler, to a hibernating object too, and tells to how many sessions", async () => {
    const endpoint = serve(telling);
    const handler = async (posted: Request) =>
      Response.json(await container.stub(env, endpoint.path).broadcast(await posted.text()));
    const post = async (body: string) =>
      (await handler(new Request("https://socle.test/push", { method: "POST", body }))).json();
    expect(await post("to nobody")).toBe(0);
    const members = [await join(endpoint), await join(endpoint)];
    expect(await post("awake")).toBe(2);
    await endpoint.hibernate();
    expect(await post("from hibernation")).toBe(2);
    for (const { client } of members) expect(await client.take(2)).toEqual(["awake", "from hibernation"]);
  });

  it("R9: broadcasts texts, buffers and views", async () => {
    const endpoint = serve(telling);
    const { client } = await join(endpoint);
    const stub = container.stub(env, endpoint.path);
    const bytes = Uint8Array.of(1, 2, 3, 4);
    for (const payload of ["", "ü€😀", bytes.buffer, bytes.subarray(1, 3), new DataView(bytes.buffer, 3)]) {
      expect(await stub.broadcast(payload)).toBe(1);
    }
    const received = await client.take(5);
    expect(received.slice(0, 2)).toEqual(["", "ü€😀"]);
    expect(received.slice(2).map((data) => Array.from(new Uint8Array(data as ArrayBuffer)))).toEqual([
      [1, 2, 3, 4],
      [2, 3],
      [4],
    ]);
  });

  it("R9: broadcasts except to the sessions of an id, or of several", async () => {
    const endpoint = serve(telling);
    const [a, b, c] = [await join(endpoint), await join(endpoint), await join(endpoint)];
    await endpoint.hibernate();
    const stub = container.stub(env, endpoint.path);
    expect(await stub.broadcast("not a", { except: a.id })).toBe(2);
    expect(await stub.broadcast("only c", { except: [a.id, b.id] })).toBe(1);
    expect(await stub.broadcast("only b", { except: new Set([a.id, c.id]) })).toBe(1);
    expect(await stub.broadcast("all", { except: [] })).toBe(3);
    expect(await stub.broadcast("all", { except: "nobody's id" })).toBe(3);
    expect(await a.client.take(2)).toEqual(["all", "all"]);
    expect(await b.client.take(4)).toEqual(["not a", "only b", "all", "all"]);
    expect(await c.client.take(4)).toEqual(["not a", "only c", "all", "all"]);
  });

  it("R9: broadcasts to the sessions with a tag, and counts them", async () => {
    const endpoint = serve(telling);
    const a = await join(endpoint, "?tag=staff&tag=night");
    const b = await join(endpoint, "?tag=staff");
    const c = await join(endpoint);
    await endpoint.hibernate();
    const stub = container.stub(env, endpoint.path);
    expect(await stub.broadcast("staff", { tag: "staff" })).toBe(2);
    expect(await stub.broadcast("day staff", { tag: "staff", except: a.id })).toBe(1);
    expect(await stub.broadcast("nobody", { tag: "boss" })).toBe(0);
    expect(await stub.broadcast("all")).toBe(3);
    expect(await a.client.take(2)).toEqual(["staff", "all"]);
    expect(await b.client.take(3)).toEqual(["staff", "day staff", "all"]);
    expect(await c.client.take(1)).toEqual(["all"]);
    const counts = ["staff", "night", "boss", undefined].map((tag) => stub.openSessionCount(tag));
    expect(await Promise.all(counts)).toEqual([2, 1, 0, 3]);
    b.client.socket.close();
    await b.client.closed;
    expect(await stub.openSessionCount("staff")).toBe(1);
  });

  it("R9: closes every session with the reason that it is given, 1000 without one, and onClose runs", async () => {
    const log = new Log();
    const endpoint = serve({ onOpen: (session) => session.queryString, ...recorded(log) });
    const stub = container.stub(env, endpoint.path);
    const reasons = [
      [undefined, 1000, ""],
      [4001, 4001, ""],
      [{ closeCode: 1012 }, 1012, ""],
      [{ closeCode: 4002, reasonPhrase: "new version" }, 4002, "new version"],
    ] as const;
    for (const [given, code, reason] of reasons) {
      log.entries.length = 0;
      const clients = [await endpoint.connect("?a"), await endpoint.connect("?b")];
      await endpoint.hibernate();
      expect(await stub.closeAll(given)).toBe(2);
      for (const client of clients) expect(await client.closed).toEqual({ code, reason, wasClean: true });
      await log.has(["close", "a", code, reason]);
      await log.has(["close", "b", code, reason]);
      expect(log.entries).toHaveLength(2);
      expect(await stub.openSessionCount()).toBe(0);
      expect(await stub.closeAll(given)).toBe(0);
    }
  });

  it("R9: reaches the sessions that don't hibernate as it does the others", async () => {
    const endpoint = serve({ ...telling, hibernate: false });
    const members = [await join(endpoint, "?tag=staff"), await join(endpoint)];
    const stub = container.stub(env, endpoint.path);
    expect(await stub.broadcast("all")).toBe(2);
    expect(await stub.broadcast("staff", { tag: "staff" })).toBe(1);
    expect(await stub.openSessionCount("staff")).toBe(1);
    expect(await members[0]!.client.take(2)).toEqual(["all", "staff"]);
    expect(await stub.closeAll(4001)).toBe(2);
    for (const { client } of members) expect(await client.closed).toMatchObject({ code: 4001 });
  });

  it("R9: a bad reason is a CloseReasonError that the caller sees, and closes nothing", async () => {
    const endpoint = serve(telling);
    const { client } = await join(endpoint);
    const stub = container.stub(env, endpoint.path);
    for (const reason of [1006, 2000, { closeCode: 4000.5 }]) {
      const closeCode = typeof reason === "number" ? reason : reason.closeCode;
      expect(await failureOf(() => stub.closeAll(reason))).toMatchObject({
        name: "CloseReasonError",
        message: `A Close frame can't carry ${closeCode}: use 1000-1003, 1007-1014 or 3000-4999.`,
      });
    }
    expect(await failureOf(() => stub.closeAll({ closeCode: 4000, reasonPhrase: "é".repeat(62) }))).toMatchObject({
      name: "CloseReasonError",
      message: "The reason phrase is over 123 bytes of UTF-8: shorten it.",
    });
    expect(await stub.broadcast("still open")).toBe(1);
    expect(await client.next()).toBe("still open");
    const empty = container.stub(env, serve({}).path);
    expect(await failureOf(() => empty.closeAll(1006))).toMatchObject({ name: "CloseReasonError" });
  });

  it("R9: a payload that can't be sent is a PayloadError that the caller sees, and goes to nobody", async () => {
    const endpoint = serve(telling);
    const { client } = await join(endpoint);
    const stub = container.stub(env, endpoint.path);
    for (const bad of [42, null, undefined, { text: "x" }, () => "x"]) {
      expect(await failureOf(() => stub.broadcast(bad as never)), String(bad)).toMatchObject({
        name: "PayloadError",
        message: "Not sent: a message must be a string, an ArrayBuffer, a view, or have a [WebSocketSendAsync] method.",
      });
    }
    expect(await stub.broadcast("good")).toBe(1);
    expect(await client.next()).toBe("good");
  });

  it("R9: has the RPC methods of a class, and of the class behind a binding's name", async () => {
    const client = await connect("/room/pushed");
    expect(await container.stub<Room>(env, "/room/pushed").announce("news")).toBe(1);
    expect(await container.stub(env, "/room/pushed").broadcast("more")).toBe(1);
    expect(await client.take(2)).toEqual(["news", "more"]);

    const bound = await connect("/bound/pushed");
    expect(await bound.next()).toBe("Bound /bound/pushed");
    expect(await container.stub(env, "/bound/pushed").broadcast("to the bound")).toBe(1);
    expect(await bound.next()).toBe("to the bound");
  });

  it("R9: is the stub of the object that instance names, by path parameters and query", async () => {
    const path = freshPath();
    addEndpoint(container, `${path}/{team}`, {
      ...telling,
      instance: ({ url }, { team }) => `${path} ${team} ${new URL(url).searchParams.get("shard")}`,
    });
    const { client } = await join({ path }, "/a%20b?shard=1");
    await join({ path }, "/a%20b?shard=2");
    const stub = container.stub(env, `${path}/a%20b?other=3&shard=1`);
    expect(stub.name).toBe(`${path} a b 1`);
    expect(await stub.broadcast("one")).toBe(1);
    expect(await client.next()).toBe("one");
    expect(await container.stub(env, `${path}/c?shard=1`).openSessionCount()).toBe(0);
  });

  it("R9: is the stub of the router's object, in whatever spelling the path is given", async () => {
    const path = freshPath();
    addEndpoint(container, `${path}/{name}`, telling);
    const spellings = new Map([
      ["caf%c3%a9", ["caf%C3%A9", "café", "c%61f%C3%a9", "café?query=1", "café#hash"]],
      ["a%2Fb", ["a%2fb", "%61%2F%62"]],
      ["a b", ["a%20b", "a b"]],
      ["me@x", ["me%40x", "me@x"]],
    ]);
    for (const [requested, spelt] of spellings) {
      await join({ path }, `/${requested}`);
      for (const one of spelt) {
        expect(await container.stub(env, `${path}/${one}`).openSessionCount(), one).toBe(1);
      }
    }
  });

  it("R9: a path without an endpoint is a DeploymentError", () => {
    const path = freshPath();
    addEndpoint(container, `${path}/{room}`, {});
    const slashless = `${path}/lobby`.slice(1);
    for (const wrong of [
      "/nothing/here",
      path,
      `${path}/`,
      `${path}/%zz`,
      slashless,
      `//host${path}/lobby`,
      `host${path}/lobby`,
      "",
    ]) {
      const stub = () => container.stub(env, wrong);
      expect(stub, wrong).toThrow(DeploymentError);
      expect(stub, wrong).toThrow(`No endpoint at ${wrong}: pass a concrete path, such as /chat/lobby.`);
    }
  });

  it("R9: a class without a namespace is a DeploymentError with the lines to add", () => {
    const stub = () => container.stub(env, "/nowhere");
    expect(stub).toThrow(DeploymentError);
    expect(stub).toThrow('"durable_objects": { "bindings": [{ "name": "Nowhere", "class_name": "Nowhere" }] },');
    expect(() => container.stub({ ...env, OTHER: undefined } as never, "/bound/1")).toThrow(DeploymentError);
  });

  it("R9: an instance that names nothing is a DeploymentError", () => {
    const endpoint = serve({ instance: () => "" });
    expect(() => container.stub(env, endpoint.path)).toThrow("The option instance must return a non-empty string.");
  });

  it("R9: carries the types of the class", () => {
    interface Env {
      CHAT: DurableObjectNamespace;
    }
    class Chat extends Endpoint<Env, { name: string }, "/chat/{room}"> {
      override onOpen({ pathParameters }: Session<"/chat/{room}">) {
        return { name: pathParameters.room };
      }
      members(): string[] {
        return [];
      }
    }
    const typed = (chats: ServerContainer<Env>, bindings: Env) => {
      const any = chats.stub(bindings, "/chat/lobby");
      expectTypeOf<Awaited<ReturnType<typeof any.broadcast>>>().toEqualTypeOf<number>();
      expectTypeOf<Awaited<ReturnType<typeof any.openSessionCount>>>().toEqualTypeOf<number>();
      expectTypeOf<Awaited<ReturnType<typeof any.closeAll>>>().toEqualTypeOf<number>();
      expectTypeOf(any.broadcast).toBeCallableWith("text", { except: ["id"], tag: "staff" });
      expectTypeOf(any.broadcast).toBeCallableWith(new Uint8Array(1));
      expectTypeOf(any.closeAll).toBeCallableWith({ closeCode: 4000, reasonPhrase: "bye" });
      // @ts-expect-error -- no payload
      void any.broadcast(42);
      // @ts-expect-error -- an id is a string
      void any.broadcast("text", { except: 42 });
      // @ts-expect-error -- no such option
      void any.broadcast("text", { expect: "id" });
      // @ts-expect-error -- no reason
      void any.closeAll("bye");
      // @ts-expect-error -- a method of the class, which is not named
      void any.members();
      const chat = chats.stub<Chat>(bindings, "/chat/lobby");
      expectTypeOf<Awaited<ReturnType<typeof chat.members>>>().toExtend<string[]>();
      // @ts-expect-error -- no such method
      void chat.nobody();
      // @ts-expect-error -- no Endpoint
      void chats.stub<Date>(bindings, "/chat/lobby");
      // @ts-expect-error -- other bindings
      void chats.stub({ KV: 1 }, "/chat/lobby");
    };
    expectTypeOf(typed).toBeFunction();
  });
});

describe("in a class", () => {
  it("R31: broadcast is held from a session, an id, or a set of both", async () => {
    const path = freshPath();
    addEndpoint(container, path, { durableObject: Room, tags: telling.tags });
    const clients = [];
    for (const name of ["a", "b", "c"]) clients.push(await connect(`${path}?name=${name}&tag=${name}`));
    const [a, b, c] = clients as [Client, Client, Client];
    const counts = await runInDurableObject(env.Room.getByName(path), (room: Room) => {
      const [first, second] = ["a", "b"].map((tag) => [...room.openSessions(tag)][0]!) as [Session, Session];
      expect(room.openSessionCount()).toBe(3);
      return [
        room.broadcast("session", { except: first }),
        room.broadcast("id", { except: first.id }),
        room.broadcast("set", { except: new Set([first, second.id]) }),
        room.broadcast("openSessions", { except: room.openSessions() }),
        room.broadcast("all"),
      ];
    });
    expect(counts).toEqual([2, 2, 1, 0, 3]);
    expect(await a.take(1)).toEqual(["all"]);
    expect(await b.take(3)).toEqual(["session", "id", "all"]);
    expect(await c.take(4)).toEqual(["session", "id", "set", "all"]);
  });
});

describe("an object that fails", () => {
  let logged: MockInstance<typeof console.error>;
  let waited: MockInstance<typeof scheduler.wait>;
  beforeEach(() => {
    logged = vi.spyOn(console, "error").mockImplementation(() => {});
    waited = vi.spyOn(scheduler, "wait").mockResolvedValue();
  });
  afterEach(() => vi.restoreAllMocks());

  /** The errors that a namespace's stubs throw, one after the other. Then come the real stubs. */
  function failing(binding: "Endpoints" | "Room", ...marks: object[]) {
    const stubs: string[] = [];
    const namespace = {
      idFromName: () => {},
      getByName(name: string) {
        const mark = marks[stubs.push(name) - 1];
        if (!mark) return env[binding].getByName(name);
        return { fetch: () => Promise.reject(Object.assign(new Error("secret"), mark)) };
      },
    };
    return { bindings: { ...env, [binding]: namespace }, stubs };
  }

  async function ask(bindings: Cloudflare.Env, path: string, init: RequestInit): Promise<Response> {
    const ctx = createExecutionContext();
    const response = await container.fetch(new Request(`https://socle.test${path}`, init), bindings, ctx);
    if (!response.webSocket) await waitOnExecutionContext(ctx);
    return response;
  }
  const upgrading = { headers: { Upgrade: "websocket" } };
  const [retryable, overloaded] = [{ retryable: true }, { overloaded: true }];

  it("R6: its 503 has none of the headers that the hook has given for the 101", async () => {
    const { path } = serve({ onHandshake: () => ({ headers: { "Set-Cookie": "a=1" } }) });
    const response = await ask(failing("Endpoints", overloaded).bindings, path, upgrading);
    expect([response.status, response.headers.get("Set-Cookie")]).toEqual([503, null]);
  });

  it("R8: is tried 3 times if the error is retryable, with a fresh stub each; then the answer is 503", async () => {
    const { path } = serve({});
    const { bindings, stubs } = failing("Endpoints", retryable, retryable, retryable, retryable);
    const response = await ask(bindings, path, upgrading);
    expect([response.status, response.headers.get("Retry-After")]).toEqual([503, "5"]);
    expect(await response.text()).toBe("Try again later");
    expect(stubs).toEqual([path, path, path]);
    expect(logged.mock.calls).toEqual([[`socle: 503 for ${path}:`, expect.objectContaining({ message: "secret" })]]);
  });

  it("R8: is waited for between the tries, for longer before the third, and by chance", async () => {
    const { path } = serve({});
    const random = vi.spyOn(Math, "random");
    const delays = async (chance: number) => {
      waited.mockClear();
      random.mockReturnValue(chance);
      await ask(failing("Endpoints", retryable, retryable, retryable).bindings, path, upgrading);
      return waited.mock.calls.map(([milliseconds]) => milliseconds);
    };
    const [often, seldom] = [await delays(0.8), await delays(0.2)];
    expect(often).toHaveLength(2);
    expect(often[1]).toBeGreaterThan(often[0]!);
    expect(seldom).toEqual(often.map((milliseconds) => expect.closeTo(milliseconds / 4)));
  });

  it.each([1, 2])(
    "R8: opens the session if it then answers, after %i tries, and asks onHandshake once",
    async (count) => {
      const hook = vi.fn<() => HandshakeResult>(() => ({
        headers: { "X-Asked": "once" },
        userProperties: { user: "ann" },
      }));
      const endpoint = serve({
        onHandshake: hook,
        onOpen: (session) => session.asyncRemote.sendText(JSON.stringify(session.userProperties)),
      });
      const { bindings, stubs } = failing("Endpoints", ...Array.from({ length: count }, () => retryable));
      const response = await ask(bindings, endpoint.path, upgrading);
      expect([response.status, response.headers.get("X-Asked")]).toEqual([101, "once"]);
      const socket = response.webSocket!;
      const greeting = new Promise((resolve) => socket.addEventListener("message", ({ data }) => resolve(data)));
      socket.accept();
      expect(await greeting).toBe('{"user":"ann"}');
      expect(stubs).toHaveLength(count + 1);
      expect(hook).toHaveBeenCalledOnce();
      expect(await container.stub(env, endpoint.path).openSessionCount()).toBe(1);
      expect(logged).not.toHaveBeenCalled();
    },
  );

  it.each([overloaded, { overloaded: true, retryable: true }])(
    "R8: is not tried again if it is overloaded: %o is 503 at once",
    async (mark) => {
      const { path } = serve({});
      const { bindings, stubs } = failing("Endpoints", mark);
      const response = await ask(bindings, path, upgrading);
      expect([response.status, response.headers.get("Retry-After")]).toEqual([503, "5"]);
      expect(await response.text()).not.toContain("secret");
      expect(stubs).toHaveLength(1);
      expect(waited).not.toHaveBeenCalled();
      expect(logged).toHaveBeenCalledOnce();
    },
  );

  it("R8: is not tried again after any other error: 500, which only the log explains", async () => {
    const { path } = serve({});
    const { bindings, stubs } = failing("Endpoints", { retryable: false, overloaded: false, remote: true });
    const response = await ask(bindings, path, upgrading);
    expect([response.status, await response.text()]).toEqual([500, "The endpoint failed"]);
    expect(stubs).toHaveLength(1);
    expect(logged.mock.calls).toEqual([[`socle: 500 for ${path}:`, expect.objectContaining({ message: "secret" })]]);
  });

  it("R3: fails before it is asked where instance throws, and the log shows what it threw", async () => {
    const { path } = serve({
      instance() {
        throw null;
      },
    });
    expect((await ask(env, path, upgrading)).status).toBe(500);
    expect(logged.mock.calls).toEqual([[`socle: 500 for ${path}:`, null]]);
  });

  it("R8: is asked again with a request of onRequest, but never with one that has a body", async () => {
    const got = failing("Room", retryable, retryable);
    const answer = await ask(got.bindings, "/room/retried", { method: "GET" });
    expect([answer.status, await answer.text()]).toEqual([200, "GET /room/retried"]);
    expect(got.stubs).toHaveLength(3);

    const posted = failing("Room", retryable);
    const refused = await ask(posted.bindings, "/room/retried", { method: "POST", body: "once" });
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "5"]);
    expect(posted.stubs).toHaveLength(1);
  });

  it("R4: an onRequest that throws or rejects is 500, which only the log explains", async () => {
    for (const isAsync of [false, true]) {
      logged.mockClear();
      const failed = vi.spyOn(Room.prototype as Endpoint, "onRequest").mockImplementationOnce(() => {
        const secret = new Error("secret");
        if (isAsync) return Promise.reject(secret);
        throw secret;
      });
      const response = await request("/room/failing");
      expect([response.status, await response.text()]).toEqual([500, "The endpoint failed"]);
      expect(failed).toHaveBeenCalledOnce();
      expect(logged.mock.calls).toEqual([
        ["socle: 500 for /room/failing:", expect.objectContaining({ message: "secret" })],
      ]);
      failed.mockRestore();
    }
    expect((await request("/room/failing")).status).toBe(200);
  });
});

describe("where the object is", () => {
  /** A namespace that logs how its objects are asked for, and returns the real ones. */
  function watched() {
    const asked: unknown[][] = [];
    const namespace = (within: string[]) => ({
      idFromName: () => {},
      getByName(...args: [string]) {
        asked.push([...within, ...args]);
        return env.Endpoints.getByName(...args);
      },
      jurisdiction: (name: string) => namespace([name]),
    });
    return { bindings: { ...env, Endpoints: namespace([]) } as unknown as Cloudflare.Env, asked };
  }
  const open = (bindings: Cloudflare.Env, path: string) =>
    container.fetch(
      new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket" } }),
      bindings,
      createExecutionContext(),
    );

  it("the options locationHint and jurisdiction arrive at the namespace, from the router and from stub", async () => {
    const hinted = serve({ locationHint: "apac" });
    const confined = serve({ jurisdiction: "eu" });
    const both = serve({ locationHint: "weur", jurisdiction: "eu", instance: () => "named" });
    const neither = serve({ locationHint: undefined, jurisdiction: undefined } as {});
    const { bindings, asked } = watched();
    for (const { path } of [hinted, confined, both, neither]) {
      expect((await open(bindings, path)).status).toBe(101);
      container.stub(bindings, path);
    }
    const once = [
      [hinted.path, { locationHint: "apac" }],
      ["eu", confined.path, undefined],
      ["eu", "named", { locationHint: "weur" }],
      [neither.path, undefined],
    ];
    expect(asked).toEqual(once.flatMap((one) => [one, one]));
  });

  it("a jurisdiction is left out where there is none, as in local workerd", async () => {
    expect(() => env.Endpoints.jurisdiction("eu")).toThrow("not implemented in workerd");
    const endpoint = serve({
      jurisdiction: "eu",
      locationHint: "weur",
      onText: (_, text, session) => session.asyncRemote.sendText(text),
    });
    expect(await (await endpoint.connect()).ask("here")).toBe("here");
    expect(await container.stub(env, endpoint.path).openSessionCount()).toBe(1);
  });

  it("no object is asked outside its jurisdiction: another failure of the namespace's is 500", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const endpoint = serve({ jurisdiction: "eu" });
    const { bindings, asked } = watched();
    Object.assign(bindings.Endpoints, {
      jurisdiction() {
        throw new Error("no such jurisdiction");
      },
    });
    const response = await open(bindings, endpoint.path);
    expect([response.status, await response.text()]).toEqual([500, "The endpoint failed"]);
    expect(asked).toEqual([]);
    expect(error.mock.calls).toEqual([
      [`socle: 500 for ${endpoint.path}:`, expect.objectContaining({ message: "no such jurisdiction" })],
    ]);
    error.mockRestore();
    expect(() => container.stub(bindings, endpoint.path)).toThrow("no such jurisdiction");
  });

  it("R1: other places are refused at registration", () => {
    const add =
      (endpoint: object, path = "/a") =>
      () =>
        addEndpoint(new ServerContainer(), path, endpoint);
    for (const locationHint of ["mars", "", "WEUR", 1, "weur ", ["weur"]]) {
      expect(add({ locationHint }), String(locationHint)).toThrow(
        'The endpoint at "/a" has an invalid locationHint: it must be wnam, enam, sam, weur,',
      );
    }
    for (const jurisdiction of ["de", "", "EU", 1, "fedramp-low"]) {
      expect(add({ jurisdiction }), String(jurisdiction)).toThrow(
        'The endpoint at "/a" has an invalid jurisdiction: it must be eu, us, fedramp or fedramp-high.',
      );
    }
    for (const known of ["wnam", "enam", "sam", "weur", "eeur", "apac", "apac-ne", "apac-se", "oc", "afr", "me"]) {
      expect(add({ locationHint: known }), known).not.toThrow();
      expect(add({ durableObject: Room, locationHint: known }, freshPath()), known).not.toThrow();
    }
    for (const known of ["eu", "us", "fedramp", "fedramp-high"]) {
      expect(add({ jurisdiction: known }), known).not.toThrow();
    }
  });

  it("R1: the places that are taken are those that the platform's types name", () => {
    expectTypeOf<DurableObjectLocationHint>().toEqualTypeOf<
      "wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "apac-ne" | "apac-se" | "oc" | "afr" | "me"
    >();
    expectTypeOf<DurableObjectJurisdiction>().toEqualTypeOf<"eu" | "us" | "fedramp" | "fedramp-high">();
  });
});
