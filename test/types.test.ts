// Tests of the types. The compiler runs them: `npm run check:types` fails if a line below is wrong.
import {
  addEndpoint,
  addEndpoints,
  defineEndpoint,
  Endpoint,
  onOpenStartWsConnection,
  ServerContainer,
  startWsConnection,
  type EndpointClass,
  type EndpointConfig,
  type EndpointLike,
  type EndpointOfClass,
  type EndpointOptions,
  type HandshakeResult,
  type KeptPublication,
  type MutableEndpointConfig,
  type PathParameters,
  type Publication,
  type SendChannel,
  type Session,
  type SessionCodec,
  type Subscription,
  type TopicState,
  type WsEndpointMap,
} from "socle";
import { describe, expectTypeOf, it } from "vitest";

interface Env {
  CHAT: DurableObjectNamespace;
  KV: KVNamespace;
  SECRET: string;
}
interface User {
  name: string;
}
const typed = () => new ServerContainer<Env>();

class Chat extends Endpoint<Env, { name: string }, "/chat/{room}"> {
  override onOpen(session: Session<"/chat/{room}">) {
    expectTypeOf(session.pathParameters.room).toEqualTypeOf<string>();
    // @ts-expect-error -- no such parameter
    void session.pathParameters.rom;
    return { name: session.pathParameters.room };
  }
  override onText(user: { name: string }, text: string) {
    this.broadcast(`${user.name}: ${text}`);
    // @ts-expect-error -- no payload
    this.broadcast(42);
    expectTypeOf(this.env.SECRET).toEqualTypeOf<string>();
  }
}

/** A class has the same options at one path in all containers. */
class Offering extends Chat {}
class Hooked extends Chat {}

