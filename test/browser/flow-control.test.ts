// `socle/client` in a real browser, on a page that is busy with other things.
import { join } from "node:path";

import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { workerd, type Server } from "../e2e/server.ts";
import { launch } from "./chromium.ts";
import { COUNT, message, SETTINGS, sizeOf, told } from "./flow-messages.ts";
import type { FlowState } from "./flow-worker.ts";

let server: Server;
let browser: Browser;
let script: string;
let page: Page;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "flow-page.js")],
    bundle: true,
    globalName: "flow",
    write: false,
  });
  return outputFiles[0]!.text;
}

beforeAll(async () => {
  [server, browser, script] = await Promise.all([workerd("test/browser/flow-worker.ts"), launch(), bundle()]);
});
afterAll(() => Promise.allSettled([browser?.close(), server?.stop()]));

beforeEach(async () => {
  page = await browser.newPage();
  await page.goto(`http://${server.host}/`);
  await page.addScriptTag({ content: script });
});
afterEach(() => page.close());

const call = <Result>(name: string, ...values: readonly unknown[]) =>
  page.evaluate<Result>(`flow.${name}(${values.map((value) => JSON.stringify(value)).join()})`);

const indices = Array.from({ length: COUNT }, (_, index) => index);
const sizesOf = (numbers: readonly number[]) => numbers.reduce((sum, index) => sum + sizeOf(index), 0);

describe.each([
  ["F4: by a channel, of which each put waits", "put"],
  ["F5: past a channel, as many as there is room for", "send"],
])("what is sent to a page that blocks its main thread, %s", (_, how) => {
  it("stays within the window and maxBufferedAmount, and all of it arrives in order, once", async () => {
    const path = `/flow/${how}`;
    const state = async (todo = ""): Promise<FlowState> => JSON.parse(await server.text(`${path}?do=${todo}`));
    await call("take", path);
    const blocked = call("block", `${path}?do=hold`);
    await expect.poll(async () => (await state()).isHeld).toBe(true);

    await state(how);
    const fitting = indices.slice(
      0,
      indices.findIndex((last) => sizesOf(indices.slice(0, last + 1)) > SETTINGS.window),
    );
    await expect.poll(async () => (await state()).sent).toEqual(fitting);
    const { errors, bufferedAmount } = await state();
    expect(bufferedAmount).toBeGreaterThan(0);
    expect(bufferedAmount).toBeLessThanOrEqual(SETTINGS.maxBufferedAmount);
    expect(new Set(errors)).toEqual(new Set(how === "send" ? ["BufferFullError"] : []));

    expect((await state("release")).sent).toEqual(fitting);
    expect(await blocked).toBe(0);
    const count = COUNT - errors.length;
    await expect.poll(() => page.evaluate("flow.taken.length")).toBe(count);
    const { sent, ...after } = await state();
    expect(sent).toHaveLength(count);
    expect(sent).toEqual(sent.toSorted((a, b) => a - b));
    expect(await page.evaluate("flow.taken")).toEqual(sent.map((index) => told(message(index))));
    expect(after.bufferedAmount).toBe(0);
    expect(after.mostBuffered).toBeLessThanOrEqual(SETTINGS.maxBufferedAmount);
  });
});

describe("F9: a server that doesn't speak socle.v1", () => {
  it("is none for a WebSocket that offers it, and one for a SocleWebSocket, which then offers nothing", async () => {
    expect(await call("ends", true, "/plain", ["socle.v1"])).toEqual(["error", "close 1006"]);
    const echoed = ['open ""', "message hello", "close 1000"];
    expect(await call("ends", true, "/plain")).toEqual(echoed);
    expect(await call("ends", false, "/plain")).toEqual(echoed);
  });

  it("is one at once for a SocleWebSocket with a subprotocol of its own, which is offered without too", async () => {
    expect(await call("ends", false, "/plain/chat", ["chat"])).toEqual(['open "chat"', "message hello", "close 1000"]);
  });

  it("fails once where there is none at all", async () => {
    expect(await call("ends", false, "/nothing")).toEqual(["error", "close 1006"]);
  });
});
