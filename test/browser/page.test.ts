// The example's page in a real browser, as its users meet it.
import { setTimeout as pause } from "node:timers/promises";

import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";

import type { ChatMessage } from "../../example-worker/chat.ts";
import { expectText, picture, serveExample, violations } from "./example.ts";

const example = serveExample();
const { open } = example;

let count = 0;
const freshRoom = () => `room-${++count}`;
const chat = (page: Page) => page.getByRole("region", { name: "Chat" });
const messages = (page: Page): Locator => page.getByRole("log", { name: "Messages" });
const status = (page: Page): Locator => chat(page).getByRole("status");

async function joinRoom(page: Page, room: string, name: string): Promise<void> {
  await chat(page).getByLabel("Room", { exact: true }).fill(room);
  await chat(page).getByLabel("Your name").fill(name);
  await chat(page).getByRole("button", { name: "Join" }).click();
  await expectText(status(page), "Connected");
}

async function say(page: Page, text: string): Promise<void> {
  await chat(page).getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

/** Until the page has given its connection up: Chromium holds what comes and goes of one, and closes none. */
async function goOffline(page: Page): Promise<void> {
  await page.context().setOffline(true);
  await expectText(status(page), "You are offline");
}

/** What was said, without the times. */
const said = async (page: Page): Promise<string[]> =>
  (await messages(page).locator(".message").allTextContents()).map((line) => line.replace(/^.*?(?=\w+: )/, ""));

/** Has a page come back with the position of a history that is gone. */
const FORGOTTEN = `
  globalThis.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      const gone = "socle.topics." + btoa('{"lines":"gone.1"}').replaceAll("=", "");
      super(url, protocols.map((name) => (/^socle\\.topics\\../.test(name) ? gone : name)));
    }
  };
`;

/** Keeps each price that is shown, with the newest that a socket without flow control has brought by then. */
const WATCH = `
  globalThis.shown = [];
  let newest = 0;
  new WebSocket(new URL("/ticker/SLOW", location.origin.replace("http", "ws"))).addEventListener("message", ({ data }) => (newest = JSON.parse(data).number));
  new MutationObserver((records) => {
    for (const { addedNodes: [text] } of records) {
      const [, number, skipped] = /price (\\d+), (\\d+) skipped/.exec(text.data).map(Number);
      shown.push({ number, skipped, newest });
    }
  }).observe(document.querySelector("#ticker output"), { childList: true });
`;

describe("the chat", () => {
  it("shows each page who comes, what is said, as text, and who types", async () => {
    const room = freshRoom();
    const [ann, bob] = await Promise.all([open(), open()]);
    await joinRoom(ann, room, "Ann");
    await joinRoom(bob, room, "Bob");
    await expectText(messages(ann), "Bob has joined");
    await expectText(chat(ann).locator("#members"), "Ann, Bob");
    await chat(bob).getByLabel("Message", { exact: true }).pressSequentially("<b>he");
    await expectText(chat(ann).locator("#typing"), "Bob is typing");
    await say(bob, "<b>hello</b> & all");
    await expectText(messages(ann), "Bob: <b>hello</b> & all");
    await expectText(messages(bob), "Bob: <b>hello</b> & all");
    expect(await messages(ann).locator("b").count()).toBe(0);
    expect(new URL(ann.url()).pathname).toBe(`/rooms/${room}`);
  });

  it("tells the others at once that a tab has been closed", async () => {
    const room = freshRoom();
    const [ann, bob] = await Promise.all([open(), open()]);
    await joinRoom(ann, room, "Ann");
    await joinRoom(bob, room, "Bob");
    await bob.close();
    await expectText(messages(ann), "Bob has left");
    await expect.poll(() => chat(ann).locator("#members").textContent()).toBe("Ann");
  });

  it("R20, R24: goes on after the room's object has hibernated", async () => {
    const room = freshRoom();
    const [ann, bob] = await Promise.all([open(), open()]);
    await joinRoom(ann, room, "Ann");
    await joinRoom(bob, room, "Bob");
    await say(ann, "before");
    await expectText(messages(bob), "Ann: before");
    // An object hibernates about 10 s after its last event, and to ask it would wake it.
    await pause(13_000);
    await say(bob, "after");
    await expectText(messages(ann), "Bob: after");
    const panel = ann.getByRole("region", { name: "The object behind a room" });
    await panel.getByLabel("Room", { exact: true }).fill(room);
    await panel.getByRole("button", { name: "Ask the object" }).click();
    await expectText(panel.locator("dl"), /open sessions2messages kept2times it woke2/);
  });

  it("C1, C4, C5: says that it is offline, comes back by itself, shows what was missed, and sends what was said meanwhile", async () => {
    const room = freshRoom();
    const [ann, bob] = await Promise.all([open("/", { isOffline: true }), open()]);
    await joinRoom(ann, room, "Ann");
    await joinRoom(bob, room, "Bob");
    await say(bob, "one");
    await expectText(messages(ann), "Bob: one");
    for (const missed of [["two", "three"], []]) {
      await goOffline(ann);
      for (const text of missed) {
        await say(bob, text);
        await expectText(messages(bob), `Bob: ${text}`);
      }
      await say(ann, `after ${missed.length}`);
      await ann.context().setOffline(false);
      await expectText(status(ann), "Connected again");
      for (const page of [ann, bob]) await expectText(messages(page), `Ann: after ${missed.length}`);
      await expect.poll(() => chat(bob).locator("#members").textContent()).toBe("Ann, Bob");
      await expectText(messages(bob), /Ann is back/);
    }
    await say(bob, "four");
    await expectText(messages(ann), "Bob: four");
    const lines = ["Bob: one", "Bob: two", "Bob: three", "Ann: after 2", "Ann: after 0", "Bob: four"];
    for (const page of [ann, bob]) expect(await said(page)).toEqual(lines);
  });

  it("T7: shows all that was missed by one who came when nothing had been said", async () => {
    const room = freshRoom();
    const ann = await open("/", { isOffline: true });
    await joinRoom(ann, room, "Ann");
    await goOffline(ann);
    // More than the room gives to one who is new.
    const lines = Array.from({ length: 60 }, (_, index) => `${index}`);
    for (let start = 0; start < lines.length; start += 30) {
      const bob = await example.server.connect(`/chat/${room}?name=Bob${start}`);
      for (const text of lines.slice(start, start + 30)) bob.send(JSON.stringify({ type: "message", text }));
      while (((await bob.json()) as ChatMessage & { text?: string }).text !== lines[start + 29]);
      await bob.close();
    }
    await ann.context().setOffline(false);
    await expectText(messages(ann), "Bob30: 59");
    expect((await said(ann)).map((line) => line.split(": ")[1])).toEqual(lines);
    expect(await messages(ann).textContent()).not.toMatch("missing");
  });

  it("T7: says so where the room has not kept all that was missed, and shows the newest", async () => {
    const room = freshRoom();
    const [ann, bob] = await Promise.all([open("/", { isOffline: true }), open()]);
    await ann.evaluate(FORGOTTEN);
    await joinRoom(ann, room, "Ann");
    await joinRoom(bob, room, "Bob");
    await goOffline(ann);
    await say(bob, "two");
    await expectText(messages(bob), "Bob: two");
    await ann.context().setOffline(false);
    await expectText(messages(ann), /Some lines are missing here: the room keeps only the newest\..*Bob: two/);
    expect(await said(ann)).toEqual(["Bob: two"]);
  });

  it("counts what is unread in a room that is not shown", async () => {
    const [one, two] = [freshRoom(), freshRoom()];
    const [ann, bob] = await Promise.all([open(), open()]);
    await joinRoom(bob, one, "Bob");
    await joinRoom(ann, one, "Ann");
    await joinRoom(ann, two, "Ann");
    await say(bob, "are you there?");
    await say(bob, "hello?");
    const tab = ann.getByRole("navigation", { name: "Your rooms" }).getByRole("button", { name: one });
    await expectText(tab, `${one} (2 unread)`);
    expect(await ann.title()).toMatch(/^\(2\) /);
    await tab.click();
    await expectText(messages(ann), "Bob: hello?");
    await expect.poll(() => ann.title()).not.toMatch(/^\(/);
  });

  it("has a page for each room, and is used with the keyboard alone", async () => {
    const room = freshRoom();
    const page = await open(`/rooms/${room}`);
    expect(await chat(page).getByLabel("Room", { exact: true }).inputValue()).toBe(room);
    await chat(page).getByLabel("Your name").focus();
    await page.keyboard.type("Ann");
    await page.keyboard.press("Enter");
    await expectText(status(page), "Connected");
    await page.keyboard.type("without a mouse");
    await page.keyboard.press("Enter");
    await expectText(messages(page), "Ann: without a mouse");
  });
});

describe("the echo", () => {
  it("draws the round trips, and says them in words", async () => {
    const page = await open();
    const echo = page.getByRole("region", { name: "Echo" });
    await echo.getByRole("button", { name: "Connect" }).click();
    await expectText(echo.getByRole("status"), "Connected");
    await echo.getByRole("button", { name: "Measure round trips" }).click();
    await expectText(echo.locator("figcaption"), /^[3-9] round trips: [\d.]+ ms now/);
    const points = (await echo.locator("polyline").getAttribute("points"))!.split(" ");
    expect(points.length).toBeGreaterThan(2);
    expect(points.every((point) => /^\d+\.\d,\d+\.\d$/.test(point))).toBe(true);
  });

  it("sends text and bytes", async () => {
    const page = await open();
    const echo = page.getByRole("region", { name: "Echo" });
    await echo.getByRole("button", { name: "Connect" }).click();
    await expectText(echo.getByRole("status"), "Connected");
    await echo.getByLabel("Text").fill("hello");
    await page.keyboard.press("Enter");
    await expectText(echo.getByRole("log"), "echo: hello");
    await echo.getByLabel("Text").fill("AB");
    await echo.getByLabel("as bytes").check();
    await echo.getByRole("button", { name: "Send" }).click();
    await expectText(echo.getByRole("log"), "2 bytes: 65 66");
  });
});

describe("the ticker", () => {
  it("shows prices while one subscribes, and none after", async () => {
    const page = await open();
    const ticker = page.getByRole("region", { name: "Ticker" });
    await ticker.getByLabel("Symbol").fill("ABC");
    await ticker.getByRole("button", { name: "Subscribe" }).click();
    const price = ticker.locator("output");
    await expectText(price, /^ABC \d+\.\d\d at /);
    const first = await price.textContent();
    await expect.poll(() => price.textContent()).not.toBe(first);
    await ticker.getByRole("button", { name: "Unsubscribe ABC" }).click();
    await expect.poll(() => price.count()).toBe(0);
  });
});

describe("the ticker's switch", () => {
  it("F4, F9: has the page skip prices and not fall behind, until it is off again", async () => {
    const page = await open();
    const ticker = page.getByRole("region", { name: "Ticker" });
    await ticker.getByLabel("Symbol").fill("SLOW");
    await ticker.getByRole("button", { name: "Subscribe" }).click();
    await expectText(ticker.locator("output"), /^SLOW \d/);
    await page.evaluate(WATCH);
    const shown = () => page.evaluate<{ number: number; skipped: number; newest: number }[]>("shown");
    /** How many were skipped before each of the last ones. */
    const skips = async (last: number) => (await shown()).slice(-last).map(({ skipped }) => skipped);
    await expect.poll(() => skips(3)).toEqual([0, 0, 0]);

    await ticker.getByLabel("Symbol").focus();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    expect(await ticker.getByRole("switch", { name: "Slow me down" }).isChecked()).toBe(true);
    const before = (await shown()).length;
    const skipping = async () => (await shown()).slice(before).filter(({ skipped }) => skipped > 0);
    await expect.poll(async () => (await skipping()).length).toBeGreaterThan(2);

    await page.keyboard.press("Space");
    await expect.poll(() => skips(3)).toEqual([0, 0, 0]);
    const all = await shown();
    for (const [index, { number, skipped }] of all.slice(1).entries()) {
      expect(number).toBe(all[index]!.number + skipped + 1);
    }
    // When a price is taken, the next may be there already: the one after that is as new as the newest was.
    for (const [index, { number }] of all.slice(2).entries()) expect(number).toBeGreaterThanOrEqual(all[index]!.newest);
  });
});

describe("accessibility", () => {
  it.each(["light", "dark"] as const)("has nothing that axe finds, in %s colours", async (colorScheme) => {
    const room = freshRoom();
    const page = await open("/", { colorScheme });
    await joinRoom(page, room, "Ann");
    await say(page, "hello");
    await expectText(messages(page), "Ann: hello");
    const echo = page.getByRole("region", { name: "Echo" });
    await echo.getByRole("button", { name: "Connect" }).click();
    await expectText(echo.getByRole("status"), "Connected");
    await echo.getByRole("button", { name: "Measure round trips" }).click();
    await expectText(echo.locator("figcaption"), /^[2-9] round trips/);
    const ticker = page.getByRole("region", { name: "Ticker" });
    await ticker.getByRole("switch", { name: "Slow me down" }).check();
    await ticker.getByRole("button", { name: "Subscribe" }).click();
    await expectText(ticker.locator("output"), /^SOCLE \d+\.\d\d at /);
    await picture(page, `page-${colorScheme}`);
    expect(await violations(page)).toEqual([]);
  });
});