describe("the session object", () => {
  it("flows from onOpen to the other callbacks in addEndpoint", () => {
    addEndpoint(typed(), "/a/{room}/:id", {
      async onOpen(session, config) {
        expectTypeOf(session.pathParameters).toEqualTypeOf<{ readonly room: string; readonly id: string }>();
        expectTypeOf(session.env.SECRET).toEqualTypeOf<string>();
        expectTypeOf(config.path).toEqualTypeOf<string>();
        return { n: 1 };
      },
      onText(object, text, session) {
        expectTypeOf(object).toEqualTypeOf<{ n: number }>();
        expectTypeOf(text).toEqualTypeOf<string>();
        expectTypeOf(session.sessionObject).toEqualTypeOf<{ n: number }>();
        expectTypeOf(session.pathParameters.id).toEqualTypeOf<string>();
        for (const other of session.openSessions) expectTypeOf(other.sessionObject.n).toEqualTypeOf<number>();
      },
      onBinary: (object, data) => expectTypeOf([object.n, data]).toEqualTypeOf<(number | ArrayBuffer)[]>(),
      onError: (object) => expectTypeOf(object).toEqualTypeOf<{ n: number } | undefined>(),
      onClose: (object, _, reason) => expectTypeOf([object.n, reason.closeCode]).toEqualTypeOf<number[]>(),
    });
    typed().addEndpoint("/a", {
      onOpen: (session) => session.id,
      onText: (id, _, session: Session) => expectTypeOf([id, session.id]).toEqualTypeOf<string[]>(),
    });
  });

  it("flows in addEndpoints from an onOpen without parameters, with an annotated one, or from the seed's", () => {
    addEndpoints(typed(), {
      "/none": { onOpen: () => ({ n: 1 }), onText: (object) => expectTypeOf(object).toEqualTypeOf<{ n: number }>() },
      "/annotated/{x}": {
        onOpen: (session: Session<"/annotated/{x}">) => ({ x: session.pathParameters.x }),
        onText: (object, _, session) => {
          expectTypeOf(object).toEqualTypeOf<{ x: string }>();
          expectTypeOf(session.pathParameters.x).toEqualTypeOf<string>();
        },
      },
      "/seed": {
        onOpen: onOpenStartWsConnection(),
        onText: (send, text) => {
          expectTypeOf(send).toEqualTypeOf<SendChannel>();
          return send.put(text);
        },
      },
      "/chat/{room}": Chat,
    });
    addEndpoints(typed(), {
      "/chat/{room}": { durableObject: Offering, subprotocols: ["v1"] },
    });
  });

  it("flows in addEndpoints from any onOpen inside defineEndpoint, which gets the path from where it stands", () => {
    addEndpoints(typed(), {
      "/x/{id}": defineEndpoint({
        onOpen: (session) => ({ id: session.pathParameters.id }),
        onText: (object) => expectTypeOf(object).toEqualTypeOf<{ id: string }>(),
      }),
    });
    const alone = defineEndpoint({ onOpen: (session) => session.id, onText: (id) => id.toUpperCase() });
    addEndpoint(typed(), "/alone", alone);
  });

  it("flows from onOpen to what stands after it where all are methods, under TypeScript 5 too", () => {
    const container = typed().addEndpoint("/a", {
      onHandshake: (_, { env }) => ({ userPrincipal: env.SECRET }),
      onOpen() {
        return { n: 1 };
      },
      onText(object, text) {
        expectTypeOf(object).toEqualTypeOf<{ n: number }>();
        expectTypeOf(text).toEqualTypeOf<string>();
      },
      serializeSession(object) {
        expectTypeOf(object).toEqualTypeOf<{ n: number }>();
        return object.n;
      },
      deserializeSession(data) {
        return { n: Number(data) };
      },
    });
    expectTypeOf(container).toEqualTypeOf<ServerContainer<Env>>();
    addEndpoints(typed(), {
      "/x/{id}": defineEndpoint({
        async onOpen(session) {
          expectTypeOf(session.pathParameters.id).toEqualTypeOf<string>();
          return { id: session.id };
        },
        async onClose(object) {
          expectTypeOf(object).toEqualTypeOf<{ id: string }>();
        },
      }),
    });
  });

  it("is what onOpen returns where onClose and onError are written for undefined too, in a map", () => {
    const map = {
      onClose: (user: User | undefined, session: Session<"/a", User, Env>) => user?.name ?? session.id,
      onError: (user: User | undefined, session: Session<"/a", User, Env>) => user?.name ?? session.id,
    };
    addEndpoint(typed(), "/a", {
      ...map,
      onOpen: () => ({ name: "ann" }),
      onText: (user) => expectTypeOf(user).toEqualTypeOf<User>(),
    });
    addEndpoints(typed(), {
      "/a": {
        ...map,
        onOpen: () => ({ name: "ann" }),
        onText: (user) => expectTypeOf(user).toEqualTypeOf<User>(),
      },
    });
    // Nobody has to write `User | undefined`.
    addEndpoint(typed(), "/a", {
      onOpen: (): User => ({ name: "ann" }),
      onClose: (user) => expectTypeOf(user).toEqualTypeOf<User>(),
    });
  });

  it("is what onOpen returns where onClose and onError are written for undefined too, in a class", () => {
    class Room extends Endpoint<Env, User> {
      override onText(user: User, text: string, session: Session<string, User, Env>) {
        session.sessionObject = { name: user.name + text };
      }
      override onClose(user: User | undefined) {
        this.broadcast(`${user?.name ?? "nobody"} has left`);
      }
      override onError(user: User | undefined, session: Session<string, User, Env>) {
        if (!user) session.close(4000);
      }
    }
    addEndpoint(typed(), "/chat/{room}", Room);
    typed().addEndpoint("/v1/{room}", { durableObject: Room, subprotocols: ["v1"] });
    addEndpoints(typed(), { "/chat/{room}": Room });
    expectTypeOf(Room).toExtend<EndpointClass<Env, User, "/chat/{room}">>();
  });
});

describe("the order of type parameters", () => {
  it("is the bindings, the session object, the path", () => {
    const options: EndpointOptions<Env> = {
      onHandshake: (_, { env }) => ({ userPrincipal: expectTypeOf(env).toEqualTypeOf<Env>() }),
      tags: ({ env }) => [env.SECRET],
    };
    addEndpoint(typed(), "/a", options);
    const codec: EndpointOptions<Env, User, "/chat/{room}"> = {
      instance: (_, { room }) => room,
      serializeSession: ({ name }) => name,
      deserializeSession: (name) => ({ name: String(name) }),
    };
    addEndpoint(typed(), "/chat/{room}", codec);
    expectTypeOf<WsEndpointMap<Env, User, "/a">>().toExtend<EndpointOptions<Env, User, "/a">>();
    expectTypeOf<EndpointOfClass<Env, User, "/a">>().toExtend<EndpointOptions<Env, User, "/a">>();
    expectTypeOf<EndpointClass<Env, User, "/a">>().toExtend<EndpointLike<Env, User, "/a">>();
    addEndpoint<Env, User, "/a">(typed(), "/a", { onOpen: () => ({ name: "ann" }) });
    typed().addEndpoint<User, "/a">("/a", { onOpen: () => ({ name: "ann" }) });
  });
});

