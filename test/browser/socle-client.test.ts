// `SocleClient` in a real browser: a network that goes and comes back, a page that is hidden or busy.
// docs/behaviour.md, C1 to C5.
import { join } from "node:path";

import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { workerd, type Server } from "../e2e/server.ts";
import { launch, launchWithTabs } from "./chromium.ts";

/** No delay and no heartbeat of this length ends within a test. */
const NEVER = 100_000_000;
/** `heartbeatTimeoutMs` in tests that wait for it. A connection opens within it, also on a busy machine. */
const TIMEOUT = 5000;

let server: Server;
let browser: Browser;
/** A browser in which a page can be hidden. */
let tabs: Awaited<ReturnType<typeof launchWithTabs>>;
let script: string;
let page: Page;
/** The URLs of all sockets of the page. */
let sockets: string[];
/** The heartbeats that the page has sent. */
let heartbeats: number;
let room: string;
let count = 0;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "client-page.js")],
    bundle: true,
    globalName: "page",
    write: false,
  });
  return outputFiles[0]!.text;
}

beforeAll(async () => {
  [server, browser, tabs, script] = await Promise.all([
    workerd("test/browser/client-worker.ts"),
    launch(),
    launchWithTabs(),
    bundle(),
  ]);
});
afterAll(() => Promise.allSettled([browser?.close(), tabs?.stop(), server?.stop()]));

async function open(opened: Promise<Page>): Promise<void> {
  page = await opened;
  sockets = [];
  heartbeats = 0;
  room = `/rooms/${++count}`;
  page.on("websocket", (socket) => {
    sockets.push(socket.url());
    socket.on("framesent", ({ payload }) => (heartbeats += Number(payload === "socle:ping")));
  });
  await page.goto(`http://${server.host}/`);
  await page.addScriptTag({ content: script });
}

beforeEach(() => open(browser.newPage()));
afterEach(() => page.close());

const call = <Result>(name: string, ...values: readonly unknown[]) =>
  page.evaluate<Result>(`page.${name}(${values.map((value) => JSON.stringify(value)).join()})`);

/** Statuses, recoveries and lines. */
const told = () => page.evaluate<string[]>("page.told");
const status = () => page.evaluate<string>("page.client.status");

const sessions = async () => Number(await server.text(room));
const publish = (lines: readonly string[]) =>
  server.text(`${room}?${lines.map((line) => `publish=${line}`).join("&")}`);
const closeAll = (code: number) => server.text(`${room}?close=${code}`);

async function start(options: object = {}, blockMs = 0): Promise<void> {
  await call("start", room, { heartbeatMs: NEVER, ...options }, blockMs);
  await expect.poll(told).toEqual(["open", "not recovered"]);
}

/** Waits until the client has given up its connection: Chromium holds its frames back, but closes nothing. */
async function loseNetwork(): Promise<void> {
  await page.context().setOffline(true);
  await expect.poll(status).toBe("waiting");
}

describe("the network", () => {
  it("C1, C3: without one it gives up what does not answer, and tries nothing while the browser is offline", async () => {
    await start({ minDelayMs: 10, maxDelayMs: 10, heartbeatTimeoutMs: TIMEOUT });
    await loseNetwork();
    await call("pass", 100);
    expect(await told()).toEqual(["open", "not recovered", "waiting"]);
    expect(sockets).toHaveLength(1);
    // No delay is left, so the event makes the client connect.
    await page.context().setOffline(false);
    await expect.poll(told).toEqual(["open", "not recovered", "waiting", "connecting", "open", "recovered"]);
    expect(sockets).toHaveLength(2);
  });

  it("C1: comes back at once when the browser says that it is online, whatever delay is left", async () => {
    await start({ minDelayMs: NEVER, maxDelayMs: NEVER, heartbeatTimeoutMs: TIMEOUT });
    await loseNetwork();
    await page.context().setOffline(false);
    await expect.poll(status).toBe("open");
    // The other connection has ended: Chromium has now sent the Close frame with which the client gave it up.
    await expect.poll(sessions).toBe(1);
  });

  it("C1, C3: keeps a connection that outlives a short time without one", async () => {
    await start({ heartbeatTimeoutMs: NEVER });
    await page.context().setOffline(true);
    await publish(["a", "b"]);
    await page.evaluate("page.client.send('c')");
    await page.context().setOffline(false);
    await expect.poll(told).toEqual(["open", "not recovered", "a", "b", "c"]);
    expect(sockets).toHaveLength(1);
  });
});

