// The example's crowd in a real browser: up to 200 WebSockets of one page, in shards.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";

import { emptyBoxes, expectText, longSentences, picture, serveExample, violations } from "./example.ts";

const { open } = serveExample();

let halls = 0;
const freshHall = () => `hall-${++halls}`;

const part = (page: Page, name: string) => page.getByRole("region", { name });
const status = (page: Page, name: string): Locator => part(page, name).getByRole("status");
const facts = (page: Page): Locator => part(page, "Cheers").locator("dl");

async function gather(page: Page, hall: string, count: number): Promise<void> {
  await part(page, "Listeners").getByLabel("Hall", { exact: true }).fill(hall);
  await page.keyboard.press("Enter");
  await part(page, "Listeners").getByRole("slider").fill(`${count}`);
  await expectText(status(page, "Listeners"), new RegExp(`^${count} listeners in`));
}

async function cheer(page: Page, count: number): Promise<void> {
  await part(page, "Cheers").getByLabel("Cheers", { exact: true }).fill(`${count}`);
  await part(page, "Cheers").getByRole("button", { name: "Cheer" }).click();
}

/** The number of sessions in each shard, from the bars of the page. */
async function sessions(page: Page): Promise<number[]> {
  const bars = await page.getByRole("list", { name: "Shards" }).getByRole("listitem").allTextContents();
  return bars.map((text) => Number(text.replace(/^Shard \d/, "")));
}

/** How many orders a round counts if two listeners hear two cheers in these orders. */
const orders = (page: Page, ...heard: [first: number, second: number][]) =>
  page.evaluate<number>(`(async () => {
    const { Round } = await import("/round.js");
    const listeners = [{}, {}];
    const round = new Round(listeners, 2);
    for (const [index, numbers] of ${JSON.stringify(heard)}.entries())
      for (const number of numbers) round.take(listeners[index], { number, shard: 0 });
    return round.orders.length;
  })()`);

describe("the listeners", () => {
  it("S1, S2, S7: come into shards and hear all cheers in one order, with the keyboard alone", async () => {
    const page = await open("/crowd");
    await part(page, "Listeners").getByLabel("Hall", { exact: true }).fill(freshHall());
    await page.keyboard.press("Enter");
    // The slider has the focus now. Each press adds five listeners.
    for (let presses = 0; presses < 12; presses++) await page.keyboard.press("ArrowRight");
    await expectText(status(page, "Listeners"), /^60 listeners in [3-8] shards$/);
    const numbers = await sessions(page);
    expect(numbers.reduce((sum, number) => sum + number)).toBe(60);
    expect(Math.max(...numbers)).toBeLessThanOrEqual(25);
    await expectText(status(page, "Listeners"), `in ${numbers.filter(Boolean).length} shards`);

    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await expectText(status(page, "Cheers"), "All 60 listeners heard all 50 cheers in one order");
    await expectText(facts(page), /60 of 60 listeners.*3,000 of 3,000.*one for all 60, checksum [0-9a-f]{8}/);
    await expectText(facts(page), /\d ms.*50 in this hall so far/);
    expect(await page.getByRole("progressbar").getAttribute("value")).toBe("1");

    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Home");
    await expectText(status(page, "Listeners"), "Nobody listens yet");
    expect(await sessions(page)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    await expectText(status(page, "Cheers"), "No cheers yet");
    await expect.poll(() => part(page, "Cheers").getByRole("button", { name: "Cheer" }).isEnabled()).toBe(false);
  });

  it("S1: have a place each, 200 of them, in eight full shards", async () => {
    const page = await open("/crowd");
    await gather(page, freshHall(), 200);
    expect(await sessions(page)).toEqual([25, 25, 25, 25, 25, 25, 25, 25]);
    await cheer(page, 100);
    await expectText(status(page, "Cheers"), "All 200 listeners heard all 100 cheers in one order");
  });

  it("S2, S7: are those of all pages: the root counts their cheers, and announces to all of them", async () => {
    const hall = freshHall();
    const [ann, bob] = await Promise.all([open("/crowd"), open("/crowd")]);
    await gather(ann, hall, 30);
    await gather(bob, hall, 5);
    await cheer(ann, 3);
    await expectText(facts(ann), "3 in this hall so far");
    await cheer(bob, 4);
    await expectText(facts(bob), "7 in this hall so far");

    await part(bob, "Announcement").getByLabel("Text", { exact: true }).fill("<b>hello</b>");
    await bob.keyboard.press("Enter");
    await expectText(status(ann, "Announcement"), "30 of 30 listeners have heard: <b>hello</b>");
    await expectText(status(bob, "Announcement"), "5 of 5 listeners have heard: <b>hello</b>");
  });

  it("C1: come back by themselves, and the page says meanwhile that it is offline", async () => {
    const page = await open("/crowd", { isOffline: true });
    await gather(page, freshHall(), 5);
    await page.context().setOffline(true);
    await expectText(status(page, "Listeners"), "0 of 5 listeners. You are offline");
    await page.context().setOffline(false);
    await expectText(status(page, "Listeners"), "5 listeners in 1 shard");
  });

  it("are told apart where they hear cheers in another order", async () => {
    const page = await open("/crowd");
    expect(await orders(page, [1, 2], [1, 2])).toBe(1);
    expect(await orders(page, [1, 2], [2, 1])).toBe(2);
  });
});

describe("the page", () => {
  it("shows the code that runs", async () => {
    const page = await open("/crowd");
    await page.getByText("All of it, as it runs here").click();
    const source = await readFile(join(import.meta.dirname, "../../example-worker/crowd.ts"), "utf8");
    await expect.poll(() => page.locator("pre").textContent()).toBe(source);
  });

  it("is led to from the other one, and leads back", async () => {
    const page = await open();
    const title = page.getByRole("heading", { level: 1 });
    await page.getByRole("link", { name: "the page of the crowd" }).click();
    await expectText(title, "Crowd");
    await page.getByRole("link", { name: "All demonstrations" }).click();
    await expectText(title, "Socle");
  });

  it.each([
    ["light", "desktop", 1280],
    ["dark", "desktop", 1280],
    ["light", "phone", 360],
    ["dark", "phone", 360],
  ] as const)(
    "has nothing that axe finds, no empty box and no sentence over two lines, in %s colours on a %s, and is no wider",
    async (colorScheme, device, width) => {
      const page = await open("/crowd", { colorScheme, viewport: { width, height: 800 } });
      await gather(page, freshHall(), 30);
      await cheer(page, 10);
      await expectText(status(page, "Cheers"), "All 30 listeners heard all 10 cheers in one order");
      await page.getByText("All of it, as it runs here").click();
      await expectText(page.locator("pre"), "class Crowd");
      await picture(page, `crowd-${colorScheme}-${device}`);
      expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBe(width);
      expect(await emptyBoxes(page)).toEqual([]);
      expect(await longSentences(page)).toEqual([]);
      expect(await violations(page)).toEqual([]);
    },
  );
});
