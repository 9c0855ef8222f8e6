// Topics: subscribers get publications in one order, through hibernation and deploys.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DeploymentError, ServerContainer, type Endpoint, type Session, type WsEndpointMap } from "socle";
import { drop, redeploy } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { rowsOf } from "./support/alarm.ts";
import { alone, besides, freshPath, Log, modes, serve, Served, standard } from "./support/endpoint.ts";
import { failure, within } from "./support/inside.ts";
import { container, Room } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => void vi.restoreAllMocks());

/** The rows in storage, without a shard's own progress, which goes when the root learns that no session is left. */
const leftIn = async ({ stub }: Served) => (await rowsOf(stub)).filter((key) => key !== "socle:shard");

const entries = () => logged.mock.calls.map(([entry]) => String(entry));

/** A room whose clients give their name as the query. */
const room = (more: WsEndpointMap<Cloudflare.Env, never> = {}, serving = serve) =>
  serving({
    onOpen: (session: Session) => ({ name: session.queryString }),
    onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text),
    ...more,
  });

describe.each(modes)("subscriptions, hibernate: $hibernate", ({ serve: serving, hibernate }) => {
  it("T1: a session gets what is published from its subscribe to its unsubscribe, and no other topic's", async () => {
    const served = room({}, serving);
    const client = await served.connect("?ann");
    const seen = await within(served, async ({ ann }, object) => {
      await object.publish("news", "too early");
      const subscription = await ann!.subscribe("news");
      await object.publish("news", "1");
      await object.publish("other", "not his");
      await object.publish("news", new Uint8Array([7]));
      const topics = [...ann!.topics];
      const was = [ann!.unsubscribe("news"), ann!.unsubscribe("news")];
      await object.publish("news", "too late");
      return { subscription, topics, was, after: ann!.topics.size };
    });
    expect(seen).toEqual({
      subscription: { recovered: false, position: undefined, replayed: 0 },
      topics: ["news"],
      was: [true, false],
      after: 0,
    });
    expect(await client.ask("end")).toBe("1");
    expect(await client.next()).toEqual(new Uint8Array([7]).buffer);
    expect(await client.next()).toBe("end");
  });

  it("T2: the publisher gets it too, unless it is excepted; a session and its id are both understood", async () => {
    const served = room(
      {
        onText: async (_: unknown, text: string, session: Session) => {
          await session.publish("a", `${text} 1`);
          await session.publish("a", `${text} 2`, { except: session });
          await session.publish("a", `${text} 3`, { except: [session.id] });
          await session.publish("a", `${text} 4`);
        },
      },
      serving,
    );
    const [ann, ben] = [await served.connect("?ann"), await served.connect("?ben")];
    await within(served, (all) => Promise.all([all["ann"]!.subscribe("a"), all["ben"]!.subscribe("a")]));
    ann.send("x");
    expect(await ben.take(4)).toEqual(["x 1", "x 2", "x 3", "x 4"]);
    expect(await ann.take(2)).toEqual(["x 1", "x 4"]);
  });

  it("T1: a second subscribe of the same topic changes nothing and replays nothing", async () => {
    const served = room({ topics: { history: {} } }, serving);
    const client = await served.connect("?ann");
    const second = await within(served, async ({ ann }, object) => {
      await object.publish("a", "1");
      await ann!.subscribe("a", { last: 5 });
      return [await ann!.subscribe("a", { last: 5 }), ann!.topics.size, await object.topic("a")];
    });
    expect(second).toMatchObject([{ recovered: false, replayed: 0 }, 1, { subscribers: 1 }]);
    await served.stub.publish("a", "2");
    expect(await client.take(2)).toEqual(["1", "2"]);
  });

  it("T1: a subscription ends with its session, whose topics are still there in onClose", async () => {
    const log = new Log();
    const onClose = async (_: unknown, session: Session) => {
      log.add([...session.topics].join());
      await session.publish("a", `${session.queryString} left`);
      log.add(await failure(session.subscribe("b")));
    };
    const served = room({ onClose }, serving);
    const [ann, ben] = [await served.connect("?ann"), await served.connect("?ben")];
    await within(served, async (all) => {
      for (const session of Object.values(all)) for (const topic of ["a", "z"]) await session.subscribe(topic);
    });
    if (hibernate) await served.hibernate();
    void ann.close();
    expect(await ben.next()).toBe("ann left");
    await log.has("SessionClosedError: Not sent: the session is closed, see session.isOpen.");
    expect(log.entries[0]).toBe("a,z");
    expect((await served.stub.topic("a")).subscribers).toBe(1);
  });

  it("T3: all subscribers get the publications of a topic in one order, each publisher's in the order of its calls", async () => {
    const served = room({ topics: { history: (topic: string) => (topic === "kept" ? {} : undefined) } }, serving);
    const clients = await Promise.all(["a", "b", "c"].map((name) => served.connect(`?${name}`)));
    await within(served, async (all) => {
      const sessions = Object.values(all);
      for (const one of sessions) for (const topic of ["kept", "plain"]) await one.subscribe(topic);
      await Promise.all(
        sessions.map(async (one, who) => {
          for (let n = 0; n < 20; n++) {
            const publishing = ["kept", "plain"].map((topic) => one.publish(topic, `${topic} ${who} ${n}`));
            if (n % 3 === who) await Promise.all(publishing);
          }
        }),
      );
    });
    const got = await Promise.all(clients.map((client) => client.take(120) as Promise<string[]>));
    for (const topic of ["kept", "plain"]) {
      const [first, ...others] = got.map((all) => all.filter((one) => one.startsWith(topic)));
      for (const other of others) expect(other).toEqual(first);
      for (const who of [0, 1, 2]) {
        const own = first!.filter((one) => one.startsWith(`${topic} ${who} `));
        expect(own).toEqual(Array.from({ length: 20 }, (_, n) => `${topic} ${who} ${n}`));
      }
    }
  });

  it("T2: the payload is taken as it is at the call", async () => {
    const served = room({ topics: { history: (topic: string) => (topic === "kept" ? {} : undefined) } }, serving);
    const client = await served.connect("?ann");
    await within(served, async ({ ann }) => {
      for (const topic of ["kept", "plain"]) {
        await ann!.subscribe(topic);
        const bytes = new Uint8Array([0, 1, 2, 3]);
        const publishing = ann!.publish(topic, bytes.subarray(1, 3));
        bytes.fill(9);
        await publishing;
      }
    });
    expect(await client.take(2)).toEqual([new Uint8Array([1, 2]).buffer, new Uint8Array([1, 2]).buffer]);
  });

  // From a shard the publication goes to the root first, and comes back after the others: test/shards.test.ts.
  alone(
    "T3: what is published before a close, a broadcast, an unsubscribe and a subscribe in the same turn comes before it",
    async () => {
      const served = room({ topics: { history: {} } }, serving);
      const [ann, ben] = [await served.connect("?ann"), await served.connect("?ben")];
      await within(served, async (all, object) => {
        const [one, other] = [all["ann"]!, all["ben"]!];
        await one.subscribe("a");
        void one.publish("a", "1");
        object.broadcast("2");
        void one.publish("a", "3");
        const late = other.subscribe("a");
        void one.publish("a", "4");
        other.unsubscribe("a");
        void one.publish("a", "5");
        one.close(4000);
        await late;
      });
      expect(await ann.take(5)).toEqual(["1", "2", "3", "4", "5"]);
      expect((await ann.closed).code).toBe(4000);
      expect(await ben.ask("end")).toBe("2");
      expect(await ben.take(2)).toEqual(["4", "end"]);
    },
  );
});

