// The chat of the example's page in a real browser, as its users meet it.
import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";

import type { ChatMessage } from "../../example-worker/chat.ts";
import { expectText, serveExample } from "./example.ts";

const example = serveExample();
const { open } = example;

let count = 0;
const freshRoom = () => `room-${++count}`;
const chat = (page: Page) => page.locator("#chat");
const messages = (page: Page): Locator => page.getByRole("log", { name: "Messages" });
const status = (page: Page): Locator => chat(page).getByRole("status");

async function joinRoom(page: Page, room: string, name: string): Promise<void> {
  await chat(page).getByLabel("Room", { exact: true }).fill(room);
  await chat(page).getByLabel("Your name").fill(name);
  await chat(page).getByRole("button", { name: "Join", exact: true }).click();
  await expectText(status(page), "Connected");
}

async function say(page: Page, text: string): Promise<void> {
  await chat(page).getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

/** Waits until the page has given up its connection: offline, Chromium holds back the frames and closes nothing. */
async function goOffline(page: Page): Promise<void> {
  await page.context().setOffline(true);
  await expectText(status(page), "You are offline");
}

/** The lines, without the times. */
const said = async (page: Page): Promise<string[]> =>
  (await messages(page).locator(".message").allTextContents()).map((line) => line.replace(/^.*?(?=\w+: )/, ""));

/** Makes a page reconnect with a position of a deleted history. */
const FORGOTTEN = `
  globalThis.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      const gone = "socle.topics." + btoa('{"lines":"gone.1"}').replaceAll("=", "");
      super(url, protocols.map((name) => (/^socle\\.topics\\../.test(name) ? gone : name)));
    }
  };
`;

/** Adds a function `kick`, which ends the newest connection with a close code that is final for the client. */
const KICK = `
  globalThis.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      globalThis.kick = () => {
        this.dispatchEvent(new CloseEvent("close", { code: 4001, reason: "You were removed", wasClean: true }));
        this.close();
      };
    }
  };
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
    // More lines than the room sends to a new member.
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
    // The server would close the session for a blank line.
    await page.keyboard.type(" ");
    await page.keyboard.press("Enter");
    await page.keyboard.type("without a mouse");
    await page.keyboard.press("Enter");
    await expectText(messages(page), "Ann: without a mouse");
    expect(await said(page)).toEqual(["Ann: without a mouse"]);
    expect(await status(page).textContent()).toBe("Connected");
  });

  it("C1: joins again after the server has closed it for good, by either button, and knows what was said", async () => {
    const room = freshRoom();
    const page = await open();
    await page.evaluate(KICK);
    await joinRoom(page, room, "Ann");
    await say(page, "one");
    await expectText(messages(page), "Ann: one");
    const send = chat(page).getByRole("button", { name: "Send" });
    for (const [name, line] of [
      ["Join", "two"],
      ["Join again", "three"],
    ] as const) {
      await page.evaluate("kick()");
      await expectText(status(page), "The server has closed the connection: You were removed");
      // The field is gone, and the focus is on the button.
      expect(await send.isVisible()).toBe(false);
      await expect.poll(() => page.evaluate<string>("document.activeElement.id")).toBe("rejoin");
      await chat(page).getByRole("button", { name, exact: true }).click();
      await expect.poll(() => status(page).textContent()).toBe("Connected");
      await say(page, line);
      await expectText(messages(page), `Ann: ${line}`);
    }
    expect(await said(page)).toEqual(["Ann: one", "Ann: two", "Ann: three"]);
  });

  it("R19: has who types and sends a lot never reach the limit of messages", async () => {
    const room = freshRoom();
    const [ann, bob] = await Promise.all([open(), open()]);
    await joinRoom(ann, room, "Ann");
    await joinRoom(bob, room, "Bob");
    const lines = Array.from({ length: 25 }, (_, index) => `line ${index}`);
    for (const line of lines) await say(ann, line);
    await expect.poll(() => said(bob)).toEqual(lines.map((line) => `Ann: ${line}`));
    // The connection was never closed.
    expect(await status(ann).textContent()).toBe("Connected");
    expect(await messages(bob).textContent()).not.toMatch("Ann has left");
  });

  it("says at most once in three seconds that somebody types, whatever is sent in between", async () => {
    const page = await open();
    const due = await page.evaluate<boolean[]>(`(async () => {
      const { Typing } = await import("/typing.js");
      const typing = new Typing();
      return [0, 1, 2999, 3000, 4000, 6000].map((now) => typing.isDue(now));
    })()`);
    expect(due).toEqual([true, false, false, true, false, true]);
  });
});
