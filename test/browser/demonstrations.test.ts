// The demonstrations of the example's page, in a real browser.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";

import { emptyBoxes, expectText, longSentences, picture, serveExample, violations, type Look } from "./example.ts";

const { open } = serveExample();

const ROOT = join(import.meta.dirname, "../..");

const part = (page: Page, id: string): Locator => page.locator(`#${id}`);
const status = (page: Page, id: string): Locator => part(page, id).getByRole("status").last();
const button = (page: Page, id: string): Locator => part(page, id).locator(".demonstration button").last();
const number = async (locator: Locator): Promise<number> => Number(await locator.textContent());

/** Scrolls to a demonstration, which starts it. */
async function show(page: Page, id: string): Promise<void> {
  await part(page, id).locator(".demonstration").scrollIntoViewIfNeeded();
}

/** Records each text of an element from now on. */
const listen = (page: Page, selector: string): Promise<void> =>
  page.evaluate(`{
    globalThis.heard = [];
    const element = document.querySelector(${JSON.stringify(selector)});
    new MutationObserver(() => heard.push(element.textContent)).observe(element, { childList: true });
  }`);
const heard = (page: Page): Promise<string[]> => page.evaluate<string[]>("heard");

/** Presses Tab until the target has the focus. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await target.evaluate((element) => ((globalThis as { target?: unknown }).target = element));
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate<boolean>("target === document.activeElement")) return;
  }
  throw new Error("The Tab key leads nowhere");
}

const verdict = (page: Page, path: string): Locator => page.locator(`[data-path="${path}"] .verdict`);

describe("order", () => {
  it("R11: shows at once that Socle keeps it, and that the platform doesn't", async () => {
    const page = await open();
    await listen(page, '[data-path="/order/"] .verdict');
    await expectText(verdict(page, "/bare-order/"), /^Out of order: (?!1 2 3 4 5)/);
    await expectText(verdict(page, "/order/"), "In order: 1 2 3 4 5");
    // It starts the next round by itself.
    const rounds = async () => (await heard(page)).filter((text) => text.startsWith("In order"));
    await expect.poll(async () => (await rounds()).length).toBeGreaterThan(1);
    expect((await heard(page)).filter((text) => text.startsWith("Out of order"))).toEqual([]);
  });

  it("sends once, and again when told to, where reduced motion is preferred", async () => {
    const page = await open("/", { reducedMotion: "reduce" });
    await expectText(verdict(page, "/order/"), "In order");
    await expectText(part(page, "order").locator(".pause"), "Play");
    expect(await page.evaluate<number>("document.getAnimations().length")).toBe(0);
    await expect.poll(() => button(page, "order").getAttribute("aria-disabled")).toBe("false");
    await listen(page, '[data-path="/order/"] .verdict');
    await button(page, "order").click();
    await expect.poll(async () => (await heard(page)).at(-1)).toBe("In order: 1 2 3 4 5");
  });
});

describe("hibernation", () => {
  it("R20, T6: shows that a field begins again, and the session object and the history go on", async () => {
    const page = await open();
    await show(page, "hibernation");
    await expectText(status(page, "hibernation"), "its first message");
    const state = part(page, "hibernation").locator(".state");
    /** Sends a message when the page takes the object to be asleep. @returns whether it was */
    const wake = async (): Promise<boolean> => {
      await expectText(state, "Asleep");
      await button(page, "hibernation").click();
      await expectText(state, "Awake");
      return /woke/.test((await status(page, "hibernation").textContent())!);
    };
    let messages = 2;
    while (!(await wake())) messages++;
    const count = (name: string) => number(part(page, "hibernation").locator(`[data-count=${name}]`));
    expect(await count("field")).toBe(1);
    expect(await count("session")).toBe(messages);
    expect(await count("history")).toBe(messages);
    expect(await count("connections")).toBe(1);
    await button(page, "hibernation").click();
    await expectText(status(page, "hibernation"), "was awake");
    expect(await count("field")).toBe(2);
  });
});

/** Records each price that the slow client takes, with the newest price that a socket without flow control has received by then. */
const WATCH = `
  globalThis.shown = [];
  let newest = 0;
  new WebSocket(new URL("/ticker/SOCLE", location.origin.replace("http", "ws"))).addEventListener("message", ({ data }) => (newest = JSON.parse(data).number));
  new MutationObserver((records) => {
    for (const { addedNodes: [text] } of records) {
      const [, number, skipped] = /price (\\d+), (\\d+) skipped/.exec(text.data)?.map(Number) ?? [];
      if (number) shown.push({ number, skipped, newest });
    }
  }).observe(document.querySelector("output.slow"), { childList: true });
`;

