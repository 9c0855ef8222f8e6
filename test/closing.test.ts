import { runInDurableObject } from "cloudflare:test";
// How sessions end: onClose runs once and last, and the client's connection ends.
import {
  CloseCode,
  CloseReason,
  CloseReasonError,
  onOpenStartWsConnection,
  SessionClosedError,
  type Session,
} from "socle";
import { describe, expect, it, vi } from "vitest";

import { hibernating, Log, modes, recorded } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";

describe.each(modes)("the client closes, hibernate: $hibernate", ({ serve }) => {
  it("R15: a close without a code is answered at once, and onClose gets 1005", async () => {
    const log = new Log();
    const client = await serve({ onOpen: () => "object", ...recorded(log) }).connect();
    client.socket.close();
    expect(await client.closed).toEqual({ code: 1005, reason: "", wasClean: true });
    await log.has(["close", "object", 1005, ""]);
    expect(log.entries).toHaveLength(1);
  });

  it("R15: a close is answered with its code and phrase, whatever the code", async () => {
    for (const code of [1000, 1001, 1003, 1008, 3000, 4999]) {
      const log = new Log();
      const client = await serve({ onOpen: () => code, ...recorded(log) }).connect();
      client.socket.close(code, "bye");
      expect(await client.closed).toEqual({ code, reason: "bye", wasClean: true });
      await log.has(["close", code, code, "bye"]);
    }
  });

  it("R15: a close is answered while a callback is under way", async () => {
    const endpoint = serve({ onText: () => new Promise<void>((resolve) => setTimeout(resolve, 50)) });
    const client = await endpoint.connect();
    client.send("wait");
    client.socket.close();
    expect(await client.closed).toMatchObject({ code: 1005 });
  });

  it("R14: messages that came before the close are delivered first, while isOpen is false", async () => {
    const log = new Log();
    const endpoint = serve({
      async onText(_, text, session: Session) {
        if (text === "a") await new Promise((resolve) => setTimeout(resolve, 30));
        log.add(text, session.isOpen, await session.asyncRemote.sendText("?").catch((error: Error) => error.name));
      },
      onClose: (_, session, reason) => log.add("close", session.isOpen, reason.closeCode),
    });
    const client = await endpoint.connect();
    client.send("a", "b");
    client.socket.close(4001);
    await client.closed;
    await log.has(["close", false, 4001]);
    expect(log.entries.slice(1)).toEqual([
      ["b", false, "SessionClosedError"],
      ["close", false, 4001],
    ]);
  });
});

