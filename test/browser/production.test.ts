// What only a real browser shows: texts that it refuses, and the close codes and subprotocols that a page gets.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { workerd, type Server } from "../e2e/server.ts";
import { launch } from "./chromium.ts";

let server: Server;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  [server, browser] = await Promise.all([workerd("test/e2e/production-worker.ts"), launch()]);
  page = await browser.newPage();
  await page.goto(`http://${server.host}/page`);
});
afterAll(() => Promise.allSettled([browser?.close(), server?.stop()]));

interface Told {
  protocol: string;
  messages: string[];
  closed: [code: number, reason: string] | undefined;
}

/** The events of a connection, until it has this many messages or is closed. */
const connect = (path: string, send: string[], protocols: string[], count: number): Promise<Told> =>
  page.evaluate(
    ({ url, texts, offers, wanted }) =>
      new Promise<Told>((resolve) => {
        const socket = new WebSocket(url, offers);
        const told: Told = { protocol: "", messages: [], closed: undefined };
        socket.addEventListener("open", () => {
          told.protocol = socket.protocol ?? "";
          for (const text of texts) socket.send(text);
        });
        socket.addEventListener("message", ({ data }) => {
          told.messages.push(data as string);
          if (told.messages.length === wanted) resolve(told);
        });
        socket.addEventListener("close", ({ code, reason }) => {
          told.closed = [code, reason];
          resolve(told);
        });
      }),
    { url: `ws://${server.host}${path}`, texts: send, offers: protocols, wanted: count },
  );

describe("a page", () => {
  it("P6: stays connected when half a surrogate pair is sent to it, in whatever way", async () => {
    const ways = ["sendText", "channel", "itself", "broadcast"];
    const text = "a cut emoji: \ufffd";
    expect(await connect("/cut/page?open", ways, [], 5)).toEqual({
      protocol: "",
      messages: [text, text, text, text, text],
      closed: undefined,
    });
    expect((await connect("/cut/page", ["close"], [], 1)).closed).toEqual([4000, text]);
  });

  it("P12: that offers only its token connects, and is told the close code with which the hook refuses it", async () => {
    expect(await connect("/token", [], ["secret-ann"], 1)).toEqual({
      protocol: "secret-ann",
      messages: ["ann is here"],
      closed: undefined,
    });
    expect(await connect("/token", [], ["none"], 1)).toEqual({
      protocol: "none",
      messages: [],
      closed: [4401, "Sign in"],
    });
    expect((await connect("/token", [], [], 1)).closed).toEqual([4401, "Sign in"]);
  });
});
