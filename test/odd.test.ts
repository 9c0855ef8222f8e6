import { createExecutionContext, runInDurableObject } from "cloudflare:test";
// Odd values from the application, wherever it passes one: none causes an uncaught exception or blocks a session.
import { env } from "cloudflare:workers";
import {
  addEndpoint,
  LimitExceededError,
  onOpenStartWsConnection,
  WebSocketSendAsync,
  wsSendAsync,
  type SendChannel,
  type SendValue,
  type Session,
} from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { report } from "../src/reporting/log.ts";
import { toError } from "../src/reporting/thrown.ts";
import { Client, connect, upgrade } from "./support/client.ts";
import { freshPath, Log, modes, recorded } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { odd } from "./support/odd.ts";
import { container, listener, watched } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => {
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => logged.mockRestore());

/** A value that never settles is left out: awaiting it takes forever, as it should. */
const given = Object.entries(odd).filter(([what]) => !what.includes("never settles"));

/** Whether the error can be read and logged, and whether awaiting it returns the error itself. */
async function isReadable(thrown: unknown): Promise<boolean> {
  if (!(thrown instanceof Error)) return false;
  const texts = [thrown.name, thrown.message, thrown.stack];
  const awaited: unknown = await Promise.resolve(thrown);
  return texts.every((text) => typeof text === "string" && text !== "") && awaited === thrown;
}

describe("toError", () => {
  for (const [what, make] of Object.entries(odd)) {
    it(`P24: makes an Error that can be read of ${what}`, async () => {
      const thrown = make();
      const error = toError(thrown);
      expect(await isReadable(error)).toBe(true);
      expect(toError(error)).toBe(error);
    });
  }

  it("P24: says what it can", () => {
    expect(toError(undefined)).toMatchObject({ message: "Not an Error: see cause", cause: undefined });
    expect(toError("text")).toMatchObject({ message: "Not an Error: see cause", cause: "text" });
    expect(toError(odd["a revoked proxy"]!())).toMatchObject({ message: "The thrown value can't be read" });
    expect(toError(odd["an Error with a stack that throws"]!())).toMatchObject({ name: "Error", message: "odd" });
    expect(toError(odd["an Error with a then that throws"]!()).stack).toContain("Error: odd\n");
    const whole = new RangeError("as it is");
    expect(toError(whole)).toBe(whole);
  });

  it("P24: the log takes everything", () => {
    logged.mockRestore();
    const written = vi.spyOn(console, "error");
    for (const make of Object.values(odd)) expect(() => report("odd", make())).not.toThrow();
    expect(written.mock.calls.every(([entry]) => entry === "socle: odd:")).toBe(true);
    written.mockRestore();
  });
});

