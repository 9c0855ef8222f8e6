// The configuration of an endpoint: nobody can change it after the registration, and two containers must agree on it.
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  addEndpoint,
  DeploymentError,
  Endpoint,
  LimitExceededError,
  ServerContainer,
  type EndpointConfig,
  type EndpointOptions,
  type MutableEndpointConfig,
  type Session,
} from "socle";
import * as testing from "socle/testing";
import { describe, expect, it, vi } from "vitest";

import { connect, upgrade } from "./support/client.ts";
import { freshPath, Log, modes, serve } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { container, Exported, Room } from "./support/worker.ts";

/** The paths of all objects that are reachable by properties and not frozen. */
function writable(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  const found = Object.isFrozen(value) ? [] : [path];
  return [...found, ...Object.entries(value).flatMap(([name, member]) => writable(member, `${path}.${name}`))];
}

/** Options as an application would write them: shared, and not frozen. */
const shared = () => ({
  subprotocols: ["v1"],
  allowedOrigins: ["https://a.test"],
  rateLimit: { messages: 1000, perMs: 1 },
  autoResponse: { request: "ping", response: "pong" },
  tags: ["a"],
  flowControl: { window: 5 },
});

describe("the configuration", () => {
  it.each(modes)(
    "P22: is frozen through and through in the hook and in onOpen, hibernate: $hibernate",
    async (mode) => {
      const log = new Log();
      const endpoint = mode.serve({
        ...shared(),
        onHandshake: (_, { config }) => log.add(...writable({ ...config, userProperties: null }, "hook")),
        onOpen: (_, config) => log.add(...writable({ ...config, userProperties: null }, "open")),
      });
      await endpoint.connect("", { Origin: "https://a.test" });
      // Each list contains only the test's own copy: the rest is frozen.
      expect(log.entries).toEqual(["hook", "open"]);
    },
  );

  it("P22: throws what is written to it", async () => {
    const log = new Log();
    const writes: ((config: MutableEndpointConfig) => void)[] = [
      (config) => (config.allowedOrigins as string[]).push("https://evil.test"),
      (config) => (config.rateLimit!.messages = 1),
      (config) => (config.subprotocols as string[]).splice(0),
      (config) => ((config.flowControl as { window: number }).window = 1),
      (config) => ((config.autoResponse as { response: string }).response = "evil"),
      (config) => (config.tags = ["evil"]),
      (config) => (config.userProperties = {}),
      (config) => delete config.onHandshake,
    ];
    const write = (config: EndpointConfig) => {
      for (const one of writes) {
        try {
          one(config);
          log.add("written");
        } catch (error) {
          log.add((error as Error).name);
        }
      }
    };
    const endpoint = serve({
      ...shared(),
      onHandshake: (_, { config }) => write(config),
      onOpen: (_, config) => write(config),
    });
    await endpoint.connect("", { Origin: "https://a.test" });
    expect(log.entries).toEqual(Array.from({ length: writes.length * 2 }, () => "TypeError"));
    expect((await upgrade(endpoint.path, { Origin: "https://evil.test" })).status).toBe(403);
  });

  it.each(modes)("P22: has new user properties at each access, hibernate: $hibernate", async (mode) => {
    const log = new Log();
    const escalate = ({ userProperties }: EndpointConfig) => {
      const { roles, since, by } = userProperties as { roles: string[]; since: Date; by: Map<string, string> };
      roles.push("admin");
      since.setTime(0);
      by.set("ann", "admin");
    };
    const onOpen = async (session: Session, config: EndpointConfig) => {
      escalate(config);
      const { roles, since, by } = config.userProperties as { roles: string[]; since: Date; by: Map<string, string> };
      log.add(roles, since.getTime(), [...by], [...(session.userProperties.roles as string[])]);
      (session.userProperties.roles as string[]).push("own");
    };
    const configure = (config: MutableEndpointConfig) =>
      void Object.assign(config.userProperties, {
        roles: ["guest"],
        since: new Date(5),
        by: new Map([["ann", "guest"]]),
      });
    for (const flowControl of [false, true]) {
      const endpoint = mode.serve({ configure, flowControl, onOpen, onHandshake: (_, { config }) => escalate(config) });
      await endpoint.connect();
      await endpoint.connect();
    }
    const untouched = [["guest"], 5, [["ann", "guest"]], ["guest"]];
    expect(log.entries).toEqual([untouched, untouched, untouched, untouched]);
  });

  it("P22: is a copy: what was given stays as it is, and changes nothing when it changes", async () => {
    const log = new Log();
    const given = shared();
    const properties = { roles: ["guest"] };
    const before = structuredClone(given);
    let kept!: MutableEndpointConfig;
    const map: EndpointOptions<unknown> & { onText?: unknown } = {
      ...given,
      configure(config) {
        kept = config;
        config.tags = given.tags;
        config.userProperties = properties;
      },
      onHandshake: (_, { config }) => log.add(JSON.parse(JSON.stringify(config))),
    };
    const path = freshPath();
    addEndpoint(container, path, map as {});
    expect(writable(given, "given").toSorted()).toEqual(
      ["given", ...Object.keys(given).map((name) => `given.${name}`)].toSorted(),
    );
    given.allowedOrigins.push("https://evil.test");
    given.rateLimit.messages = 1;
    given.subprotocols.length = 0;
    given.autoResponse.response = "evil";
    given.tags.push("evil");
    given.flowControl.window = 1;
    properties.roles.push("admin");
    map.allowedOrigins = ["https://evil.test"];
    map.onHandshake = () => new Response("evil");
    map.onText = (_: unknown, __: string, session: Session) => session.asyncRemote.sendText("evil");
    expect(() => (kept.idleTimeoutMs = 1)).toThrow(TypeError);
    expect((await upgrade(path, { Origin: "https://evil.test" })).status).toBe(403);
    const client = await connect(path, { Origin: "https://a.test" });
    expect(log.entries).toEqual([
      expect.objectContaining({
        ...before,
        flowControl: expect.objectContaining({ window: 5 }),
        userProperties: { roles: ["guest"] },
      }),
    ]);
    client.send("text");
    expect(await client.ask("ping")).toBe("pong");
  });

  it("P22: of a class is a copy of its options, at paths where it isn't registered too", async () => {
    const options = { rateLimit: { messages: 5, perMs: 1000 }, allowedOrigins: ["https://a.test"] };
    const log = new Log();
    class Own extends Endpoint {
      static override options: EndpointOptions<unknown> = options;
      override onOpen(_: Session, config: EndpointConfig) {
        log.add(...writable({ ...config, userProperties: null }, "open"));
        log.add(config.userProperties === config.userProperties, config.path);
      }
    }
    const path = freshPath();
    const other = new ServerContainer().addEndpoint(path, { durableObject: Own, binding: "Room" });
    expect(Object.isFrozen(options.rateLimit)).toBe(false);
    options.allowedOrigins.push("https://evil.test");
    Own.options = {};
    const asked = (Origin: string) =>
      other.fetch(
        new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket", Origin } }),
        env,
        createExecutionContext(),
      );
    expect((await asked("https://evil.test")).status).toBe(403);
    // The base class, which is not registered.
    await runInDurableObject(env.Room.getByName(freshPath()), async (_, ctx) => {
      const elsewhere = new Own(ctx, env);
      Own.options = options;
      const response = await elsewhere.fetch(
        new Request(`https://socle.test${path}/elsewhere`, { headers: { Upgrade: "websocket" } }),
      );
      response.webSocket!.accept();
      response.webSocket!.close();
    });
    expect(log.entries).toEqual(["open", [false, `${path}/elsewhere`]]);
  });

  it("P22: and what else the hook is given can't be written to", async () => {
    const log = new Log();
    const path = freshPath();
    addEndpoint(container, `${path}/{room}`, {
      onHandshake(_, context) {
        for (const write of [
          () => ((context.pathParameters as { room: string }).room = "other"),
          () => ((context as { config: unknown }).config = {}),
          () => ((context as { env: unknown }).env = {}),
        ]) {
          expect(write).toThrow(TypeError);
        }
      },
      instance(_, pathParameters) {
        expect(() => ((pathParameters as { room: string }).room = "other")).toThrow(TypeError);
        return pathParameters.room;
      },
      onOpen: (session) => log.add(session.pathParameters),
    });
    await connect(`${path}/lobby`);
    expect(log.entries).toEqual([{ room: "lobby" }]);
  });

  it("P22: and neither can what a session has of it", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen(session) {
        const { definition } = session as unknown as { definition: { callbacks: object; onEvent: unknown } };
        log.add(Object.isFrozen(definition), Object.isFrozen(definition.callbacks));
      },
    });
    await endpoint.connect();
    expect(log.entries).toEqual([[true, true]]);
  });
});

