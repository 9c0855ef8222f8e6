// What the types carry. The compiler is the test: `npm run check:types` fails where a line below is wrong.
import {
  addEndpoint,
  addEndpoints,
  defineEndpoint,
  Endpoint,
  onOpenStartWsConnection,
  ServerContainer,
  startWsConnection,
  type PathParameters,
  type SendChannel,
  type Session,
  type WsEndpointMap,
} from "socle";
import { describe, expectTypeOf, it } from "vitest";

interface Env {
  CHAT: DurableObjectNamespace;
  KV: KVNamespace;
  SECRET: string;
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
      "/chat/{room}": { durableObject: Chat, subprotocols: ["v1"] },
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
});

describe("path parameters", () => {
  it("are read off the template", () => {
    expectTypeOf<PathParameters<"/a/{b}/c/:d-e">>().toEqualTypeOf<{ readonly b: string; readonly "d-e": string }>();
    expectTypeOf<keyof PathParameters<"/a">>().toEqualTypeOf<never>();
    expectTypeOf<PathParameters<string>>().toEqualTypeOf<Readonly<Record<string, string>>>();
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