for (const { serve, hibernate: kind } of modes) {
  describe(`what a callback throws, hibernate: ${kind}`, () => {
    for (const [what, make] of Object.entries(odd)) {
      const fail = (): never => {
        throw make();
      };

      it(`P24: ${what} goes to onError, and the session goes on`, async () => {
        const log = new Log();
        const endpoint = serve({
          onOpen: onOpenStartWsConnection(),
          onText(send, text) {
            if (text === "sync") fail();
            if (text === "async") return Promise.resolve().then(fail);
            return send.put(text);
          },
          onBinary: fail,
          async onError(send, _, error) {
            await send!.put(String(await isReadable(error)));
          },
          onClose: recorded(log).onClose,
        });
        const client = await endpoint.connect();
        client.send("sync", "async", new ArrayBuffer(1), "ok");
        expect(await client.take(4)).toEqual(["true", "true", "true", "ok"]);
        client.socket.close(4000);
        await client.closed;
        await vi.waitUntil(() => log.entries.length > 0);
        expect(log.entries).toEqual([["close", expect.anything(), 4000, ""]]);
        expect(logged).not.toHaveBeenCalled();
      });

      it(`P24: ${what} without onError closes with 1011, sync or async`, async () => {
        for (const text of ["sync", "async"]) {
          const log = new Log();
          const onText = () => (text === "sync" ? fail() : Promise.resolve().then(fail));
          const client = await serve({ onText, onClose: recorded(log).onClose }).connect();
          client.send(text);
          expect(await client.closed).toMatchObject({ code: 1011 });
          await log.has(["close", undefined, 1011, ""]);
          expect(logged.mock.calls).toEqual([[logEntry("onText failed"), expect.any(Error)]]);
          logged.mockClear();
        }
      });

      it(`P24: ${what} from onOpen or tags closes with 1011, and onClose runs`, async () => {
        for (const name of ["onOpen", "tags"]) {
          for (const thrown of [fail, () => Promise.resolve().then(fail)]) {
            const log = new Log();
            const endpoint = serve({ ...recorded(log), [name]: thrown });
            const client = await endpoint.connect();
            expect(await client.closed).toMatchObject({ code: 1011 });
            await log.has(["close", undefined, 1011, ""]);
            expect(log.entries).toEqual([
              ["error", undefined, expect.any(String)],
              ["close", undefined, 1011, ""],
            ]);
          }
        }
        expect(logged).not.toHaveBeenCalled();
      });

      it(`P24: ${what} from onError and onClose is logged, and nothing is left of the session`, async () => {
        for (const thrown of [fail, () => Promise.resolve().then(fail)]) {
          const log = new Log();
          const endpoint = serve({
            onText(_, text, session) {
              if (text !== "fail") return session.asyncRemote.sendText(text);
              throw new Error("first");
            },
            onError: thrown,
            onClose(_, { id }) {
              log.add(id);
              return thrown();
            },
          });
          const client = await endpoint.connect();
          expect((client.send("fail"), await client.ask("goes on"))).toBe("goes on");
          client.socket.close(4000);
          await client.closed;
          await vi.waitUntil(() => logged.mock.calls.length === 2);
          expect(logged.mock.calls).toEqual([
            [logEntry("onError failed"), expect.any(Error)],
            [logEntry("onClose failed"), expect.any(Error)],
          ]);
          expect(log.entries).toHaveLength(1);
          expect(await endpoint.stub.openSessionCount()).toBe(0);
          logged.mockClear();
        }
      });

      it(`P24: ${what} is an exception behind the session's signal too`, async () => {
        const log = new Log();
        const endpoint = serve({
          async onText(_, __, { signal }) {
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            fail();
          },
          ...recorded(log),
        });
        const client = await endpoint.connect();
        client.send("wait");
        await expect.poll(() => endpoint.stub.openSessionCount()).toBe(1);
        client.socket.close(4000);
        await log.has(["close", undefined, 4000, ""]);
        expect(log.entries).toEqual([
          ["error", undefined, expect.any(String)],
          ["close", undefined, 4000, ""],
        ]);
      });
    }

    for (const [what, make] of given) {
      it(`P24: ${what} as what a callback returns holds nothing`, async () => {
        for (const returned of [make, () => Promise.resolve().then(make)]) {
          const endpoint = serve({
            onText: (_, text, session) => {
              if (text === "odd") return returned();
              return session.asyncRemote.sendText(text);
            },
            onError: () => {},
            onClose: make,
          });
          const client = await endpoint.connect();
          client.send("odd");
          expect(await client.ask("goes on")).toBe("goes on");
          client.socket.close(1000);
          await client.closed;
          await expect.poll(() => endpoint.stub.openSessionCount()).toBe(0);
        }
      });

      it(`P24: ${what} as a payload, a tuple, its parts or a result has a result, and the queue goes on`, async () => {
        const endpoint = serve({
          onOpen: onOpenStartWsConnection(),
          async onText(send, text) {
            if (text !== "odd") return send.put(text);
            const results: unknown[] = [];
            const response = { put: (result: unknown) => void results.push(result) };
            const slow = { [WebSocketSendAsync]: () => scheduler.wait(1) };
            // Messages after one that takes time wait in the buffer.
            for (const first of ["at once", slow]) {
              void send.put(first);
              put(send, make());
              put(send, [make(), response]);
              put(send, ["text", make()]);
              put(send, [{ [WebSocketSendAsync]: make }, response]);
              put(send, [{ [WebSocketSendAsync]: () => Promise.resolve().then(make) }, response]);
              put(send, ["last", response]);
              await send.send("end");
            }
            return send.put(JSON.stringify(results.map((result) => result === "success" || result instanceof Error)));
          },
        });
        const client = await endpoint.connect();
        client.send("odd");
        expect(await client.take(7)).toEqual(["at once", "text", "last", "end", "text", "last", "end"]);
        expect(await client.next()).toBe(JSON.stringify(Array.from({ length: 8 }, () => true)));
        expect(await client.ask("goes on")).toBe("goes on");
      });
    }

    it("P24: a promise with a then or a constructor of its own settles, or counts as an exception", async () => {
      const own: Record<string, PropertyDescriptor> = {
        // oxlint-disable-next-line unicorn/no-thenable -- a descriptor
        then: { value: thrown },
        constructor: { get: thrown },
      };
      function thrown(): never {
        throw new Error("from the promise");
      }
      const endpoint = serve({
        onText: (_, text, session) =>
          own[text] ? Object.defineProperty(Promise.resolve(), text, own[text]) : session.asyncRemote.sendText(text),
        onError: (_, session, error) => session.asyncRemote.sendText(error.message),
      });
      const client = await endpoint.connect();
      client.send("then", "constructor", "goes on");
      expect(await client.take(3)).toEqual(["from the promise", "from the promise", "goes on"]);
    });

    it("P24: a LimitExceededError of the application's with a code that can't be sent leaves the session open", async () => {
      const endpoint = serve({
        onText(_, text, session) {
          if (text === "odd") throw new LimitExceededError(5 as 1008, "odd");
          return session.asyncRemote.sendText(text);
        },
        onError: () => {},
      });
      const client = await endpoint.connect();
      client.send("odd");
      expect(await client.ask("goes on")).toBe("goes on");
    });
  });
}

