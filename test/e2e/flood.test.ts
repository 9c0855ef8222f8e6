// Clients that send faster than the callbacks settle, over TCP.
import { once } from "node:events";
import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { memory, MIB } from "./memory.ts";
import { Client, workerd, type Server } from "./server.ts";

let server: Server;

beforeAll(async () => {
  server = await workerd("test/e2e/flood-worker.ts");
});

afterAll(() => server.stop());

/** A client whose messages are not compressed. */
async function connect(path: string): Promise<Client> {
  const client = new Client(new WebSocket(`ws://${server.host}${path}`, { perMessageDeflate: false }));
  await once(client.socket, "open");
  return client;
}

/** Resolves when the message has left this process. */
const flush = (client: Client, text: string) =>
  new Promise<void>((resolve, reject) => client.socket.send(text, (error) => (error ? reject(error) : resolve())));

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

/** The workerd that this process has started. */
async function processOfWorkerd(): Promise<string> {
  const children = (await readFile(`/proc/self/task/${process.pid}/children`, "utf8")).trim().split(" ");
  const names = await Promise.all(children.map((id) => readFile(`/proc/${id}/comm`, "utf8")));
  const found = children.filter((_, index) => names[index]!.trim() === "workerd");
  expect(found).toHaveLength(1);
  return found[0]!;
}

describe("a flood", () => {
  it("R12: is answered as far as it was taken, then told to onError, closed with 1013, and to onClose once", async () => {
    const other = await connect("/flooded/slow");
    const flood = await connect("/flooded/slow");
    flood.send(...numbers(200));
    expect(await flood.closed).toEqual({ code: 1013, reason: "" });
    const answers = [...flood.unread];
    expect(answers.pop()).toBe("onError: LimitExceededError");
    expect(answers).toEqual(numbers(answers.length));
    // One message was in the callback and 20 were queued. A few more may have run while the rest arrived.
    expect(answers.length).toBeGreaterThanOrEqual(21);
    expect(answers.length).toBeLessThan(200);
    expect(await other.next()).toBe("onClose: 1013");
    other.send("anything else?");
    expect(await other.next()).toBe("anything else?");
    await other.close();
  });

  it("R12: leaves the memory near where it was, and the other clients of the object answered", async () => {
    const other = await connect("/flooded/held");
    const flood = await connect("/flooded/held");
    // The cost of the first message is not part of the flood.
    other.send("ready?");
    expect(await other.next()).toBe("ready?");
    const id = await processOfWorkerd();
    const before = await memory(id, "VmRSS");

    const texts = numbers(400);
    while (texts.length > 0) {
      const question = `${texts.length} to come?`;
      other.send(question);
      for (const text of texts.splice(0, 20)) await flush(flood, text.padEnd(MIB));
      expect(await other.next()).toBe(question);
    }
    // The most memory it ever had, so that the moment does not matter. 400 MiB were sent, of which 21 are kept.
    expect((await memory(id, "VmHWM")) - before).toBeLessThan(200 * MIB);

    expect(flood.unread).toEqual([]);
    other.send("go on");
    expect(await flood.closed).toEqual({ code: 1013, reason: "" });
    expect(flood.unread).toEqual([...numbers(21), "onError: LimitExceededError"]);
    expect((await memory(id, "VmHWM")) - before).toBeLessThan(200 * MIB);
    expect(await other.take(2)).toEqual(expect.arrayContaining(["go on", "onClose: 1013"]));
    await other.close();
  });
});