describe("paths and codecs that are right", () => {
  it("compile where the path is known at run time only, or to a wrapper's caller", () => {
    const from = (
      path: string,
      under: `/${string}`,
      prefix: `${string}/x`,
      all: Record<string, WsEndpointMap<Env>>,
    ) => {
      addEndpoint(typed(), path, { onOpen: (session) => session.pathParameters.id });
      addEndpoint(typed(), under, { onOpen: () => 1, onText: (n) => expectTypeOf(n).toEqualTypeOf<number>() });
      typed().addEndpoint(prefix, {}).addEndpoint(`${path}/x`, {}).addEndpoint(`/${path}`, {});
      addEndpoints(typed(), all);
    };
    const wrapper = <const Path extends `/${string}`, T>(path: Path, map: WsEndpointMap<Env, T, Path>) => {
      addEndpoint(typed(), path, map);
      typed().addEndpoint(path, { ...map, hibernate: false });
    };
    wrapper("/a/{b}", { onOpen: ({ pathParameters }) => pathParameters.b, onText: (b) => b.length });
    expectTypeOf(from).toBeFunction();
  });

  it("compile with a codec of its own, spread, and where configure takes it away", () => {
    const codec: SessionCodec<User> = {
      serializeSession: ({ name }) => name,
      deserializeSession: (name) => ({ name: String(name) }),
    };
    addEndpoint(typed(), "/a", {
      ...codec,
      onOpen: () => ({ name: "ann" }),
      onText: (user) => expectTypeOf(user).toEqualTypeOf<User>(),
      configure(config) {
        delete config.serializeSession;
        delete config.deserializeSession;
      },
    });
  });
});

describe("migrateSession", () => {
  it("D2: returns the session object, and infers none of it", () => {
    addEndpoint(typed(), "/a", {
      version: 1,
      onOpen: () => ({ name: "ann" }),
      migrateSession(data, from) {
        expectTypeOf(data).toEqualTypeOf<unknown>();
        expectTypeOf(from).toEqualTypeOf<number>();
        return { name: String(data) };
      },
      onText: (user) => expectTypeOf(user).toEqualTypeOf<User>(),
    });
    // @ts-expect-error -- it is no session object
    addEndpoint(typed(), "/b", { onOpen: () => ({ name: "ann" }), migrateSession: () => ["ann"] });
    // @ts-expect-error -- it is synchronous
    addEndpoint(typed(), "/c", { onOpen: () => ({ name: "a" }), migrateSession: async () => ({ name: "a" }) });
    addEndpoint(typed(), "/d", {
      onOpen: () => ({ name: "ann" }),
      // With a codec, it returns the value that deserializeSession gets.
      migrateSession: () => ["ann"],
      serializeSession: ({ name }) => [name],
      deserializeSession: (data) => ({ name: String(data) }),
    });
  });
});

