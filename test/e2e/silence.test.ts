// Clients that disappeared without a Close frame, over TCP. The platform reports none of them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { SocleWebSocket } from "../../src/client/index.ts";
import { workerd, type Client, type Server } from "./server.ts";

let server: Server;

beforeAll(async () => {
  server = await workerd("test/e2e/silence-worker.ts");
});

afterAll(() => server?.stop());

/** Makes a client of the room speak again and again, so that the others get messages all the time. */
function talk(client: Client, text: string): () => void {
  const timer = setInterval(() => client.send(text), 100);
  return () => clearInterval(timer);
}

/** Takes messages up to this one. */
async function until(client: Client, text: string): Promise<void> {
  while ((await client.next()) !== text);
}

describe.each([
  { hibernate: true, rooms: "/room" },
  { hibernate: false, rooms: "/standard" },
])("hibernate: $hibernate", ({ rooms }) => {
  it("P28: a peer without a FIN is closed in a room that talks; who pings or acknowledges stays", async () => {
    const path = `${rooms}/talking`;
    const talker = await server.connect(`${path}?talker`);
    const pinger = await server.connect(`${path}?pinger`);
    const listener = new SocleWebSocket(`ws://${server.host}${path}?listener`, [], { WebSocket });
    const heard: unknown[] = [];
    listener.addEventListener("message", ({ data }) => heard.push(data));
    await new Promise((resolve) => listener.addEventListener("open", resolve));
    // The other clients are older, so they stay only because of what they send.
    const gone = await server.connect(`${path}?gone`);
    // Without a message, the platform would let go of a socket only when the object is idle.
    gone.send("hello");
    await until(gone, "hello");
    gone.connection.pause();
    const stop = [talk(talker, "news"), talk(pinger, "ping")];
    await until(talker, "gone ends with 1001");
    for (const end of stop) end();
    talker.send("last");
    await Promise.all([until(talker, "last"), until(pinger, "last")]);
    await expect.poll(() => heard).toContain("last");
    gone.connection.resume();
    expect(await gone.closed).toEqual({ code: 1001, reason: "" });
    listener.close();
    await Promise.all([talker.close(), pinger.close()]);
  });
});

it("P28: clients that reset as their pings are answered, of which the platform tells nobody, end once each", async () => {
  const talker = await server.connect("/room/resetting?talker");
  const names = Array.from({ length: 20 }, (_, index) => `client-${index}`);
  const clients = await Promise.all(names.map((name) => server.connect(`/room/resetting?${name}`)));
  for (const { socket, connection } of clients) {
    connection.once("data", () => connection.resetAndDestroy());
    socket.send("ping");
  }
  const stop = talk(talker, "news");
  const ended: string[] = [];
  while (ended.length < names.length) {
    // The platform does report some of them.
    const [, name] = /^(.*) ends with (?:1001|1006)$/.exec(String(await talker.next())) ?? [];
    if (name) ended.push(name);
  }
  stop();
  expect(ended.toSorted()).toEqual(names.toSorted());
  expect(await (await server.fetch("/room/resetting")).json()).toBe(1);
  await talker.close();
});
