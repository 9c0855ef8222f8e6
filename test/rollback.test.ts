// Transactions of the application that roll back while callbacks save and send.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { Session, WsEndpointMap } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { connect } from "./support/client.ts";
import { freshPath, Log, serve, type Served } from "./support/endpoint.ts";
import { Clock, container } from "./support/worker.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => {
  const [entry] = logged.mock.calls;
  vi.restoreAllMocks();
  if (entry) throw new Error("The log was told", { cause: entry });
});

interface Counted {
  n: number;
  text: string;
}

const SMALL = "";
const LARGE = "x".repeat(20_000);

type Roll = (storage: DurableObjectStorage, work: () => unknown) => Promise<unknown> | void;

/** The ways in which a transaction rolls back. */
const ways: Record<string, Roll> = {
  "transactionSync that throws"(storage, work) {
    try {
      storage.transactionSync(() => {
        work();
        throw new Error("expected");
      });
    } catch {
      // The storage is as before the transaction.
    }
  },
  "transaction that throws": (storage, work) =>
    storage
      .transaction(async () => {
        await work();
        throw new Error("expected");
      })
      .catch(() => {}),
  rollback: (storage, work) =>
    storage.transaction(async (txn) => {
      await work();
      txn.rollback();
    }),
};

const rows = (endpoint: Served) =>
  runInDurableObject(endpoint.stub, (_, { storage }) =>
    [...storage.kv.list<[facts: string, object: Counted]>({ prefix: "socle:session:" })].map(([, [, { n }]]) => n),
  );

describe.each(Object.entries(ways))("a %s", (_way, roll) => {
  const made = (log: Log, map: WsEndpointMap<Cloudflare.Env, Counted> = {}) =>
    serve<Counted>({
      onOpen: (session) => ({ n: 0, text: session.queryString === "large" ? LARGE : SMALL }),
      async onText(object, text, session: Session<string, Counted>) {
        const { storage } = session.ctx;
        if (text === "?") return session.asyncRemote.sendText(`${object.n} ${object.text.length}`);
        await roll(storage, async () => {
          session.sessionObject = {
            n: object.n + 1,
            text: text === "grow" ? LARGE : text === "shrink" ? SMALL : object.text,
          };
          if (text === "send") await session.asyncRemote.sendText("sent");
        });
        if (text !== "send") await session.asyncRemote.sendText("done");
      },
      onClose: ({ n }) => log.add("close", n),
      ...map,
    });

  it.each([
    ["set", "large", "1 20000"],
    ["grow", "small", "1 20000"],
    ["shrink", "large", "1 0"],
  ])("R23: takes along no session object that was assigned in it: %s, %s", async (text, query, found) => {
    const endpoint = made(new Log());
    const client = await endpoint.connect(`?${query}`);
    expect(await client.ask(text)).toBe("done");
    expect(await client.ask("?")).toBe(found);
    await endpoint.hibernate();
    expect(await client.ask("?")).toBe(found);
    expect(await rows(endpoint)).toHaveLength(found.endsWith(" 0") ? 0 : 1);
    await client.close(1000);
    await expect.poll(() => rows(endpoint)).toEqual([]);
  });

  it("R23, R26: nor the record of a tracked session", async () => {
    const log = new Log();
    const endpoint = made(log, { trackSessions: true });
    const client = await endpoint.connect();
    expect(await client.ask("set")).toBe("done");
    expect(await rows(endpoint)).toEqual([1]);
    await evictDurableObject(endpoint.stub, { webSockets: "close" });
    await expect.poll(() => rows(endpoint)).toEqual([]);
    expect(log.entries).toEqual([["close", 1]]);
  });

  it("P7, R23: nor what was kept before it was told", async () => {
    const endpoint = serve<Counted>({
      trackSessions: true,
      onOpen: () => ({ n: 0, text: SMALL }),
      async onText(object, _text, { ctx, asyncRemote }) {
        await roll(ctx.storage, async () => {
          object.n++;
          await asyncRemote.sendText(String(object.n));
          await Promise.resolve();
        });
      },
    });
    const client = await endpoint.connect();
    expect(await client.ask("")).toBe("1");
    expect(await client.ask("")).toBe("2");
    await expect.poll(() => rows(endpoint)).toEqual([2]);
  });

  it("R18: nor the alarm of a timeout", async () => {
    const endpoint = serve({
      async onText(_, text, session) {
        await roll(session.ctx.storage, async () => {
          session.maxIdleTimeout = 3000;
          await scheduler.wait(10);
        });
        await session.asyncRemote.sendText(text);
      },
    });
    const client = await endpoint.connect();
    await client.ask("go");
    await expect
      .poll(() => runInDurableObject(endpoint.stub, (_object, { storage }) => storage.getAlarm()))
      .toBeGreaterThan(Date.now());
    expect(await client.closed).toMatchObject({ code: 1001 });
  });

  it("R23: writes again what was written in it, and nothing of anybody else", async () => {
    const kv = await runInDurableObject(
      env.Endpoints.getByName("kv"),
      (_object, { storage }) => Object.getPrototypeOf(storage.kv) as SyncKvStorage,
    );
    const endpoint = made(new Log(), { trackSessions: true });
    const others = await Promise.all([1, 2, 3].map(() => endpoint.connect("?large")));
    const client = await endpoint.connect();
    const put = vi.spyOn(kv, "put");
    await runInDurableObject(endpoint.stub, (_object, { storage }) => roll(storage, () => {}));
    expect(put).not.toHaveBeenCalled();
    expect(await client.ask("set")).toBe("done");
    // Once in the transaction, and once after it.
    expect(put).toHaveBeenCalledTimes(2);
    for (const other of others) await other.close(1000);
  });

  it("P10: runs an onAlarm that had set another in it no second time", async () => {
    const path = freshPath();
    container.addEndpoint(path, { durableObject: Clock, idleTimeoutMs: 600_000 });
    const stub = () => container.stub<Clock>(env, path);
    const client = await connect(path);
    const counts: number[] = [];
    vi.spyOn(Clock.prototype, "onAlarm").mockImplementation(async function (this: Clock, info) {
      counts.push(info!.retryCount);
      const { storage } = this.ctx;
      await roll(storage, async () => storage.setAlarm(Date.now() + 60_000));
    });
    await runInDurableObject(stub(), (_object, { storage }) => storage.setAlarm(Date.now() + 10));
    await expect.poll(() => counts.length).toBe(1);
    // Otherwise the platform would deliver the alarm again at once.
    await runInDurableObject(stub(), () => scheduler.wait(200));
    expect(counts).toEqual([0]);
    expect(await runInDurableObject(stub(), (_object, { storage }) => storage.getAlarm())).toBe(null);
    expect(await client.ask("open")).toBe("open");
    await client.close(1000);
  });

  it("R23: gives and throws what it does without Socle", async () => {
    const endpoint = serve({
      async onText(_, _text, { ctx: { storage }, asyncRemote }) {
        const found = [
          storage.transactionSync(() => 1),
          await storage.transaction(() => Promise.resolve(2)),
          await storage.transaction((txn) => Promise.resolve(txn.rollback())),
          await storage.transaction(() => Promise.reject(new Error("three"))).catch(({ message }: Error) => message),
        ];
        await asyncRemote.sendText(JSON.stringify(found));
      },
    });
    expect(await (await endpoint.connect()).ask("")).toBe('[1,2,null,"three"]');
  });
});