describe("path parameters", () => {
  it("are read off the template", () => {
    expectTypeOf<PathParameters<"/a/{b}/c/:d-e">>().toEqualTypeOf<{ readonly b: string; readonly "d-e": string }>();
    expectTypeOf<keyof PathParameters<"/a">>().toEqualTypeOf<never>();
    expectTypeOf<PathParameters<string>>().toEqualTypeOf<Readonly<Record<string, string>>>();
  });

  it("reach the hook, the tags and the instance, as the bindings do", () => {
    addEndpoint(typed(), "/chat/{room}", {
      async onHandshake(request, { env, ctx, pathParameters, config }) {
        expectTypeOf(request).toEqualTypeOf<Request>();
        expectTypeOf(env).toEqualTypeOf<Env>();
        expectTypeOf(ctx).toExtend<Pick<ExecutionContext, "waitUntil">>();
        expectTypeOf(pathParameters).toEqualTypeOf<{ readonly room: string }>();
        expectTypeOf(config).toEqualTypeOf<EndpointConfig>();
        // @ts-expect-error -- no such parameter
        void pathParameters.rom;
        return pathParameters.room ? { userPrincipal: { name: "ann" } } : new Response(null, { status: 401 });
      },
      tags(session) {
        expectTypeOf(session).toEqualTypeOf<Session<"/chat/{room}", unknown, Env>>();
        // @ts-expect-error -- no such parameter
        void session.pathParameters.rom;
        return [session.pathParameters.room];
      },
      instance: (_, { room }) => room,
      onOpen: () => 1,
      onText: (n) => expectTypeOf(n).toEqualTypeOf<number>(),
    });
    addEndpoint(typed(), "/chat/{room}", {
      durableObject: Hooked,
      onHandshake: (_, { env, pathParameters }) => ({
        headers: { "X-Room": pathParameters.room },
        userPrincipal: env.SECRET,
      }),
      tags: async ({ pathParameters }) => [pathParameters.room],
    });
  });

  it("reach them in addEndpoints too, and in the static options of a class", () => {
    addEndpoints(typed(), {
      "/map/{room}": {
        onHandshake(_, { env, pathParameters }) {
          expectTypeOf([env.SECRET, pathParameters.room]).toEqualTypeOf<string[]>();
          // @ts-expect-error -- no such parameter
          void pathParameters.rom;
        },
        tags: ({ pathParameters }) => [pathParameters.room],
      },
    });
    class Guarded extends Endpoint<Env, unknown, "/chat/{room}"> {
      static override options: EndpointOptions<Env, unknown, "/chat/{room}"> = {
        onHandshake: (_, { env, pathParameters }) => ({ userPrincipal: [env.SECRET, pathParameters.room] }),
        tags: ({ pathParameters }) => [pathParameters.room],
      };
    }
    addEndpoint(typed(), "/chat/{room}", Guarded);
    expectTypeOf(Guarded).toExtend<EndpointClass<Env, unknown, "/chat/{room}">>();
  });

  it("a hook's result may have what is undefined", () => {
    const absent = {} as { cookie?: string };
    addEndpoint(typed(), "/a", {
      onHandshake: () => ({
        headers: absent.cookie ? { "Set-Cookie": absent.cookie } : undefined,
        userProperties: absent.cookie ? { cookie: absent.cookie } : undefined,
        userPrincipal: absent.cookie,
      }),
    });
    expectTypeOf<HandshakeResult["headers"]>().toEqualTypeOf<HeadersInit | undefined>();
  });
});

describe("the session's members", () => {
  it("have Jakarta's types", () => {
    const members = (session: Session) => {
      expectTypeOf(session.userProperties).toEqualTypeOf<Record<string, unknown>>();
      expectTypeOf(session.userPrincipal).toBeUnknown();
      expectTypeOf(session.tags).toEqualTypeOf<readonly string[]>();
      session.maxIdleTimeout = 1000;
      session.maxTextMessageBufferSize = 1000;
      session.maxBinaryMessageBufferSize = 1000;
      session.userProperties.name = "ann";
      session.userProperties = {};
      // @ts-expect-error -- milliseconds are a number
      session.maxIdleTimeout = "1000";
      // @ts-expect-error -- bytes are a number
      session.maxTextMessageBufferSize = undefined;
      // @ts-expect-error -- bytes are a number
      session.maxBinaryMessageBufferSize = 1n;
      // @ts-expect-error -- no record
      session.userProperties = "ann";
      // @ts-expect-error -- settled when the session opens
      session.userPrincipal = "ann";
      // @ts-expect-error -- settled when the session opens
      session.tags = ["a"];
      // @ts-expect-error -- a tag is a text
      session.tags.push("a");
    };
    expectTypeOf(members).toBeFunction();
  });

  it("the configuration can be changed in configure only, and its path nowhere", () => {
    const map = defineEndpoint({
      configure(config) {
        expectTypeOf(config).toEqualTypeOf<MutableEndpointConfig>();
        config.idleTimeoutMs = 1000;
        config.tags = ["a"];
        config.userProperties.name = "ann";
        // @ts-expect-error -- the path stays
        config.path = "/b";
        // @ts-expect-error -- milliseconds are a number
        config.idleTimeoutMs = "1000";
        // @ts-expect-error -- there is always a number
        config.maxPendingMessages = undefined;
        // @ts-expect-error -- no option of that name
        config.timeout = 1;
      },
      onOpen(_, config) {
        expectTypeOf(config).toEqualTypeOf<EndpointConfig>();
        expectTypeOf(config.maxPendingMessages).toEqualTypeOf<number>();
        // @ts-expect-error -- settled when the endpoint is registered
        config.idleTimeoutMs = 1000;
        // @ts-expect-error -- settled when the endpoint is registered
        config.userProperties.name = "ann";
      },
    });
    expectTypeOf(map).toExtend<WsEndpointMap>();
  });
});

