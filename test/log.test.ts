// The log: the number of entries that one client can cause is bounded.
import { droppingBuffer, startWsConnection, WebSocketSendAsync, type SendChannel } from "socle";
import { afterEach, beforeEach, expect, it, vi, type MockInstance } from "vitest";

import { report } from "../src/reporting/log.ts";
import { serve } from "./support/endpoint.ts";

let logged: MockInstance<typeof console.error>;
beforeEach(() => void (logged = vi.spyOn(console, "error").mockImplementation(() => {})));
afterEach(() => vi.restoreAllMocks());

const entries = () => logged.mock.calls.map(([entry]) => String(entry));
/** A clock that only the test moves. */
function clock(): { now: number } {
  const time = { now: 1_000_000 };
  vi.spyOn(Date, "now").mockImplementation(() => time.now);
  return time;
}

it("P26: the same entry of an object comes ten times in any ten seconds, then with how many more there were", () => {
  const time = clock();
  const timers = vi.spyOn(globalThis, "setTimeout");
  const place = { path: "/a", ctx: {} };
  const told = (count: number) => {
    logged.mockClear();
    for (let one = 0; one < count; one++) report("it failed", new Error("expected"), place);
    return entries();
  };
  expect(told(4)).toEqual(Array<string>(4).fill("socle: it failed at /a:"));
  time.now += 9000;
  expect(told(100)).toHaveLength(6);
  time.now += 999;
  expect(told(3)).toEqual([]);
  time.now += 1;
  // The first four entries are ten seconds old.
  expect(told(6)).toEqual([
    "socle: it failed at /a (and 97 more before):",
    ...Array<string>(3).fill("socle: it failed at /a:"),
  ]);
  time.now += 9000;
  expect(told(1)).toEqual(["socle: it failed at /a (and 2 more before):"]);
  expect(timers).not.toHaveBeenCalled();
});

it("P26: another entry, another place and another object have their own, and the Worker has no bound", () => {
  clock();
  const ctx = {};
  for (let one = 0; one < 20; one++) {
    report("it failed", new Error("expected"), { path: "/a", ctx });
    report("another failed", new Error("expected"), { path: "/a", ctx });
    report("it failed", new Error("expected"), { path: "/b", ctx });
    report("it failed", new Error("expected"), { path: "/a", ctx: {} });
    report("500 for /a", new Error("expected"));
  }
  const counts: Record<string, number> = {};
  for (const entry of entries()) counts[entry] = (counts[entry] ?? 0) + 1;
  expect(counts).toEqual({
    "socle: it failed at /a:": 30,
    "socle: another failed at /a:": 10,
    "socle: it failed at /b:": 10,
    "socle: 500 for /a:": 20,
  });
});

it("P26: entries past the hundredth share one count, so that no number of them floods the log", () => {
  clock();
  const ctx = {};
  const tell = (path: string) => {
    for (let one = 0; one < 20; one++) report("it failed", new Error("expected"), { path, ctx });
  };
  for (let path = 0; path < 100; path++) tell(`/${path}`);
  expect(entries()).toHaveLength(1000);
  for (let path = 100; path < 300; path++) tell(`/${path}`);
  expect(entries()).toHaveLength(1010);
  // Entries from before still have counts of their own.
  tell("/0");
  expect(entries()).toHaveLength(1010);
});

it("P26: clients that don't take what is sent to them write ten entries", async () => {
  const endpoint = serve<{ send: SendChannel }>({
    onOpen: (session) => ({ send: startWsConnection(session, { sendBufferOrN: droppingBuffer(1) }) }),
    async onText({ send }, text, session) {
      if (text === "hold") void send.put({ [WebSocketSendAsync]: () => new Promise<void>(() => {}) });
      for (let one = 0; one < 500; one++) void send.put("dropped");
      await session.asyncRemote.sendText("done");
    },
  });
  const [ann, bob] = [await endpoint.connect(), await endpoint.connect()];
  await ann.ask("hold");
  await bob.ask("hold");
  expect(entries()).toEqual(Array<string>(10).fill(`socle: a message was not sent at ${endpoint.path}:`));
});
