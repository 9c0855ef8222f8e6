// The example, and a Worker of the tests, over TCP.
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { Price } from "../../example-worker/ticker.ts";
import { SocleWebSocket } from "../../src/client/index.ts";
import { wranglerDev, workerd, type Client, type Server } from "./server.ts";

let example: Server;
let worker: Server;
/** The same Worker in workerd, without wrangler. */
let runtime: Server;
let starting: Promise<Server>[];

beforeAll(async () => {
  starting = [wranglerDev("wrangler.jsonc"), wranglerDev("test/e2e/wrangler.jsonc"), workerd("test/e2e/worker.ts")];
  [example, worker, runtime] = (await Promise.all(starting)) as [Server, Server, Server];
});

afterAll(() => Promise.allSettled(starting.map(async (server) => (await server).stop())));

/** A masked, empty frame with an opcode that the protocol does not have. */
const RESERVED = new Uint8Array([0x83, 0x80, 0, 0, 0, 0]);

/** Joins a room, and takes the list of its members. */
async function join(room: string, name: string): Promise<Client> {
  const client = await example.connect(`/chat/${room}?name=${name}`);
  expect(await client.json()).toMatchObject({ type: "welcome", name, members: expect.arrayContaining([name]) });
  return client;
}

const say = (client: Client, text: string) => client.send(JSON.stringify({ type: "message", text }));

/** Waits for the next entries of a journal. */
async function entries(server: Server, path: string, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) taken.push(await server.text(path));
  return taken;
}

describe("echo", () => {
  it("R27: comes back, text and binary, in the order in which it was sent", async () => {
    const client = await example.connect("/echo");
    client.send("a", new Uint8Array([0, 1, 255]), "", new Uint8Array(0), "ü€😀");
    expect(await client.take(5)).toEqual([
      "echo: a",
      new Uint8Array([0, 1, 255]),
      "echo: ",
      new Uint8Array(0),
      "echo: ü€😀",
    ]);
    await client.close();
  });

  it("R15: sees its close event, with 1005, when the client closes with no code", async () => {
    const silent = await example.connect("/echo");
    expect(await silent.close()).toEqual({ code: 1005, reason: "" });
    const talking = await example.connect("/echo");
    talking.send("a");
    expect(await talking.next()).toBe("echo: a");
    expect(await talking.close()).toEqual({ code: 1005, reason: "" });
  });

  it.each([1000, 1001, 3000, 4999])("R15: is closed with the code with which the client closes, %i", async (code) => {
    const client = await example.connect("/echo");
    expect(await client.close(code)).toMatchObject({ code });
  });
});

describe("requests that open no session", () => {
  it("R4: are answered with the page, or with 404 where nothing is", async () => {
    const page = await example.fetch("/");
    expect(page.status).toBe(200);
    expect(page.headers.get("Content-Type")).toMatch("text/html");
    expect(await page.text()).toMatch("<title>Socle example</title>");
    expect((await example.fetch("/rooms/lobby")).headers.get("Content-Security-Policy")).toMatch("connect-src 'self'");
    expect((await example.fetch("/nothing")).status).toBe(404);
  });

  it("R4: are answered with 426 for a GET, with 405 and Allow for a POST", async () => {
    expect((await example.fetch("/echo")).status).toBe(426);
    const posted = await example.fetch("/echo", { method: "POST", body: "a" });
    expect(posted.status).toBe(405);
    expect(posted.headers.get("Allow")).toBe("GET");
  });

  it("R4: are answered with 426 and version 13 for another version", async () => {
    for (const [server, path] of [
      [example, "/echo"],
      [runtime, "/kick"],
    ] as const) {
      const { statusCode, headers } = await server.upgrade(path, { "Sec-WebSocket-Version": "12" });
      expect([statusCode, headers["sec-websocket-version"]]).toEqual([426, "13"]);
    }
  });

  it("R2: are answered with 400 for a malformed percent escape", async () => {
    expect((await runtime.fetch("/journal/%zz")).status).toBe(400);
    const upgraded = await runtime.upgrade("/journal/%zz", { "Sec-WebSocket-Version": "13" });
    expect(upgraded.statusCode).toBe(400);
  });
});

