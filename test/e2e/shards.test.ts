// Paths of several shards over TCP: many sockets, a process that is killed, a shard that is held up, another number of
// shards.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Disk, type Client, type Server } from "./server.ts";

let disk: Disk;
let server: Server;

beforeAll(async () => {
  disk = await Disk.create("test/e2e/shards-worker.ts");
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

interface Answer {
  position?: string;
  name?: string;
  message?: string;
}

const publish = async (path: string, body: string): Promise<Answer> => {
  const answer = await server.fetch(path, { method: "POST", body });
  return answer.json<Answer>();
};

/** A subscriber, the result of its subscription, and the messages before that. */
const subscriber = async (path: string) => {
  const client = await server.connect(path);
  const early: string[] = [];
  for (;;) {
    const text = (await client.next()) as string;
    if (text.startsWith("{")) {
      return { client, early, ...(JSON.parse(text) as { shard: number; recovered: boolean; replayed: number }) };
    }
    early.push(text);
  }
};

/** The messages of a client up to a text. */
async function until(client: Client, last: string, early: readonly string[] = []): Promise<string[]> {
  const got = [...early];
  while (got.at(-1) !== last) got.push((await client.next()) as string);
  return got;
}

describe("a crowd", () => {
  it("S1-S3, T3: 3,000 sockets come in a burst to 32 shards, and each gets all that is published from then on in one order", async () => {
    const path = "/crowd/burst";
    const clients: { client: Client; early: string[] }[] = [];
    let begun = 0;
    const shards = new Set<number>();
    const growth = { isOver: false };
    const grow = async (): Promise<void> => {
      while (begun++ < 3000) {
        const { client, early, shard } = await subscriber(path);
        clients.push({ client, early });
        shards.add(shard);
      }
    };
    const publishing = (async () => {
      const publisher = await server.connect(`${path}?publisher`);
      for (let n = 0; !growth.isOver; n++) {
        // In a shard and in the root, in any order.
        publisher.send(`shard ${n}`);
        await publish(path, `root ${n}`);
        await publisher.next();
      }
    })();
    await Promise.all(Array.from({ length: 100 }, grow));
    growth.isOver = true;
    await publishing;
    await Promise.all(Array.from({ length: 20 }, (_, n) => publish(path, `all ${n}`)));
    await publish(path, "end");
    const expected = (await history(path)).map(({ payload }) => payload);
    expect(shards.size).toBe(32);
    expect(clients).toHaveLength(3000);
    for (const { client, early } of clients) {
      const got = await until(client, "end", early);
      expect(got.length).toBeGreaterThanOrEqual(21);
      expect(got).toEqual(expected.slice(-got.length));
    }
    // For the root all of them are its own.
    await server.text(`${path}?broadcast=bye`);
    for (const { client } of clients) expect(await client.next()).toBe("bye");
    await Promise.all(clients.map(({ client }) => client.vanish()));
  });
});

describe("a process that is killed while shards publish", () => {
  it("S4, T6: no client of any shard has seen what the history forgot, and what was answered is there in its place", async () => {
    const path = "/chosen/killed";
    const seen = new Set<string>();
    const answered = new Map<string, string>();
    let sent = 0;
    for (let round = 0; round < 8; round++) {
      const subscribers = await Promise.all([0, 1, 2].map((shard) => subscriber(`${path}?shard=${shard}`)));
      const publishers = await Promise.all([1, 3].map((shard) => server.connect(`${path}?publisher&shard=${shard}`)));
      for (let n = 0; n < 300; n++) publishers[n % 2]!.send(`${sent++}`);
      const note = async (client: Client, count: number) => {
        for (let n = 0; n < count; n++) {
          const [position, text] = ((await client.next()) as string).split(" ");
          answered.set(text!, position!);
        }
      };
      // In the middle of it: some publications have an answer, and others are on their way.
      await note(publishers[round % 2]!, 3 + round * 10);
      await server.stop();
      await Promise.all([...subscribers.map(({ client }) => client), ...publishers].map(({ closed }) => closed));
      for (const { client, early } of subscribers)
        for (const text of [...early, ...client.unread]) seen.add(text as string);
      for (const publisher of publishers) await note(publisher, publisher.unread.length);
      server = await disk.start();
      const kept = new Map((await history(path)).map(({ position, payload }) => [payload, position]));
      for (const text of seen) expect(kept.has(text)).toBe(true);
      for (const [text, position] of answered) expect(kept.get(text)).toBe(position);
    }
    expect(answered.size).toBeGreaterThan(200);
    expect(seen.size).toBeGreaterThan(0);
  });
});

describe("a shard that is held up", () => {
  it("S3: others go on; what waits for it is bounded without a history, and with one it catches up", async () => {
    const path = "/chosen/slow";
    const [slow, fast] = await Promise.all([0, 1].map((shard) => subscriber(`${path}?shard=${shard}`)));
    // The root has delivered to both shards before.
    await publish(path, "first");
    for (const { client } of [slow!, fast!]) expect(await client.next()).toBe("first");
    slow!.client.send("hold");
    expect(await slow!.client.next()).toBe("held");
    const large = (name: string) => `${name} ${"x".repeat(1_000_000)}`;
    const nameOf = (text: unknown) => (text as string).split(" ")[0]!;
    const accepted: string[] = [];
    let rejected: Answer | undefined;
    for (let n = 0; n < 40 && !rejected; n++) {
      const answer = await publish(`${path}?topic=bare`, large(`b${n}`));
      if (answer.name === undefined) accepted.push(`b${n}`);
      else rejected = answer;
    }
    expect(rejected).toMatchObject({ name: "OverloadedError", message: expect.stringMatching(/overloaded.*shard 0/i) });
    expect(accepted.length).toBeGreaterThanOrEqual(14);
    expect(accepted.length).toBeLessThanOrEqual(18);
    // Nobody gets a rejected publication, and subscribers of a topic with a history continue.
    const kept: string[] = [];
    for (let n = 0; n < 24; n++) {
      const { position } = await publish(path, large(`a${n}`));
      expect(position).toBeDefined();
      kept.push(`a${n}`);
    }
    const expected = [...accepted, ...kept];
    expect((await fast!.client.take(expected.length)).map(nameOf)).toEqual(expected);
    expect(slow!.client.unread).toEqual([]);
    await server.text(`${path}?release=0`);
    await publish(path, "end");
    const got = (await until(slow!.client, "end")).map(nameOf);
    expect(got.filter((name) => name.startsWith("b"))).toEqual(accepted);
    expect(got.filter((name) => name.startsWith("a"))).toEqual(kept);
    await publish(`${path}?topic=bare`, "again");
    expect(await slow!.client.next()).toBe("again");
  });
});

describe("another number of shards", () => {
  const resize = async (max: number): Promise<void> => {
    const file = join(disk.path, "worker.js");
    await server.stop();
    const code = await readFile(file, "utf8");
    expect(code).toMatch(/MAX_SHARDS = \d+;/);
    await writeFile(file, code.replace(/MAX_SHARDS = \d+;/, `MAX_SHARDS = ${max};`));
    server = await disk.start();
  };

  it("S8: needs nothing else: from 8 to 2 to 16 on the same disk all come back to what they missed", async () => {
    const path = "/resized/hall";
    let position = (await publish(path, "0")).position!;
    let offset = 0;
    for (const max of [8, 2, 16]) {
      if (max !== 8) await resize(max);
      // The root's storage still has the places of another number of shards.
      await publish(path, `missed ${max}`);
      offset++;
      const all = await Promise.all(
        Array.from({ length: 16 }, (_, shard) => subscriber(`${path}?shard=${shard}&since=${position}`)),
      );
      expect(new Set(all.map(({ shard }) => shard)).size).toBe(max);
      for (const { early, recovered, replayed } of all) {
        expect({ early, recovered, replayed }).toEqual({ early: [`missed ${max}`], recovered: true, replayed: 1 });
      }
      position = (await publish(path, `new ${max}`)).position!;
      offset++;
      expect(position).toMatch(new RegExp(`\\.${offset + 1}$`));
      for (const { client } of all) expect(await client.next()).toBe(`new ${max}`);
    }
  });
});
