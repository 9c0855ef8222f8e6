// Failures of the platform, one at a time: storage, the attachment, the socket, the alarm, the object itself.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { startWsConnection, type Session, type WsEndpointMap } from "socle";
import { afterEach, assert, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { alarmOf, passTime, platform, ring, ringAtAlarm, rowsOf, stopClock } from "./support/alarm.ts";
import { connect, request, upgrade, type Client } from "./support/client.ts";
import { freshPath, hibernating, Log, modes, recorded, type Served } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { container, Room } from "./support/worker.ts";

const MINUTES = 60_000;
/** Too large for the attachment's 16,384 bytes. */
const LARGE = 20_000;
const SESSION_ROW = "socle:session:";
const ALARM_ROW = "socle:alarm";

let logged: MockInstance<typeof console.error>;
beforeEach(() => {
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** The log entries with the texts of their errors. */
const messages = () => logged.mock.calls.map(([what, error]) => [what, (error as Error).message] as unknown[]);

const refuse = (): never => {
  throw new Error("refused");
};

/** Nested, so that a copy of it has to be restored. */
interface Held {
  n: number;
  ballast: [string];
}

const held = (n: number, length = 0): Held => ({ n, ballast: ["x".repeat(length)] });

/** A session object as the log shows it: its size stands for its contents. */
const brief = (object: unknown) => object && `${(object as Held).n} ${(object as Held).ballast[0].length}`;

/** An object with a second session, which the fault does not concern and which is checked after it. */
class Scene {
  readonly log = new Log();
  readonly endpoint: Served;
  #bystander: Client | undefined;
  #asked = 0;

  constructor(options: Partial<WsEndpointMap<Cloudflare.Env, Held>> = {}, { serve } = hibernating) {
    const { onClose, onError } = recorded(this.log);
    this.endpoint = serve<Held>({
      tags: ({ queryString }) => [queryString],
      onOpen: ({ queryString }) => held(0, Number(queryString) || 0),
      onText(object, text, session) {
        object.n++;
        if (text) object.ballast = ["x".repeat(Number(text))];
        return session.asyncRemote.sendText(brief(object) as string);
      },
      onClose: (object, session, reason) => onClose(brief(object), session, reason),
      onError: (object, session, error) => onError(brief(object), session, error),
      ...options,
    });
  }

  async open(query: string | number = "victim"): Promise<Client> {
    this.#bystander ??= await this.endpoint.connect("?bystander");
    return this.endpoint.connect(`?${query}`);
  }

  /** Runs with the victim's socket, as the platform holds it. That wakes the object, but no session. */
  victim(use: (socket: WebSocket, ctx: DurableObjectState) => void, tag = "victim"): Promise<void> {
    return runInDurableObject(this.endpoint.stub, (_, ctx) => use(ctx.getWebSockets(tag)[0]!, ctx));
  }

  /** The other session still works. */
  async goesOn(): Promise<void> {
    assert.equal(await this.#bystander!.ask(""), `${++this.#asked} 0`);
  }

  crash(): Promise<void> {
    return evictDurableObject(this.endpoint.stub, { webSockets: "close" });
  }

  get closes(): unknown[] {
    return this.log.entries.filter((entry) => (entry as unknown[])[0] === "close");
  }

  get sessionRows(): Promise<string[]> {
    return rowsOf(this.endpoint.stub).then((rows) => rows.filter((row) => row.startsWith(SESSION_ROW)));
  }
}

/** Makes a method of storage.kv fail for Socle's rows of one kind. */
async function failKv(method: "get" | "put" | "delete" | "list", row: string, times = Infinity): Promise<() => void> {
  const all = await runInDurableObject(
    env.Endpoints.getByName("kv"),
    (_, { storage }) => Object.getPrototypeOf(storage.kv) as Record<string, (...args: unknown[]) => unknown>,
  );
  const original = all[method]!;
  const failing = vi.spyOn(all, method).mockImplementation(function (this: unknown, ...args) {
    const [key] = args;
    const what = typeof key === "string" ? key : (key as { prefix?: string } | undefined)?.prefix;
    if (what?.startsWith(row) && times-- > 0) refuse();
    return original.apply(this, args);
  });
  return () => failing.mockRestore();
}

describe("storage that throws", () => {
  const kinds = [
    ["a large session", LARGE, false],
    ["a tracked session", 1, true],
    ["a large tracked session", LARGE, true],
  ] as const;

  it.each(kinds)(
    "R16, R23: at the opening of %s is a failed onOpen, and leaves nothing",
    async (_, size, trackSessions) => {
      const scene = new Scene({ trackSessions });
      await scene.open();
      const rows = await scene.sessionRows;
      const mend = await failKv("put", SESSION_ROW);
      const client = await scene.open(size);
      expect(await client.closed).toMatchObject({ code: 1011, reason: "" });
      mend();
      await scene.log.has(["close", undefined, 1011, ""]);
      expect(scene.log.entries).toEqual([
        ["error", undefined, "refused"],
        ["close", undefined, 1011, ""],
      ]);
      expect(await scene.sessionRows).toEqual(rows);
      await scene.goesOn();
    },
  );

  const writes = ["put", "get", "delete"] as const;
  const inMessages = writes.flatMap((method) =>
    kinds
      // A small session is read from its socket, and a tracked session keeps its row while it is open.
      .filter(([, size, tracked]) => method === "put" || (size === LARGE && !(tracked && method === "delete")))
      .map(([what, size, tracked]) => [method, what, size, tracked] as const),
  );
  it.each(inMessages)(
    "R16, R23: kv.%s after a message of %s is the callback's exception, and the last good copy stays",
    async (method, _, size, trackSessions) => {
      const scene = new Scene({ trackSessions });
      const client = await scene.open(size);
      // A row is deleted when the session object has become small.
      const next = method === "delete" ? 2 : LARGE + 1;
      const mend = await failKv(method, SESSION_ROW);
      expect(await client.ask(String(next))).toBe(`1 ${next}`);
      await scene.log.has(["error", `0 ${size}`, "refused"]);
      mend();
      await scene.endpoint.hibernate();
      expect(await client.ask("")).toBe(`1 ${size}`);
      expect(await client.ask(String(next))).toBe(`2 ${next}`);
      await scene.endpoint.hibernate();
      expect(await client.ask("")).toBe(`3 ${next}`);
      expect(scene.log.entries).toEqual([["error", `0 ${size}`, "refused"]]);
      client.socket.close(4000);
      await scene.log.has(["close", `3 ${next}`, 4000, ""]);
      await expect.poll(() => scene.sessionRows).toHaveLength(trackSessions ? 1 : 0);
      await scene.goesOn();
    },
  );

  // The attachment already has the new object when these fail.
  it.each([
    ["a tracked session", 1, true, ["put"]],
    ["a large session", LARGE, false, ["delete", "put"]],
    ["a large tracked session", LARGE, true, ["put"]],
  ] as const)(
    "R22, R23: halfway through a save of %s, and again as that is undone: the last good copy stays",
    async (_, size, trackSessions, methods) => {
      const scene = new Scene({ trackSessions });
      const client = await scene.open(size);
      const mend = [];
      for (const method of methods) mend.push(await failKv(method, SESSION_ROW));
      expect(await client.ask("2")).toBe("1 2");
      await scene.log.has(["error", `0 ${size}`, "refused"]);
      for (const one of mend) one();
      await scene.endpoint.hibernate();
      expect(await client.ask("")).toBe(`1 ${size}`);
      await scene.goesOn();
    },
  );

  it.each(kinds)(
    "R14, R23: at the end of %s, onClose runs once and the log is told",
    async (_, size, trackSessions) => {
      const scene = new Scene({ trackSessions });
      const client = await scene.open(size);
      await failKv("delete", SESSION_ROW);
      client.socket.close(4000);
      expect(await client.closed).toMatchObject({ code: 4000 });
      await expect.poll(messages).toEqual([[logEntry("the row of an ended session can't be deleted"), "refused"]]);
      expect(scene.log.entries).toEqual([["close", `0 ${size}`, 4000, ""]]);
      await scene.goesOn();
    },
  );

  it("R16, R23: when a large session wakes closes that session with 1011, and the log is told", async () => {
    const scene = new Scene();
    const client = await scene.open(LARGE);
    await scene.endpoint.hibernate();
    await failKv("get", SESSION_ROW);
    client.send("");
    expect(await client.closed).toMatchObject({ code: 1011, reason: "" });
    expect(messages()).toEqual([[logEntry("a session is closed with 1011"), "refused"]]);
    await scene.goesOn();
  });

  it("R16, R23: what comes for a session that could not be read is nobody's, also after another hibernation", async () => {
    const scene = new Scene();
    await scene.open();
    const socket = (await upgrade(`${scene.endpoint.path}?${LARGE}`)).webSocket!;
    // The client does not answer the Close frame.
    socket.accept({ allowHalfOpen: true });
    const [row] = await scene.sessionRows;
    await scene.endpoint.hibernate();
    await runInDurableObject(scene.endpoint.stub, (_, { storage }) => void storage.kv.delete(row!));
    socket.send("");
    const line = [logEntry("a session is closed with 1011"), expect.stringContaining("row in storage is gone")];
    await expect.poll(messages).toEqual([line]);
    await scene.endpoint.hibernate();
    await runInDurableObject(scene.endpoint.stub, async (object, ctx) => {
      const [victim] = ctx.getWebSockets(String(LARGE));
      await object.webSocketMessage(victim!, "late");
      await object.webSocketClose(victim!, 4000, "");
    });
    expect(messages()).toEqual([line]);
    expect(scene.log.entries).toEqual([]);
    await scene.goesOn();
  });

  it.each(["get", "list"] as const)(
    "R26: kv.%s when the object wakes after a crash is told to the log; onClose runs in its next life, once",
    async (method) => {
      const scene = new Scene({ trackSessions: true });
      await scene.endpoint.connect("?1");
      await scene.crash();
      const mend = await failKv(method, SESSION_ROW);
      // The failure does not block the object.
      await runInDurableObject(scene.endpoint.stub, () => {});
      await expect.poll(messages).toEqual([[logEntry("onClose of a lost session can't run"), "refused"]]);
      mend();
      expect(scene.log.entries).toEqual([]);
      await scene.crash();
      await scene.open();
      await scene.goesOn();
      await scene.crash();
      await runInDurableObject(scene.endpoint.stub, () => {});
      await scene.log.has(["close", "1 0", 1006, ""]);
      expect(scene.closes).toHaveLength(3);
      for (const object of ["0 0", "0 1", "1 0"]) expect(scene.closes).toContainEqual(["close", object, 1006, ""]);
    },
  );

  it("R26: kv.delete when the object wakes after a crash is told to the log, and what is new is served", async () => {
    const scene = new Scene({ trackSessions: true });
    await scene.endpoint.connect("?1");
    await scene.crash();
    await failKv("delete", SESSION_ROW);
    await scene.open();
    expect(scene.log.entries).toEqual([["close", "0 1", 1006, ""]]);
    expect(messages()).toEqual([[logEntry("the row of an ended session can't be deleted"), "refused"]]);
    await scene.goesOn();
  });

  it("R26: kv.delete of a lost session whose endpoint is gone is told to the log, and what is new is served", async () => {
    const scene = new Scene({ trackSessions: true });
    const gone = new Scene({ trackSessions: true });
    await gone.endpoint.connect();
    const [row] = await gone.sessionRows;
    await runInDurableObject(scene.endpoint.stub, (_, { storage }) =>
      storage.kv.put(row!, [JSON.stringify({ id: "gone", path: "/gone" }), undefined, undefined]),
    );
    await scene.crash();
    await failKv("delete", SESSION_ROW);
    await scene.open();
    await scene.goesOn();
    expect(messages().map(([what]) => what)).toEqual([
      logEntry("onClose of a lost session can't run"),
      logEntry("the row of an ended session can't be deleted"),
    ]);
  });

  const alarmFaults = {
    "kv.put": () => failKv("put", ALARM_ROW),
    "kv.get": () => failKv("get", ALARM_ROW),
    setAlarm: (storage: DurableObjectStorage) => {
      const failing = vi.spyOn(platform(storage), "setAlarm").mockRejectedValue(new Error("refused"));
      return Promise.resolve(() => failing.mockRestore());
    },
    getAlarm: (storage: DurableObjectStorage) => {
      const failing = vi.spyOn(platform(storage), "getAlarm").mockRejectedValue(new Error("refused"));
      return Promise.resolve(() => failing.mockRestore());
    },
  };
  const line = [logEntry("the alarm for idle timeouts can't be set"), "refused"];
  const storageOf = ({ endpoint }: Scene) => runInDurableObject(endpoint.stub, (_, { storage }) => storage);

  describe.each(Object.entries(alarmFaults))("under an idle timeout: %s", (method, fail) => {
    beforeEach(() => void stopClock());

    it("R18: at an opening is told to the log, the session works, and its next activity sets the alarm", async () => {
      const scene = new Scene({ idleTimeoutMs: 10 * MINUTES });
      const storage = await storageOf(scene);
      await scene.endpoint.hibernate();
      const mend = await fail(storage);
      const client = await scene.open();
      expect(await client.ask("")).toBe("1 0");
      await scene.goesOn();
      await expect.poll(messages).toEqual([line, line]);
      mend();
      passTime(5 * MINUTES);
      expect(await client.ask("")).toBe("2 0");
      await scene.goesOn();
      await vi.waitUntil(() => alarmOf(scene.endpoint.stub), 30_000);
      passTime(11 * MINUTES);
      await ring(scene.endpoint.stub);
      expect(await client.closed).toMatchObject({ code: 1001 });
    });

    // The alarm handler does not call getAlarm.
    if (method === "getAlarm") return;

    it("R18: at the alarm has the platform try again, which closes each silent session once", async () => {
      const scene = new Scene({ idleTimeoutMs: 10 * MINUTES });
      const client = await scene.open();
      await vi.waitUntil(() => alarmOf(scene.endpoint.stub), 30_000);
      const storage = await storageOf(scene);
      passTime(5 * MINUTES);
      await scene.goesOn();
      passTime(6 * MINUTES);
      const info = { scheduledTime: Date.now(), isRetry: false, retryCount: 0 };
      const alarm = () =>
        runInDurableObject(scene.endpoint.stub, async (object) => {
          await object.alarm(info);
        }).then(
          () => "done",
          (error: Error) => error.message,
        );
      const mend = await fail(storage);
      // The object binds the platform's methods when it wakes.
      await scene.endpoint.hibernate();
      expect(await alarm()).toBe("refused");
      mend();
      await scene.endpoint.hibernate();
      expect(await alarm()).toBe("done");
      expect(await client.closed).toMatchObject({ code: 1001 });
      await scene.log.has(["close", "0 0", 1001, ""]);
      await scene.goesOn();
      passTime(12 * MINUTES);
      await ring(scene.endpoint.stub);
      await scene.log.has(["close", "2 0", 1001, ""]);
      expect(scene.closes).toHaveLength(2);
      expect(await rowsOf(scene.endpoint.stub)).toEqual([]);
    });
  });
});

describe("an attachment that throws", () => {
  it("R16: at the opening is a failed onOpen, whose onClose runs once", async () => {
    const scene = new Scene({
      onOpen({ queryString, webSocket }) {
        if (queryString === "victim") vi.spyOn(webSocket, "serializeAttachment").mockImplementation(refuse);
        return held(0);
      },
    });
    const client = await scene.open();
    expect(await client.closed).toMatchObject({ code: 1011, reason: "" });
    await scene.log.has(["close", undefined, 1011, ""]);
    expect(scene.log.entries).toEqual([
      ["error", undefined, "refused"],
      ["close", undefined, 1011, ""],
    ]);
    await scene.goesOn();
  });

  it.each([1, LARGE])(
    "R16: after a callback is its exception, and the last good copy stays (%i bytes)",
    async (size) => {
      // The second call writes into the attachment that the rest is in a row.
      for (const nth of size === LARGE ? [1, 2] : [1]) {
        const scene = new Scene();
        const client = await scene.open("victim");
        await scene.victim((socket) => {
          const original = socket.serializeAttachment.bind(socket);
          let count = 0;
          vi.spyOn(socket, "serializeAttachment").mockImplementation((value) =>
            ++count === nth ? refuse() : original(value),
          );
        });
        expect(await client.ask(String(size))).toBe(`1 ${size}`);
        await scene.log.has(["error", "0 0", "refused"]);
        expect(await scene.sessionRows).toEqual([]);
        await scene.endpoint.hibernate();
        expect(await client.ask("")).toBe("1 0");
        client.socket.close(4000);
        await scene.log.has(["close", "1 0", 4000, ""]);
        expect(scene.log.entries).toHaveLength(2);
        await scene.goesOn();
      }
    },
  );

  it.each([1, LARGE])(
    "R14: for good after a callback lets the session go on, and end once (%i bytes)",
    async (size) => {
      const scene = new Scene();
      const client = await scene.open("victim");
      await scene.victim((socket) => vi.spyOn(socket, "serializeAttachment").mockImplementation(refuse));
      expect(await client.ask(String(size))).toBe(`1 ${size}`);
      await scene.log.has(["error", "0 0", "refused"]);
      expect(await client.ask("")).toBe("1 0");
      client.socket.close(4000);
      expect(await client.closed).toMatchObject({ code: 4000 });
      await scene.log.has(["close", "0 0", 4000, ""]);
      await expect.poll(messages).toEqual([[logEntry("a socket can't be marked as ended"), "refused"]]);
      expect(scene.closes).toHaveLength(1);
      await scene.goesOn();
    },
  );

  it("R14: at session.close is told to the log, and the client's answer runs no second onClose", async () => {
    const scene = new Scene();
    const client = await scene.open();
    await scene.victim((socket) => vi.spyOn(socket, "serializeAttachment").mockImplementation(refuse));
    await runInDurableObject(scene.endpoint.stub, async (object, ctx) => {
      const [socket] = ctx.getWebSockets("victim");
      for (const session of object.openSessions("victim")) session.close(4001);
      await vi.waitUntil(() => scene.closes.length > 0, 30_000);
      await object.webSocketClose(socket!, 4001, "");
      await object.webSocketMessage(socket!, "late");
    });
    expect(await client.closed).toMatchObject({ code: 4001 });
    await scene.goesOn();
    expect(scene.log.entries).toEqual([["close", "0 0", 4001, ""]]);
    expect(messages()).toEqual([[logEntry("a socket can't be marked as ended"), "refused"]]);
  });

  it("R12, R18: with a limit is told to the log, and no message is lost", async () => {
    stopClock();
    const scene = new Scene({ idleTimeoutMs: 10 * MINUTES, rateLimit: { messages: 20, perMs: MINUTES } });
    const client = await scene.open();
    await scene.victim((socket) => vi.spyOn(socket, "serializeAttachment").mockImplementation(refuse));
    passTime(5 * MINUTES);
    expect(await client.ask("")).toBe("1 0");
    await vi.waitUntil(() => scene.log.entries.length > 0, 30_000);
    expect(messages().length).toBeGreaterThan(0);
    for (const message of messages())
      expect(message).toEqual([logEntry("a session's limits can't be saved"), "refused"]);
    // In memory they hold.
    passTime(6 * MINUTES);
    await ring(scene.endpoint.stub);
    expect(await client.ask("")).toBe("1 0");
    const bystander = await scene.open("other");
    expect(await bystander.ask("")).toBe("1 0");
  });

  describe.each([
    ["deserializeAttachment", false],
    ["deserializeAttachment and serializeAttachment", true],
  ])("%s of a hibernated socket", (_, both) => {
    const asleep = async (options = {}) => {
      const scene = new Scene(options);
      const client = await scene.open();
      await scene.endpoint.hibernate();
      await scene.victim((socket) => {
        vi.spyOn(socket, "deserializeAttachment").mockImplementation(refuse);
        if (both) vi.spyOn(socket, "serializeAttachment").mockImplementation(refuse);
      });
      return [scene, client] as const;
    };
    const line = [logEntry("a session is closed with 1011"), "refused"];

    it("R16: at a message closes that session with 1011, and the log is told", async () => {
      const [scene, client] = await asleep();
      client.send("");
      expect(await client.closed).toMatchObject({ code: 1011, reason: "" });
      expect(messages()).toContainEqual(line);
      await scene.goesOn();
    });

    it("R15: at the client's close completes the handshake, and the log is told", async () => {
      const [scene, client] = await asleep();
      client.socket.close(4000);
      expect((await client.closed).wasClean).toBe(true);
      expect(messages()).toContainEqual(line);
      await scene.goesOn();
    });

    it("R31: in a broadcast keeps it from no other session", async () => {
      const [scene, client] = await asleep();
      const third = await scene.open("third");
      expect(await scene.endpoint.stub.broadcast("all", { tag: "third" })).toBe(1);
      expect(await scene.endpoint.stub.broadcast("all")).toBe(2);
      expect(await third.take(2)).toEqual(["all", "all"]);
      expect(await client.closed).toMatchObject({ code: 1011 });
    });

    it("R18: in the sweep of the idle timeouts keeps it from no other session", async () => {
      stopClock();
      const [scene, client] = await asleep({ idleTimeoutMs: 10 * MINUTES });
      passTime(5 * MINUTES);
      await scene.goesOn();
      passTime(6 * MINUTES);
      await ring(scene.endpoint.stub);
      expect(await client.closed).toMatchObject({ code: 1011, reason: "" });
      expect(messages()).toContainEqual(line);
      await scene.goesOn();
      await vi.waitUntil(() => alarmOf(scene.endpoint.stub), 30_000);
      passTime(12 * MINUTES);
      await ring(scene.endpoint.stub);
      await scene.log.has(["close", "2 0", 1001, ""]);
    });
  });
});

describe.each(modes)("a socket that throws, hibernate: $hibernate", (mode) => {
  /** A session whose socket fails from its first message on. The message's callback then uses the socket. */
  const failing = (method: "send" | "close", use: (session: Session, log: Log) => unknown) => {
    const scene: Scene = new Scene(
      {
        onText(object, _, session) {
          object.n++;
          if (session.queryString === "bystander") return session.asyncRemote.sendText(brief(object) as string);
          vi.spyOn(session.webSocket, method).mockImplementation(refuse);
          return use(session, scene.log);
        },
      },
      mode,
    );
    return scene;
  };

  it.each([
    [
      "put is logged",
      (session: Session) => void startWsConnection(session).put("lost"),
      [],
      [[logEntry("a message was not sent"), "refused"]],
    ],
    [
      "tuple gets the Error as its result",
      async (session: Session, log: Log) => log.add(String(await startWsConnection(session).send("lost"))),
      ["Error: refused"],
      [],
    ],
    [
      "asyncRemote rejects, which is onError's",
      (session: Session) => session.asyncRemote.sendText("lost"),
      [["error", "1 0", "refused"]],
      [],
    ],
  ] as const)("R27: in a send: %s, and the session goes on until it ends, once", async (_, use, entries, lines) => {
    const scene = failing("send", use);
    const client = await scene.open();
    client.send("");
    await expect.poll(() => [scene.log.entries, messages()]).toEqual([entries, lines]);
    await scene.goesOn();
    client.socket.close(4000);
    expect(await client.closed).toMatchObject({ code: 4000 });
    await scene.log.has(["close", "1 0", 4000, ""]);
    expect(scene.closes).toHaveLength(1);
  });

  it("R31: in a broadcast is logged, and every other session gets it", async () => {
    const scene = failing("send", (_, log) => log.add("failing"));
    const client = await scene.open();
    client.send("");
    await scene.log.has("failing");
    const third = await scene.open("third");
    expect(await scene.endpoint.stub.broadcast("all")).toBe(2);
    expect(await third.next()).toBe("all");
    expect(messages()).toEqual([[logEntry("a broadcast missed a session"), "refused"]]);
  });

  it("R10, R14: with what onOpen sent is logged, and the session opens, works and ends once", async () => {
    const scene: Scene = new Scene(
      {
        onOpen(session) {
          if (session.queryString === "victim") {
            const { webSocket } = session;
            const send = webSocket.send.bind(webSocket);
            vi.spyOn(webSocket, "send").mockImplementation((data) => (data === "lost" ? refuse() : send(data)));
            for (const text of ["first", "lost", "last"]) void session.asyncRemote.sendText(text);
          }
          return held(0);
        },
      },
      mode,
    );
    const client = await scene.open();
    expect(await client.take(2)).toEqual(["first", "last"]);
    expect(await client.ask("")).toBe("1 0");
    expect(messages()).toEqual([[logEntry("a message was not sent"), "refused"]]);
    client.socket.close(4000);
    await scene.log.has(["close", "1 0", 4000, ""]);
    expect(scene.closes).toHaveLength(1);
    await scene.goesOn();
  });

  const line = [logEntry("a Close frame can't be sent"), "refused"];

  it("R14: at session.close is logged; onClose runs once, and nobody waits for a send", async () => {
    const scene = failing("close", async (session, log) => {
      const send = startWsConnection(session);
      session.close(4001);
      log.add(String(session.isOpen), await send.put("late"));
    });
    const client = await scene.open();
    client.send("");
    await scene.log.has(["close", "1 0", 4001, ""]);
    expect(scene.log.entries).toEqual([
      ["false", false],
      ["close", "1 0", 4001, ""],
    ]);
    expect(messages()).toEqual([line]);
    client.socket.close();
    await scene.goesOn();
    expect(scene.closes).toHaveLength(1);
  });

  it("R14: at the client's close is logged, and onClose runs once", async () => {
    const scene = failing("close", (_, log) => log.add("failing"));
    const client = await scene.open();
    client.send("");
    await scene.log.has("failing");
    client.socket.close(4000);
    await scene.log.has(["close", "1 0", 4000, ""]);
    // Without hibernation the platform reports the end twice.
    expect(messages().length).toBeGreaterThan(0);
    for (const message of messages()) expect(message).toEqual(line);
    await scene.goesOn();
    expect(scene.closes).toHaveLength(1);
  });

  it("R16: at the 1011 of a failed onOpen is logged, and onClose runs once", async () => {
    const scene = new Scene(
      {
        onOpen({ queryString, webSocket }) {
          if (queryString !== "victim") return held(0);
          vi.spyOn(webSocket, "close").mockImplementation(refuse);
          throw new Error("failed");
        },
      },
      mode,
    );
    await scene.open();
    await scene.log.has(["close", undefined, 1011, ""]);
    expect(scene.log.entries).toEqual([
      ["error", undefined, "failed"],
      ["close", undefined, 1011, ""],
    ]);
    expect(messages()).toEqual([line]);
    await scene.goesOn();
  });

  it("R9, R14: in closeAll is logged, and every session ends, once", async () => {
    const scene = failing("close", (_, log) => log.add("failing"));
    const client = await scene.open();
    client.send("");
    await scene.log.has("failing");
    const third = await scene.open("third");
    expect(await scene.endpoint.stub.closeAll(4001)).toBe(3);
    expect(await third.closed).toMatchObject({ code: 4001 });
    await vi.waitUntil(() => scene.closes.length === 3, 30_000);
    expect(messages()).toEqual([line]);
  });

  it("R18: at an idle timeout is logged, and every silent session ends, once", async () => {
    stopClock();
    const scene = failing("close", (session, log) => {
      session.maxIdleTimeout = 10 * MINUTES;
      for (const other of session.openSessions) other.maxIdleTimeout = 10 * MINUTES;
      log.add("failing");
    });
    const client = await scene.open();
    const third = await scene.open("third");
    client.send("");
    await scene.log.has("failing");
    await vi.waitUntil(() => alarmOf(scene.endpoint.stub), 30_000);
    passTime(11 * MINUTES);
    await ring(scene.endpoint.stub);
    expect(await third.closed).toMatchObject({ code: 1001 });
    await vi.waitUntil(() => scene.closes.length === 3, 30_000);
    expect(messages()).toEqual([line]);
    expect(await rowsOf(scene.endpoint.stub)).toEqual([]);
  });
});

describe("an alarm that comes twice and late", () => {
  beforeEach(() => void stopClock());

  describe.each(["awake", "hibernated"])("%s", (state) => {
    const deliver = (stub: DurableObjectStub, info: AlarmInvocationInfo) =>
      runInDurableObject(stub, (object) => object.alarm!(info));
    const settle = (stub: DurableObjectStub) => (state === "awake" ? undefined : evictDurableObject(stub));

    it("R18: closes each silent session once, and no other", async () => {
      const scene = new Scene({ idleTimeoutMs: 10 * MINUTES });
      const { stub } = scene.endpoint;
      const client = await scene.open();
      passTime(30 * MINUTES);
      await scene.goesOn();
      const info = { scheduledTime: Date.now() - 20 * MINUTES, isRetry: false, retryCount: 0 };
      await settle(stub);
      await deliver(stub, info);
      await scene.log.has(["close", "0 0", 1001, ""]);
      await settle(stub);
      await deliver(stub, { ...info, isRetry: true, retryCount: 1 });
      expect(await client.closed).toMatchObject({ code: 1001 });
      await scene.goesOn();
      expect(scene.closes).toHaveLength(1);
    });

    it("R18: runs the class's own onAlarm once, and leaves the sessions their timeouts", async () => {
      const path = freshPath();
      container.addEndpoint(path, { durableObject: Room, idleTimeoutMs: 60 * MINUTES });
      const stub = container.stub<Room>(env, path);
      const onAlarm = vi.fn<() => void>();
      Object.assign(Room.prototype, { onAlarm });
      try {
        const client = await connect(path);
        await runInDurableObject(stub, (_, { storage }) => storage.setAlarm(Date.now() + 2 * MINUTES));
        passTime(20 * MINUTES);
        const info = { scheduledTime: Date.now() - 18 * MINUTES, isRetry: false, retryCount: 0 };
        await settle(stub);
        await deliver(stub, info);
        await settle(stub);
        await deliver(stub, { ...info, isRetry: true, retryCount: 1 });
        expect(onAlarm).toHaveBeenCalledTimes(1);
        expect(await client.ask("here")).toBe("reached 0");
        await ringAtAlarm(stub);
        passTime(70 * MINUTES);
        await ring(stub);
        expect(await client.closed).toMatchObject({ code: 1001 });
        expect(onAlarm).toHaveBeenCalledTimes(1);
      } finally {
        Reflect.deleteProperty(Room.prototype, "onAlarm");
      }
    });
  });
});

describe("an object that is reset in the middle of onOpen", () => {
  // evictDurableObject waits for the request that opens the session.
  describe.each(["by onOpen", "from outside"])("%s", (how) => {
    it.each([
      ["", false, 1],
      ["tracked", true, 1],
      ["large", false, LARGE],
      ["large, tracked", true, LARGE],
    ])(
      "R10, R14, R26: answers the client; no onClose runs, nothing is left, the next opens (%s)",
      async (_what, trackSessions, size) => {
        let hangs = true;
        const scene: Scene = new Scene({
          trackSessions,
          async onOpen(session) {
            if (hangs) {
              session.sessionObject = held(0, size);
              await session.ctx.storage.sync();
              scene.log.add("opening");
              if (how === "by onOpen") session.ctx.abort("reset");
              await new Promise(() => {});
            }
            return held(0);
          },
        });
        const answer = upgrade(scene.endpoint.path).then(
          ({ status }) => status,
          () => 0,
        );
        await scene.log.has("opening");
        if (how === "from outside") {
          await runInDurableObject(scene.endpoint.stub, (_object, ctx) => ctx.abort("reset")).catch(() => {});
        }
        expect(await answer).toBe(500);
        hangs = false;
        const client = await scene.open();
        expect(await client.ask("")).toBe("1 0");
        await scene.goesOn();
        expect(await scene.sessionRows).toHaveLength(trackSessions ? 2 : 0);
        expect(scene.log.entries).toEqual(["opening"]);
      },
    );
  });
});

describe("a wake after hibernation", () => {
  type Member = { name: string; heard: number };
  interface Hibernated {
    path: string;
    client: Client;
    stub: DurableObjectStub<Room>;
  }
  let log: Log;

  const seen = (what: string, member: unknown, session: Session) => {
    const { id, requestURI, pathParameters, negotiatedSubprotocol, tags, userProperties, userPrincipal } = session;
    const { maxIdleTimeout, maxTextMessageBufferSize } = session;
    const agreed = { id, uri: requestURI.href, pathParameters, negotiatedSubprotocol, tags };
    const rest = { userProperties, userPrincipal, maxIdleTimeout, maxTextMessageBufferSize };
    log.add(what, structuredClone(member), structuredClone(Object.assign(agreed, rest)));
  };
  const look = (room: Room, what: string) => {
    for (const session of room.openSessions("victim")) seen(what, session.sessionObject, session);
  };
  const answer = (what: string) => (member: Member, _: unknown, session: Session) => {
    member.heard++;
    seen(what, member, session);
    return session.asyncRemote.sendText(`${what} ${member.heard}`);
  };
  const callbacks = {
    onOpen(this: Room, session: Session) {
      const name = session.queryString;
      if (name === "new") look(this, "upgrade");
      session.userProperties.set = "in onOpen";
      session.maxIdleTimeout = (name === "victim" ? 20 : 60) * MINUTES;
      session.maxTextMessageBufferSize = 5000;
      const member = { name, heard: 0 };
      if (name === "victim") seen("open", member, session);
      return member;
    },
    onText: answer("text"),
    onBinary: answer("binary"),
    onClose: (member: Member, session: Session, { closeCode }: { closeCode: number }) =>
      seen(`close ${closeCode}`, member, session),
    onError: (member: Member, session: Session, { message }: Error) => seen(message, member, session),
    onRequest(this: Room) {
      look(this, "request");
      return new Response("answered");
    },
    announce(this: Room, text: string) {
      look(this, "RPC");
      return this.broadcast(text, { tag: "victim" });
    },
  };

  const own = Object.getOwnPropertyDescriptors(Room.prototype);
  beforeEach(() => {
    stopClock();
    log = new Log();
    Object.assign(Room.prototype, callbacks);
  });
  afterEach(() => {
    for (const name of Object.keys(callbacks)) Reflect.deleteProperty(Room.prototype, name);
    Object.defineProperties(Room.prototype, own);
  });

  /** The event that wakes the object, the callbacks that then see the session, and the session's close code. */
  const wakes: [string, (hibernated: Hibernated) => unknown, string[], number?][] = [
    ["a text", async ({ client }) => expect(await client.ask("")).toBe("text 2"), ["text"]],
    [
      "a binary message",
      async ({ client }) => expect(await client.ask(new ArrayBuffer(1))).toBe("binary 2"),
      ["binary"],
    ],
    ["a close", ({ client }) => client.socket.close(4000), ["close 4000"], 4000],
    [
      "an error",
      ({ stub }) =>
        runInDurableObject(stub, (room, ctx) =>
          room.webSocketError(ctx.getWebSockets("victim")[0]!, new Error("protocolError.statusCode = 1002")),
        ),
      ["protocolError.statusCode = 1002", "close 1002"],
      1002,
    ],
    ["an alarm", ({ stub }) => (passTime(30 * MINUTES), ring(stub)), ["close 1001"], 1001],
    [
      "a call by RPC",
      async ({ client, stub }) => {
        expect(await stub.announce("pushed")).toBe(1);
        expect(await client.next()).toBe("pushed");
      },
      ["RPC"],
    ],
    ["a request that opens another session", ({ path }) => connect(`${path}?new`), ["upgrade"]],
    ["a request", async ({ path }) => expect(await (await request(path)).text()).toBe("answered"), ["request"]],
  ];

  it.each(wakes)(
    "R20, R24, R25: by %s finds the session as it was, and wakes no other",
    async (_what, wake, sights, code) => {
      const path = freshPath();
      container.addEndpoint(`${path}/{name}`, {
        durableObject: Room,
        subprotocols: ["chat"],
        tags: ({ queryString }) => [queryString],
        onHandshake: () => ({ userProperties: { from: "the hook" }, userPrincipal: { user: "ann" } }),
      });
      const room = `${path}/a%20b`;
      const stub = container.stub<Room>(env, room);
      const bystander = await connect(`${room}?bystander`);
      const client = await connect(`${room}?victim`, { "Sec-WebSocket-Protocol": "chat" });
      expect(await client.ask("")).toBe("text 1");
      expect(await bystander.ask("")).toBe("text 1");
      await vi.waitUntil(() => alarmOf(stub), 30_000);
      const [[, , asItWas]] = log.entries as [[string, Member, object]];
      expect(asItWas).toEqual({
        id: expect.any(String),
        uri: `https://socle.test${room}?victim`,
        pathParameters: { name: "a b" },
        negotiatedSubprotocol: "chat",
        tags: ["victim"],
        userProperties: { from: "the hook", set: "in onOpen" },
        userPrincipal: { user: "ann" },
        maxIdleTimeout: 20 * MINUTES,
        maxTextMessageBufferSize: 5000,
      });
      log.entries.length = 0;
      await evictDurableObject(stub);
      const read = vi.spyOn(WebSocket.prototype, "deserializeAttachment");

      await wake({ path: room, client, stub });
      await vi.waitUntil(() => log.entries.length === sights.length, 30_000);
      const heard = ["text", "binary"].includes(sights[0]!) ? 2 : 1;
      expect(log.entries).toEqual(sights.map((what) => [what, { name: "victim", heard }, asItWas]));
      const other = await runInDurableObject(stub, (_room, ctx) => ctx.getWebSockets("bystander")[0]!);
      // The check for idle sessions reads the limits of all sessions.
      expect(read.mock.contexts.filter((socket) => socket === other)).toHaveLength(sights[0] === "close 1001" ? 1 : 0);
      expect(code ? (await client.closed).code : await client.ask("")).toBe(code ?? `text ${heard + 1}`);
      expect(await bystander.ask("")).toBe("text 2");
      expect(logged).not.toHaveBeenCalled();
    },
  );
});