const put = (send: SendChannel, value: unknown): void => {
  if (value !== undefined && value !== null) void send.put(value as SendValue);
};

describe("what else is given", () => {
  for (const [what, make] of given) {
    it(`P24: ${what} as a hook's, as one of its parts, or as what it throws is 500`, async () => {
      const parts = ["headers", "userProperties", "userPrincipal", "subprotocol", "closeCode", "reasonPhrase"];
      const hooks = [
        () => {
          throw make();
        },
        make,
        ...parts.map((name) => () => ({ [name]: make() })),
      ];
      for (const onHandshake of hooks) {
        const path = freshPath();
        addEndpoint(container, path, { onHandshake: onHandshake as () => undefined });
        const response = await upgrade(path);
        // A hook that returns no value opens the session, and some values are valid results.
        expect([101, 500]).toContain(response.status);
        response.webSocket?.accept();
        response.webSocket?.close();
      }
    });

    it(`P24: ${what} by instance, locationHint, jurisdiction or allowedOrigins is 500 or counts as none`, async () => {
      const fail = () => {
        throw make();
      };
      for (const name of ["instance", "locationHint", "jurisdiction", "allowedOrigins"]) {
        for (const one of [fail, make]) {
          const path = freshPath();
          addEndpoint(container, path, { [name]: one });
          const response = await upgrade(path, { Origin: "https://a.test" });
          const passes = one === make && make() === undefined && name !== "instance" && name !== "allowedOrigins";
          const isRefused = one === make && name === "allowedOrigins";
          expect([name, response.status]).toEqual([name, passes ? 101 : isRefused ? 403 : 500]);
          response.webSocket?.accept();
          response.webSocket?.close();
        }
      }
    });

    it(`P24: ${what} by onEvent stops nothing`, async () => {
      const path = freshPath();
      watched.addEndpoint(path, { onText: (_, text, session) => session.asyncRemote.sendText(text) });
      const listeners: (() => unknown)[] = [
        make,
        () => {
          throw make();
        },
      ];
      for (const told of listeners as (() => void)[]) {
        listener.onEvent = told;
        const asked = new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket" } });
        const client = new Client(await watched.fetch(asked, env, createExecutionContext()));
        expect(await client.ask("goes on")).toBe("goes on");
        client.socket.close(4000);
        expect(await client.closed).toMatchObject({ code: 4000 });
      }
      listener.onEvent = () => {};
      expect(logged).toHaveBeenCalledWith(
        expect.stringContaining("onEvent failed"),
        expect.toSatisfy(() => true),
      );
    });

    it(`P24: ${what} as a reason, a phrase, a limit or a session object is refused where it is given, or taken`, async () => {
      const uses: ((session: Session, value: never) => unknown)[] = [
        (session, value) => session.close(value),
        (session, value) => session.close(4000, value),
        (session, value) => (session.maxIdleTimeout = value),
        (session, value) => (session.sessionObject = value),
        (session, value) => (session.userProperties = value),
        (session, value) => session.asyncRemote.sendText(value),
        (session, value) => wsSendAsync(value, session.asyncRemote).then((result) => Promise.reject(result as Error)),
      ];
      for (const serve of modes.map((mode) => mode.serve)) {
        const log = new Log();
        const endpoint = serve({
          async onText(_, text, session) {
            if (text !== "ask") await uses[Number(text)]!(session, make() as never);
            else await session.asyncRemote.sendText("goes on");
          },
          ...recorded(log),
        });
        for (const index of uses.keys()) {
          const client = await endpoint.connect();
          client.send(String(index));
          const first = client.ask("ask").catch(() => "closed");
          expect(["goes on", "closed"]).toContain(await first);
          client.socket.close(1000);
          await client.closed;
        }
        await vi.waitUntil(
          () => log.entries.filter((entry) => (entry as unknown[])[0] === "close").length === uses.length,
        );
      }
    });

    it(`P24: ${what} as broadcast's payload or except is thrown at once, or takes nobody out`, async () => {
      const path = `/room/${crypto.randomUUID()}`;
      const client = await connect(path);
      await runInDurableObject(env.Room.getByName(path), (room) => {
        const value = make() as never;
        expect(() => room.broadcast(value)).toThrow(Error);
        try {
          room.broadcast("text", { except: value });
        } catch {
          room.broadcast("text");
        }
      });
      expect(await client.next()).toBe("text");
    });
  }
});