describe("subscribing in onOpen", () => {
  it("T1: the replay goes out after the 101 and in the order of the calls, and what is published meanwhile behind it", async () => {
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const log = new Log();
    const served = room({
      topics: { history: { messages: 2 } },
      async onOpen(session: Session) {
        void session.asyncRemote.sendText("hello");
        const { replayed, recovered } = await session.subscribe("a", {
          since: session.queryString || undefined,
          last: 2,
        });
        void session.asyncRemote.sendText("subscribed");
        await session.publish("a", "me", { except: session });
        log.add([replayed, recovered]);
        await gate;
        void session.asyncRemote.sendText("done");
      },
    } as never);
    for (const text of ["1", "2", "3"]) await served.stub.publish("a", text);
    const connecting = served.connect();
    await log.has([2, false]);
    // Publications that the replay needs are not trimmed meanwhile.
    for (const text of ["4", "5", "6"]) await served.stub.publish("a", text);
    expect(await served.stub.broadcast("not his")).toBe(0);
    go();
    const client = await connecting;
    const got = await client.take(8);
    expect(got).toEqual(["hello", "2", "3", "4", "5", "6", "subscribed", "done"]);
    expect((await served.stub.publications("a")).map(({ payload }) => payload)).toEqual(["5", "6"]);
  });

  it("T1: what a replay in onOpen needs stays in storage until it went out, and no longer", async () => {
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const log = new Log();
    const served = room({
      topics: { history: { messages: 2 } },
      async onOpen(session: Session) {
        await session.subscribe("a", { last: 2 });
        log.add("subscribed");
        await gate;
      },
    } as never);
    const text = (n: number) => `${n}`.padEnd(10_000, ".");
    for (const n of [1, 2, 3]) await served.stub.publish("a", text(n));
    const connecting = served.connect();
    await log.has("subscribed");
    for (const n of [4, 5, 6, 7]) await served.stub.publish("a", text(n));
    go();
    const client = await connecting;
    expect(await client.take(6)).toEqual([2, 3, 4, 5, 6, 7].map(text));
    await served.stub.publish("a", text(8));
    const blocks = await within({ stub: served.root }, (_, object) =>
      object.ctx.storage.sql
        .exec<{ first: number }>("SELECT first FROM socle_blocks ORDER BY first")
        .toArray()
        .map(({ first }) => first),
    );
    expect(blocks).toEqual([7, 8]);
  });

  it("T1: without a history what is published meanwhile waits, up to a megabyte, past which the session ends with 1013", async () => {
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const log = new Log();
    const onOpen = async (session: Session) => {
      await session.subscribe("a");
      log.add("subscribed");
      await gate;
    };
    const served = room({ onOpen } as never);
    const connecting = served.connect();
    await log.has("subscribed");
    await served.stub.publish("a", "x".repeat(1_000_000));
    await served.stub.publish("a", "y".repeat(48_000));
    await served.stub.publish("a", "z".repeat(1000));
    go();
    const client = await connecting;
    expect((await client.closed).code).toBe(1013);
    expect(entries()).toEqual([`socle: a publication can't be sent, so its session ends at ${served.path}:`]);
  });

  it("T1: a subscribe that fails and is not caught is a failed onOpen", async () => {
    const served = room({ onOpen: (session: Session) => session.subscribe("") } as never);
    expect((await (await served.connect()).closed).code).toBe(1011);
    expect(entries()).toEqual([`socle: onOpen failed at ${served.path}:`]);
  });
});