describe("chat", () => {
  it("R31: tells a room, and no other, who comes, what is said and who goes", async () => {
    const ann = await example.connect("/chat/lobby?name=Ann");
    const position = expect.stringMatching(/^\w+\.\d+$/);
    const welcome = { type: "welcome", name: "Ann", members: ["Ann"], recovered: false, position };
    expect(await ann.json()).toEqual(welcome);
    const elsewhere = await join("elsewhere", "Eve");
    const bob = await example.connect("/chat/lobby?name=Bob");
    expect(await bob.json()).toMatchObject({ type: "welcome", name: "Bob", members: ["Ann", "Bob"] });
    expect(await ann.json()).toEqual({ type: "joined", name: "Bob" });
    say(bob, "hello");
    const hello = { type: "message", name: "Bob", text: "hello", at: expect.any(Number), position };
    expect(await ann.json()).toEqual(hello);
    expect(await bob.json()).toEqual(hello);
    ann.send(JSON.stringify({ type: "typing" }));
    expect(await bob.json()).toEqual({ type: "typing", name: "Ann" });
    say(ann, " <b>and to you</b> ");
    for (const client of [ann, bob]) expect(await client.json()).toMatchObject({ text: "<b>and to you</b>" });
    await ann.close(1000);
    expect(await bob.json()).toEqual({ type: "left", name: "Ann" });
    const other = await join("elsewhere", "Ed");
    expect(await elsewhere.json()).toEqual({ type: "joined", name: "Ed" });
    await Promise.all([bob, elsewhere, other].map((client) => client.close()));
  });

  it("T7, T8: gives one who joins the history, and one who comes back what was missed", async () => {
    const ann = await join("annals", "Ann");
    const positions: string[] = [];
    for (const text of ["one", "two", "three"]) {
      say(ann, text);
      positions.push(((await ann.json()) as { position: string }).position);
    }
    const bob = await example.connect("/chat/annals?name=Bob");
    for (const text of ["one", "two", "three"]) expect(await bob.json()).toMatchObject({ type: "message", text });
    expect(await bob.json()).toMatchObject({ type: "welcome", recovered: false, position: positions[2] });
    expect(await ann.json()).toEqual({ type: "joined", name: "Bob" });
    const again = await example.connect(`/chat/annals?name=Cid&since=${positions[1]}`);
    expect(await again.json()).toMatchObject({ name: "Ann", text: "three", position: positions[2] });
    expect(await again.json()).toMatchObject({ type: "welcome", recovered: true, position: positions[2] });
    expect(await ann.json()).toEqual({ type: "returned", name: "Cid" });
    await Promise.all([ann, bob, again].map((client) => client.close()));
  });

  it("wants a name, R6: and refuses in the Worker who has none, R4: and who comes from another page", async () => {
    for (const query of ["", "?name=", `?name=${"x".repeat(41)}`]) {
      const { statusCode } = await example.upgrade(`/chat/lobby${query}`, { "Sec-WebSocket-Version": "13" });
      expect(statusCode, query).toBe(400);
    }
    const headers = { "Sec-WebSocket-Version": "13", Origin: "https://elsewhere.example" };
    const visitors = ["order", "bare-order", "sleeper", "relay"].map((name) => `/${name}/abcd1234`);
    for (const path of ["/chat/lobby?name=Ann", "/echo", "/ticker/ABC", "/crowd/main", ...visitors]) {
      expect((await example.upgrade(path, headers)).statusCode, path).toBe(403);
    }
    const own = await example.connect("/chat/origins?name=Ann", { Origin: `http://${example.host}` });
    expect(await own.json()).toMatchObject({ type: "welcome" });
    await own.close();
  });

  it("closes with 1003 on what is no JSON of a room's", async () => {
    for (const text of ["hello", "null", '{"type":"message","text":" "}', '{"type":"message","text":1}']) {
      const client = await join("mute", "Ann");
      client.send(text);
      expect((await client.closed).code, text).toBe(1003);
    }
  });

  it("R19: closes with 1009 on a message over 4,096 bytes, and with 1008 on more than 40 in 10 s", async () => {
    const long = await join("limits", "Ann");
    long.send("x".repeat(4097));
    expect((await long.closed).code).toBe(1009);
    const fast = await join("limits", "Bob");
    fast.send(...Array.from({ length: 80 }, () => JSON.stringify({ type: "typing" })));
    expect((await fast.closed).code).toBe(1008);
  });

  it("R19: takes 36 messages in 10 s beside as many notices of typing as the page sends", async () => {
    const ann = await join("typists", "Ann");
    const lines = Array.from({ length: 36 }, (_, index) => `${index}`);
    for (const [index, line] of lines.entries()) {
      if (index % 9 === 0) ann.send(JSON.stringify({ type: "typing" }));
      say(ann, line);
    }
    expect((await ann.take(36)).map((text) => (JSON.parse(text as string) as { text: string }).text)).toEqual(lines);
    expect(await ann.close(1000)).toMatchObject({ code: 1000 });
  });

  it("tells what the object behind a room knows, and answers nothing where there is no room", async () => {
    const ann = await join("known", "Ann");
    say(ann, "hello");
    await ann.json();
    expect(await (await example.fetch("/facts/known")).json()).toEqual({
      sessions: 1,
      messages: 1,
      wakes: 1,
      awakeSince: expect.any(Number),
    });
    expect((await example.fetch("/facts/")).status).toBe(404);
    await ann.close();
  });

  it("R3: has one object for all spellings of a room", async () => {
    const ann = await join("caf%C3%A9", "Ann");
    const bob = await join("c%61f%c3%a9", "Bob");
    expect(await ann.json()).toEqual({ type: "joined", name: "Bob" });
    await Promise.all([ann, bob].map((client) => client.close()));
  });

  it("R14: tells the others that a client has left which vanished", async () => {
    const ann = await join("vanishing", "Ann");
    const bob = await join("vanishing", "Bob");
    expect(await ann.json()).toEqual({ type: "joined", name: "Bob" });
    await bob.vanish();
    expect(await ann.json()).toEqual({ type: "left", name: "Bob" });
    await ann.close();
  });

  it("R14: tells the others once that a client has left which broke the protocol", async () => {
    const ann = await join("breaking", "Ann");
    const bob = await join("breaking", "Bob");
    const cid = await join("breaking", "Cid");
    expect(await ann.take(2)).toHaveLength(2);
    expect(await bob.json()).toEqual({ type: "joined", name: "Cid" });
    cid.connection.write(RESERVED);
    expect(await ann.json()).toEqual({ type: "left", name: "Cid" });
    expect(await bob.json()).toEqual({ type: "left", name: "Cid" });
    await cid.vanish();
    say(bob, "only us now");
    for (const client of [ann, bob]) expect(await client.json()).toMatchObject({ name: "Bob", text: "only us now" });
    const dan = await example.connect("/chat/breaking?name=Dan");
    expect(await dan.json()).toMatchObject({ text: "only us now" });
    expect(await dan.json()).toMatchObject({ type: "welcome", members: ["Ann", "Bob", "Dan"] });
    expect(await ann.json()).toEqual({ type: "joined", name: "Dan" });
    expect(await bob.json()).toEqual({ type: "joined", name: "Dan" });
    await Promise.all([ann, bob, dan].map((client) => client.close()));
  });
});

