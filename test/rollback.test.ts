// Transactions of the application's that roll back, while callbacks keep and send.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import type { Session, WsEndpointMap } from "socle";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { Log, serve, type Served } from "./support/endpoint.ts";

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
      // It is back to where it was.
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