describe("what is kept of subscriptions", () => {
  /** Few and many subscriptions, in the attachment or in a row. */
  const shapes = [
    { what: "a few", names: ["a", "b"], more: {} },
    { what: "many", names: Array.from({ length: 1000 }, (_, n) => `topic ${n} ${"ü".repeat(60)}`), more: {} },
    { what: "a few of a large session object", names: ["a"], more: { large: "x".repeat(50_000) } },
    {
      what: "many of a large session object",
      names: Array.from({ length: 500 }, (_, n) => `${n}`.padEnd(200, "n")),
      more: { large: "x".repeat(50_000) },
    },
  ];

  it.each(shapes)(
    "T1: $what outlive hibernation, a change of the session object, and end without a trace",
    async ({ names, more }) => {
      const served = serve({
        onOpen: () => ({ n: 0, ...more }),
        onText: (user: { n: number }, _: string, session: Session) =>
          session.asyncRemote.sendText(`${++user.n} ${session.topics.size}`),
      });
      const client = await served.connect("?ann");
      await within(served, ({ ann }) => Promise.all(names.map((name) => ann!.subscribe(name))));
      for (const [index, name] of [names[0]!, names.at(-1)!, names[0]!].entries()) {
        await served.hibernate();
        await served.stub.publish(name, `for ${index}`);
        expect(await client.next()).toBe(`for ${index}`);
        await served.hibernate();
        expect(await client.ask("count")).toBe(`${index + 1} ${names.length}`);
      }
      await served.hibernate();
      void client.close();
      await client.closed;
      await vi.waitUntil(async () => (await served.stub.openSessionCount()) === 0);
      expect(await leftIn(served)).toEqual([]);
    },
  );

  it("T1: the subscriptions of a turn are written once", async () => {
    const served = room();
    await served.connect("?ann");
    const writes = await within(served, async ({ ann }) => {
      const spy = vi.spyOn(WebSocket.prototype, "serializeAttachment");
      await Promise.all(Array.from({ length: 50 }, (_, n) => ann!.subscribe(`topic ${n}`)));
      return spy.mock.calls.length;
    });
    expect(writes).toBe(1);
  });

  it("T1: they outlive a deploy", async () => {
    const served = room({ topics: { history: {} } });
    const client = await served.connect("?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    await served.stub.publish("a", "1");
    redeploy(container, served.path as `/${string}`, {
      ...besides,
      version: 1,
      migrateSession: (data: never) => data,
      topics: { history: { messages: 7 } },
    });
    await served.hibernate();
    await served.stub.publish("a", "2");
    expect(await client.take(2)).toEqual(["1", "2"]);
  });

  it("R26: after a crash they are known to onClose, and nothing of them is left", async () => {
    const log = new Log();
    const served = room({
      trackSessions: true,
      onClose: async (_: unknown, session: Session) => log.add([...session.topics]),
    });
    await served.connect("?ann");
    await within(served, ({ ann }) => Promise.all([ann!.subscribe("a"), ann!.subscribe("b")]));
    await drop(served.stub);
    expect(await served.stub.topic("a")).toEqual({ name: "a", position: undefined, subscribers: 0 });
    await log.has(["a", "b"]);
    expect(await leftIn(served)).toEqual([]);
  });

  it("R23: after a crash the row of many is deleted", async () => {
    const served = room();
    await served.connect("?ann");
    await within(served, ({ ann }) =>
      Promise.all(Array.from({ length: 100 }, (_, n) => ann!.subscribe(`${n}`.padEnd(200, "n")))),
    );
    expect(await leftIn(served)).toHaveLength(1);
    await drop(served.stub);
    await vi.waitUntil(async () => (await leftIn(served)).length === 0);
  });

  it("T5: the first publish after a wake looks at each attachment once, and a message at none", async () => {
    const served = room();
    const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => served.connect(`?${n}`)));
    await within(served, async (all) => {
      await Promise.all(Object.values(all).map((one) => one.subscribe("a")));
      await all["7"]!.subscribe("b");
    });
    await served.hibernate();
    const spy = vi.spyOn(WebSocket.prototype, "deserializeAttachment");
    expect(await clients[0]!.ask("hello")).toBe("hello");
    const woken = spy.mock.calls.length;
    expect(woken).toBeLessThan(5);
    await served.stub.publish("b", "1");
    expect(await clients[7]!.next()).toBe("1");
    const looked = spy.mock.calls.length - woken;
    // The attachment of the receiver is read once more, for its session.
    expect([looked >= 19, looked <= 21]).toEqual([true, true]);
    await served.stub.publish("b", "2");
    expect(await clients[7]!.next()).toBe("2");
    expect(spy.mock.calls.length - woken).toBe(looked);
  });
});

