// Pings whose answers nobody reads, over TCP.
import { once } from "node:events";

import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";

import { memory, MIB } from "./memory.ts";
import { Client, Disk, type Server } from "./server.ts";

let disk: Disk;
let server: Server;

beforeAll(async () => {
  disk = await Disk.create("test/e2e/auto-response-worker.ts");
  server = await disk.start();
});

afterAll(async () => {
  await server?.stop();
  await disk?.remove();
});

const COUNT = 200_000;

async function connect(path: string): Promise<Client> {
  const client = new Client(new WebSocket(`ws://${server.host}${path}`, { perMessageDeflate: false }));
  onTestFinished(() => client.socket.terminate());
  await once(client.socket, "open");
  return client;
}

/** The most memory that the process has, once a client that reads nothing has sent this many texts. */
async function unread(path: string, text: string): Promise<number> {
  const [client, other] = [await connect(path), await connect(path)];
  client.connection.pause();
  for (let sent = 0; sent < COUNT; sent += 1000) {
    client.send(...Array.from({ length: 1000 }, () => text));
    // The sockets of an object take turns, so this answer comes soon after the object has read the others.
    other.send("now");
    expect(await other.next()).toBe("now");
  }
  return memory(String(server.pid), "VmHWM");
}

it("P20: pings whose answers a client doesn't read stay out of memory, whoever answers them", async () => {
  // The memory of as many texts that nobody answers: the runtime's own, which its collector lets accumulate.
  const ignored = await unread("/standard", "none");
  // 200,000 answers are 400 MiB, and took 790 MiB when they were kept.
  expect((await unread("/hibernating", "ping")) - ignored).toBeLessThan(200 * MIB);
  expect((await unread("/standard", "ping")) - ignored).toBeLessThan(200 * MIB);
});
