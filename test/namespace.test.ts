// How Socle finds the namespace of a class whose name builds or wrappers change, and refuses any other class.
import { createExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { addEndpoint, DeploymentError, Endpoint, ServerContainer, type EndpointOptions } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { Client } from "./support/client.ts";
import { freshPath } from "./support/endpoint.ts";
import { Bound, ChatRoom, Clock, container as shared, Exported, Nowhere, Older, Room } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => vi.restoreAllMocks());

/** The error of the last log entry. */
const lastLogged = () => (logged.mock.lastCall![1] as Error).message;

const upgrading = (path: string, init: RequestInit = {}) =>
  new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket" }, ...init });

/** An `env` for a class that names its own binding. */
const old = { OLD: exports.Older } as unknown as Cloudflare.Env;

async function open(container: ServerContainer, path: string, bindings = env): Promise<Client> {
  const response = await container.fetch(upgrading(path), bindings, createExecutionContext());
  expect(response.status, String(logged.mock.lastCall?.[1])).toBe(101);
  return new Client(response, 30_000);
}

/** A class as a bundler renames it: only its name differs. */
const renamed = <Class extends object>(Class: Class): Class =>
  new Proxy(Class, { get: (target, key) => (key === "name" ? "yt" : Reflect.get(target, key)) as unknown });

describe("a class whose name is not that of its namespace", () => {
  it("P1: is found by its binding in env", async () => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, {
      durableObject: renamed(ChatRoom),
      binding: "CHAT_ROOM",
    });
    expect(await (await open(container, path)).next()).toBe(`ChatRoom ${path}`);
  });

  it("P1: is found by its name among the exports, where it has no binding", async () => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, {
      durableObject: renamed(Exported),
      binding: "Exported",
    });
    expect(await (await open(container, path)).next()).toBe(`Exported ${path}`);
  });

  it("P1: may say its binding itself", async () => {
    const path = freshPath();
    const client = await open(new ServerContainer().addEndpoint(path, renamed(Older)), path, old);
    expect(await client.ask("hi")).toBe("ours: hi");
  });

  it("P1: without one it is 500, and the log has the namespaces that there are, the likely reason, and the mend", async () => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, renamed(Nowhere));
    const bindings = { CHAT: env.Room, ASSETS: "no namespace" } as unknown as Cloudflare.Env;
    const response = await container.fetch(upgrading(path), bindings, createExecutionContext());
    expect([response.status, await response.text()]).toEqual([500, "The endpoint failed"]);
    expect(lastLogged()).toMatch(
      /^No Durable Object yt for the class yt: env has CHAT, and the Worker exports .*Exported/,
    );
    expect(lastLogged()).toContain("a bundler or a wrapper has renamed the class");
    expect(lastLogged()).toContain('{ durableObject: yt, binding: "NAME" }');
  });

  it("P1: a binding that is not there is 500, and the log has its name", async () => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, { durableObject: ChatRoom, binding: "NO" as "OTHER" });
    // The env has a binding with the class's own name.
    const { CHAT_ROOM } = env;
    const response = await container.fetch(upgrading(path), { CHAT_ROOM } as Cloudflare.Env, createExecutionContext());
    expect(response.status).toBe(500);
    expect(lastLogged()).toMatch(/^No Durable Object NO for the class ChatRoom: env has CHAT_ROOM,/);
    expect(lastLogged()).toContain('"name": "NO", "class_name": "ChatRoom"');
  });
});

it("R3: a binding's name in place of a class is looked for in env, and not among the exports", async () => {
  const path = freshPath();
  const container = new ServerContainer().addEndpoint(path, { durableObject: "Exported" as "Room" });
  const response = await container.fetch(upgrading(path), {} as Cloudflare.Env, createExecutionContext());
  expect(response.status).toBe(500);
  expect(lastLogged()).toMatch(/^No Durable Object Exported for the class Endpoints: env has none,/);
});

/** An `env` that throws for a missing binding, as some tools make it. */
const strict = (bindings: Record<string, unknown>) =>
  new Proxy(bindings, {
    get(target, key) {
      if (key in target) return target[key as string];
      throw new Error(`no binding ${String(key)}`);
    },
  }) as unknown as Cloudflare.Env;