describe("ticker", () => {
  it("pushes prices by an alarm, which the first subscriber sets and the last deletes", async () => {
    const first = await example.connect("/ticker/ABC");
    const price = (number: number) => ({ symbol: "ABC", number, price: expect.any(Number), at: expect.any(Number) });
    expect(await first.json()).toEqual(price(1));
    expect(await first.json()).toEqual(price(2));
    const second = await example.connect("/ticker/ABC");
    const { number } = (await second.json()) as Price;
    await first.close();
    expect(await second.json()).toEqual(price(number + 1));
    expect(await second.json()).toEqual(price(number + 2));
    await second.close();
  });

  it("F4: skips prices for a subscriber that is slow to take them, which is never far behind", async () => {
    const quick = await example.connect("/ticker/SLOW");
    const slow = new SocleWebSocket(`ws://${example.host}/ticker/SLOW`);
    const prices = slow[Symbol.asyncIterator]();
    const taken: number[] = [];
    /** The newest number before each one was taken. */
    const newest: number[] = [];
    while (taken.length < 5) {
      const seen = (await quick.take(4)).at(-1) as string;
      newest.push((JSON.parse(seen) as Price).number);
      const { value } = await prices.next();
      taken.push((JSON.parse(value as string) as Price).number);
    }
    // One message may be on its way to the subscriber, and one may wait to be sent.
    for (const [index, number] of taken.slice(2).entries()) expect(number).toBeGreaterThanOrEqual(newest[index]!);
    slow.close();
    await quick.close();
  });

  it("R6: refuses what is no symbol", async () => {
    for (const symbol of ["abc", "ABCDEF", "A1"]) {
      const { statusCode } = await example.upgrade(`/ticker/${symbol}`, { "Sec-WebSocket-Version": "13" });
      expect(statusCode, symbol).toBe(400);
    }
  });
});

