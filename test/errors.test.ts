// Exceptions of callbacks, and who gets them.
import { addEndpoint, onOpenStartWsConnection, SessionObjectError, startWsConnection } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { connect, upgrade } from "./support/client.ts";
import { freshPath, hibernating, Log, modes, recorded } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { container } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => {
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => logged.mockRestore());

describe.each(modes)("an exception, hibernate: $hibernate", ({ serve, hibernate: kind }) => {
  it("R16: goes to onError, and the session stays open", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      onText(send, text) {
        if (text === "sync") throw new Error("thrown");
        if (text === "async") return Promise.reject(new Error("rejected"));
        if (text === "odd") throw null;
        return send.put(text);
      },
      onBinary: () => Promise.reject("not an error"),
      onError: (send, session, error) => {
        log.add(error.message, error.cause, session.isOpen);
        return send?.put("told");
      },
    });
    const client = await endpoint.connect();
    client.send("sync", "async", new ArrayBuffer(1), "odd", "ok");
    expect(await client.take(5)).toEqual(["told", "told", "told", "told", "ok"]);
    expect(log.entries).toEqual([
      ["thrown", undefined, true],
      ["rejected", undefined, true],
      ["Not an Error: see cause", "not an error", true],
      ["Not an Error: see cause", null, true],
    ]);
    expect(logged).not.toHaveBeenCalled();
  });

  it("R16: without onError it is logged, and closes the session with 1011 and no text", async () => {
    const log = new Log();
    const endpoint = serve({
      onText(): void {
        throw new Error("secret");
      },
      onClose: (_, __, reason) => log.add(reason.closeCode, reason.reasonPhrase),
    });
    const client = await endpoint.connect();
    client.send("a", "dropped");
    expect(await client.closed).toEqual({ code: 1011, reason: "", wasClean: true });
    await log.has([1011, ""]);
    expect(logged.mock.calls).toEqual([[logEntry("onText failed"), expect.objectContaining({ message: "secret" })]]);
  });

  it("P14: the log has the endpoint's path as it was registered, and the callback that failed", async () => {
    const fails = (name: string) => (): never => {
      throw new Error(name);
    };
    for (const [name, message] of [
      ["onOpen", undefined],
      ["onText", "text"],
      ["onBinary", new ArrayBuffer(1)],
      ["onClose", undefined],
    ] as const) {
      const path = `${freshPath()}/{room}`;
      addEndpoint(container, path, { hibernate: kind, [name]: fails(name) });
      const client = await connect(path.replace("{room}", "lobby"));
      if (message !== undefined) client.send(message);
      else client.socket.close(1000);
      await client.closed;
      await expect.poll(() => logged.mock.calls).toEqual([[`socle: ${name} failed at ${path}:`, new Error(name)]]);
      logged.mockClear();
    }
  });

  it("R16: onError decides: it may close the session", async () => {
    const endpoint = serve({
      onText: () => Promise.reject(new Error("bad request")),
      onError: (_, session) => session.close(4400, "bad request"),
    });
    const client = await endpoint.connect();
    client.send("x");
    expect(await client.closed).toMatchObject({ code: 4400, reason: "bad request" });
  });

  it("R16: a failed onOpen always closes with 1011; onError is told, without a session object", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen(session): string {
        void session.asyncRemote.sendText("before");
        throw new Error("secret");
      },
      onText: () => log.add("never"),
      ...recorded(log),
    });
    const client = await endpoint.connect();
    client.send("x");
    expect(await client.closed).toEqual({ code: 1011, reason: "", wasClean: true });
    await log.has(["close", undefined, 1011, ""]);
    expect(log.entries).toEqual([
      ["error", undefined, "secret"],
      ["close", undefined, 1011, ""],
    ]);
    expect(client.unread).toEqual(["before"]);
  });

  it("R16: a failed onOpen closes with 1011 whatever onError asks for, and leaves no session object", async () => {
    const log = new Log();
    const endpoint = serve<unknown>({
      async onOpen(session) {
        session.sessionObject = { half: "made" };
        if (session.queryString.startsWith("closed")) session.close(4001, "before");
        if (session.queryString.endsWith("later")) await scheduler.wait(1);
        throw new Error("failed");
      },
      onError(object, session) {
        log.add("error", object);
        session.close(4002);
      },
      onClose: (object, _, { closeCode }) => log.add("close", object, closeCode),
    });
    // If onOpen itself has closed the session, that reason stays.
    for (const [query, code] of Object.entries({ open: 1011, closed: 4001, later: 1011, "closed-later": 4001 })) {
      log.entries.length = 0;
      const client = await endpoint.connect(`?${query}`);
      expect(await client.closed).toMatchObject({ code, reason: code === 4001 ? "before" : "" });
      await log.has(["close", undefined, code]);
      expect(log.entries).toEqual([
        ["error", undefined],
        ["close", undefined, code],
      ]);
    }
  });

  it("R16: in onError or onClose it is logged, and nothing else happens", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      onText: (send, text) => (text === "throw" ? Promise.reject(new Error("first")) : send.put(text)),
      onError: () => Promise.reject(new Error("in onError")),
      onClose() {
        log.add("closing");
        throw new Error("in onClose");
      },
    });
    const client = await endpoint.connect();
    client.send("throw");
    expect(await client.ask("alive")).toBe("alive");
    client.socket.close();
    await client.closed;
    await expect.poll(() => logged.mock.calls.length).toBe(2);
    expect(logged.mock.calls.map(([what, error]) => [what, (error as Error).message])).toEqual([
      [logEntry("onError failed"), "in onError"],
      [logEntry("onClose failed"), "in onClose"],
    ]);
    expect(log.entries).toEqual(["closing"]);
  });

  for (const bad of ["onOpen", "onText", "onBinary", "onClose", "onError"]) {
    it(`R16: none of ${bad} reaches another session`, async () => {
      const failing = (name: string, who: string) => {
        if (who === "bad" && (name === bad || (bad === "onError" && name === "onText"))) throw new Error(name);
      };
      const endpoint = serve<string>({
        onOpen: ({ queryString: who }) => (failing("onOpen", who), who),
        onText(who, text, session) {
          failing("onText", who);
          return session.asyncRemote.sendText(text);
        },
        onBinary: (who) => failing("onBinary", who),
        onClose: (who) => failing("onClose", who),
        ...(bad === "onError" && { onError: (who: string = "") => failing("onError", who) }),
      });
      const good = await endpoint.connect("?good");
      const client = await endpoint.connect("?bad");
      client.send("text", new ArrayBuffer(1));
      client.socket.close();
      await client.closed;
      await expect.poll(() => logged.mock.calls.length).toBe(1);
      expect(await good.ask(bad)).toBe(bad);
    });
  }
});

