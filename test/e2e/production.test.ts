// What only shows in production: minified builds, real clients, killed processes.
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { memory, MIB } from "./memory.ts";
import { Client, Disk, workerd, type Server } from "./server.ts";

const ENTRY = "test/e2e/production-worker.ts";

describe("a minified build", () => {
  let server: Server;
  beforeAll(async () => void (server = await workerd(ENTRY, { minify: true })));
  afterAll(() => server.stop());

  it("P1: renames a class, which is then found by its binding only", async () => {
    const client = await server.connect("/bound/renamed");
    expect(await client.next()).toBe("served by /bound/renamed");
    expect((await server.upgrade("/renamed", { "Sec-WebSocket-Version": "13" })).statusCode).toBe(500);
  });

  it.each(["wrapped", "proxied"])("P1, P2: finds a class that is %s by its binding, and it serves", async (kind) => {
    const client = await server.connect(`/bound/${kind}`);
    expect(await client.next()).toBe(`served by /bound/${kind}`);
  });
});

describe("over TCP", () => {
  let server: Server;
  beforeAll(async () => void (server = await workerd(ENTRY)));
  afterAll(() => server.stop());

  const offering = async (...names: string[]) => {
    const client = new Client(new WebSocket(`ws://${server.host}/token`, names));
    await once(client.socket, "open");
    return client;
  };

  it("P12: a client that offers only its token is let in, with the token agreed on", async () => {
    const client = await offering("secret-ann");
    expect(client.socket.protocol).toBe("secret-ann");
    expect(await client.next()).toBe("ann is here");
    const other = await offering("chat", "secret-bob");
    expect([other.socket.protocol, await other.next()]).toEqual(["secret-bob", "bob is here"]);
  });

  it("P12: a client that the hook refuses by a close code is told it, whether it offers a subprotocol or none", async () => {
    for (const names of [["chat"], []]) {
      const client = await offering(...names);
      expect(await client.closed).toEqual({ code: 4401, reason: "Sign in" });
      expect(client.unread).toEqual([]);
    }
  });

  const how = (path: string, resets: number, retryAlarm: boolean) =>
    server.fetch(path, { method: "POST", body: JSON.stringify({ resets, retryAlarm }) });

  /** A client that has sent something, because the platform lets such a client go at once. */
  async function talking(path: string): Promise<Client> {
    const client = await server.connect(path);
    client.send("hi");
    expect(await client.next()).toBe("hi");
    return client;
  }

  it("P10: an alarm that was aborted not to come again doesn't, and the next client's timeout holds", async () => {
    const lost = await talking("/alarm/once");
    await how("/alarm/once", 1, false);
    expect((await lost.closed).code).toBe(1006);
    // From now on it is silent, and the platform's alarm is gone since the abort.
    const silent = await talking("/alarm/once");
    expect((await silent.closed).code).toBe(1001);
    const last = await talking("/alarm/once");
    expect((await last.closed).code).toBe(1001);
    expect(await server.text("/alarm/once")).toBe('["alarm 0"]');
  });

  it("P10: an alarm that was aborted comes again as the platform has it, though sessions have opened meanwhile", async () => {
    const lost = await talking("/alarm/again");
    await how("/alarm/again", 2, true);
    expect((await lost.closed).code).toBe(1006);
    const next = await talking("/alarm/again");
    // The second try resets the object with this session, and the third succeeds.
    expect((await next.closed).code).toBe(1006);
    const last = await talking("/alarm/again");
    await expect.poll(() => server.text("/alarm/again")).toBe('["alarm 0","alarm 1","alarm 2"]');
    expect((await last.closed).code).toBe(1001);
    expect(await server.text("/alarm/again")).toBe('["alarm 0","alarm 1","alarm 2"]');
  });

  const ways = ["sendText", "channel", "itself", "broadcast"];

  it.each(ways)("P6: half a surrogate pair arrives as U+FFFD, by %s", async (way) => {
    const client = await server.connect(`/cut/${way}`);
    client.send(way);
    expect(await client.next()).toBe("a cut emoji: \ufffd");
    expect(await client.close(1000)).toMatchObject({ code: 1000 });
  });

  it("P6: also in onOpen, in a Close frame, and in a single text under flowControl", async () => {
    const opened = await server.connect("/cut/open?open");
    expect(await opened.next()).toBe("a cut emoji: \ufffd");
    opened.send("close");
    expect(await opened.closed).toEqual({ code: 4000, reason: "a cut emoji: \ufffd" });
    const flow = new Client(new WebSocket(`ws://${server.host}/cut-flow/a`, ["socle.v1"]));
    await flow.settings();
    for (const way of ways) {
      flow.send(way);
      expect(await flow.next()).toBe("a cut emoji: \ufffd");
    }
  });
});