describe("what is shown to a visitor", () => {
  const messages = ["1", "2", "3", "4", "5"];

  it("R11: is a slow handler's answers, in order with Socle, and in any without", async () => {
    const [socle, bare] = await Promise.all(
      ["order", "bare-order"].map((name) => example.connect(`/${name}/abcd1234`)),
    );
    for (const client of [socle!, bare!]) client.send(...messages);
    expect(await socle!.take(5)).toEqual(messages);
    expect(new Set(await bare!.take(5))).toEqual(new Set(messages));
    // The bare object has no webSocketClose, and answers no Close frame.
    await Promise.all([socle!.close(), bare!.vanish()]);
  });

  it("R4, R6: is refused where a visitor's name is none, and where no WebSocket is asked for", async () => {
    const statuses = async (path: string) => [
      (await example.upgrade(path, { "Sec-WebSocket-Version": "13" })).statusCode,
      (await example.fetch(path)).status,
    ];
    for (const path of ["/order/No", "/sleeper/No", "/relay/No"])
      expect(await statuses(path), path).toEqual([400, 426]);
    expect(await statuses("/bare-order/No")).toEqual([404, 404]);
    expect((await example.fetch("/bare-order/abcd1234")).status).toBe(426);
  });
});

describe("the end of a session", () => {
  it("R17: has the code and the phrase of session.close", async () => {
    const client = await worker.connect("/kick");
    client.send("bye");
    expect(await client.closed).toEqual({ code: 4001, reason: "bye" });
  });

  it("R16: comes with 1011, and with nothing of the error, when onOpen fails", async () => {
    const client = await worker.connect("/broken");
    expect(await client.closed).toEqual({ code: 1011, reason: "" });
    expect(client.unread).toEqual([]);
  });

  it("R14: is onClose, once, with the code of a protocol error", async () => {
    const path = "/journal/protocol";
    const client = await worker.connect(`${path}?name=A`);
    client.connection.write(RESERVED);
    expect(await entries(worker, path, 2)).toEqual(["A opens", "A ends with 1002"]);
    await client.vanish();
    const next = await worker.connect(`${path}?name=B`);
    await next.close(1000);
    expect(await entries(worker, path, 2)).toEqual(["B opens", "B ends with 1000"]);
  });

  it.each([
    ["closes its connection", "through wrangler dev", () => worker],
    ["closes its connection", "to workerd", () => runtime],
    ["resets its connection", "to workerd", () => runtime],
  ])("R14: is onClose, once, with 1006, when a client %s %s while onOpen runs", async (how, _, server) => {
    const path = `/journal/${how.replaceAll(" ", "-")}`;
    const client = server().begin(`${path}?held&name=A`);
    expect(await entries(server(), path, 1)).toEqual(["A opens"]);
    if (how.startsWith("resets")) client.connection.resetAndDestroy();
    else client.socket.terminate();
    await client.closed;
    await server().fetch(path, { method: "POST" });
    expect(await entries(server(), path, 1)).toEqual(["A ends with 1006"]);
    const next = await server().connect(`${path}?name=B`);
    await next.close(1000);
    expect(await entries(server(), path, 2)).toEqual(["B opens", "B ends with 1000"]);
  });
});

describe("hibernation", () => {
  const state = async (client: Client) => {
    client.send("");
    return (await client.json()) as { instance: string; count: number; since: string };
  };
  let echo: Client;
  let ann: Client;
  let bob: Client;
  let counter: Client;
  let before: Awaited<ReturnType<typeof state>>;

  beforeAll(async () => {
    [echo, counter] = await Promise.all([example.connect("/echo"), worker.connect("/counter")]);
    ann = await join("sleepers", "Ann");
    bob = await join("sleepers", "Bob");
    await ann.next();
    before = await state(counter);
    // An object hibernates about 10 s after its last event, and nothing outside shows when.
    await pause(13_000);
  });

  afterAll(() => Promise.all([echo, ann, bob, counter].map((client) => client?.close())));

  it("R20: ends the instance and keeps the session object, R21: in which a channel still sends", async () => {
    const after = await state(counter);
    expect(after).toEqual({ ...before, count: 2, instance: expect.not.stringMatching(before.instance) });
    expect(await state(counter)).toEqual({ ...after, count: 3 });
  });

  it("R21: leaves the echo working", async () => {
    echo.send("a", new Uint8Array([1]), "b");
    expect(await echo.take(3)).toEqual(["echo: a", new Uint8Array([1]), "echo: b"]);
  });

  it("R20: keeps the names in a room", async () => {
    say(bob, "awake?");
    expect(await ann.json()).toMatchObject({ type: "message", name: "Bob", text: "awake?" });
    const cid = await example.connect("/chat/sleepers?name=Cid");
    expect(await cid.json()).toMatchObject({ type: "message", name: "Bob", text: "awake?" });
    expect(await cid.json()).toMatchObject({ type: "welcome", members: ["Ann", "Bob", "Cid"] });
    expect(await (await example.fetch("/facts/sleepers")).json()).toMatchObject({ wakes: 2 });
    await cid.vanish();
    expect(await ann.take(2)).toEqual([
      JSON.stringify({ type: "joined", name: "Cid" }),
      JSON.stringify({ type: "left", name: "Cid" }),
    ]);
  });
});
