// What both modes do alike, over TCP and with nothing between workerd and the client.
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { Client, workerd, type Server } from "./server.ts";

let server: Server;

beforeAll(async () => {
  server = await workerd("test/e2e/worker.ts");
});

afterAll(() => server?.stop());

/** Waits for the next entries of a journal. */
async function entries(path: string, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) taken.push(await server.text(path));
  return taken;
}

/** Makes sure that the next entry belongs to the next session. */
async function isDone(path: string): Promise<void> {
  const next = await server.connect(`${path}?name=next`);
  expect(await next.close(1000)).toMatchObject({ code: 1000 });
  expect(await entries(path, 2)).toEqual(["next opens", "next ends with 1000"]);
}

/** A masked, empty frame with an opcode that the protocol does not have. */
const RESERVED = new Uint8Array([0x83, 0x80, 0, 0, 0, 0]);

/** A masked Close frame with a code that `ws` may refuse to send. */
const closeFrame = (code: number, phrase: string) =>
  Buffer.concat([Uint8Array.of(0x88, 0x82 + phrase.length, 0, 0, 0, 0, code >> 8, code & 255), Buffer.from(phrase)]);

/** A masked Close frame of 4000 whose phrase is not UTF-8. As text it is longer than a frame can carry. */
const NO_TEXT = new Uint8Array([0x88, 0xfd, 0, 0, 0, 0, 0x0f, 0xa0, ...Array<number>(123).fill(0xff)]);

describe.each([
  { hibernate: true, journals: "/journal" },
  { hibernate: false, journals: "/journal/standard" },
])("hibernate: $hibernate", ({ journals }) => {
  it("R11: messages are answered in the order sent, whatever their callbacks take", async () => {
    const client = await server.connect(`${journals}/order`);
    client.send("120", "0", "60", "1", "0");
    expect(await client.take(5)).toEqual(["120", "0", "60", "1", "0"]);
    await client.close();
  });

  it("R11: a session is not held by another one's callback", async () => {
    const path = `${journals}/held`;
    const held = await server.connect(path);
    const free = await server.connect(path);
    held.send("hold", "0");
    free.send("0");
    expect(await free.next()).toBe("0");
    expect(held.unread).toEqual([]);
    await server.fetch(path, { method: "POST" });
    expect(await held.take(2)).toEqual(["hold", "0"]);
    await Promise.all([held.close(), free.close()]);
  });

  it.each([
    ["no code", undefined, 1005],
    ["1000", 1000, 1000],
    ["4999", 4999, 4999],
  ])("R15: a close with %s is answered, and R14: is onClose once", async (what, code, closeCode) => {
    const path = `${journals}/close-${what.replace(" ", "-")}`;
    const client = await server.connect(`${path}?name=A`);
    expect(await client.close(code)).toEqual({ code: closeCode, reason: "" });
    expect(await entries(path, 2)).toEqual(["A opens", `A ends with ${closeCode}`]);
    await isDone(path);
  });

  it.each([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])(
    "R15: a Close frame of %i, which may not be sent, is answered with an empty one, and R14: is onClose once",
    async (code) => {
      const path = `${journals}/unsendable-${code}`;
      const client = await server.connect(`${path}?name=A`);
      const frame = new Promise<string>((resolve) => {
        client.connection.once("data", (data: Buffer) => resolve(data.toString("hex")));
        void client.closed.then(() => resolve("none, but the end of the connection"));
      });
      client.connection.write(closeFrame(code, "bye"));
      expect(await frame).toBe("8800");
      expect(await entries(path, 2)).toEqual(["A opens", `A ends with ${code}`]);
      await isDone(path);
    },
  );

  it("R14: a close phrase that is no UTF-8 ends the session too, and onClose runs once", async () => {
    const path = `${journals}/no-text`;
    const client = await server.connect(`${path}?name=A`);
    client.connection.write(NO_TEXT);
    await client.closed;
    expect(await entries(path, 2)).toEqual(["A opens", "A ends with 4000"]);
    await isDone(path);
  });

  it("R15: a close without a code is answered while a callback is under way", async () => {
    const path = `${journals}/close-held`;
    const client = await server.connect(`${path}?name=A`);
    client.send("hold");
    expect(await client.close()).toEqual({ code: 1005, reason: "" });
    await server.fetch(path, { method: "POST" });
    expect(await entries(path, 2)).toEqual(["A opens", "A ends with 1005"]);
  });

  describe.each([
    ["ends", (client: Client) => client.socket.terminate()],
    ["resets", (client: Client) => client.connection.resetAndDestroy()],
  ])("R14: onClose runs once, with 1006, when a client %s its connection", (how, go) => {
    it("while no callback is under way", async () => {
      const path = `${journals}/${how}`;
      const client = await server.connect(`${path}?name=A`);
      go(client);
      expect(await entries(path, 2)).toEqual(["A opens", "A ends with 1006"]);
      await isDone(path);
    });

    it("while onText is under way", async () => {
      const path = `${journals}/${how}-in-onText`;
      const client = await server.connect(`${path}?name=A`);
      client.send("0", "hold");
      expect(await client.next()).toBe("0");
      go(client);
      await client.closed;
      await server.fetch(path, { method: "POST" });
      expect(await entries(path, 2)).toEqual(["A opens", "A ends with 1006"]);
      await isDone(path);
    });

    it("while onOpen is under way", async () => {
      const path = `${journals}/${how}-in-onOpen`;
      const client = server.begin(`${path}?held&name=A`);
      expect(await entries(path, 1)).toEqual(["A opens"]);
      go(client);
      await client.closed;
      await server.fetch(path, { method: "POST" });
      expect(await entries(path, 1)).toEqual(["A ends with 1006"]);
      await isDone(path);
    });
  });

  it.each([
    ["ends its connection", (client: Client) => client.socket.terminate(), 1006],
    ["resets its connection", (client: Client) => client.connection.resetAndDestroy(), 1006],
    ["closes", (client: Client) => client.socket.close(4000), 4000],
  ])("P11: a streamed answer is stopped, which is no failure, when its client %s", async (how, go, closeCode) => {
    const path = `${journals}/stream-${how.slice(0, 4)}`;
    const client = await server.connect(`${path}?name=A&strict`);
    // The second message runs when the session has ended. Its answer fails, which also counts as a stop.
    client.send("stream", "0");
    expect(await client.take(2)).toEqual(["part 1", "part 2"]);
    go(client);
    await client.closed;
    expect(await entries(path, 2)).toEqual(["A opens", `A ends with ${closeCode}`]);
    await isDone(path);
  });

  it("R14: a client that breaks the protocol is told 1002, and so is onClose, once", async () => {
    const path = `${journals}/protocol`;
    const client = await server.connect(`${path}?name=A`);
    const told = once(client.connection, "data") as Promise<[Buffer]>;
    client.connection.write(RESERVED);
    const [frame] = await told;
    // A Close frame, with the code after its length.
    expect([frame[0], frame.readUInt16BE(2)]).toEqual([0x88, 1002]);
    expect(await entries(path, 2)).toEqual(["A opens", "A ends with 1002"]);
    await client.vanish();
    await isDone(path);
  });

  it("R17: a client sees the code and the phrase of session.close", async () => {
    const path = `${journals}/server-close`;
    const client = await server.connect(`${path}?name=A`);
    client.send("close", "0");
    expect(await client.closed).toEqual({ code: 4001, reason: "closed" });
    expect(client.unread).toEqual([]);
    expect(await entries(path, 2)).toEqual(["A opens", "A ends with 4001"]);
    await isDone(path);
  });
});