describe("a process that is killed", () => {
  let disk: Disk;
  let server: Server;
  let path: string;
  let count = 0;
  beforeAll(async () => {
    disk = await Disk.create(ENTRY);
    server = await disk.start();
  });
  beforeEach(() => void (path = String(++count)));
  afterAll(async () => {
    await server?.stop();
    await disk?.remove();
  });

  async function crash(): Promise<void> {
    await server.stop();
    server = await disk.start();
  }

  const ask = async (of: string, method = "GET") =>
    JSON.parse(
      await (await server.fetch(of, { method, ...(method === "POST" && { body: "news" }) })).text(),
    ) as unknown[];

  it.each(["plain", "late", "long", "told"])("P7: has told no client what the object forgot (%s)", async (text) => {
    const told: Record<string, string> = {};
    const rounds = Array.from({ length: 12 }, (_, index) => `/count/${text}-${path}-${index}`);
    for (const room of rounds) {
      const ann = await server.connect(`${room}?ann`);
      const bob = await server.connect(`${room}?bob`);
      ann.send("plain", "plain");
      await ann.take(2);
      ann.send(text);
      told[room] = (await (text === "told" ? bob : ann).next()) as string;
      await crash();
    }
    for (const room of rounds) expect(await ask(room)).toContain(`ann: ${told[room]}`);
  });

  it("P8: serves again, though an onClose resets the object, and gives only that session up", async () => {
    const room = `/reset/${path}`;
    for (const name of ["good-1", "bad", "good-2"]) await server.connect(`${room}?${name}`);
    await crash();
    // Three tries, each of which also ends the request of the client that asks.
    const statuses: number[] = [];
    while (statuses.at(-1) !== 200 && statuses.length < 5) statuses.push((await server.fetch(room)).status);
    expect(statuses).toEqual([500, 500, 500, 200]);
    expect(((await ask(room)) as string[]).toSorted()).toEqual(["good-1", "good-2"]);
    const client = await server.connect(`${room}?new`);
    client.send("hi");
    expect(await client.next()).toBe("new: hi");
    await client.close(1000);
    await expect.poll(() => ask(room)).toContain("new");
    await crash();
    expect(await ask(room)).toEqual([]);
  });

  it.each([400_000, 1_000_000])("P8: reads few of the lost sessions at a time, of %i bytes each", async (length) => {
    const room = `/heavy/${path}`;
    for (let index = 0; index < 150; index++) await server.connect(`${room}?name=${index}&length=${length}`);
    await crash();
    // The first cost of another object is not part of the recovery.
    await ask(`/heavy/${path}-other`);
    const id = String(server.pid);
    const before = await memory(id, "VmRSS");
    // On a busy machine new sessions are served after ten seconds, while the last of the lost ones end.
    await expect.poll(() => ask(room)).toEqual([0, 150]);
    const grown = (await memory(id, "VmHWM")) - before;
    console.info(`recovery of 150 sessions of ${length / 1000} kB: ${(grown / MIB).toFixed(1)} MiB`);
    expect(grown).toBeLessThan(64 * MIB);
  });

  it("P9: reads no session object where many sessions are looked at, and each for its own onClose", async () => {
    const room = `/large/${path}`;
    const clients: Client[] = [];
    /** The platform's compression takes 200 kB for each socket. */
    const uncompressed = async (where: string) => {
      const client = new Client(new WebSocket(`ws://${server.host}${where}`, { perMessageDeflate: false }));
      await once(client.socket, "open");
      return client;
    };
    for (let index = 0; index < 120; index++) {
      clients.push(await uncompressed(`${room}?name=${index}&length=400000`));
      await uncompressed(`/plain/${path}`);
    }
    // The first cost of another object is not part of these figures.
    await server.connect(`${room}-other?name=a&length=400000`);
    // An object hibernates about 10 s after its last event, and nothing outside shows when.
    await pause(13_000);
    expect(await ask(`${room}-other`)).toEqual([1, 0]);
    expect(await ask(`${room}-other`, "POST")).toBe(1);
    const id = String(server.pid);
    const before = await memory(id, "VmRSS");
    expect(await ask(room)).toEqual([120, 0]);
    expect(await ask(room, "POST")).toBe(120);
    for (const client of clients) expect(await client.next()).toBe("news");
    const grown = (await memory(id, "VmRSS")) - before;
    console.info(`a count and a broadcast to 120 sessions of 400 kB: ${(grown / MIB).toFixed(1)} MiB`);
    expect(grown).toBeLessThan(10 * MIB);
    const between = await memory(id, "VmRSS");
    expect(await ask(`/plain/${path}`)).toEqual([120]);
    const byHand = (await memory(id, "VmRSS")) - between;
    console.info(`a count of 120 sockets with nothing attached, by hand: ${(byHand / MIB).toFixed(1)} MiB`);
    expect(await ask(room, "DELETE")).toBe(120);
    for (const client of clients) expect((await client.closed).code).toBe(4001);
    expect(await ask(room)).toEqual([0, 120]);
  });
});