describe("the topics of an object", () => {
  it("T4: belong to it, whatever endpoint a session came by", async () => {
    const served = [freshPath("/{room}"), freshPath("/{room}")].map((path) => {
      container.addEndpoint(path as `/${string}`, { durableObject: Room, instance: () => "one" });
      return path.replace("{room}", "a");
    });
    const [one, other] = served.map((path) => new Served(path));
    const stub = env.Room.getByName("one") as unknown as DurableObjectStub<Endpoint>;
    const [ann, ben] = [await one!.connect("?name=ann"), await other!.connect("?name=ben")];
    await runInDurableObject(stub, async (object) => {
      for (const session of object.openSessions()) await session.subscribe("a");
    });
    await stub.publish("a", "both");
    expect([await ann.next(), await ben.next()]).toEqual(["both", "both"]);
  });

  it("T4: endpoints of one class that may have the same object agree on them", () => {
    const fresh = new ServerContainer();
    const history = () => undefined;
    fresh.addEndpoint("/a/{x}", { instance: () => "one", topics: { history } });
    fresh.addEndpoint("/b/{x}", { topics: { history } });
    expect(() => fresh.addEndpoint("/c/{x}", { topics: { history: () => undefined } })).toThrow(DeploymentError);
    expect(() => fresh.addEndpoint("/d/{x}", {})).toThrow(/"\/a\/\{x\}" and "\/d\/\{x\}" have the class Endpoints/);
    const other = new ServerContainer();
    other.addEndpoint("/a/{x}", { topics: { history: { messages: 1 } } });
    other.addEndpoint("/b/{x}", { topics: { history: { messages: 2 } } });
  });

  it("T4: without instance each path has its own settings, known to a publish from outside too", async () => {
    const [kept, plain] = [room({ topics: { history: {} } }), room()];
    expect((await kept.stub.publish("a", "1")).position).toMatch(/^[\w-]+\.1$/);
    expect((await plain.stub.publish("a", "1")).position).toBeUndefined();
  });

  it("T11: topic tells of subscribers after hibernation, and of nothing for a topic that nobody has", async () => {
    const served = room({ topics: { history: {} } });
    await served.connect("?ann");
    await within(served, ({ ann }) => ann!.subscribe("a"));
    await served.hibernate();
    const { position } = await served.stub.publish("a", "1");
    expect(await served.stub.topic("a")).toEqual({ name: "a", position, subscribers: 1 });
    expect(await served.stub.topic("b")).toEqual({ name: "b", position: undefined, subscribers: 0 });
  });
});

