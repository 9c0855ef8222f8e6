// Bugs that random sequences of events and hostile clients have found.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { SessionObjectError, type EndpointOptions } from "socle";
import { afterEach, expect, it, vi } from "vitest";

import { rowsOf } from "./support/alarm.ts";
import { connect, upgrade } from "./support/client.ts";
import { freshPath, Log, recorded, serve } from "./support/endpoint.ts";
import { logEntry } from "./support/log.ts";
import { Clock, container, Legacy, Room } from "./support/worker.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("R14, R15: a close phrase that is no UTF-8 is answered without it, and onClose runs", async () => {
  const log = new Log();
  const endpoint = serve(recorded(log));
  const client = await endpoint.connect();
  // The platform turns 123 bytes of value 255 into 123 replacement characters of three bytes each.
  const phrase = "\ufffd".repeat(123);
  await runInDurableObject(endpoint.stub, (object, ctx) =>
    object.webSocketClose(ctx.getWebSockets()[0]!, 4000, phrase),
  );
  expect(await client.closed).toMatchObject({ code: 4000, reason: "" });
  await log.has(["close", undefined, 4000, phrase]);
});

it.each(Array.from({ length: 12 }, (_, count) => count))(
  "R18: a timeout that begins %i microtasks into a deleteAll doesn't put off the alarm of another",
  async (count) => {
    const path = freshPath();
    container.addEndpoint(path, { durableObject: Clock });
    const stub = container.stub<Clock>(env, path);
    await Promise.all([connect(path), connect(path)]);
    const [idle] = await runInDurableObject(stub, async (object, { storage }) => {
      const [first, second] = [...object.openSessions()];
      first!.maxIdleTimeout = 600_000;
      await vi.waitUntil(() => storage.kv.get("socle:alarm"), 30_000);
      const deleted = storage.deleteAll();
      for (let i = 0; i < count; i++) await Promise.resolve();
      second!.maxIdleTimeout = 3_600_000;
      await deleted;
      // Waits for everything that the two have begun.
      await storage.getAlarm();
      await storage.sync();
      return storage.kv.get<[number]>("socle:alarm")!;
    });
    expect(idle).toBeLessThan(Date.now() + 3_000_000);
    expect(await rowsOf(stub)).toEqual(["socle:alarm"]);
  },
);

it("R19: a message is delivered where the rate's budget can't be kept, for want of room and of SQLite", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  const answers = new Set<unknown>();
  for (let length = 15_900; length < 16_384; length += 10) {
    const path = freshPath();
    const options: EndpointOptions = {
      rateLimit: { messages: 10, perMs: 10_000 },
      configure: ({ userProperties }) => void (userProperties.text = "x".repeat(length)),
    };
    container.addEndpoint(path, { durableObject: Legacy, ...options });
    const client = await connect(path);
    answers.add(await client.ask("hello").catch(async () => (await client.closed).code));
  }
  // The larger ones can't be opened.
  expect([...answers]).toEqual(["hello", 1011]);
  expect(logged.mock.calls.map(([what]) => String(what))).toContainEqual(logEntry("a session's limits can't be saved"));
});

it("R1: an object is configured once, whatever paths its clients come by", async () => {
  const configure = vi.fn<NonNullable<EndpointOptions["configure"]>>();
  const options = vi.spyOn(Room as { options?: EndpointOptions }, "options", "get");
  options.mockReturnValue({ configure });
  const stub = env.Room.getByName(freshPath());
  for (const path of ["/of", "/the", "/clients"]) {
    const { webSocket } = await stub.fetch(`https://socle.test${path}`, { headers: { Upgrade: "websocket" } });
    webSocket!.accept();
  }
  expect(configure).toHaveBeenCalledTimes(1);
});

it("R22: a hidden property is refused where it was made, and costs no other callback its change", async () => {
  const log = new Log();
  const endpoint = serve({
    ...recorded(log),
    onOpen: () => ({ n: 0 }),
    onText(object, text, session) {
      if (text === "hide") Object.defineProperty(object, "hidden", { value: 3 });
      if (text === "count") object.n++;
      return session.asyncRemote.sendText(String(object.n));
    },
  });
  const client = await endpoint.connect();
  await client.ask("hide");
  await client.ask("count");
  expect(await client.ask("look")).toBe("1");
  expect(log.entries).toHaveLength(1);
  await client.close();
});

it.each(["toString", "constructor"] as const)(
  "R22: a property in whose place comes %s, which every object has, is not taken for it",
  async (name) => {
    const log = new Log();
    const endpoint = serve({
      ...recorded(log),
      onOpen: (): Record<string, unknown> => ({ a: 1 }),
      onText(object, text, session) {
        if (text === "change") {
          delete object.a;
          object[name] = Object.prototype[name];
        }
        return session.asyncRemote.sendText(Object.keys(object).join());
      },
    });
    const client = await endpoint.connect();
    await client.ask("change");
    // The object can't be kept, so the callback's changes are undone.
    expect(await client.ask("look")).toBe("a");
    expect(log.entries).toHaveLength(1);
    await client.close();
  },
);

it.each<[string, (refuse: () => never) => object]>([
  [
    "that was revoked",
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    },
  ],
  ["that throws for its keys", (ownKeys) => new Proxy({ a: 1 }, { ownKeys })],
  ["that throws for its descriptors", (refuse) => new Proxy({ a: 1 }, { getOwnPropertyDescriptor: refuse })],
])("R22: a proxy %s is refused as a session object, by name", async (_, make) => {
  const proxy = make(() => {
    throw new Error("from a trap");
  });
  const endpoint = serve({
    onOpen: (): object => ({ a: 1 }),
    onText(object, __, session) {
      expect(() => (session.sessionObject = proxy)).toThrow(SessionObjectError);
      return session.asyncRemote.sendText(JSON.stringify(object));
    },
  });
  const client = await endpoint.connect();
  expect(await client.ask("")).toBe('{"a":1}');
  await client.close();
});

it("R10: an onOpen that returns a promise without a `then` is waited for", async () => {
  const endpoint = serve({
    onOpen(): Promise<{ a: number }> {
      // oxlint-disable-next-line unicorn/no-thenable -- it is what is tried
      return Object.defineProperty(Promise.resolve({ a: 1 }), "then", { value: undefined });
    },
    onText: (object, _, session) => session.asyncRemote.sendText(JSON.stringify(object)),
  });
  const client = await endpoint.connect();
  expect(await client.ask("")).toBe('{"a":1}');
  await client.close();
});

it("R12: nothing is taken behind a message that was refused, on a socket that the application has closed by itself", async () => {
  const log = new Log();
  const endpoint = serve({
    maxTextMessageBufferSize: 5,
    onText: (_, text) => log.add(text),
    onError: (_, __, error) => log.add(error.name),
    onClose: () => log.add("close"),
  });
  const { webSocket } = await upgrade(endpoint.path);
  webSocket!.accept({ allowHalfOpen: true });
  await runInDurableObject(endpoint.stub, (_, ctx) => {
    for (const socket of ctx.getWebSockets()) socket.close(4000);
  });
  await endpoint.hibernate();
  for (const text of ["too long", "ok"]) webSocket!.send(text);
  webSocket!.close(4000);
  await log.has("close");
  expect(log.entries).toEqual(["LimitExceededError", "close"]);
});