describe.each(modes)("session.close, hibernate: $hibernate", ({ serve }) => {
  it("R17: without arguments it is 1000, and it takes a CloseReason, or a code and a phrase", async () => {
    const endpoint = serve({
      onText(_, text, session) {
        if (text === "plain") session.close();
        if (text === "reason") session.close(new CloseReason(CloseCode.GOING_AWAY, "moving"));
        if (text === "code") session.close(4999, "own");
        // A phrase that is not a string is converted to one.
        if (text === "number") session.close(4000, 42 as unknown as string);
      },
    });
    const answers = { plain: [1000, ""], reason: [1001, "moving"], code: [4999, "own"], number: [4000, "42"] };
    for (const [text, [code, reason]] of Object.entries(answers)) {
      const client = await endpoint.connect();
      client.send(text);
      expect(await client.closed).toEqual({ code, reason, wasClean: true });
    }
  });

  it("R14: onClose comes next, with its reason, without the client's answer; what waits is dropped", async () => {
    const log = new Log();
    const endpoint = serve({
      async onText(_, text, session) {
        log.add(text);
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (text === "close") session.close(4002, "enough");
        log.add(`${text} done`);
      },
      ...recorded(log),
    });
    const client = await endpoint.connect();
    client.send("a", "close", "dropped");
    await log.has(["close", undefined, 4002, "enough"]);
    expect(await client.closed).toMatchObject({ code: 4002 });
    client.socket.close();
    expect(log.entries).toEqual(["a", "a done", "close", "close done", ["close", undefined, 4002, "enough"]]);
  });

  it("R14: it may come from another session's callback", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: (session) => session.queryString,
      onText(_, __, session) {
        for (const other of session.openSessions) if (other !== session) other.close(4006, "kicked");
        log.add("kicked");
      },
      onClose: (name, _, { closeCode }) => log.add(name, closeCode),
    });
    const victim = await endpoint.connect("?victim");
    const client = await endpoint.connect("?client");
    client.send("kick");
    expect(await victim.closed).toMatchObject({ code: 4006, reason: "kicked" });
    await log.has(["victim", 4006]);
    expect(log.entries).toEqual(["kicked", ["victim", 4006]]);
  });

  it("R17: a code that may not be sent, or a phrase over 123 bytes, throws at once and leaves the session open", async () => {
    const log = new Log();
    const endpoint = serve({
      onText(_, text, session) {
        const [code, phrase] = JSON.parse(text) as [number, string];
        try {
          session.close(code, phrase);
        } catch (error) {
          log.add((error as Error).message, error instanceof CloseReasonError, session.isOpen);
        }
      },
    });
    const client = await endpoint.connect();
    const codes = [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 1000.5, -1000, 10_000];
    for (const code of codes) client.send(JSON.stringify([code, ""]));
    client.send(JSON.stringify([1000, "€".repeat(42)]), JSON.stringify([1000, "x".repeat(124)]));
    const refused = (code: number) => [
      `A Close frame can't carry ${code}: use 1000-1003, 1007-1014 or 3000-4999.`,
      true,
      true,
    ];
    const long = ["The reason phrase is over 123 bytes of UTF-8: shorten it.", true, true];
    await expect.poll(() => log.entries).toEqual([...codes.map(refused), long, long]);
    client.send(JSON.stringify([1000, "€".repeat(41)]));
    expect(await client.closed).toMatchObject({ code: 1000, reason: "€".repeat(41) });
  });

  it("R17: after it isOpen is false, a send fails, and a second close does nothing", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      async onText(send, _, session) {
        session.close(4007);
        session.close(4008);
        log.add(session.isOpen, send.closed, await send.put("late"), await send.send("late"));
        log.add(await session.asyncRemote.sendText("late").catch((error: unknown) => error));
      },
    });
    const client = await endpoint.connect();
    client.send("go");
    expect(await client.closed).toMatchObject({ code: 4007 });
    await expect.poll(() => log.entries.length).toBe(2);
    expect(log.entries).toEqual([[false, true, false, expect.any(SessionClosedError)], expect.any(SessionClosedError)]);
    expect(client.unread).toEqual([]);
  });
});

describe.each(modes)("onClose, hibernate: $hibernate", ({ hibernate, serve }) => {
  const ways: Record<string, (client: WebSocket) => void> = {
    "a close frame": (socket) => socket.close(1000),
    "no code": (socket) => socket.close(),
    "session.close": (socket) => socket.send("close"),
    "the channel": (socket) => socket.send("channel"),
    "an exception without onError": (socket) => socket.send("throw"),
  };
  for (const [way, end] of Object.entries(ways)) {
    it(`R14: runs once and last after ${way}, with nothing behind it`, async () => {
      const logged = vi.spyOn(console, "error").mockImplementation(() => {});
      const log = new Log();
      const endpoint = serve({
        onOpen: onOpenStartWsConnection(),
        async onText(send, text, session) {
          log.add(text);
          await Promise.resolve();
          if (text === "close") session.close(1000);
          if (text === "channel") send.close();
          if (text === "throw") throw new Error("expected");
        },
        onClose: async () => {
          await new Promise((resolve) => setTimeout(resolve, 10));
          log.add("closed");
        },
      });
      const other = await endpoint.connect();
      const client = await endpoint.connect();
      client.send("hello");
      end(client.socket);
      await client.closed;
      await log.has("closed");
      other.send("other");
      await log.has("other");
      if (hibernate) await endpoint.hibernate();
      other.send("again");
      await log.has("again");
      expect(log.entries.filter((entry) => entry === "closed")).toHaveLength(1);
      expect(log.entries.slice(-3)).toEqual(["closed", "other", "again"]);
      expect(logged.mock.calls).toEqual(
        way === "an exception without onError" ? [[logEntry("onText failed"), new Error("expected")]] : [],
      );
      logged.mockRestore();
    });
  }

  it("R14: runs once after a failed onOpen, with no session object", async () => {
    const log = new Log();
    const endpoint = serve<string>({
      onOpen: async () => Promise.reject(new Error("no room")),
      ...recorded(log),
    });
    const client = await endpoint.connect();
    expect(await client.closed).toEqual({ code: 1011, reason: "", wasClean: true });
    await log.has(["close", undefined, 1011, ""]);
    expect(log.entries).toEqual([
      ["error", undefined, "no room"],
      ["close", undefined, 1011, ""],
    ]);
  });
});

