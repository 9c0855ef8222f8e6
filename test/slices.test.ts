// Sends to many sockets in slices: what each socket gets, in which order, and what runs between slices.
import {
  slidingBuffer,
  startWsConnection,
  WebSocketSendAsync,
  type RemoteEndpointAsync,
  type SendChannel,
  type Session,
  type WsEndpointMap,
} from "socle";
import { afterEach, beforeEach, describe, expect, inject, it, vi, type MockInstance } from "vitest";

import { Slices } from "../src/sending/slices.ts";
import type { Client } from "./support/client.ts";
import { Log, modes, serve, type Served } from "./support/endpoint.ts";
import { within, type Inside } from "./support/inside.ts";
import { TopicClient } from "./support/topic-client.ts";

/** A send to up to this many sockets is synchronous. */
const SLICE = 250;
const MANY = 2 * SLICE + 50;

let logged: MockInstance<typeof console.error>;
beforeEach(() => (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => void vi.restoreAllMocks());

const entries = () => logged.mock.calls.map(([entry]) => String(entry));

const echo = (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text);

/** A hall whose clients give their number as the query. */
const hall = (more: WsEndpointMap<Cloudflare.Env, never> = {}, serving = serve) =>
  serving({
    onText: echo,
    ...more,
  });

const crowd = (served: Served, count: number, from = 0): Promise<Client[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => served.connect(`?${from + index}`)));

/** What each client got of everything that was sent before this call. */
async function settled(served: Served, clients: readonly Client[]): Promise<unknown[][]> {
  await served.stub.broadcast("end");
  const last = async (client: Client) => {
    while (client.messages.at(-1) !== "end") await client.next();
    return client.messages.slice(0, -1);
  };
  return Promise.all(clients.map(last));
}

const all = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

const subscribeAll = (sessions: Iterable<Session>, topic: string) =>
  Promise.all(Array.from(sessions, (session) => session.subscribe(topic)));

/** Counts how often one of these texts is sent to a socket. */
function sends(...texts: string[]): () => number {
  const spy = vi.spyOn(WebSocket.prototype, "send");
  return () => spy.mock.calls.filter(([data]) => texts.includes(data as string)).length;
}

/** The names of the sessions that a broadcast reaches last. */
const lastOf = (object: Inside, count: number) =>
  [...object.openSessions()].slice(-count).map(({ queryString }) => queryString);

/** A payload that sends itself, and then does something else. */
class Acting {
  readonly #act: (remote: RemoteEndpointAsync) => unknown;
  readonly #text: string;

  constructor(text: string, act: (remote: RemoteEndpointAsync) => unknown) {
    this.#text = text;
    this.#act = act;
  }