describe("slow clients", () => {
  const output = (page: Page, name: string) => part(page, "slow").locator(`output.${name}`);
  const skipped = async (page: Page, name: string) =>
    Number(/(\d+) skipped/.exec((await output(page, name).textContent())!)?.[1]);
  /** How many different prices a line shows. */
  const steps = async (page: Page, name: string) => {
    const points = (await part(page, "slow").locator(`polyline.${name}`).getAttribute("points"))!;
    expect(points).toMatch(/^[\d.]+,[\d.]+( [\d.]+,[\d.]+)*$/);
    return new Set(points.split(" ").map((point) => point.split(",")[1])).size;
  };

  it("F4, F9: draws two lines that part, of which the slow one skips prices and never falls behind", async () => {
    const page = await open();
    await show(page, "slow");
    await expectText(output(page, "slow"), /skipped$/);
    await page.evaluate(WATCH);
    const shown = () => page.evaluate<{ number: number; skipped: number; newest: number }[]>("shown");
    /** How many prices were skipped between the last ones. */
    const skips = async (last: number) => {
      const all = (await shown()).slice(-last - 1);
      return all.slice(1).map((one, index) => one.skipped - all[index]!.skipped);
    };
    await expect.poll(async () => (await skips(3)).filter((count) => count > 0).length).toBe(3);
    expect(await skipped(page, "slow")).toBeGreaterThan(await skipped(page, "fast"));
    await expect.poll(async () => (await steps(page, "fast")) > (await steps(page, "slow"))).toBe(true);
    await part(page, "slow").getByRole("slider").focus();
    await page.keyboard.press("Home");
    await expectText(part(page, "slow").locator(".pace"), "0.0 s");
    await expect.poll(() => skips(3)).toEqual([0, 0, 0]);
    const all = await shown();
    for (const [index, { number: price, skipped: sum }] of all.slice(1).entries()) {
      expect(price - all[index]!.number - 1).toBe(sum - all[index]!.skipped);
    }
    // The next price may have arrived when one is taken. The one after it is at least as new as the newest was then.
    for (const [index, one] of all.slice(2).entries()) expect(one.number).toBeGreaterThanOrEqual(all[index]!.newest);
  });
});

describe("reconnect", () => {
  it("C1, T7: shows that of what was published while a client was cut off nothing is missing and nothing is twice", async () => {
    const page = await open();
    await show(page, "reconnect");
    await expectText(status(page, "reconnect"), "6 sent, 6 received: none missing, none twice, in order.");
    const lists = part(page, "reconnect").locator(".cells");
    await page.evaluate(`{
      globalThis.gone = 0;
      const list = document.querySelectorAll("#reconnect .cells")[1];
      const look = () => (gone = Math.max(gone, list.querySelectorAll(".gone").length));
      new MutationObserver(look).observe(list, { childList: true });
    }`);
    await button(page, "reconnect").click();
    await expectText(status(page, "reconnect"), "The network is cut");
    await expectText(status(page, "reconnect"), "16 sent, 16 received: none missing, none twice, in order.");
    const shown = Array.from({ length: 12 }, (_, index) => `${5 + index}`);
    for (const list of [lists.nth(0), lists.nth(1)]) {
      expect(await list.getByRole("listitem").allTextContents()).toEqual(shown);
    }
    expect(await lists.nth(1).locator(".late").allTextContents()).toEqual(shown.slice(2, 9));
    expect(await lists.nth(0).locator(".late").count()).toBe(0);
    expect(await page.evaluate<number>("gone")).toBeGreaterThan(0);
  });
});

describe("the crowd", () => {
  it("S1, S2: comes into several objects, and hears all cheers in one order", async () => {
    const page = await open();
    await show(page, "crowd");
    await expectText(part(page, "crowd").locator(".listeners .status"), /^40 listeners in [2-8] shards$/);
    expect(await part(page, "crowd").locator(".seats .taken").count()).toBe(40);
    await button(page, "crowd").click();
    await expectText(status(page, "crowd"), "All 40 listeners heard all 50 cheers in one order");
  });
});

