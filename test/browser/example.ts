// The example as `wrangler dev` serves it, with its pages. Each page has its own storage, and is checked for errors.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import axe, { type AxeResults } from "axe-core";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";

import { wranglerDev, type Server } from "../e2e/server.ts";
import { launch } from "./chromium.ts";

const RESULTS = join(import.meta.dirname, "../../test-results");

/** How a page is opened. */
export interface Look {
  reducedMotion?: "reduce";
  colorScheme?: "light" | "dark";
  viewport?: { width: number; height: number };
  isOffline?: boolean;
}

export interface Example {
  readonly server: Server;
  /** Opens a page that shares nothing with the others. */
  readonly open: (path?: string, look?: Look) => Promise<Page>;
}

/** Serves the example to the tests of a file. */
export function serveExample(): Example {
  let server: Server;
  let browser: Browser;
  let contexts: BrowserContext[] = [];
  /** What no page may do: log errors on its console, or send requests to another host. */
  let faults: string[] = [];

  beforeAll(async () => {
    [server, browser] = await Promise.all([
      wranglerDev("wrangler.jsonc"),
      launch(),
      mkdir(RESULTS, { recursive: true }),
    ]);
  });
  afterAll(() => Promise.allSettled([browser?.close(), server?.stop()]));

  beforeEach(() => {
    faults = [];
  });
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    contexts = [];
    if (faults.length > 0) throw new Error(faults.join("\n"));
  });

  async function open(path = "/", { isOffline = false, ...context }: Look = {}): Promise<Page> {
    const own = await browser.newContext(context);
    contexts.push(own);
    const page = await own.newPage();
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      // The browser also reports when a test takes a page offline.
      if (message.type() === "error" && !(isOffline && /ERR_INTERNET_DISCONNECTED/.test(message.text()))) {
        faults.push(message.text());
      }
    });
    const check = (url: string) => {
      if (new URL(url).host !== server.host && !url.startsWith("data:")) faults.push(`a request to ${url}`);
    };
    page.on("request", (request) => check(request.url()));
    page.on("websocket", (socket) => check(socket.url()));
    await page.goto(`http://${server.host}${path}`);
    return page;
  }

  return {
    get server() {
      return server;
    },
    open,
  };
}

export const expectText = (locator: Locator, text: string | RegExp): Promise<void> =>
  expect.poll(() => locator.textContent()).toMatch(text);

/** Saves a picture of the whole page in test-results. */
export const picture = (page: Page, name: string): Promise<Buffer> =>
  page.screenshot({ path: join(RESULTS, `${name}.png`), fullPage: true });

/** The accessibility problems that axe finds in a page. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate<AxeResults>("axe.run()");
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`);
}

/** Elements that are shown without content: lists, lines of a plot, texts, a progress bar at 0. */
export const emptyBoxes = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`
    [...document.querySelectorAll("h1, h2, h3, p, ol, ul, li, dl, dt, dd, pre, output, figcaption, figure, form, [role=log], polyline, progress")]
      .filter((element) => element.checkVisibility() && (element.getClientRects()[0]?.height ?? 0) > 0)
      .filter((element) => {
        if (element.localName === "progress") return element.value === 0;
        if (element.localName === "polyline") return !element.getAttribute("points");
        return !element.textContent.trim() && !element.querySelector("svg, input");
      })
      .map(({ outerHTML }) => outerHTML.slice(0, 200));
  `);

/** Texts that take more than two lines. */
export const longSentences = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`
    [...document.querySelectorAll("h1, h2, h3, p, li, dt, dd, label, figcaption, summary, a, button")]
      .filter((element) => element.checkVisibility())
      .filter((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        let [lines, bottom] = [0, -Infinity];
        const texts = element.matches("li") && element.querySelector(".seats") ? [] : [...range.getClientRects()];
        for (const rect of texts.toSorted((a, b) => a.top - b.top)) {
          if (rect.top < bottom - 2) continue;
          lines++;
          bottom = rect.bottom;
        }
        return lines > 2;
      })
      .map(({ textContent }) => textContent.trim());
  `);