it("R14: hibernate: false lets a client go that has never sent when the session closes", async () => {
  const path = "/journal/standard/silent";
  const client = await server.connect(`${path}?name=A`);
  await server.fetch(path, { method: "DELETE" });
  expect(await client.closed).toEqual({ code: 4001, reason: "closed" });
  expect(await entries(path, 2)).toEqual(["A opens", "A ends with 4001"]);
});

it("R22: hibernate: false keeps the object past the time at which it would hibernate", async () => {
  const clients = [await server.connect("/counter"), await server.connect("/counter/standard")];
  const instances = () =>
    Promise.all(
      clients.map(async (client) => {
        client.send("");
        return ((await client.json()) as { instance: string }).instance;
      }),
    );
  const [hibernating, standard] = await instances();
  // An object hibernates about 10 s after its last event, and nothing outside shows when.
  await pause(13_000);
  const after = await instances();
  expect(after[0]).not.toBe(hibernating);
  expect(after[1]).toBe(standard);
  await Promise.all(clients.map((client) => client.close()));
});

it("F6, F8: an object sleeps while messages are under way to a client, which it knows when it wakes, but not while any wait", async () => {
  const connect = async (name: string) => {
    const client = new Client(new WebSocket(`ws://${server.host}/counter/flow/${name}`, "socle.v1"));
    // A window of 1 byte lets one message go at a time.
    expect((await client.settings())[0]).toBe(1);
    return client;
  };
  const next = async (client: Client) => (await client.json()) as { instance: string; count: number };
  const take = (client: Client, count: number) => client.send(new Uint8Array([2, count]));
  const [waited, taken] = [await connect("waited"), await connect("taken")];
  waited.send("", "");
  taken.send("");
  const [first, other] = [await next(waited), await next(taken)];
  // An object hibernates about 10 s after its last event, and nothing outside shows when.
  await pause(13_000);
  take(waited, 1);
  expect(await next(waited)).toEqual({ ...first, count: 2 });
  waited.send("");
  take(waited, 2);
  expect(await next(waited)).toEqual({ ...first, count: 3 });

  taken.send("", "");
  take(taken, 1);
  const woken = await next(taken);
  expect(woken).toMatchObject({ count: 2 });
  expect(woken.instance).not.toBe(other.instance);
  take(taken, 2);
  expect(await next(taken)).toEqual({ ...woken, count: 3 });
  take(taken, 3);
  taken.send("");
  expect(await next(taken)).toEqual({ ...woken, count: 4 });
  await Promise.all([waited.close(), taken.close()]);
});

it("P11: a listener that throws stops no session's end under older compatibility dates either", async () => {
  // With a date from 2026-09-15 on, the runtime itself catches exceptions of listeners.
  const older = await workerd("test/e2e/worker.ts", { compatibilityDate: "2026-08-01" });
  try {
    const client = await older.connect("/journal/older?name=A");
    client.send("throw");
    expect(await client.next()).toBe("throw");
    expect(await client.close(4000)).toMatchObject({ code: 4000 });
    const told = [await older.text("/journal/older"), await older.text("/journal/older")];
    expect(told).toEqual(["A opens", "A ends with 4000"]);
  } finally {
    await older.stop();
  }
});