it("P1: an env that throws for unknown keys is asked for one name after the other, and no further than needed", async () => {
  const path = freshPath();
  const container = new ServerContainer()
    .addEndpoint(`${path}/a`, Room)
    .addEndpoint(`${path}/b`, ChatRoom)
    .addEndpoint(`${path}/c`, Exported)
    .addEndpoint(`${path}/d`, Nowhere);
  await open(container, `${path}/a`, strict({ Room: env.Room }));
  expect(await (await open(container, `${path}/b`, strict({ CHAT_ROOM: env.CHAT_ROOM }))).next()).toBe(
    `ChatRoom ${path}/b`,
  );
  expect(await (await open(container, `${path}/c`, strict({}))).next()).toBe(`Exported ${path}/c`);
  const response = await container.fetch(upgrading(`${path}/d`), strict({ Room: env.Room }), createExecutionContext());
  expect(response.status).toBe(500);
  expect(lastLogged()).toContain("env has Room,");
});

describe("two classes of one name", () => {
  const First = Room;
  const Second = { Room: class extends Endpoint {} }.Room;

  it("P1: are refused in one container, with both paths", () => {
    const container = new ServerContainer().addEndpoint("/chat/{room}", First);
    expect(() => container.addEndpoint("/game/{x}", Second)).toThrow(DeploymentError);
    expect(() => container.addEndpoint("/game/{x}", Second)).toThrow(
      '"/chat/{room}" and "/game/{x}" have two classes named Room: give each its binding, as in { durableObject: Room, binding: "NAME" }.',
    );
  });

  it("P1: may be there if one of them has a binding, or if they are the same class", () => {
    const container = new ServerContainer().addEndpoint("/chat/{room}", First).addEndpoint("/other", First);
    expect(() => container.addEndpoint("/game/{x}", { durableObject: Second, binding: "Board" })).not.toThrow();
  });

  it("P1: a class with the name of the container's own is refused too, once there is a map", () => {
    const container = new ServerContainer().addEndpoint("/map", {});
    expect(() => container.addEndpoint("/class", class Endpoints extends Endpoint {})).toThrow(
      '"/map" and "/class" have',
    );
  });

  it("P1: a binding is a name, and one of a class", () => {
    const add = (endpoint: object) => () => new ServerContainer().addEndpoint("/a", endpoint);
    expect(add({ durableObject: Room, binding: "" })).toThrow(
      `The endpoint at "/a" has an invalid binding: it must be the name of a class's binding.`,
    );
    expect(add({ binding: "CHAT" })).toThrow(
      'The endpoint at "/a" has a binding but no class: use durableObject instead.',
    );
  });
});

