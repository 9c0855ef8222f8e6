// Topics over TCP: clients that reconnect, a process that is killed while it publishes, and many sockets on many
// topics.
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { SocleWebSocket } from "../../src/client/index.ts";
import { Disk, type Client, type Server } from "./server.ts";

let disk: Disk;
let server: Server;

beforeAll(async () => {
  disk = await Disk.create("test/e2e/topics-worker.ts");
  server = await disk.start();
});

afterAll(async () => {
  await server?.stop();
  await disk?.remove();
});

interface Kept {
  position: string;
  payload: string;
}

const history = async (path: string): Promise<Kept[]> => {
  const [, publications] = JSON.parse(await server.text(path)) as [unknown, Kept[]];
  return publications;
};

const publish = (path: string, body: string) => server.fetch(path, { method: "POST", body });

describe("a process that is killed while it publishes", () => {
  it("T6: no client has seen what the history forgot, and what was answered is there in its place", async () => {
    const path = "/hall/killed";
    const seen = new Set<string>();
    const answered = new Map<string, string>();
    let sent = 0;
    for (let round = 0; round < 12; round++) {
      const subscriber = await server.connect(`${path}?since=x`);
      await subscriber.next();
      const publishers = await Promise.all([1, 2].map(() => server.connect(`${path}?publisher`)));
      const before = answered.size;
      for (let n = 0; n < 400; n++) publishers[n % 2]!.send(`${sent++} ${"x".repeat(n % 300)}`);
      // In the middle of it: when this many were answered.
      const note = async (client: Client) => {
        for (let n = 0; n < 10 + round * 12; n++) {
          const text = (await client.next()) as string;
          const at = text.indexOf(" ");
          answered.set(text.slice(at + 1), text.slice(0, at));
        }
      };
      await Promise.race([note(publishers[0]!), note(publishers[1]!)]);
      await server.stop();
      await Promise.all([subscriber, ...publishers].map(({ closed }) => closed));
      for (const text of subscriber.unread) seen.add(text as string);
      for (const publisher of publishers) {
        for (const text of publisher.unread as string[]) {
          const at = text.indexOf(" ");
          answered.set(text.slice(at + 1), text.slice(0, at));
        }
      }
      expect(answered.size).toBeGreaterThan(before);
      server = await disk.start();
      const kept = await history(path);
      const positions = new Map(kept.map(({ payload, position }) => [payload, position]));
      expect(positions.size).toBe(kept.length);
      for (const text of seen) expect(positions.has(text)).toBe(true);
      for (const [text, position] of answered) expect(positions.get(text)).toBe(position);
      const offsets = kept.map(({ position }) => Number(position.split(".")[1]));
      expect(offsets).toEqual(offsets.map((_, index) => index + 1));
    }
  });

  it("T7: who comes back after it gets what was missed, once", async () => {
    const path = "/hall/back";
    const first = await server.connect(`${path}?since=x`);
    await first.next();
    const { position }: Kept = await (await publish(path, "1")).json();
    expect(await first.next()).toBe("1");
    await publish(path, "2");
    await server.stop();
    server = await disk.start();
    await publish(path, "3");
    const back = await server.connect(`${path}?since=${position}`);
    expect(await back.take(2)).toEqual(["2", "3"]);
    expect(JSON.parse((await back.next()) as string)).toEqual({ recovered: true, replayed: 2 });
  });
});

describe("SocleWebSocket", () => {
  it("T9: comes back with its positions, and nothing comes twice or is left out", async () => {
    const path = "/hall/client";
    const positions = new Map<string, string>();
    const got: string[] = [];
    const recoveries: boolean[] = [];
    const connect = async () => {
      const socket = new SocleWebSocket(`ws://${server.host}${path}?topic=news%20%C3%BC`, [], {
        WebSocket,
        positions: [...positions].toReversed(),
      });
      const recovered = new Promise<void>((resolve) =>
        socket.addEventListener("recovery", (event) => {
          recoveries.push(event.recovered);
          positions.set(event.topic, event.position!);
          resolve();
        }),
      );
      socket.addEventListener("message", ({ data, topic, position }) => {
        got.push(data as string);
        positions.set(topic!, position!);
      });
      await recovered;
      return socket;
    };
    for (let round = 0; round < 5; round++) {
      const socket = await connect();
      await publish(`${path}?topic=news%20%C3%BC`, `${round} while connected`);
      await expect.poll(() => got.includes(`${round} while connected`)).toBe(true);
      const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
      socket.close();
      await closed;
      await publish(`${path}?topic=news%20%C3%BC`, `${round} while away`);
    }
    const last = await connect();
    await expect.poll(() => got.at(-1)).toBe("4 while away");
    last.close();
    expect(got).toEqual(Array.from({ length: 5 }, (_, n) => [`${n} while connected`, `${n} while away`]).flat());
    expect(recoveries).toEqual([false, true, true, true, true, true]);
  });
});

it(
  "T3: 9,500 sockets over 500 topics each get theirs, and nothing else, also after hibernation",
  { timeout: 400_000 },
  async () => {
    const path = "/hall/many";
    const [sockets, topics] = [9500, 500];
    const heard: string[][] = Array.from({ length: sockets }, () => []);
    const all: WebSocket[] = [];
    const open = (index: number) =>
      new Promise<void>((resolve, reject) => {
        const socket = new WebSocket(`ws://${server.host}${path}?topic=${index % topics}`, {
          perMessageDeflate: false,
        });
        socket.on("message", (data) => heard[index]!.push((data as Buffer).toString()));
        socket.once("open", () => resolve());
        socket.once("error", reject);
        all.push(socket);
      });
    for (let index = 0; index < sockets; index += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, n) => open(index + n)));
    }
    const round = async (name: string) => {
      for (let topic = 0; topic < topics; topic++) await publish(`${path}?topic=${topic}`, `${name} ${topic}`);
    };
    const expected: string[][] = heard.map(() => []);
    const check = async (name: string) => {
      await round(name);
      for (const [index, list] of expected.entries()) list.push(`${name} ${index % topics}`);
      await expect
        .poll(() => heard.filter((list, index) => list.length >= expected[index]!.length).length, { timeout: 120_000 })
        .toBe(sockets);
      expect(heard).toEqual(expected);
    };
    await check("first");
    // Nothing happens for as long as it takes an object to hibernate. Whether it has hibernated is no condition of the
    // test.
    await pause(12_000);
    await check("second");
    const [state] = JSON.parse(await server.text(`${path}?topic=7`)) as [{ subscribers: number }];
    expect(state.subscribers).toBe(sockets / topics);
    for (const socket of all) socket.terminate();
  },
);