  [WebSocketSendAsync](remote: RemoteEndpointAsync) {
    const sending = remote.sendText(this.#text);
    this.#act(remote);
    return sending;
  }
}

describe.each(modes)("broadcasts, hibernate: $hibernate", ({ serve: serving }) => {
  it("S6: up to 250 receivers get it at the call, of more the first 250", async () => {
    const served = hall({}, serving);
    const clients = await crowd(served, SLICE);
    const seen = await within(served, (_, object) => {
      const count = sends("to 250");
      return [object.broadcast("to 250"), count()];
    });
    expect(seen).toEqual([250, 250]);
    clients.push(await served.connect("?one more"));
    const more = await within(served, (_, object) => {
      const count = sends("to 251");
      return [object.broadcast("to 251"), count()];
    });
    expect(more).toEqual([251, 250]);
    expect(await settled(served, clients)).toEqual([...all(250, ["to 250", "to 251"]), ["to 251"]]);
  });

  it("S6: its receivers and their number are those of the call", async () => {
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const log = new Log();
    const onOpen = async ({ queryString }: Session) => {
      if (queryString !== "opening") return;
      log.add("opening");
      await gate;
    };
    const served = serving({ onOpen, onText: echo });
    const clients = await crowd(served, MANY);
    const connecting = served.connect("?opening");
    await log.has("opening");
    const [reached, names] = await within(served, (sessions, object) => {
      const [one, other] = [lastOf(object, 1)[0]!, lastOf(object, MANY)[0]!];
      const count = object.broadcast("hello", { except: [sessions[one]!, sessions[other]!.id] });
      go();
      return [count, [one, other]];
    });
    expect(reached).toBe(MANY - 2);
    const late = [await connecting, await served.connect("?late")];
    const came = await settled(served, [...clients, ...late]);
    const missed = came.flatMap(({ length }, index) => (length === 0 ? [`${index}`] : []));
    expect(missed.toSorted()).toEqual([...names, `${MANY}`, `${MANY + 1}`].toSorted());
    expect(came.every(({ length }) => length < 2)).toBe(true);
  });

  it("S6: its bytes are those of the call", async () => {
    const served = hall({}, serving);
    const clients = await crowd(served, MANY);
    await within(served, (_, object) => {
      const bytes = Uint8Array.of(1, 2, 3);
      object.broadcast(bytes.subarray(1));
      object.broadcast(bytes.buffer);
      bytes.fill(9);
    });
    const came = await settled(served, clients);
    expect(came).toEqual(all(MANY, [Uint8Array.of(2, 3).buffer, Uint8Array.of(1, 2, 3).buffer]));
  });

  it("S6: what goes to one session directly comes behind what waits for it: a message, a channel's, its close", async () => {
    const served = hall({}, serving);
    const clients = await crowd(served, MANY);
    const names = await within(served, (sessions, object) => {
      const last = lastOf(object, 3);
      const [one, other, third] = last.map((name) => sessions[name]!);
      const channel = startWsConnection(other!);
      for (const text of ["1", "2"]) object.broadcast(text);
      void one!.asyncRemote.sendText("direct");
      void channel.put("by channel");
      third!.close(4000);
      object.broadcast("3");
      void one!.asyncRemote.sendText("direct again");
      return last;
    });
    const [one, other, third] = names.map((name) => clients[Number(name)]!);
    expect((await third!.closed).code).toBe(4000);
    expect(third!.messages).toEqual(["1", "2"]);
    const came = await settled(
      served,
      clients.filter((client) => client !== third),
    );
    expect(one!.messages).toEqual(["1", "2", "direct", "3", "direct again", "end"]);
    expect(other!.messages).toEqual(["1", "2", "by channel", "3", "end"]);
    expect(came.filter((messages) => String(messages) === "1,2,3")).toHaveLength(MANY - 3);
  });

  it("S6: closeAll comes behind it", async () => {
    const served = hall({}, serving);
    const clients = await crowd(served, MANY);
    const count = await within(served, (_, object) => {
      object.broadcast("last words");
      return object.closeAll(4002);
    });
    expect(count).toBe(MANY);
    const closed = await Promise.all(clients.map((client) => client.closed));
    expect(closed.map(({ code }) => code)).toEqual(all(MANY, 4002));
    expect(clients.map(({ messages }) => messages)).toEqual(all(MANY, ["last words"]));
  });

  it("S6: so does the answer to a client's own Close", async () => {
    const log = new Log();
    const onClose = (_: unknown, { queryString }: Session) => log.add("closed", queryString);
    const served = hall({ onClose }, serving);
    const clients = await crowd(served, MANY);
    // Until the object handles the Close, there is always a broadcast that waits for this session.
    const [name] = await within(served, (sessions, object) => {
      const last = lastOf(object, 1);
      const { asyncRemote, webSocket } = sessions[last[0]!]!;
      let count = 0;
      const again = (): unknown =>
        object.broadcast(
          new Acting(`${count++}`, (remote) => {
            // The Close is handled long before the 200th broadcast, unless no event can come in between.
            if (remote === asyncRemote && webSocket.readyState === WebSocket.OPEN && count < 200) again();
          }),
        );
      for (let index = 0; index < 3; index++) again();
      return last;
    });
    const client = clients[Number(name)]!;
    expect((await client.close(4003)).code).toBe(4003);
    await log.has(["closed", name]);
    const [others] = await settled(served, [clients.find((one) => one !== client)!]);
    expect(client.messages.length).toBeGreaterThan(2);
    expect(client.messages).toEqual(others);
  });

  it("S6: one whose socket fails keeps it from no other, and one that has ended gets nothing", async () => {
    const served = hall({}, serving);
    const clients = await crowd(served, MANY);
    const [count, names] = await within(served, (sessions, object) => {
      const failing = [lastOf(object, MANY)[0]!, lastOf(object, 2)[0]!];
      for (const name of failing) sessions[name]!.webSocket.close(4004);
      return [object.broadcast("hello"), failing];
    });
    expect(count).toBe(MANY);
    const open = clients.filter((_, index) => !names.includes(`${index}`));
    expect(await settled(served, open)).toEqual(all(MANY - 2, ["hello"]));
    expect(entries()).toContain(`socle: a broadcast missed a session at ${served.path}:`);
  });

  it("S6: past 64 that wait the oldest goes at once", async () => {
    const served = hall({}, serving);
    const clients = await crowd(served, 300);
    const texts = Array.from({ length: 67 }, (_, index) => `${index}`);
    const counts = await within(served, (_, object) => {
      const count = sends(...texts);
      return texts.map((text) => {
        object.broadcast(text);
        return count();
      });
    });
    expect(counts).toEqual([...all(64, 250), 300, 600, 900]);
    expect(await settled(served, clients)).toEqual(all(300, texts));
  });

  it("S6: a smaller one, of a tag, comes behind a larger one", async () => {
    const served = hall({ tags: ({ queryString }) => [queryString] }, serving);
    const clients = await crowd(served, 300);
    const names = await within(served, (_, object) => {
      const last = lastOf(object, 1);
      object.broadcast("to all");
      object.broadcast("to one", { tag: last[0]! });
      return last;
    });
    const came = await settled(served, clients);
    expect(came).toEqual(came.map((_, index) => (names.includes(`${index}`) ? ["to all", "to one"] : ["to all"])));
  });
});

describe("what runs meanwhile", () => {
  it("S6: another session's message is handled before the last receiver has got the broadcast", async () => {
    const order: string[] = [];
    const served = hall({ onText: (_: unknown, text: string) => void order.push(text) });
    const clients = await crowd(served, MANY);
    const done = within(served, async (sessions, object) => {
      const { asyncRemote } = sessions[lastOf(object, 1)[0]!]!;
      order.push("begun");
      // The message takes a while to arrive. If only microtasks ran in between, it would not arrive at all.
      for (let time = 0; time < 50 && !order.includes("meanwhile"); time++) {
        const { promise, resolve } = Promise.withResolvers<void>();
        object.broadcast(
          new Acting("hello", (remote) => {
            if (remote !== asyncRemote) return;
            order.push("last");
            resolve();
          }),
        );
        await promise;
      }
      return order;
    });
    await vi.waitUntil(() => order.length > 0, { interval: 1 });
    clients[7]!.send("meanwhile");
    expect((await done).slice(-2)).toEqual(["meanwhile", "last"]);
  });

  it("S6: a task that is due runs between two slices", async () => {
    const served = hall();
    const clients = await crowd(served, MANY);
    const seen = await within(served, async (_, object) => {
      const count = sends("hello");
      object.broadcast("hello");
      const at = [count()];
      for (let tick = 0; tick < 1000; tick++) await Promise.resolve();
      at.push(count());
      while (count() < MANY) {
        await scheduler.wait(0);
        if (count() !== at.at(-1)) at.push(count());
      }
      return at;
    });
    expect(seen).toEqual([250, 250, 500, MANY]);
    expect(await settled(served, clients)).toEqual(all(MANY, ["hello"]));
  });

  it("S6: an object that is to hibernate sends what waits before", async () => {
    const served = hall();
    const clients = await crowd(served, MANY);
    const texts = Array.from({ length: 40 }, (_, index) => `${index}`);
    await within(served, (_, object) => {
      for (const text of texts) object.broadcast(text);
    });
    await served.hibernate();
    expect(await settled(served, clients)).toEqual(all(MANY, texts));
  });

  it("S6: by RPC too: the number is there at once", async () => {
    const served = hall();
    const clients = await crowd(served, MANY);
    expect([await served.stub.broadcast("1"), await served.stub.broadcast("2")]).toEqual([MANY, MANY]);
    expect(await settled(served, clients)).toEqual(all(MANY, ["1", "2"]));
  });
});

describe.each(modes)("publications, hibernate: $hibernate", ({ serve: serving }) => {
  const kinds = [
    { what: "with a history", topics: { history: {} } },
    { what: "without a history", topics: {} },
  ];

  it.each(kinds)("S6: $what: one waits for no subscriber, and they are those of the call", async ({ topics }) => {
    const served = hall({ topics }, serving);
    const clients = await crowd(served, MANY);
    const { sent, names } = await within(served, async (sessions, object) => {
      const last = lastOf(object, 5);
      const [leaving, ending, late, excepted, told] = last.map((name) => sessions[name]!);
      await subscribeAll(
        lastOf(object, MANY)
          .map((name) => sessions[name]!)
          .filter((session) => session !== late),
        "a",
      );
      const count = sends("1");
      await object.publish("a", "1", { except: excepted! });
      const before = count();
      const bytes = Uint8Array.of(2);
      void object.publish("a", bytes);
      bytes[0] = 9;
      leaving!.unsubscribe("a");
      ending!.close(4005);
      await late!.subscribe("a");
      await object.publish("a", "3");
      void told!.asyncRemote.sendText("direct");
      return { sent: before, names: last };
    });
    expect(sent).toBe(250);
    const [leaving, ending, late, excepted, told] = names.map((name) => clients[Number(name)]!);
    expect((await ending!.closed).code).toBe(4005);
    const came = await settled(
      served,
      clients.filter((client) => client !== ending),
    );
    const two = Uint8Array.of(2).buffer;
    expect(ending!.messages).toEqual(["1", two]);
    expect(leaving!.messages).toEqual(["1", two, "end"]);
    expect(late!.messages).toEqual(["3", "end"]);
    expect(excepted!.messages).toEqual([two, "3", "end"]);
    expect(told!.messages).toEqual(["1", two, "3", "direct", "end"]);
    const others = came.filter((_, index) => !names.includes(`${index}`));
    expect(came.filter(({ length }) => length === 3)).toHaveLength(MANY - 5);
    expect(others.length).toBeGreaterThan(MANY - 7);
  });

  it("S6: who comes back to a topic gets what was published before once, and in order", async () => {
    const served = hall({ topics: { history: {} } }, serving);
    const clients = await crowd(served, MANY);
    await within(served, async (sessions, object) => {
      await subscribeAll(
        lastOf(object, MANY).map((name) => sessions[name]!),
        "a",
      );
      for (const text of ["1", "2"]) await object.publish("a", text);
      const last = sessions[lastOf(object, 1)[0]!]!;
      const { position } = await object.topic("a");
      last.unsubscribe("a");
      await object.publish("a", "3");
      await last.subscribe("a", { since: position! });
      await object.publish("a", "4");
    });
    expect(await settled(served, clients)).toEqual(all(MANY, ["1", "2", "3", "4"]));
  });

  it("S6: a session whose onOpen has subscribed gets what was published meanwhile behind the 101", async () => {
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const log = new Log();
    const onOpen = async (session: Session) => {
      await session.subscribe("a");
      if (session.queryString !== "opening") return;
      void session.asyncRemote.sendText("first");
      log.add("opening");
      await gate;
      void session.asyncRemote.sendText("last");
    };
    const served = serving({ onOpen, onText: echo });
    const clients = await crowd(served, MANY);
    const connecting = served.connect("?opening");
    await log.has("opening");
    await within(served, async (_, object) => {
      await object.publish("a", "1");
      await object.publish("a", "2");
      go();
    });
    clients.push(await connecting);
    expect(await settled(served, clients)).toEqual([...all(MANY, ["1", "2"]), ["first", "1", "2", "last"]]);
  });
});

describe("topics in slices", () => {
  it("S6: the envelope runs at the call, and what it makes is fixed then", async () => {
    let mark = "then";
    const envelope = ({ payload }: { payload: string | ArrayBuffer }) => `${payload as string} ${mark}`;
    const served = hall({ topics: { envelope } });
    const clients = await crowd(served, 1);
    const knowing = await Promise.all(all(300, 0).map(() => TopicClient.connect(served, "?knowing")));
    clients.push(await served.connect("?last"));
    await within(served, async (_, object) => {
      // The plain clients are the last subscribers.
      const isPlain = ({ queryString }: Session) => queryString !== "knowing";
      const sessions = [...object.openSessions()];
      await subscribeAll([...sessions.filter((one) => !isPlain(one)), ...sessions.filter(isPlain)], "a");
      await object.publish("a", "1");
      mark = "later";
      await object.publish("a", "2");
    });
    expect(await settled(served, clients)).toEqual(all(2, ["1 then", "2 later"]));
    await Promise.all(knowing.map((client) => client.until("2")));
  });

  it("S6: a session that can't get a publication ends, and nothing of what waits comes in its place", async () => {
    const envelope = ({ payload }: { payload: string | ArrayBuffer }) => {
      if (payload === "bad") throw new Error("expected");
      return payload;
    };
    const served = hall({ topics: { envelope } });
    const knowing = await TopicClient.connect(served, "?knowing");
    const clients = await crowd(served, 300);
    await within(served, async (_, object) => {
      await subscribeAll(object.openSessions(), "a");
      await object.publish("a", "1");
      await object.publish("a", "bad");
      await object.publish("a", "2");
    });
    const closed = await Promise.all(clients.map((client) => client.closed));
    expect(closed.map(({ code }) => code)).toEqual(all(300, 1011));
    expect(clients.map(({ messages }) => messages)).toEqual(all(300, ["1"]));
    await knowing.until("2");
    expect(knowing.texts).toEqual(["1", "bad", "2"]);
  });

  /** A client with little credit, in the middle of 300 others. */
  async function slowly(window: number) {
    const served = hall({ flowControl: { window, maxBufferedAmount: 500 }, topics: { history: {} } });
    const clients = await crowd(served, 150);
    const slow = await TopicClient.connect(served, "?slow");
    clients.push(...(await crowd(served, 150, 150)));
    return { served, clients, slow };
  }

  it("S6: a slow client's publications come in order, from the history where its credit is used up", async () => {
    const { served, clients, slow } = await slowly(100);
    const texts = Array.from({ length: 30 }, (_, index) => `${index}`.padEnd(20, "."));
    await within(served, async (_, object) => {
      await subscribeAll(object.openSessions(), "a");
      for (const text of texts) await object.publish("a", text);
    });
    await slow.takeUntil(() => slow.texts.length >= 30);
    expect(slow.texts).toEqual(texts);
    expect(await settled(served, clients)).toEqual(all(300, texts));
  });

  it("S6: what waits for a slow client uses its credit before what is sent to it directly, and its buffer", async () => {
    const { served, slow } = await slowly(100);
    const failed = await within(served, async (sessions, object) => {
      const session = sessions["slow"]!;
      await subscribeAll([session], "a");
      for (const letter of "abcd") object.broadcast(letter.repeat(100));
      await object.publish("a", "published");
      const patient = startWsConnection(session).send("by channel");
      const result = await session.asyncRemote.sendText("x".repeat(200)).catch((error: Error) => error.name);
      session.ctx.waitUntil(patient);
      return result;
    });
    expect(failed).toBe("BufferFullError");
    await slow.takeUntil(() => slow.texts.length >= 6);
    expect(slow.texts.slice(0, 4)).toEqual(Array.from("abcd", (letter) => letter.repeat(100)));
    expect(new Set(slow.texts.slice(4))).toEqual(new Set(["by channel", "published"]));
  });

  /** What a client with little credit gets, in all the ways of sending, before it acknowledges the first message. */
  async function scripted(count: number): Promise<unknown[]> {
    const served = hall({ flowControl: { window: 150, maxBufferedAmount: 2000 }, topics: { history: {} } });
    await crowd(served, count / 2);
    const slow = await TopicClient.connect(served, "?slow");
    await crowd(served, count / 2, count);
    await within(served, async (sessions, object) => {
      const session = sessions["slow"]!;
      const sliding = startWsConnection(session, { sendBufferOrN: slidingBuffer(1) });
      await object.publish("a", "replayed");
      const rest = [...object.openSessions()].filter((one) => one !== session);
      object.broadcast("x".repeat(100), { except: rest.slice(0, -100) });
      object.broadcast("first", { except: rest.slice(-1) });
      await session.subscribe("a", { last: 1 });
      object.broadcast("y".repeat(60), { except: rest.slice(-1) });
      for (const text of ["slides 1", "slides 2", "slides 3"]) void sliding.put(text);
      for (const text of ["1", "2"]) await object.publish("a", text.padEnd(100, "."));
      object.broadcast("z".repeat(60), { except: rest.slice(-1) });
      void object.webSocketMessage(session.webSocket, Uint8Array.of(2, 1).buffer);
      object.broadcast("last", { except: rest.slice(-1) });
      void session.asyncRemote.sendText("direct");
    });
    while (slow.texts.length < 2) await slow.client.next();
    const wanted = ["last", "direct", "1".padEnd(100, "."), "2".padEnd(100, "."), "z".repeat(60)];
    await slow.takeUntil(() => wanted.every((text) => slow.texts.includes(text)));
    return slow.came.flatMap((one) => ("data" in one ? [one.data] : "recovered" in one ? ["place"] : []));
  }

  it("S6: with little credit, what comes in which order and what slides is what it would be without slices", async () => {
    const [few, many] = [await scripted(100), await scripted(700)];
    expect(many).toEqual(few);
    expect(new Set(few)).toContain("slides 3");
  });

  it("S6: what slides gives way to what waits", async () => {
    const served = hall({ flowControl: { window: 150 } });
    await crowd(served, 150);
    const slow = await TopicClient.connect(served, "?slow");
    await crowd(served, 150, 150);
    await within(served, (sessions, object) => {
      const sliding = startWsConnection(sessions["slow"]!, { sendBufferOrN: slidingBuffer(1) });
      // The first slice goes to all other sessions.
      object.broadcast("first", { except: [...object.openSessions()].slice(0, 1) });
      object.broadcast("x".repeat(100));
      for (const text of ["slides 1", "slides 2", "slides 3"]) void sliding.put(text);
    });
    while (slow.texts.length < 1) await slow.client.next();
    await slow.takeUntil(() => slow.texts.includes("slides 3"));
    expect(slow.texts).toEqual(["first", "x".repeat(100), "slides 3"]);
  });

  it("S6: a smaller publication comes behind what waits", async () => {
    const served = hall({ topics: { history: {} } });
    await crowd(served, 150);
    const client = await TopicClient.connect(served, "?knowing");
    await crowd(served, 150, 150);
    await within(served, async (sessions, object) => {
      await sessions["knowing"]!.subscribe("a");
      object.broadcast("first", { except: [...object.openSessions()].slice(0, 1) });
      object.broadcast("second");
      await object.publish("a", "small");
    });
    await client.until("small");
    expect(client.texts).toEqual(["first", "second", "small"]);
  });

  it("S6: a replay and the place of a topic come behind what waits", async () => {
    const served = hall({ topics: { history: {} } });
    await crowd(served, 150);
    const client = await TopicClient.connect(served, "?knowing");
    await crowd(served, 150, 150);
    await within(served, async (sessions, object) => {
      await object.publish("a", "replayed");
      object.broadcast("first", { except: [...object.openSessions()].slice(0, 1) });
      object.broadcast("second");
      await sessions["knowing"]!.subscribe("a", { last: 1 });
    });
    const came = await client.until("replayed");
    expect(came.slice(1).map((one) => ("data" in one ? one.data : "place"))).toEqual([
      "first",
      "second",
      "place",
      "replayed",
    ]);
  });

  it("S6: what waits for a client of socle.v1 goes as one frame", async () => {
    const served = hall({ topics: {} });
    await crowd(served, 150);
    const client = await TopicClient.connect(served, "?knowing");
    await crowd(served, 150);
    const texts = Array.from({ length: 20 }, (_, index) => `${index}`);
    const names = await within(served, (_, object) => {
      // The first slice sends what comes first, one message at a time.
      object.broadcast("first", { except: [...object.openSessions()].slice(0, 1) });
      for (const text of texts) object.broadcast(text);
      return lastOf(object, 51);
    });
    await client.until("19");
    expect(client.texts).toEqual(["first", ...texts]);
    expect([client.frames(1), names.length]).toEqual([1, 51]);
  });
});

describe("from within", () => {
  it("S6: what a payload that sends itself sends to others comes behind what waits for them, once", async () => {
    const served = hall();
    const clients = await crowd(served, MANY);
    const names = await within(served, (sessions, object) => {
      const last = lastOf(object, 3);
      const [at, told, closed] = last.map((name) => sessions[name]!);
      object.broadcast(
        new Acting("1", (remote) => {
          if (remote !== at!.asyncRemote) return;
          object.broadcast("inner");
          object.broadcast("to two", {
            except: [...object.openSessions()].filter((one) => one !== at && one !== told),
          });
          void told!.asyncRemote.sendText("direct");
          closed!.close(4006);
        }),
      );
      object.broadcast("2");
      return last;
    });
    const [at, told, closed] = names.map((name) => clients[Number(name)]!);
    expect((await closed!.closed).code).toBe(4006);
    const came = await settled(
      served,
      clients.filter((client) => client !== closed),
    );
    expect(closed!.messages).toEqual(["1", "2", "inner"]);
    expect(at!.messages).toEqual(["1", "2", "inner", "to two", "end"]);
    expect(told!.messages).toEqual(["1", "2", "inner", "to two", "direct", "end"]);
    expect(came.filter((one) => String(one) === "1,2,inner")).toHaveLength(MANY - 3);
  });

  it("S6: one may close its own session, or have it leave a topic: what was sent before comes before", async () => {
    const served = hall();
    const clients = await crowd(served, MANY);
    const names = await within(served, async (sessions, object) => {
      const last = lastOf(object, 2);
      const [closing, leaving] = last.map((name) => sessions[name]!);
      await subscribeAll(object.openSessions(), "a");
      object.broadcast(
        new Acting("1", (remote) => {
          if (remote === closing!.asyncRemote) closing!.close(4007);
          if (remote === leaving!.asyncRemote) leaving!.unsubscribe("a");
        }),
      );
      await object.publish("a", "2");
      return last;
    });
    const [closing, leaving] = names.map((name) => clients[Number(name)]!);
    expect((await closing!.closed).code).toBe(4007);
    expect(closing!.messages).toEqual(["1", "2"]);
    await served.stub.publish("a", "3");
    const came = await settled(
      served,
      clients.filter((client) => client !== closing),
    );
    expect(leaving!.messages).toEqual(["1", "2", "end"]);
    expect(came.filter((one) => String(one) === "1,2,3")).toHaveLength(MANY - 2);
  });

  it("S6: one that broadcasts as it is sent holds up no message to its session", async () => {
    const served = hall();
    await crowd(served, 300);
    const [name, at] = await within(served, (sessions, object) => {
      const [last] = lastOf(object, 1);
      const { asyncRemote } = sessions[last!]!;
      let count = 0;
      const again = (): unknown =>
        object.broadcast(new Acting(`${count++}`, (remote) => remote === asyncRemote && count < 20 && again()));
      again();
      void asyncRemote.sendText("direct");
      return [last, count];
    });
    expect([name, at]).toEqual([expect.any(String), 2]);
  });

  it("S6: one that sends later, and one that fails, keep nobody from anything", async () => {
    const served = hall();
    const clients = await crowd(served, MANY);
    await within(served, (_, object) => {
      object.broadcast({
        [WebSocketSendAsync](remote: RemoteEndpointAsync) {
          void remote.sendText("1");
          return Promise.reject(new Error("expected"));
        },
      });
      object.broadcast({
        [WebSocketSendAsync]() {
          throw new Error("expected");
        },
      });
      object.broadcast("2");
    });
    expect(await settled(served, clients)).toEqual(all(MANY, ["1", "2"]));
    expect(entries()).toContain(`socle: a broadcast missed a session at ${served.path}:`);
  });
});

it("S6: the end of what waits can be awaited", async () => {
  const kept: Promise<void>[] = [];
  const slices = new Slices((sending) => kept.push(sending));
  const sent: WebSocket[] = [];
  const sockets = Array.from({ length: MANY }, () => new WebSocketPair()[0]);
  expect(slices.settled).toBeUndefined();
  slices.add(new Set(sockets), (socket) => sent.push(socket));
  expect([sent.length, slices.isWaiting, kept]).toEqual([250, true, [slices.settled]]);
  await slices.settled;
  expect(sent).toEqual(sockets);
  expect([slices.isWaiting, slices.settled]).toEqual([false, undefined]);
  slices.add(new Set(sockets.slice(0, 7)), (socket) => sent.push(socket));
  expect([sent.length, slices.settled]).toEqual([MANY + 7, undefined]);
});

/** Random numbers from a seed, each below a bound. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe.each(modes)("at random, hibernate: $hibernate", ({ serve: serving, hibernate }) => {
  const COUNT = 300;

  it("S6: each session gets what it would get without slices", async () => {
    const { seed } = inject("model");
    console.log(`S6: seed ${seed}`);
    const random = randomOf(seed + Number(hibernate));
    const served = hall(
      {
        topics: { history: (topic: string) => (topic === "kept" ? { messages: 1000 } : undefined) },
        tags: ({ queryString }) => [`${Number(queryString) % 3}`],
      },
      serving,
    );
    const plain = await crowd(served, COUNT - 30);
    const knowing = await Promise.all(
      Array.from({ length: 30 }, (_, index) => TopicClient.connect(served, `?${COUNT - 30 + index}`)),
    );
    const expected: string[][] = Array.from({ length: COUNT }, () => []);
    const subscribed = Array.from({ length: COUNT }, () => new Set<string>());
    const closed = new Set<number>();
    const kept: string[] = [];
    let next = 0;

    const round = async (sessions: Record<string, Session>, object: Inside) => {
      const channels = new Map<number, SendChannel>();
      const open = () => Array.from({ length: COUNT }, (_, index) => index).filter((index) => !closed.has(index));
      const acts: (() => void | Promise<unknown>)[] = [
        () => {
          const text = `${next++}`;
          const except = random(3) === 0 ? random(COUNT) : -1;
          const tag = random(3) === 0 ? random(3) : undefined;
          const to = open().filter((one) => one !== except && (tag === undefined || one % 3 === tag));
          const options = {
            ...(except >= 0 && sessions[except] && { except: sessions[except] }),
            ...(tag !== undefined && { tag: `${tag}` }),
          };
          const payload = random(4) === 0 ? new Acting(text, () => {}) : text;
          expect(object.broadcast(payload, options)).toBe(to.length);
          for (const one of to) expected[one]!.push(text);
        },
        async () => {
          const [text, topic] = [`${next++}`, random(2) ? "kept" : "loose"];
          const publishing = object.publish(topic, text);
          if (topic === "kept") kept.push(text);
          for (const one of open()) if (subscribed[one]!.has(topic)) expected[one]!.push(text);
          await publishing;
        },
        () => {
          const [one, text] = [random(COUNT), `${next++}`];
          if (closed.has(one)) return;
          void sessions[one]!.asyncRemote.sendText(text);
          expected[one]!.push(text);
        },
        () => {
          const [one, text] = [random(COUNT), `${next++}`];
          if (closed.has(one)) return;
          if (!channels.has(one)) channels.set(one, startWsConnection(sessions[one]!));
          void channels.get(one)!.put(text);
          expected[one]!.push(text);
        },
        () => {
          const one = random(COUNT);
          if (closed.size > COUNT - 270 || closed.has(one)) return;
          closed.add(one);
          sessions[one]!.close(4000 + (one % 900));
        },
        async () => {
          const [one, topic, last] = [random(COUNT), random(2) ? "kept" : "loose", random(4)];
          if (closed.has(one)) return;
          const subscribing = sessions[one]!.subscribe(topic, { last });
          if (!subscribed[one]!.has(topic) && topic === "kept" && last > 0) expected[one]!.push(...kept.slice(-last));
          subscribed[one]!.add(topic);
          await subscribing;
        },
        () => {
          const [one, topic] = [random(COUNT), random(2) ? "kept" : "loose"];
          if (closed.has(one)) return;
          sessions[one]!.unsubscribe(topic);
          subscribed[one]!.delete(topic);
        },
        () => (random(3) === 0 ? scheduler.wait(0) : undefined),
      ];
      const weights = [4, 4, 3, 3, 1, 2, 1, 3];
      const bag = weights.flatMap((weight, index) => all(weight, index));
      for (let count = 0; count < 150; count++) {
        const act = acts[bag[random(bag.length)]!]!();
        if (act) await act;
      }
    };
    await within(served, async (sessions) => {
      for (const [name, session] of Object.entries(sessions)) {
        if (Number(name) % 30 === 0) continue;
        for (const topic of ["kept", "loose"]) subscribed[Number(name)]!.add(topic);
        await Promise.all(["kept", "loose"].map((topic) => session.subscribe(topic)));
      }
    });
    for (let count = 0; count < 4; count++) {
      await within(served, round);
      if (hibernate) await served.hibernate();
    }
    const cameTo = (index: number) =>
      index < plain.length ? plain[index]!.messages : knowing[index - plain.length]!.texts;
    const came = () => Array.from({ length: COUNT }, (_, index) => cameTo(index));
    await vi.waitUntil(() => came().every(({ length }, index) => length >= expected[index]!.length), {
      timeout: 30_000,
    });
    for (const index of closed) {
      const { client } = index < plain.length ? { client: plain[index]! } : knowing[index - plain.length]!;
      expect((await client.closed).code).toBe(4000 + (index % 900));
    }
    expect(came(), `seed ${seed}`).toEqual(expected);
  });
});