describe.each([hibernating])("hibernate: $hibernate", ({ serve }) => {
  it("R8: a session whose socket the object can't take ends with 1013, and its client gets 503", async () => {
    const log = new Log();
    const endpoint = serve({
      async onOpen(session) {
        vi.spyOn(session.ctx, "acceptWebSocket").mockImplementationOnce(() => {
          throw new Error("too many sockets");
        });
        log.add(await startWsConnection(session).send("kept"));
        return "object";
      },
      ...recorded(log),
    });
    const response = await upgrade(endpoint.path);
    expect(response.status).toBe(503);
    expect(response.headers.get("Retry-After")).toBe("5");
    await log.has(["close", "object", 1013, ""]);
    expect(log.entries).toEqual(["success", ["error", "object", "too many sockets"], ["close", "object", 1013, ""]]);
  });

  it("R16: a session object that can't be kept counts as the callback's, and the last good copy stays", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => ({ n: 0, bad: undefined as unknown }),
      async onText(object, text, session) {
        object.n++;
        if (text === "bad") object.bad = () => {};
        await session.asyncRemote.sendText(JSON.stringify(object));
      },
      onError: (object, _, error) => log.add(error instanceof SessionObjectError, error.message, { ...object }),
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe('{"n":1}');
    expect(await client.ask("bad")).toBe('{"n":2}');
    expect(await client.ask("")).toBe('{"n":2}');
    await endpoint.hibernate();
    expect(await client.ask("")).toBe('{"n":3}');
    expect(log.entries).toEqual([
      [
        true,
        "Hibernation would change sessionObject.bad (function): keep plain data there, or use serializeSession and deserializeSession, or hibernate: false.",
        { n: 1, bad: undefined },
      ],
    ]);
  });
});