describe("an object of another class", () => {
  const answered = async (response: Response) => [response.status, await response.text()];
  const both = (path: string) =>
    expect.stringMatching(
      RegExp(`^An object of the class Room got a request for "${path}", where the class Clock is registered: `),
    ) as unknown;

  it("P2: answers 500 to an upgrade and to a request, and the log has both classes", async () => {
    const path = freshPath();
    class WithRequest extends Clock {
      override onRequest = () => new Response("clock");
    }
    const container = new ServerContainer()
      .addEndpoint(path, { durableObject: Clock, binding: "Room" })
      .addEndpoint(`${path}/request`, { durableObject: WithRequest, binding: "Room" });
    const ctx = createExecutionContext();
    expect(await answered(await container.fetch(upgrading(path), env, ctx))).toEqual([500, "The endpoint failed"]);
    expect([logged.mock.lastCall![0], lastLogged()]).toEqual([`socle: 500 for ${path}:`, both(path)]);
    const request = new Request(`https://socle.test${path}/request`);
    expect(await answered(await container.fetch(request, env, ctx))).toEqual([500, "The endpoint failed"]);
    expect(lastLogged()).toContain("where the class WithRequest is registered");
  });

  it("P2: answers 500 where the other one extends it", async () => {
    const path = freshPath();
    class Further extends Room {}
    const container = new ServerContainer()
      .addEndpoint(path, Room)
      .addEndpoint(`${path}/further`, { durableObject: Further, binding: "Room" });
    await open(container, path);
    const response = await container.fetch(upgrading(`${path}/further`), env, createExecutionContext());
    expect(response.status).toBe(500);
    expect(lastLogged()).toContain("An object of the class Room got a request");
    expect(lastLogged()).toContain("where the class Further is registered");
  });

  it("P2: answers 500 where a class of the same path pattern is registered beside it", async () => {
    const path = freshPath();
    const container = new ServerContainer()
      .addEndpoint(`${path}/{x}/b`, Room)
      .addEndpoint(`${path}/a/{x}`, { durableObject: Clock, binding: "Room" });
    const ctx = createExecutionContext();
    expect((await container.fetch(upgrading(`${path}/a/b`), env, ctx)).status).toBe(500);
    await open(container, `${path}/z/b`);
  });

  it("P2: answers 500 to a hook's session too", async () => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, {
      durableObject: Clock,
      binding: "Room",
      onHandshake: () => ({ userPrincipal: "ann" }),
    });
    expect((await container.fetch(upgrading(path), env, createExecutionContext())).status).toBe(500);
    expect(lastLogged()).toEqual(both(path));
  });

  it("P2: serves what a binding's name was registered for, and paths where nothing is registered", async () => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, { durableObject: "Room" });
    await open(container, path);
    const past = await env.Room.getByName(path).fetch(upgrading(freshPath()));
    expect(past.status).toBe(101);
  });

  it("P2: answers a request that its own Worker has sent past the router, whatever the path", async () => {
    const path = freshPath();
    new ServerContainer().addEndpoint(`${path}/{any}`, { durableObject: Older, binding: "OLD" } as never);
    const response = await env.Room.getByName(path).fetch(`https://object${path}/notify`, { method: "POST" });
    expect(await response.text()).toBe(`POST ${path}`);
  });

  it("P2: a wrapper is the class that it wraps: the one that is registered, or the one that is exported", async () => {
    const path = freshPath();
    // Its objects are of the class Room, which the wrapper wraps.
    const container = new ServerContainer().addEndpoint(path, { durableObject: new Proxy(Room, {}), binding: "Room" });
    const client = await open(container, path);
    expect(await client.ask("hi")).toBe("reached 0");
  });
});

it("P1, P4: container.fetch and container.handle need neither env nor ctx, nor the container", async () => {
  const { fetch, handle } = shared;
  for (const response of [
    await fetch(upgrading("/exported")),
    await fetch(upgrading("/chat-room"), env),
    (await handle(upgrading("/room/alone")))!,
    (await handle(upgrading("/bound/alone"), env))!,
  ]) {
    expect(response.status).toBe(101);
  }
  expect(await handle(upgrading("/no-such-path"))).toBeUndefined();
  expect((await fetch(upgrading("/no-such-path"))).status).toBe(404);
});

it("P4: onHandshake has an env and a ctx all the same", async () => {
  const path = freshPath();
  let given: unknown[] = [];
  addEndpoint(shared, path, {
    onHandshake(_, { env: bindings, ctx }) {
      ctx.waitUntil(Promise.resolve());
      given = Object.keys(bindings);
    },
  });
  expect((await shared.fetch(upgrading(path))).status).toBe(101);
  expect(given).toContain("CHAT_ROOM");
});

describe("where the object is", () => {
  /** Logs how the Worker gets to an object. */
  function spying() {
    const asked: unknown[] = [];
    const of = (jurisdiction?: string): unknown => ({
      idFromName: env.Endpoints.idFromName.bind(env.Endpoints),
      jurisdiction: of,
      getByName(name: string, options?: { locationHint?: string }) {
        asked.push([jurisdiction, options?.locationHint]);
        return env.Endpoints.getByName(name);
      },
    });
    return [asked, { Endpoints: of() } as unknown as Cloudflare.Env] as const;
  }

  it("P13: is what the functions say, of the request and of the path's parameters", async () => {
    const path = freshPath("/{region}");
    const [asked, bindings] = spying();
    addEndpoint(shared, path, {
      locationHint: (request, { region }) =>
        request.url.endsWith("?near") ? (region === "eu" ? "weur" : "enam") : undefined,
      jurisdiction: ({ region }: { region: string }) => (region === "eu" ? "eu" : undefined),
    });
    for (const concrete of ["eu?near", "us?near", "eu", "us"]) {
      const asking = upgrading(path.replace("{region}", concrete));
      expect((await shared.fetch(asking, bindings, createExecutionContext())).status).toBe(101);
    }
    expect(asked).toEqual([
      ["eu", "weur"],
      [undefined, "enam"],
      ["eu", undefined],
      [undefined, undefined],
    ]);
  });

  it("P13: a function that gives another value is 500, and the log has the values", async () => {
    const path = freshPath();
    addEndpoint(shared, path, { locationHint: () => "mars" as never });
    addEndpoint(shared, `${path}/j`, { jurisdiction: () => "de" as never });
    expect((await shared.fetch(upgrading(path))).status).toBe(500);
    expect(lastLogged()).toMatch(/^The option locationHint returned an invalid value: it must be wnam, enam/);
    expect((await shared.fetch(upgrading(`${path}/j`))).status).toBe(500);
    expect(lastLogged()).toMatch(/^The option jurisdiction returned an invalid value: it must be eu, us/);
  });
});