describe.each([hibernating])("hibernate: $hibernate", ({ serve }) => {
  it("R15: a close is answered", async () => {
    const log = new Log();
    const endpoint = serve({ onOpen: () => ({ n: 1 }), ...recorded(log) });
    const client = await endpoint.connect();
    await endpoint.hibernate();
    client.socket.close(4000);
    expect(await client.closed).toMatchObject({ code: 4000 });
    await log.has(["close", { n: 1 }, 4000, ""]);
  });

  it("R14: onClose runs once though the client answers after the object has hibernated", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      onText: (send, text, session) => (text === "close" ? session.close(4005) : send.put(text)),
      onClose: (_, _session, { closeCode }) => log.add(closeCode),
    });
    const other = await endpoint.connect();
    const client = await endpoint.connect();
    client.send("close", "late");
    await log.has(4005);
    await endpoint.hibernate();
    await client.closed;
    expect(await other.ask("after")).toBe("after");
    expect(log.entries).toEqual([4005]);
  });

  it("R14: runs once though the platform reports the end twice, or a failure behind it", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => "object",
      async onClose(object, _, { closeCode }) {
        log.add(object, closeCode);
        await Promise.resolve();
      },
      onError: (_, __, error) => log.add(error.message),
    });
    await endpoint.connect();
    await runInDurableObject(endpoint.stub, async (object) => {
      const [session] = object.openSessions();
      const socket = session!.webSocket;
      const ends = [
        object.webSocketClose(socket, 1001, ""),
        object.webSocketClose(socket, 1006, ""),
        object.webSocketError(socket, new Error("late")),
      ];
      ends.push(object.webSocketMessage(socket, "late"));
      for (const end of ends) await end;
      await object.webSocketClose(socket, 1006, "");
    });
    expect(log.entries).toEqual([["object", 1001]]);
  });

  it("R14: a failed socket goes to onError, and then to onClose with the code in the error's text", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen: () => "object",
      onText: (_, text) => new Promise<void>((resolve) => setTimeout(() => resolve(log.add(text)), 10)),
      onError: (object, session, error) => log.add(object, session.isOpen, error.message),
      onClose: (object, _, { closeCode }) => log.add(object, closeCode),
    });
    for (const [message, code] of [
      ["protocolError.statusCode = 1009; too long", 1009],
      ["Network connection lost.", 1006],
    ] as const) {
      log.entries.length = 0;
      const client = await endpoint.connect();
      client.send("before");
      await runInDurableObject(endpoint.stub, async (object) => {
        const [session] = object.openSessions();
        const text = object.webSocketMessage(session!.webSocket, "before");
        await object.webSocketError(session!.webSocket, new Error(message));
        await text;
      });
      await log.has(["object", code]);
      expect(log.entries.slice(-3)).toEqual(["before", ["object", false, message], ["object", code]]);
    }
  });
});