describe("what throws only later", () => {
  /** A proxy of an Error that throws after its prototype was read this many times. */
  const turning = (times: number): Error => {
    let asked = 0;
    return new Proxy(new Error("odd"), {
      getPrototypeOf(error) {
        if (++asked > times) throw new Error("from the proxy");
        return Reflect.getPrototypeOf(error);
      },
    });
  };
  const unreadable = (): Error =>
    Object.defineProperty(new LimitExceededError(1008, "odd"), "closeCode", {
      get: () => {
        throw new Error("from the getter");
      },
    });
  const kinds: [what: string, make: () => Error][] = [
    ["a limit without a code", unreadable],
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((times): [string, () => Error] => [`a proxy, ${times}`, () => turning(times)]),
  ];

  it.each(kinds)("P24: wedges no session, with onError and without: %s", async (_what, make) => {
    for (const hasOnError of [true, false]) {
      for (const text of ["sync", "async"]) {
        const log = new Log();
        const path = freshPath();
        addEndpoint(container, path, {
          onText(_, message, session) {
            if (message === "well") return session.asyncRemote.sendText("well");
            // Accessed, so that Socle compares the failure with the signal's reason.
            void session.signal;
            if (message === "sync") throw make();
            return Promise.reject(make());
          },
          ...(hasOnError && { onError: () => {} }),
          onClose: (_, __, { closeCode }) => log.add("close", closeCode),
        });
        const client = await connect(path);
        client.send(text, "well");
        const answer = await Promise.race([client.next().catch(() => "closed"), client.closed.then(() => "closed")]);
        expect(["well", "closed"]).toContain(answer);
        const { code } = hasOnError ? { code: 1011 } : await client.closed;
        expect(code).toBe(1011);
        client.socket.close(4000);
        await vi.waitUntil(() => log.entries.length > 0, 30_000);
        expect(log.entries).toHaveLength(1);
      }
    }
  });
});