it("R14, R23, R26: a session that ends while a transaction is open that rolls back leaves no row, and has one onClose", async () => {
  const log = new Log();
  const endpoint = serve<string>({
    trackSessions: true,
    onOpen: ({ queryString }) => (queryString === "large" ? LARGE : queryString),
    async onText(name, text, session) {
      const { storage } = session.ctx;
      const others = [...session.openSessions].filter(({ id }) => id !== session.id);
      await storage
        .transaction(async () => {
          for (const other of others) other.close(4000);
          await scheduler.wait(20);
          throw new Error("expected");
        })
        .catch(() => {});
      await session.asyncRemote.sendText(`${name} ${text}`);
    },
    onClose: (name, _, { closeCode }) => log.add(name.length, closeCode),
  });
  const client = await endpoint.connect("?client");
  await endpoint.connect("?other");
  await endpoint.connect("?large");
  expect(await client.ask("done")).toBe("client done");
  expect(await rows(endpoint)).toHaveLength(1);
  await client.close(1000);
  await expect.poll(() => rows(endpoint)).toEqual([]);
  await evictDurableObject(endpoint.stub, { webSockets: "close" });
  expect(await rows(endpoint)).toEqual([]);
  expect(new Set(log.entries.map((entry) => JSON.stringify(entry)))).toEqual(
    new Set(["[20000,4000]", "[5,4000]", "[6,1000]"]),
  );
  expect(log.entries).toHaveLength(3);
});

it("R18, R23: one that is kept within one that rolls back goes with that", async () => {
  const endpoint = serve<Counted>({
    trackSessions: true,
    onOpen: () => ({ n: 0, text: SMALL }),
    async onText(_, text, session) {
      const { storage } = session.ctx;
      await storage
        .transaction(async () => {
          storage.transactionSync(() => (session.sessionObject = { n: 1, text }));
          session.maxIdleTimeout = 3000;
          await scheduler.wait(10);
          throw new Error("expected");
        })
        .catch(() => {});
      await session.asyncRemote.sendText("done");
    },
  });
  const client = await endpoint.connect();
  expect(await client.ask("")).toBe("done");
  expect(await rows(endpoint)).toEqual([1]);
  expect(await client.closed).toMatchObject({ code: 1001 });
});