describe("a class", () => {
  const add = (Class: typeof Endpoint | (new (ctx: DurableObjectState, env: Cloudflare.Env) => Endpoint)) => () =>
    new ServerContainer().addEndpoint("/a", { durableObject: Class as typeof Endpoint });
  const methods = {
    webSocketMessage: "onText or onBinary",
    webSocketClose: "onClose",
    webSocketError: "onError",
    fetch: "onRequest",
    alarm: "onAlarm",
    socle: "something else",
  };

  it.each(Object.entries(methods))("P5: with a %s of its own is refused, with what to write", (method, ours) => {
    class Dead extends Endpoint {}
    Object.defineProperty(Dead.prototype, method, { value() {} });
    expect(add(Dead)).toThrow(
      `The class Dead has a method ${method}: rename it ${ours}, or declare static overrides = true if it calls super.${method}.`,
    );
    class Further extends Dead {}
    expect(add(Further)).toThrow(DeploymentError);
    class Calling extends Dead {
      static override overrides = true;
    }
    expect(add(Calling)).not.toThrow();
  });

  it("P5: with such a property is refused too, and not one that only speaks of it", () => {
    class Property extends Endpoint {
      override webSocketMessage = () => {};
    }
    expect(add(Property)).toThrow("The class Property has a method webSocketMessage: rename it onText or onBinary");
    class Speaking extends Endpoint {
      override async onText(_: unknown, text: string) {
        let alarm: number | null;
        alarm = await this.ctx.storage.getAlarm();
        const load = ({ fetch = globalThis.fetch } = {}) => fetch(text);
        this.ctx.storage.kv.put("to stop; alarm = off", [alarm, await load()]);
        if (this.webSocketClose === Endpoint.prototype.webSocketClose) this.broadcast(text);
      }
    }
    expect(add(Speaking)).not.toThrow();
    class Assigned extends Endpoint {
      constructor(ctx: DurableObjectState, bindings: Cloudflare.Env) {
        super(ctx, bindings);
        this.webSocketMessage = () => {};
      }
    }
    expect(add(Assigned)).toThrow("The class Assigned has a method webSocketMessage");
  });

  it("P5: has an onRequest as a property, by the router and by its stub; and no class has one that doesn't", async () => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, Older);
    const asked = new Request(`https://socle.test${path}`, { method: "PUT" });
    expect(await (await container.fetch(asked.clone(), old)).text()).toBe("PUT as a property");
    expect(await (await exports.Older.getByName(path).fetch(asked)).text()).toBe("PUT as a property");
    const plain = new ServerContainer().addEndpoint(path, Bound);
    expect((await plain.fetch(new Request(`https://socle.test${path}`))).status).toBe(426);
  });
});