describe("a page that was hidden", () => {
  beforeEach(async () => {
    await page.close();
    await open(tabs.context.newPage());
  });

  /** Hides the page behind another tab. */
  async function whileHidden(act: () => Promise<unknown>): Promise<void> {
    const other = await tabs.context.newPage();
    await other.bringToFront();
    await expect.poll(() => page.evaluate("document.hidden")).toBe(true);
    await act();
    await page.bringToFront();
    await other.close();
  }

  it("C1: comes back at once when it is shown, whatever delay is left", async () => {
    await start({ minDelayMs: NEVER, maxDelayMs: NEVER });
    await whileHidden(async () => {
      await publish(["a"]);
      await closeAll(1012);
      await expect.poll(status).toBe("waiting");
      await publish(["b"]);
    });
    const expected = ["open", "not recovered", "a", "waiting", "connecting", "open", "recovered", "b"];
    await expect.poll(told).toEqual(expected);
  });

  it("C3: asks whether its server is still there when it is shown, and not when it is hidden", async () => {
    await start();
    await whileHidden(async () => {
      await call("pass", 0);
      expect(heartbeats).toBe(0);
    });
    await expect.poll(() => heartbeats).toBe(1);
    expect(sockets).toHaveLength(1);
  });
});

describe("a page that is busy", () => {
  it.each([
    ["more", TIMEOUT + 500],
    ["less", 10],
  ])(
    "C3: keeps its connection while it blocks its main thread for longer than heartbeatTimeoutMs, where heartbeatMs is %s than that",
    async (_, heartbeatMs) => {
      await start({ heartbeatMs, heartbeatTimeoutMs: TIMEOUT }, TIMEOUT + 1000);
      // The second heartbeat is sent when the first has been answered.
      await expect.poll(() => heartbeats).toBeGreaterThan(1);
      expect(await told()).toEqual(["open", "not recovered"]);
      expect(sockets).toHaveLength(1);
    },
  );
});

describe("a cut", () => {
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => String(from + index));

  it.each([
    [
      "the server restarts",
      async () => {
        await closeAll(1012);
        await expect.poll(told).toContain("waiting");
      },
    ],
    ["the network is gone", loseNetwork],
  ])("C5: leaves nothing out and brings nothing twice, when %s", async (_, cut) => {
    await start({ minDelayMs: NEVER, maxDelayMs: NEVER, heartbeatMs: 100, heartbeatTimeoutMs: TIMEOUT });
    await publish(numbers(0, 20));
    // Some are on their way, and some are not published yet.
    const published = publish(numbers(20, 40));
    await cut();
    await published;
    await publish(numbers(40, 60));
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    await expect.poll(told).toContain("59");
    const all = await told();
    expect(all.filter((one) => /^\d+$/.test(one))).toEqual(numbers(0, 60));
    expect(all.filter((one) => !/^\d+$/.test(one))).toEqual([
      "open",
      "not recovered",
      "waiting",
      "connecting",
      "open",
      "recovered",
    ]);
    // Before anything newer.
    expect(all.indexOf("recovered")).toBeLessThan(all.indexOf("40"));
  });
});

describe("close()", () => {
  /** Events that would make a client connect that is not closed. */
  async function tempt(): Promise<void> {
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await call("pass", 100);
  }

  it.each([
    ["open", []],
    ["waiting", ["waiting"]],
    ["connecting", ["waiting", "connecting"]],
  ])("C2: ends a client that is %s, and all that would bring it back", async (name, others) => {
    await start({ minDelayMs: 10, maxDelayMs: 10 });
    await call("closeWhen", name);
    if (name !== "open") await closeAll(1012);
    await expect.poll(told).toEqual(["open", "not recovered", ...others, "closed"]);
    await tempt();
    expect(await told()).toEqual(["open", "not recovered", ...others, "closed"]);
    expect(sockets).toHaveLength(1);
    await expect.poll(sessions).toBe(0);
  });

  it("C2: ends a client that connects for the first time", async () => {
    const path = JSON.stringify(room);
    await page.evaluate(`page.start(${path}, { minDelayMs: 10, maxDelayMs: 10 }); page.client.close();`);
    await tempt();
    expect(await told()).toEqual(["closed"]);
    await expect.poll(sessions).toBe(0);
    expect(sockets.length).toBeLessThan(2);
  });
});