describe("two containers with one class", () => {
  const twice = (first: object, second: object, path = freshPath(), other = path) => {
    new ServerContainer().addEndpoint(path, { durableObject: Exported, ...first });
    return () => new ServerContainer().addEndpoint(other, { durableObject: Exported, ...second });
  };
  const hook = () => {};

  it("P27: at the same path and with the same options are fine", () => {
    const options = (): object => ({ ...shared(), onHandshake: hook, idleTimeoutMs: 5 });
    expect(twice(options(), options())).not.toThrow();
    expect(twice({}, { idleTimeoutMs: undefined, maxPendingMessages: 1000 })).not.toThrow();
    const configured = (): object => ({
      configure: (config: MutableEndpointConfig) =>
        void (config.userProperties = { since: new Date(5), in: [new Blob(["a"])] }),
    });
    expect(twice(configured(), configured())).not.toThrow();
    const path = freshPath();
    expect(twice({}, {}, `${path}/caf\u00e9/{x}`, `${path}/caf%c3%a9/:x`)).not.toThrow();
  });

  const differing: [name: string, first: object, second: object][] = [
    ["onHandshake", {}, { onHandshake: hook }],
    ["onHandshake", { onHandshake: hook }, { onHandshake: () => {} }],
    ["rateLimit", { rateLimit: { messages: 5, perMs: 1 } }, {}],
    ["rateLimit", { rateLimit: { messages: 5, perMs: 1 } }, { rateLimit: { messages: 6, perMs: 1 } }],
    [
      "allowedOrigins",
      { allowedOrigins: ["https://a.test"] },
      { allowedOrigins: ["https://a.test", "https://b.test"] },
    ],
    ["tags", { tags: () => [] }, { tags: () => [] }],
    ["maxPendingMessages", {}, { maxPendingMessages: 5 }],
    ["flowControl", { flowControl: true }, { flowControl: { window: 5 } }],
    [
      "userProperties",
      { configure: (config: MutableEndpointConfig) => void (config.userProperties.a = new Map([["a", 1]])) },
      { configure: (config: MutableEndpointConfig) => void (config.userProperties.a = new Map([["a", 2]])) },
    ],
  ];
  it.each(differing)("P27: with another %s are refused with both paths", (name, first, second) => {
    for (const [one, two] of [
      [first, second],
      [second, first],
    ]) {
      const path = freshPath();
      const adding = twice(one!, two!, `${path}/{x}`, `${path}/:x`);
      expect(adding).toThrow(DeploymentError);
      expect(adding).toThrow(
        `"${path}/{x}" and "${path}/:x" have the class Exported in two containers, and differ in ${name}: make`,
      );
    }
  });

  it("P27: with other names for the same parameters are refused", () => {
    const path = freshPath();
    expect(twice({}, {}, `${path}/{x}`, `${path}/{y}`)).toThrow("differ in path: ");
  });

  it("P27: whose defaults or listeners differ are refused, and the first keeps its own", async () => {
    const path = freshPath();
    const heard: string[] = [];
    const first = new ServerContainer({ onEvent: ({ type }) => void heard.push(type) });
    first.addEndpoint(path, { durableObject: Room, onHandshake: () => new Response("first", { status: 401 }) });
    expect(() => new ServerContainer().addEndpoint(path, Room)).toThrow(DeploymentError);
    const plain = freshPath();
    first.addEndpoint(plain, Room);
    expect(() => new ServerContainer().addEndpoint(plain, Room)).toThrow("differ in onEvent: ");
    const other = new ServerContainer({ defaultMaxSessionIdleTimeout: 5 });
    expect(() => other.addEndpoint(plain, Room)).toThrow("differ in idleTimeoutMs: ");
    const asked = new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket" } });
    // A request that bypasses the router: the object itself knows that there is a hook.
    expect((await env.Room.getByName(path).fetch(asked)).status).toBe(403);
    expect(await other.handle(asked, env as never, createExecutionContext())).toBeUndefined();
  });

  it("P27: at other paths, and two classes at the same path, are nobody's business", () => {
    const path = freshPath();
    class First extends Endpoint {}
    class Second extends First {}
    new ServerContainer().addEndpoint(path, First);
    expect(() => new ServerContainer().addEndpoint(path, { durableObject: Second, idleTimeoutMs: 5 })).not.toThrow();
    expect(() => new ServerContainer().addEndpoint(path, { durableObject: "Room", idleTimeoutMs: 6 })).not.toThrow();
    expect(() => new ServerContainer().addEndpoint(path, { idleTimeoutMs: 7 })).not.toThrow();
    expect(() =>
      new ServerContainer().addEndpoint(`${path}/a`, { durableObject: First, idleTimeoutMs: 8 }),
    ).not.toThrow();
  });

  it("P22: what configure keeps of the draft, or hides behind an accessor, changes nothing", () => {
    const path = freshPath();
    let draft!: MutableEndpointConfig;
    let given: EndpointConfig | undefined;
    let limit = 100;
    addEndpoint(container, path, {
      configure(config) {
        draft = config;
        Object.defineProperty(config, "maxPendingMessages", { get: () => limit, enumerable: true, configurable: true });
        config.rateLimit = { messages: 5, perMs: 1000 };
      },
      onOpen: (_, config) => void (given = config),
    });
    limit = 1;
    expect(() => (draft.rateLimit!.messages = 1000)).toThrow(TypeError);
    draft.userProperties.more = 1;
    return connect(path).then(() =>
      expect(given).toMatchObject({ maxPendingMessages: 100, rateLimit: { messages: 5 }, userProperties: {} }),
    );
  });

  it("P27: where one's path matches the other's too, the one that was asked holds, with its limits and its hook", async () => {
    const path = freshPath();
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const [wide, exact] = [new ServerContainer(), new ServerContainer()];
    wide.addEndpoint(`${path}/{x}`, { durableObject: Room, maxTextMessageBufferSize: 1000, onHandshake: () => {} });
    exact.addEndpoint(`${path}/b`, { durableObject: Room, maxTextMessageBufferSize: 5 });
    const through = (one: ServerContainer) => ({ fetch: (request: Request) => one.fetch(request) });
    const client = await testing.connect(through(exact), `${path}/b`, { timeoutMs: 50_000 });
    client.send("ten bytes.");
    expect(await client.closed).toMatchObject({ code: 1009 });
    const other = await testing.connect(through(wide), `${path}/b`, { timeoutMs: 50_000 });
    expect(await other.ask("ten bytes.")).toBe("reached 0");
    await other.close(1000);
    expect(logged.mock.calls).toEqual([[logEntry("a limit was exceeded"), expect.any(LimitExceededError)]]);
    logged.mockRestore();
  });

  it("P27: are seen behind a wrapper of the class too", () => {
    const path = freshPath();
    class Wrapped extends Endpoint {}
    new ServerContainer().addEndpoint(path, Wrapped);
    const wrapper = new Proxy(Wrapped, {});
    expect(() => new ServerContainer().addEndpoint(path, wrapper)).not.toThrow();
    expect(() => new ServerContainer().addEndpoint(path, { durableObject: wrapper, idleTimeoutMs: 5 })).toThrow(
      DeploymentError,
    );
  });
});