describe("a socket that Socle did not accept", () => {
  /** Opens a socket of the object that Socle did not accept, with an attachment. */
  async function older(attachment: unknown) {
    const path = freshPath();
    const stub = exports.Older.getByName(path);
    const headers = { Upgrade: "websocket", attachment: JSON.stringify(attachment) };
    return { path, stub, response: await stub.fetch(`https://socle.test${path}/old`, { headers }) };
  }

  it.each([null, ["socle", "{}"], ["socle:row", "id"], { socle: 1 }, [0, "{}"], [2]])(
    "P5: has its events in onOtherSocket, whatever is attached to it (%j)",
    async (attachment) => {
      const { path, stub, response } = await older(attachment);
      const client = new Client(response, 30_000);
      expect(await client.ask("hi")).toBe("other: hi");
      expect(await client.ask(new Uint8Array([1, 2]))).toEqual(new Uint8Array([1, 2]).buffer);
      const container = new ServerContainer().addEndpoint(path, Older);
      const ours = await open(container, path, old);
      expect(await ours.ask("hi")).toBe("ours: hi");
      // Socle answers its Close frame.
      expect(await client.close(4001, "bye")).toMatchObject({ code: 4001, reason: "bye" });
      expect(await stub.ends()).toEqual([4001]);
      expect(await ours.ask("still")).toBe("ours: still");
    },
  );

  it("P5: is not confused with one whose session has ended, and what onOtherSocket throws is logged", async () => {
    const { path, response } = await older(null);
    const client = new Client(response, 30_000);
    client.send("throw");
    expect(await client.ask("hi")).toBe("other: hi");
    expect(logged.mock.lastCall).toEqual([
      `socle: onOtherSocket failed at ${path}:`,
      expect.objectContaining({ message: "from onOtherSocket" }),
    ]);
  });
});

describe("static options along the class chain", () => {
  const hook = () => new Response("sign in", { status: 401 });
  class Base extends Room {
    static override options: EndpointOptions = {
      onHandshake: hook,
      allowedOrigins: ["https://a.test"],
      idleTimeoutMs: 5000,
    };
  }
  class Child extends Base {
    static override options: EndpointOptions = { idleTimeoutMs: 60_000 };
  }
  class Grandchild extends Child {
    static override options: EndpointOptions = { allowedOrigins: ["https://b.test"] };
  }
  const from = (origin: string) => ({ headers: { Upgrade: "websocket", Origin: origin } });
  const status = async (Class: typeof Base, origin: string, own: EndpointOptions = {}) => {
    const path = freshPath();
    const container = new ServerContainer().addEndpoint(path, { durableObject: Class, binding: "Room", ...own });
    return (await container.fetch(upgrading(path, from(origin)))).status;
  };

  it("P3: a subclass keeps its base's hook and origins beside options of its own", async () => {
    expect(await status(Child, "https://a.test")).toBe(401);
    expect(await status(Child, "https://b.test")).toBe(403);
  });

  it("P3: each option is the one of the nearest class that has it, and of the registration before", async () => {
    expect(await status(Grandchild, "https://b.test")).toBe(401);
    expect(await status(Grandchild, "https://a.test")).toBe(403);
    expect(await status(Grandchild, "https://a.test", { allowedOrigins: ["https://a.test"] })).toBe(401);
    expect(await status(Grandchild, "https://b.test", { onHandshake: () => new Response(null, { status: 402 }) })).toBe(
      402,
    );
  });

  it("P3: they hold behind a wrapper that is a function", async () => {
    function Wrapper(...given: unknown[]): object {
      return Reflect.construct(Child, given) as object;
    }
    Wrapper.prototype = Child.prototype as unknown;
    expect(await status(Wrapper as unknown as typeof Base, "https://a.test")).toBe(401);
    expect(await status(Wrapper as unknown as typeof Base, "https://b.test")).toBe(403);
  });

  it("P3: over them are those of the wrapper itself", async () => {
    function Wrapper(...given: unknown[]): object {
      return Reflect.construct(Base, given) as object;
    }
    Wrapper.prototype = Base.prototype as unknown;
    Wrapper.options = { allowedOrigins: ["https://b.test"] };
    expect(await status(Wrapper as unknown as typeof Base, "https://b.test")).toBe(401);
    expect(await status(Wrapper as unknown as typeof Base, "https://a.test")).toBe(403);
  });

  it("P3: what is undefined takes nothing away", async () => {
    class Open extends Base {
      static override options = { onHandshake: undefined, allowedOrigins: undefined } as unknown as EndpointOptions;
    }
    expect(await status(Open, "https://a.test")).toBe(401);
    expect(await status(Base, "https://a.test", { onHandshake: undefined } as never)).toBe(401);
  });

  it("P3: an object of a class that is registered nowhere has those of its base too", async () => {
    const statuses = [];
    for (const origin of ["https://a.test", "https://b.test"]) {
      const path = freshPath();
      const response = await exports.Sheltered.getByName(path).fetch(upgrading(path, from(origin)));
      statuses.push(response.status);
    }
    expect(statuses).toEqual([101, 403]);
  });
});