describe("the code", () => {
  it("is that which runs", async () => {
    const page = await open();
    const figures = await page.locator("figure.code").all();
    expect(figures.length).toBe(7);
    for (const figure of figures) {
      const file = (await figure.locator("figcaption").textContent())!;
      const source = await readFile(join(ROOT, "example-worker", file), "utf8");
      const code = (await figure.locator("pre").textContent())!;
      const lines = code.split("\n");
      expect(lines.length, file).toBeLessThanOrEqual(18);
      const flat = source.replaceAll(/^ +/gm, "");
      for (const shown of code.split("\n  …\n")) expect(flat, file).toContain(shown.replaceAll(/^ +/gm, ""));
      // On a desktop the code needs no scrolling.
      const isWide = await figure
        .locator("pre")
        .evaluate((pre: { scrollWidth: number; clientWidth: number }) => pre.scrollWidth > pre.clientWidth);
      expect(isWide, file).toBe(false);
    }
  });

  it("leads to pages of the documentation that are there", async () => {
    const page = await open();
    const base = "https://github.com/soclejs/socle/blob/main/";
    const links = await page.locator(`a[href^="${base}"]`).all();
    expect(links.length).toBe(6);
    for (const link of links) {
      const path = (await link.getAttribute("href"))!.slice(base.length);
      expect(await readFile(join(ROOT, path), "utf8")).toMatch(/^# /);
    }
  });
});

describe("the page", () => {
  it("has no empty box before its demonstrations start", async () => {
    const page = await open();
    await expectText(verdict(page, "/order/"), "In order");
    expect(await emptyBoxes(page)).toEqual([]);
  });

  it("is used with the keyboard alone", async () => {
    const page = await open();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(new URL(page.url()).hash).toBe("#order");
    await tabTo(page, part(page, "order").locator(".pause"));
    await page.keyboard.press("Space");
    await expectText(part(page, "order").locator(".pause"), "Play");

    await tabTo(page, button(page, "hibernation"));
    await expectText(status(page, "hibernation"), "its first message");
    await page.keyboard.press("Enter");
    await expectText(part(page, "hibernation").locator("[data-count=session]"), "2");

    await tabTo(page, part(page, "slow").getByRole("slider"));
    await page.keyboard.press("ArrowLeft");
    await expectText(part(page, "slow").locator(".pace"), "1.5 s");

    await tabTo(page, button(page, "reconnect"));
    await expectText(status(page, "reconnect"), "6 sent");
    await page.keyboard.press("Enter");
    await expectText(status(page, "reconnect"), "The network is cut");

    await tabTo(page, part(page, "crowd").getByRole("slider"));
    await expectText(part(page, "crowd").locator(".listeners .status"), /^40 listeners in/);
    await page.keyboard.press("ArrowRight");
    await expectText(part(page, "crowd").locator(".listeners .status"), /^45 listeners in/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await expectText(status(page, "crowd"), "All 45 listeners heard all 50 cheers");
    await expectText(status(page, "reconnect"), "16 sent, 16 received");
  });

  it.each([
    ["desktop", "light", 1280],
    ["desktop", "dark", 1280],
    ["phone", "light", 390],
    ["phone", "dark", 390],
  ] as const)(
    "has on a %s, in %s colours, nothing that axe finds, no empty box, no sentence over two lines, and is no wider",
    async (device, colorScheme, width) => {
      const look: Look = { colorScheme, viewport: { width, height: device === "phone" ? 844 : 800 } };
      const page = await open("/", look);
      for (const id of ["hibernation", "slow", "reconnect", "crowd"]) await show(page, id);
      await expectText(status(page, "hibernation"), "its first message");
      await expectText(part(page, "slow").locator("output.slow"), /[1-9] skipped/);
      await expectText(part(page, "crowd").locator(".listeners .status"), /^40 listeners in/);
      await button(page, "crowd").click();
      await expectText(status(page, "crowd"), "in one order");
      await expectText(status(page, "reconnect"), "6 sent");
      await part(page, "chat").getByLabel("Your name").fill("Ann");
      await page.keyboard.press("Enter");
      await expectText(part(page, "chat").getByRole("status"), "Connected");
      await part(page, "chat").getByLabel("Message", { exact: true }).fill("hello");
      await page.keyboard.press("Enter");
      await expectText(part(page, "chat").getByRole("log"), "Ann: hello");
      await part(page, "order").getByRole("button", { name: "Pause" }).click();
      await expectText(verdict(page, "/order/"), "In order");
      await picture(page, `page-${colorScheme}-${device}`);
      expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBe(width);
      expect(await emptyBoxes(page)).toEqual([]);
      expect(await longSentences(page)).toEqual([]);
      expect(await violations(page)).toEqual([]);
    },
  );
});
