// Sessions that end in or before onOpen, and clients that never answer their Close frame.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { workerd, type Server } from "./server.ts";

let server: Server;

beforeAll(async () => {
  server = await workerd("test/e2e/refused-worker.ts");
});

afterAll(() => server?.stop());

/** Completes the handshake, and then sends nothing. */
async function silent(path: string): Promise<Socket> {
  const [host, port] = server.host.split(":");
  const socket = connect(Number(port), host);
  // Any other error of the connection does not matter here.
  socket.on("error", () => {});
  const headers = [
    `GET ${path} HTTP/1.1`,
    `Host: ${server.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${btoa("sixteen bytes it")}`,
  ];
  socket.write(`${headers.join("\r\n")}\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 101/);
  return socket;
}

const ways = { closes: 4401, throws: 1011, tags: 1011 };

describe.each(["hibernating", "staying"])("a session that ends in or before onOpen, %s", (mode) => {
  it.each(Object.entries(ways))("P17, R10: lets its client go with what was sent: %s", async (how, code) => {
    const client = await server.connect(`/${mode}/${how}/good`);
    expect(await client.closed).toEqual({ code, reason: code === 4401 ? "sign in" : "" });
    // If its tags fail, an object has sent nothing.
    expect(client.unread).toEqual(how === "tags" ? [] : ["sorry", new Uint8Array([1, 2, 3])]);
  });
});

it("P17: keeps the object awake no longer than a hand-written one, though the clients never answer", async () => {
  const paths = Object.keys(ways).flatMap((how) => [`/hibernating/${how}/bad`, `/staying/${how}/bad`]);
  paths.push("/staying/closes/direct", "/plain/closes/bad");
  const clients: Socket[] = [];
  for (const path of paths) for (let count = 0; count < 3; count++) clients.push(await silent(`${path}?silent`));
  const lives = await Promise.all(paths.map((path) => server.text(path)));
  // An object hibernates about 10 s after its last event, and nothing outside shows when.
  await pause(13_000);
  const others = await Promise.all(paths.map((path) => server.text(path)));
  const awake = paths.filter((_, index) => others[index] === lives[index]);
  expect(awake).toEqual([]);
  for (const client of clients) expect(client.destroyed).toBe(false);
  for (const client of clients) client.destroy();
  // onClose ran once for each session, and no callback gets what the platform still reports about the sockets.
  const journal = async () =>
    JSON.parse(await server.text("/hibernating/closes/bad?journal")) as [query: string, code: number][];
  await expect.poll(async () => (await journal()).filter(([query]) => query === "?silent").length).toBe(21);
  // The object has handled the end of all of them.
  for (const path of paths.slice(0, -1)) await expect.poll(() => server.text(`${path}?sockets`)).toBe("0");
  const told = (await journal()).map((entry) => JSON.stringify(entry)).filter((entry) => !entry.startsWith('["",'));
  expect(new Set(told)).toEqual(new Set(['["?silent",4401]', '["?silent",1011]']));
});