describe("bad input", () => {
  const long = "x".repeat(257);

  it.each([
    ["", "A topic must be a string of 1 to 256 bytes of UTF-8."],
    [long, "A topic must be a string"],
    ["ü".repeat(129), "A topic must be a string"],
    ["\ud800", "A topic must be a string"],
    [7, "A topic must be a string"],
    [undefined, "A topic must be a string"],
  ])("T1: a topic %j is refused by subscribe and publish, and changes nothing", async (topic, message) => {
    const served = room({ topics: { history: {} } });
    await served.connect("?ann");
    const seen = await within(served, async ({ ann }, object) => [
      await failure(ann!.subscribe(topic as string)),
      await failure(ann!.publish(topic as string, "a")),
      await failure(object.topic(topic as string)),
      await failure(object.publications(topic as string)),
      await failure(object.clearTopic(topic as string)),
      ann!.topics.size,
    ]);
    expect(seen.slice(0, 5).every((one) => String(one).startsWith(`TopicError: ${message}`))).toBe(true);
    expect(seen[5]).toBe(0);
  });

  it("T1: a topic of 256 bytes, and any characters in it, are taken", async () => {
    const served = room({ topics: { history: {} } });
    const client = await served.connect("?ann");
    const names = ["x".repeat(256), "\0\n\"'\\[]", "__proto__", "ü€😀"];
    await within(served, ({ ann }) => Promise.all(names.map((name) => ann!.subscribe(name))));
    await served.hibernate();
    for (const name of names) await served.stub.publish(name, name);
    expect(await client.take(4)).toEqual(names);
  });

  it("T1: the 1,001st topic of a session is refused, and the others stay", async () => {
    const served = room();
    const client = await served.connect("?ann");
    const seen = await within(served, async ({ ann }) => {
      await Promise.all(Array.from({ length: 1000 }, (_, n) => ann!.subscribe(`${n}`)));
      return [await failure(ann!.subscribe("one more")), ann!.topics.size, ann!.topics.has("one more")];
    });
    expect(seen).toEqual(["TopicLimitError: A session can have at most 1000 topics.", 1000, false]);
    await served.stub.publish("999", "still");
    expect(await client.next()).toBe("still");
  });

  it.each([
    [{ last: -1 }, "TopicError: The option last must be a whole number"],
    [{ last: 1.5 }, "TopicError: The option last must be a whole number"],
    [{ since: 7 }, "TopicError: The option since must be a position"],
    [{ since: null }, "TopicError: The option since must be a position"],
  ])("T7: %j is refused", async (options, message) => {
    const served = room({ topics: { history: {} } });
    await served.connect("?ann");
    const seen = await within(served, async ({ ann }, object) => [
      await failure(ann!.subscribe("a", options as never)),
      await failure(object.publications("a", options as never)),
      ann!.topics.size,
    ]);
    expect(seen).toEqual([expect.stringContaining(message), expect.stringContaining(message), 0]);
  });

  it.each([[undefined], [null], [7], [{}], [new Date(0)]])(
    "T2: a payload %j is refused, and nothing is kept",
    async (payload) => {
      const served = room({ topics: { history: (topic: string) => (topic === "kept" ? {} : undefined) } });
      const seen = await within(served, async (_, object) => [
        await failure(object.publish("kept", payload as never)),
        await failure(object.publish("plain", payload as never)),
        await object.publications("kept"),
      ]);
      const refused = expect.stringContaining("PayloadError: Not sent: a message must be a string") as unknown;
      expect(seen).toEqual([refused, refused, []]);
    },
  );

  it("T2: an id is a text of 1 to 256 bytes", async () => {
    const served = room({ topics: { history: {} } });
    const refused = expect.stringContaining("TopicError: The id of a publication") as unknown;
    const seen = await within(served, (_, object) =>
      Promise.all([long, 7, ""].map((id) => failure(object.publish("a", "1", { id: id as string })))),
    );
    expect(seen).toEqual([refused, refused, refused]);
  });

  it.each([
    [{ topics: true }, "has an invalid topics: it must be an object of settings"],
    [{ topics: { histories: {} } }, "has the unknown option histories: use history, envelope, maxTopics, maxBytes"],
    [{ topics: { history: { messages: 0 } } }, "has an invalid messages: it must be a whole number from 1"],
    [{ topics: { history: { bytes: -1 } } }, "has an invalid bytes"],
    [{ topics: { history: { ageMs: 0.5 } } }, "has an invalid ageMs"],
    [{ topics: { history: { replayBytes: "1" } } }, "has an invalid replayBytes"],
    [{ topics: { history: { age: 1 } } }, "has the unknown option age"],
    [{ topics: { history: true } }, "has an invalid history"],
    [{ topics: { envelope: "json" } }, "has an invalid envelope"],
    [{ topics: { maxTopics: 0 } }, "has an invalid maxTopics"],
    [{ topics: { maxBytes: 0 } }, "has an invalid maxBytes"],
    [{ topics: {}, subprotocols: ["a+socle.v1"] }, "has topics, which adds socle.v1 itself"],
    [{ subprotocols: ["socle.topics.x"] }, "none of which begins with socle.topics."],
  ])("T6: %j is refused at registration", (options, message) => {
    expect(() => new ServerContainer().addEndpoint("/a", options as never)).toThrow(message);
  });

  it("T6: what the function history gives is looked at when it is asked", async () => {
    const history = (topic: string) => {
      if (topic === "throws") throw new Error("expected");
      return (topic === "wrong" ? { messages: 0 } : topic === "odd" ? 7 : undefined) as undefined;
    };
    const served = room({ topics: { history } });
    await served.connect("?ann");
    const seen = await within(served, async ({ ann }, object) => [
      await failure(object.publish("throws", "a")),
      await failure(ann!.subscribe("throws")),
      await failure(object.publish("wrong", "a")),
      await failure(object.publish("odd", "a")),
      ann!.topics.size,
    ]);
    expect(seen).toEqual([
      "Error: expected",
      "Error: expected",
      expect.stringContaining('DeploymentError: The history of the topic "wrong" has an invalid messages'),
      "DeploymentError: The function topics.history must return an object of settings, or nothing.",
      0,
    ]);
  });
});

it("T1: a session that has ended subscribes to nothing, hibernating or not", async () => {
  const served = room({}, standard.serve);
  await served.connect("?ann");
  const seen = await within(served, async ({ ann }) => {
    ann!.close();
    return failure(ann!.subscribe("a"));
  });
  expect(seen).toContain("SessionClosedError");
});