describe("what is wrong does not compile", () => {
  it("callbacks and options", () => {
    const wrong = () => {
      // @ts-expect-error -- no callback of that name
      addEndpoint(typed(), "/a", { onMessage: () => {} });
      // @ts-expect-error -- no function
      addEndpoint(typed(), "/a", { onText: "echo" });
      // @ts-expect-error -- text is a string
      addEndpoint(typed(), "/a", { onText: (_: unknown, text: number) => text });
      // @ts-expect-error -- the session object is a number
      addEndpoint(typed(), "/a", { onOpen: () => 1, onText: (object) => object.length });
      // @ts-expect-error -- milliseconds are a number
      addEndpoint(typed(), "/a", { idleTimeoutMs: "1" });
      // @ts-expect-error -- no Endpoint
      addEndpoint(typed(), "/a", class {});
      // @ts-expect-error -- the class is written for another path
      addEndpoint(typed(), "/other/{x}", Chat);
      // @ts-expect-error -- onOpen is written for another path
      typed().addEndpoint("/a/{x}", { onOpen: (session: Session<"/b/{y}">) => session.pathParameters.y });
      // @ts-expect-error -- a number is no path
      addEndpoint(typed(), 1, {});
      addEndpoints(typed(), {
        // @ts-expect-error -- no callback of that name
        "/a": { onMessage: () => {} },
      });
      // @ts-expect-error -- a callback's arguments
      const bad: WsEndpointMap<Env, number> = { onText: (object: string) => object };
      return bad;
    };
    expectTypeOf(wrong).toBeFunction();
  });

  it("a path without a slash at its start", () => {
    const paths = () => {
      // @ts-expect-error -- no slash
      addEndpoint(typed(), "chat", {});
      // @ts-expect-error -- no slash
      addEndpoint(typed(), "", {});
      // @ts-expect-error -- no slash
      typed().addEndpoint("chat/{room}", { onOpen: (session) => session.pathParameters.room });
      addEndpoints(typed(), {
        "/a": { onOpen: () => 1, onText: (n) => expectTypeOf(n).toEqualTypeOf<number>() },
        // @ts-expect-error -- no slash
        b: { onOpen: () => 1 },
      });
      // @ts-expect-error -- no slash
      typed().addEndpoints({ "chat/{room}": Chat });
    };
    expectTypeOf(paths).toBeFunction();
  });

  it("half of a codec", () => {
    const halves = () => {
      const serializeSession = ({ name }: User) => name;
      const deserializeSession = () => ({ name: "ann" });
      // @ts-expect-error -- the other half is missing
      addEndpoint(typed(), "/a", { serializeSession });
      // @ts-expect-error -- the other half is missing
      typed().addEndpoint("/a", { onOpen: deserializeSession, deserializeSession });
      // @ts-expect-error -- the other half is missing
      addEndpoint(typed(), "/chat/{room}", { durableObject: Chat, serializeSession });
      addEndpoints(typed(), {
        // @ts-expect-error -- the other half is missing
        "/a": { onOpen: deserializeSession, serializeSession },
      });
      // @ts-expect-error -- the other half is missing
      defineEndpoint({ onOpen: deserializeSession, deserializeSession });
      // @ts-expect-error -- the other half is missing
      const map: WsEndpointMap<Env, User> = { serializeSession };
      // @ts-expect-error -- the other half is missing
      const codec: SessionCodec<User> = { deserializeSession };
      class Half extends Endpoint<Env, User> {
        // @ts-expect-error -- the other half is missing
        static override options: EndpointOptions<Env, User> = { serializeSession };
      }
      return [map, codec, Half];
    };
    expectTypeOf(halves).toBeFunction();
  });

  it("values of options", () => {
    const values = () => {
      // @ts-expect-error -- a hook gives no text
      addEndpoint(typed(), "/a", { onHandshake: () => "welcome" });
      // @ts-expect-error -- no key of that name
      addEndpoint(typed(), "/a", { onHandshake: () => ({ user: "ann" }) });
      // @ts-expect-error -- no record
      addEndpoint(typed(), "/a", { onHandshake: () => ({ userProperties: "ann" }) });
      // @ts-expect-error -- no such binding
      addEndpoint(typed(), "/a", { onHandshake: (_, { env }) => void env.CHAD });
      // @ts-expect-error -- no such parameter
      addEndpoint(typed(), "/a/{x}", { onHandshake: (_, { pathParameters }) => void pathParameters.y });
      // @ts-expect-error -- no list
      addEndpoint(typed(), "/a", { tags: "staff" });
      // @ts-expect-error -- tags are texts
      addEndpoint(typed(), "/a", { tags: [1] });
      // @ts-expect-error -- tags are texts
      addEndpoint(typed(), "/a", { tags: () => [1] });
      // @ts-expect-error -- no list
      addEndpoint(typed(), "/a", { tags: async () => "staff" });
      // @ts-expect-error -- no function
      addEndpoint(typed(), "/a", { configure: {} });
      // @ts-expect-error -- the name of an object is a text
      addEndpoint(typed(), "/a", { instance: () => 1 });
      // @ts-expect-error -- both numbers
      addEndpoint(typed(), "/a", { rateLimit: { messages: 1 } });
      // @ts-expect-error -- both texts
      addEndpoint(typed(), "/a", { autoResponse: { request: "ping" } });
      // @ts-expect-error -- no jurisdiction of that name
      addEndpoint(typed(), "/a", { jurisdiction: "mars" });
      // @ts-expect-error -- true or false
      addEndpoint(typed(), "/a", { hibernate: "no" });
      // @ts-expect-error -- true or false
      addEndpoint(typed(), "/a", { trackSessions: 1 });
      // @ts-expect-error -- no option of that name
      addEndpoint(typed(), "/a", { idleTimeout: 1 });
      // @ts-expect-error -- no option of that name, beside a class
      addEndpoint(typed(), "/chat/{room}", { durableObject: Chat, idleTimeout: 1 });
      // @ts-expect-error -- no option of that name
      void new ServerContainer({ defaultIdleTimeout: 1 });
      // @ts-expect-error -- milliseconds are a number
      void new ServerContainer({ defaultMaxSessionIdleTimeout: "1" });
    };
    expectTypeOf(values).toBeFunction();
  });

  it("binding names", () => {
    const names = () => {
      addEndpoint(typed(), "/a", { durableObject: "CHAT" });
      addEndpoint(typed(), "/a", { durableObject: "CHAT", onText: () => {} });
      // @ts-expect-error -- no binding of that name
      addEndpoint(typed(), "/a", { durableObject: "CHAD" });
      // @ts-expect-error -- no Durable Object namespace
      addEndpoint(typed(), "/a", { durableObject: "KV" });
      // @ts-expect-error -- no binding at all
      addEndpoint(typed(), "/a", { durableObject: "SECRET" });
    };
    expectTypeOf(names).toBeFunction();
  });

  it("payloads", () => {
    const payloads = (session: Session) => {
      const send = startWsConnection(session);
      void send.put("text");
      void send.put(new Uint8Array(1));
      void send.put(["text", { put: (result) => expectTypeOf(result).toEqualTypeOf<Error | "success">() }]);
      // @ts-expect-error -- no payload
      void send.put(42);
      // @ts-expect-error -- no payload
      void send.put({ text: "text" });
      // @ts-expect-error -- nothing
      void send.put(null);
      // @ts-expect-error -- no response channel
      void send.put(["text", "channel"]);
      // @ts-expect-error -- no binary
      void session.asyncRemote.sendBinary("text");
      // @ts-expect-error -- a channel to the client gives nothing back
      void send.take();
    };
    expectTypeOf(payloads).toBeFunction();
  });
});

