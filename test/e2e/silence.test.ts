// Clients that are gone without a word, over TCP: the platform tells of none of them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { SocleWebSocket } from "../../src/client/index.ts";
import { workerd, type Client, type Server } from "./server.ts";

let server: Server;

beforeAll(async () => {
  server = await workerd("test/e2e/silence-worker.ts");
});

afterAll(() => server?.stop());

/** Has a client of the room say something ever again, so that the others are sent something all the time. */
function talk(client: Client, text: string): () => void {
  const timer = setInterval(() => client.send(text), 100);
  return () => clearInterval(timer);
}

/** Takes what comes until it is this. */
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
    // The others are older: who stays does so for what it says.
    const gone = await server.connect(`${path}?gone`);
    // The platform lets go of a socket that never sent only when the object is idle.
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
    // Of some of them the platform does tell.
    const [, name] = /^(.*) ends with (?:1001|1006)$/.exec(String(await talker.next())) ?? [];
    if (name) ended.push(name);
  }
  stop();
  expect(ended.toSorted()).toEqual(names.toSorted());
  expect(await (await server.fetch("/room/resetting")).json()).toBe(1);
  await talker.close();
});
