// A process that is killed, and what its sessions have left in storage.
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Disk, type Server } from "./server.ts";

let disk: Disk;
let server: Server;

beforeAll(async () => {
  disk = await Disk.create("test/e2e/crash-worker.ts", ["Plain"]);
  server = await disk.start();
});

afterAll(async () => {
  await server?.stop();
  await disk?.remove();
});

async function crash(): Promise<void> {
  await server.stop();
  server = await disk.start();
}

interface Told {
  entries: string[];
  keys: string[];
}

/** What has happened to an object since the process began, including this request, and its storage. */
async function ask(path: string): Promise<Told> {
  return JSON.parse(await server.text(path)) as Told;
}

describe("sessions whose process is killed", () => {
  it("R26: end with 1006 before a request, each once, in a class that is ready by then", async () => {
    const path = "/lobby/request";
    const ann = await server.connect(`${path}?name=Ann&user=a`);
    await server.connect(`${path}?name=Bob&user=b&length=20000`);
    ann.send("a", "b");
    expect(await ann.take(2)).toEqual(["1", "2"]);
    expect((await ask(path)).keys).toHaveLength(2);
    await crash();
    expect(await ann.closed).toMatchObject({ code: 1006 });
    const { entries, keys } = await ask(path);
    expect(entries.toSorted()).toEqual([
      "Ann ends with 1006 after 2, 0, a",
      "Bob ends with 1006 after 0, 20000, b",
      "field, loaded",
      "field, loaded",
      "request",
    ]);
    expect(entries.at(-1)).toBe("request");
    expect(keys).toEqual([]);
    expect((await ask(path)).entries).toEqual([...entries, "request"]);
    await crash();
    expect(await ask(path)).toEqual({ entries: ["request"], keys: [] });
  });

  it("R26: end before a new session opens", async () => {
    const path = "/lobby/session";
    await server.connect(`${path}?name=Ann&user=a`);
    await crash();
    const bob = await server.connect(`${path}?name=Bob`);
    const { entries, keys } = await ask(path);
    expect(entries).toEqual(["Ann ends with 1006 after 0, 0, a", "field, loaded", "Bob opens", "request"]);
    expect(keys).toHaveLength(1);
    await bob.close(1000);
    await expect.poll(async () => (await ask(path)).keys).toEqual([]);
  });

  it("R26: end before a call by RPC", async () => {
    await server.connect("/lobby/call?name=Ann&user=a");
    await crash();
    expect(JSON.parse(await server.text("/call/lobby/call"))).toEqual([
      "Ann ends with 1006 after 0, 0, a",
      "field, loaded",
      "call",
    ]);
  });

  it("R26: end before an alarm of the class's own", async () => {
    const path = "/lobby/alarm";
    await server.connect(`${path}?name=Ann&user=a`);
    await server.fetch(path, { method: "POST", body: "1000" });
    await crash();
    // Asks only a witness, so that nothing but the alarm wakes the object.
    await expect
      .poll(() => server.text("/witness"), { timeout: 30_000 })
      .toBe(JSON.stringify(["Ann ends with 1006 after 0, 0, a", "field, loaded", "alarm"]));
    expect((await ask(path)).keys).toEqual([]);
  });

  it("R26: end in the objects of maps too, R23: and without trackSessions leave nothing, however large", async () => {
    for (const path of ["/tracked/a", "/untracked/a"]) {
      const ann = await server.connect(`${path}?name=Ann&user=a`);
      const bob = await server.connect(`${path}?name=Bob&user=b&length=100000`);
      ann.send("a");
      bob.send("b");
      expect([await ann.next(), await bob.next()]).toEqual(["1", "1"]);
    }
    expect((await ask("/object/untracked/a")).keys).toHaveLength(1);
    await crash();
    const { entries, keys } = await ask("/object/tracked/a");
    expect(entries.toSorted()).toEqual([
      "Ann ends with 1006 after 1, 0, a",
      "Bob ends with 1006 after 1, 100000, b",
      "request",
    ]);
    expect([entries.at(-1), keys]).toEqual(["request", []]);
    expect(await ask("/object/untracked/a")).toEqual({ entries: ["request"], keys: [] });
  });
});

describe("sessions whose client goes", () => {
  it.each(["tracked", "untracked"])("R14, R23: leave nothing of a large object, %s", async (kind) => {
    const path = `/${kind}/leaving`;
    const ann = await server.connect(`${path}?name=Ann&user=a&length=100000`);
    const bob = await server.connect(`${path}?name=Bob&user=b&length=100000`);
    await ann.vanish();
    await bob.close(4001);
    await expect.poll(async () => (await ask(`/object${path}`)).keys).toEqual([]);
    const { entries } = await ask(`/object${path}`);
    expect(entries.filter((entry) => entry.includes("ends")).toSorted()).toEqual([
      "Ann ends with 1006 after 0, 100000, a",
      "Bob ends with 4001 after 0, 100000, b",
    ]);
  });
});

describe("a class without SQLite", () => {
  it("R23: keeps small session objects, and refuses large ones with an error that says why", async () => {
    const path = "/plain/a";
    const ann = await server.connect(`${path}?name=Ann`);
    ann.send("a", "large", "b");
    // The change that can't be kept is undone, including the count.
    expect(await ann.take(4)).toEqual(["1", "2", expect.stringMatching(/SQLite/), "2"]);
    expect(await ann.close(1000)).toMatchObject({ code: 1000 });
    await expect.poll(() => server.text(path)).toContain("ends with 1000");
  });

  it.each(["/plain/large?name=Ann&length=20000", "/plain-tracked/a?name=Ann"])(
    "R23, R26: can't open a session that needs storage, at %s",
    async (path) => {
      const client = await server.connect(path);
      expect(await client.next()).toMatch(/SQLite/);
      expect(await client.closed).toMatchObject({ code: 1011 });
      await expect.poll(() => server.text(path)).toContain("ends with 1011");
    },
  );

  it("R18: has its own alarm", async () => {
    await server.fetch("/plain/alarm", { method: "POST", body: "100" });
    await expect.poll(() => server.text("/plain/alarm")).toContain("alarm");
  });

  it("R26: forgets all after a crash", async () => {
    await server.connect("/plain/crash?name=Ann");
    await crash();
    expect(await server.text("/plain/crash")).toBe('["request"]');
  });
});

describe("after hibernation", () => {
  it("R14, R26: end once, with their own code, also as the last of an object that has hibernated", async () => {
    const [ann, bob] = await Promise.all([
      server.connect("/tracked/last?name=Ann&user=a"),
      server.connect("/untracked/last?name=Bob&user=b&length=20000"),
    ]);
    // An object hibernates about 10 s after its last event, and nothing outside shows when.
    await pause(13_000);
    expect(await ann.close(4001)).toMatchObject({ code: 4001 });
    expect(await bob.close(4002)).toMatchObject({ code: 4002 });
    for (const [path, entry] of [
      ["/object/tracked/last", "Ann ends with 4001 after 0, 0, a"],
      ["/object/untracked/last", "Bob ends with 4002 after 0, 20000, b"],
    ] as const) {
      await expect.poll(async () => (await ask(path)).keys).toEqual([]);
      const { entries } = await ask(path);
      expect(entries.filter((one) => one.includes("ends"))).toEqual([entry]);
    }
  });
});