describe("topics", () => {
  it("are typed on a session, on an endpoint, and by RPC", () => {
    class Room extends Endpoint<Env, User, "/rooms/{room}"> {
      static override options: EndpointOptions<unknown> = { topics: { history: { messages: 500, ageMs: 3_600_000 } } };
      override async onOpen(session: Session<"/rooms/{room}">) {
        const since = session.requestParameterMap.get("since") ?? undefined;
        const subscription = await session.subscribe("chat", { since, last: 50 });
        expectTypeOf(subscription).toEqualTypeOf<Subscription>();
        expectTypeOf(session.unsubscribe("chat")).toEqualTypeOf<boolean>();
        expectTypeOf(session.topics).toEqualTypeOf<ReadonlySet<string>>();
        // @ts-expect-error -- null is no position
        void session.subscribe("chat", { since: session.requestParameterMap.get("since") });
        // @ts-expect-error -- a topic is a text
        void session.subscribe(7);
        return { name: session.pathParameters.room };
      }
      override async onText(user: User, text: string, session: Session<"/rooms/{room}", User>) {
        const publication = await session.publish("chat", `${user.name}: ${text}`, { except: session, id: "1" });
        expectTypeOf(publication).toEqualTypeOf<Publication>();
        await this.publish("chat", new Uint8Array(1), { except: [session, "an id"] });
        expectTypeOf(await this.topic("chat")).toEqualTypeOf<TopicState>();
        expectTypeOf(await this.publications("chat", { last: 1 })).toEqualTypeOf<KeptPublication[]>();
        await this.clearTopic("chat");
        // @ts-expect-error -- what sends itself is no publication
        void this.publish("chat", { text });
      }
    }
    const container = typed();
    container.addEndpoint("/rooms/{room}", { durableObject: Room, topics: { history: () => undefined } });
    // @ts-expect-error -- no such setting
    void (() => container.addEndpoint("/b", { topics: { history: { message: 1 } } }));
    // @ts-expect-error -- no payload
    void (() => container.addEndpoint("/c", { topics: { envelope: ({ position }) => ({ position }) } }));
    const publishing = () => container.stub<Room>({} as Env, "/rooms/a").publish("chat", "1");
    expectTypeOf<Awaited<ReturnType<typeof publishing>>>().toExtend<{ position: string | undefined }>();
  });
});

