// The code of docs/react.md, with React in a real browser.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { build, type Plugin } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { workerd, type Server } from "../e2e/server.ts";
import { launch } from "./chromium.ts";

const root = join(import.meta.dirname, "../..");
const client = join(root, "src/client/index.ts");

/** The application of the page, around the component of the documentation. */
const APPLICATION = `
  import { StrictMode } from "react";
  import { createRoot } from "react-dom/client";
  import { Room } from "./room";

  let root;
  /** All that was ever shown as the status. */
  export const statuses = [];

  export function show(url) {
    root ??= createRoot(document.getElementById("root"));
    root.render(<StrictMode><Room url={url} /></StrictMode>);
  }

  export const unmount = () => root.unmount();

  new MutationObserver(() => {
    const status = document.querySelector("[role=status]")?.textContent;
    if (status && status !== statuses.at(-1)) statuses.push(status);
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

/** The only block of a kind, or the one that contains a text. */
async function block(info: string, text = ""): Promise<string> {
  const page = await readFile(join(root, "docs/react.md"), "utf8");
  const blocks = Array.from(page.matchAll(/^```(.+)\n([^]*?)^```$/gm)).filter(
    ([, kind, code]) => kind === info && code!.includes(text),
  );
  expect(blocks).toHaveLength(1);
  return blocks[0]![2]!;
}

async function bundle(): Promise<string> {
  const modules: Record<string, string> = {
    "./room": await block("tsx"),
    "./use-topic": await block("ts", "function useTopic"),
  };
  const fromDocumentation: Plugin = {
    name: "documentation",
    setup(bundler) {
      bundler.onResolve({ filter: /^\.\/(room|use-topic)$/ }, ({ path }) => ({ path, namespace: "documentation" }));
      bundler.onLoad({ filter: /./, namespace: "documentation" }, ({ path }) => ({
        contents: modules[path]!,
        loader: "tsx",
        resolveDir: root,
      }));
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: APPLICATION, loader: "jsx", resolveDir: root },
    plugins: [fromDocumentation],
    alias: { "socle/client": client },
    bundle: true,
    jsx: "automatic",
    // In development, React runs each effect twice under StrictMode.
    define: { "process.env.NODE_ENV": '"development"' },
    globalName: "application",
    write: false,
  });
  return outputFiles[0]!.text;
}

let server: Server;
let browser: Browser;
let script: string;
let page: Page;
let sockets: string[];
/** What no page may do: log errors on its console, including React's warnings. */
let faults: string[];
let room: string;
let count = 0;

beforeAll(async () => {
  [server, browser, script] = await Promise.all([workerd("test/browser/client-worker.ts"), launch(), bundle()]);
});
afterAll(() => Promise.allSettled([browser?.close(), server?.stop()]));

beforeEach(async () => {
  page = await browser.newPage();
  [sockets, faults, room] = [[], [], freshRoom()];
  page.on("websocket", (socket) => sockets.push(new URL(socket.url()).pathname));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(message.text());
  });
});
afterEach(async () => {
  await page.close();
  if (faults.length > 0) throw new Error(faults.join("\n"));
});

const freshRoom = () => `/rooms/react-${++count}`;
const publish = (path: string, ...lines: string[]) =>
  server.text(`${path}?${lines.map((line) => `publish=${line}`).join("&")}`);
const sessions = async (path: string) => Number(await server.text(path));

const shown = () => page.locator("li").allTextContents();
const status = () => page.getByRole("status").textContent();

async function say(text: string): Promise<void> {
  await page.getByLabel("Message").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

describe("React, by the hook of docs/react.md under StrictMode", () => {
  beforeEach(async () => {
    await page.goto(`http://${server.host}/`);
    await page.addScriptTag({ content: script });
  });

  const show = (path: string) => page.evaluate(`application.show("ws://${server.host}${path}")`);
  const statuses = () => page.evaluate<string[]>("application.statuses");

  it("C5: shows what the history has, what comes, and what is sent", async () => {
    await publish(room, "one", "two");
    await show(room);
    await expect.poll(shown).toEqual(["one", "two"]);
    await publish(room, "three");
    await say("four");
    await expect.poll(shown).toEqual(["one", "two", "three", "four"]);
    expect(await page.getByLabel("Message").inputValue()).toBe("");
  });

  it("C2: opens one socket, although its effect runs twice, and never shows that a client was closed", async () => {
    await show(room);
    await expect.poll(status).toBe("open");
    await publish(room, "one");
    await expect.poll(shown).toEqual(["one"]);
    expect(sockets).toEqual([room]);
    expect(await sessions(room)).toBe(1);
    expect(await statuses()).toEqual(["connecting", "open"]);
  });

  it("C5: leaves nothing out and shows nothing twice over a cut, and sends what was sent meanwhile", async () => {
    await show(room);
    await publish(room, "one");
    await expect.poll(shown).toEqual(["one"]);
    await server.text(`${room}?close=1012&publish=two`);
    await publish(room, "three");
    await expect.poll(async () => (await statuses()).slice(2)).toEqual(["waiting", "connecting", "open"]);
    await say("four");
    await expect.poll(shown).toEqual(["one", "two", "three", "four"]);
    expect(sockets).toEqual([room, room]);
  });

  it("C5: begins a new list where the history has not kept all that was missed", async () => {
    await publish(room, "one", "two");
    await show(room);
    await expect.poll(shown).toEqual(["one", "two"]);
    await server.text(`${room}?clear&close=1012`);
    await publish(room, "three");
    await expect.poll(shown).toEqual(["three"]);
  });

  it("C2: closes its client when it is unmounted, and connects no more", async () => {
    await show(room);
    await expect.poll(status).toBe("open");
    await page.evaluate("application.unmount()");
    await expect.poll(() => sessions(room)).toBe(0);
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    // Longer than the client would wait at most after its first loss.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 600)));
    expect(sockets).toEqual([room]);
  });

  it("C2: closes its client when it is given another URL, and shows the other room alone", async () => {
    const other = freshRoom();
    await publish(other, "elsewhere");
    await publish(room, "here");
    await show(room);
    await expect.poll(shown).toEqual(["here"]);
    await show(other);
    await expect.poll(shown).toEqual(["elsewhere"]);
    await expect.poll(() => sessions(room)).toBe(0);
    expect(await sessions(other)).toBe(1);
    expect(await statuses()).toEqual(["connecting", "open", "connecting", "open"]);
  });
});

describe("a page without a framework, that of docs/react.md", () => {
  it("C5: shows what comes and what is sent, over a cut", async () => {
    const [body, { outputFiles }] = await Promise.all([
      block("html"),
      build({ entryPoints: [client], bundle: true, format: "esm", write: false }),
    ]);
    await page.route("**/socle-client.js", (route) =>
      route.fulfill({ contentType: "text/javascript", body: outputFiles[0]!.text }),
    );
    const lobby = "/rooms/lobby";
    await publish(lobby, "one");
    await page.goto(`http://${server.host}/`);
    await page.setContent(body);
    await expect.poll(shown).toEqual(["one"]);
    await server.text(`${lobby}?close=1012&publish=two`);
    await expect.poll(() => sockets.length).toBe(2);
    await say("three");
    await expect.poll(shown).toEqual(["one", "two", "three"]);
    await expect.poll(status).toBe("open");
    expect(sockets).toEqual([lobby, lobby]);
  });
});