describe("shards", () => {
  it("S7: this.root has the methods of the class and of every endpoint, as a stub has them", () => {
    class Live extends Endpoint<Env, User> {
      override async onText(user: User, text: string) {
        const banned = await this.root.ban(user.name, 1);
        expectTypeOf(banned).toBeBoolean();
        expectTypeOf(await this.root.broadcast(text)).toBeNumber();
        expectTypeOf(await this.root.fetch("https://live.test/")).toEqualTypeOf<Response>();
        expectTypeOf(this.root.id).toEqualTypeOf<DurableObjectId>();
        expectTypeOf(this.shard).toEqualTypeOf<number | undefined>();
        // @ts-expect-error -- a name is a text
        void this.root.ban(1, 1);
        // @ts-expect-error -- no such method
        void this.root.unban(user.name);
      }
      ban(name: string, days: number): boolean {
        return name.length > days;
      }
    }
    class Louder extends Live {
      override onClose() {
        void this.root.ban("Ann", this.volume());
        void this.root.volume();
      }
      volume() {
        return 11;
      }
    }
    const container = typed();
    container.addEndpoint("/live/{show}", { durableObject: Live, shards: 8, shard: (_, { show }) => show.length });
    container.addEndpoint("/louder/{show}", Louder);
    container.addEndpoint("/map/{show}", {
      shards: { max: 4, sessions: 100 },
      onOpen: (_, { shards }) => void expectTypeOf(shards?.sessions).toEqualTypeOf<number | undefined>(),
      configure: (config) => void (config.shards = 2),
    });
    // @ts-expect-error -- without the most of them
    void (() => container.addEndpoint("/b", { shards: { sessions: 100 } }));
    // @ts-expect-error -- no number
    void (() => container.addEndpoint("/c", { shards: 2, shard: () => "1" }));
    const banning = () => container.stub<Live>({} as Env, "/live/a").ban("Ann", 1);
    expectTypeOf<Awaited<ReturnType<typeof banning>>>().toEqualTypeOf<boolean>();
  });
});
