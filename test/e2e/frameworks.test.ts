// The recipes of docs/frameworks.md that need no installation of their own, with real tools and clients.
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it, onTestFailed, onTestFinished } from "vitest";
import { WebSocket } from "ws";

import { SocleClient } from "../../src/client/index.ts";
import { Recipe, recipes } from "./recipe.ts";
import { Recorder } from "./recorder.ts";
import { wranglerDev, type Server } from "./server.ts";

let recipe: Recipe;

beforeAll(async () => {
  recipe = await Recipe.install();
});

afterAll(() => recipe?.remove());

/** A server that ends with its test. */
async function during(starting: Promise<Server>): Promise<Server> {
  const server = await starting;
  onTestFinished(() => server.stop());
  onTestFailed(() => console.log(server.output()));
  return server;
}

/** A client of a topic, and the messages that it got. */
function subscriber(url: () => string): { client: SocleClient; texts: unknown[]; recovered: boolean[] } {
  const client = new SocleClient(url, { WebSocket, minDelayMs: 20, maxDelayMs: 200 });
  const texts: unknown[] = [];
  const recovered: boolean[] = [];
  client.topic("chat").addEventListener("message", ({ data }) => void texts.push(data));
  client.topic("chat").addEventListener("recovery", (event) => void recovered.push(event.recovered));
  onTestFinished(() => client.close());
  return { client, texts, recovered };
}

const VITE = "vite/bin/vite.js";
const LOCAL = /Local:\s+http:\/\/(127\.0\.0\.1:\d+)/;
const PORT = ["--host", "127.0.0.1", "--port", "0"];

describe("Vite", () => {
  it("serves the page, and sockets that stay open while the Worker is edited", async () => {
    await recipe.copy("vite", "vite-dev");
    const server = await during(recipe.serve(VITE, ["dev", ...PORT], "vite-dev", LOCAL));
    expect(await server.text("/")).toContain("<title>Chat</title>");
    const ada = await server.connect("/chat/lobby?name=ada");
    // A server that starts again may find its port taken. It then prints the port that it uses instead.
    const host = () =>
      server
        .output()
        .match(/127\.0\.0\.1:\d+/g)!
        .at(-1)!;
    const bob = subscriber(() => `ws://${host()}/chat/lobby?name=bob`);
    await bob.client.ready;
    ada.send("one");
    expect(await ada.next()).toBe("ada: one");
    await expect.poll(() => bob.texts).toEqual(["ada: one"]);

    // The next event runs the new code. Nothing outside shows when the runtime has it.
    await recipe.edit("vite-dev/src/index.ts", "${name}: ${text}", "${name} says ${text}");
    await expect
      .poll(() => {
        ada.send("two");
        return bob.texts;
      })
      .toContain("ada says two");
    bob.client.send("three");
    await expect.poll(() => bob.texts).toContain("bob says three");
    await expect.poll(() => ada.unread).toContain("bob says three");
    expect(ada.socket.readyState).toBe(WebSocket.OPEN);
    expect(bob.recovered).toEqual([false]);

    // The sockets stay while the code doesn't compile. Messages that come meanwhile may be lost.
    await recipe.edit("vite-dev/src/index.ts", "says ${text}", "says ${text");
    await expect.poll(() => server.output()).toContain("Failed to reload");
    await recipe.edit("vite-dev/src/index.ts", "says ${text", "still says ${text}");
    await expect
      .poll(
        async () => {
          // Vite may miss an edit that comes while it reloads.
          await recipe.edit("vite-dev/src/index.ts", "still says", "still says");
          ada.send("found");
          return bob.texts;
        },
        { interval: 1000 },
      )
      .toContain("ada still says found");
    expect(ada.socket.readyState).toBe(WebSocket.OPEN);

    // A changed configuration starts another process.
    await recipe.edit(
      "vite-dev/wrangler.jsonc",
      `"name": "my-worker",`,
      `"name": "my-worker", "vars": { "EDITED": "yes" },`,
    );
    expect(await ada.closed).toEqual({ code: 1006, reason: "" });
    await expect.poll(() => bob.recovered).toEqual([false, true]);
    bob.client.send("four");
    await expect.poll(() => bob.texts.at(-1)).toBe("bob still says four");
  });

  it.each([true, false])("builds, and previews, with minify: %s, and sessions survive hibernation", async (minify) => {
    const folder = `vite-${minify}`;
    await recipe.copy("vite", folder);
    await recipe.edit(`${folder}/vite.config.ts`, "plugins:", `build: { minify: ${minify} }, plugins:`);
    // Distinguishes one instance of the object from another.
    await recipe.edit(
      `${folder}/src/index.ts`,
      "  override async onOpen",
      "  instance = Math.random();\n\n  override async onOpen",
    );
    await recipe.edit(`${folder}/src/index.ts`, "${name}: ${text}", "${name} ${this.instance}");
    await recipe.run(VITE, ["build"], folder);
    const server = await during(recipe.serve(VITE, ["preview", ...PORT], folder, LOCAL));
    expect(await server.text("/")).toContain("<title>Chat</title>");
    const ada = await server.connect("/chat/lobby?name=ada");
    const instance = async () => {
      ada.send("");
      const [name, id] = String(await ada.next()).split(" ");
      expect(name).toBe("ada");
      return id;
    };
    const first = await instance();
    // An object hibernates about 10 s after its last event, and nothing outside shows when.
    do await pause(12_000);
    while ((await instance()) === first);
    await ada.close(1000);
  });

  it("P1: with minify: true renames the classes, so one that is registered without its binding is not found", async () => {
    const folder = "vite-renamed";
    await recipe.copy("vite", folder);
    await recipe.edit(`${folder}/vite.config.ts`, "plugins:", "build: { minify: true }, plugins:");
    await recipe.edit(`${folder}/src/index.ts`, `binding: "Chat",`, "");
    await recipe.run(VITE, ["build"], folder);
    const server = await during(recipe.serve(VITE, ["preview", ...PORT], folder, LOCAL));
    await expect(server.connect("/chat/lobby")).rejects.toThrow("socket hang up");
    await expect.poll(() => server.output()).toMatch(/No Durable Object \w+ for the class \w+: env has Chat/);
  });
});

describe("Hono", () => {
  it.each([
    ["getContext", [], { "x-frame-options": "SAMEORIGIN", "access-control-allow-origin": "*" }],
    ["env", ["hono/src/by-env.ts"], {}],
  ])("brings the user from its middleware to the session, by %s", async (_, more, headers) => {
    const server = await during(wranglerDev("hono/wrangler.jsonc", recipe.folder, undefined, more));
    expect(await server.text("/")).toBe("the site");
    expect((await server.upgrade("/chat/lobby", {})).statusCode).toBe(401);
    const ada = await server.connect("/chat/lobby?ticket=ada");
    const bob = await server.connect("/chat/lobby?ticket=bob");
    expect(ada.headers).toMatchObject(headers);
    ada.send("hello");
    expect(await bob.next()).toBe("ada: hello");
    bob.send("hi");
    expect(await ada.take(2)).toEqual(["ada: hello", "bob: hi"]);
    await Promise.all([ada.close(1000), bob.close(1000)]);
  });

  it("has its own upgradeWebSocket beside it", async () => {
    const server = await during(wranglerDev("hono/wrangler.jsonc", recipe.folder));
    const client = await server.connect("/upper");
    client.send("hello");
    expect(await client.next()).toBe("HELLO");
    await client.close(1000);
  });
});

it("itty-router: hands AutoRouter's requests on", async () => {
  const server = await during(wranglerDev("itty-router/wrangler.jsonc", recipe.folder));
  expect(await (await server.fetch("/")).json()).toEqual({ service: "chat" });
  expect((await server.fetch("/chat/lobby")).status).toBe(426);
  const client = await server.connect("/chat/lobby");
  client.send("hello");
  expect(await client.next()).toBe("hello");
  await client.close(1000);
});

it("service bindings: a socket goes through another Worker, which also pushes", async () => {
  const configs = ["service-bindings/site/wrangler.jsonc", "service-bindings/chat/wrangler.jsonc"];
  const server = await during(wranglerDev(configs, recipe.folder));
  expect(await server.text("/")).toBe("the site");
  const client = await server.connect("/chat/lobby");
  client.send("hello");
  expect(await client.next()).toBe("hello");
  const announced = await server.fetch("/announce", { method: "POST", body: "we close at 9" });
  expect(await announced.json()).toEqual({ reached: 1 });
  expect(await client.next()).toBe("we close at 9");
  expect(await client.close(1000)).toMatchObject({ code: 1000 });
});

it("script_name: the objects are another Worker's", async () => {
  const configs = [
    "durable-objects-of-another-worker/site/wrangler.jsonc",
    "durable-objects-of-another-worker/chat/wrangler.jsonc",
  ];
  const server = await during(wranglerDev(configs, recipe.folder));
  expect((await server.upgrade("/chat/lobby", {})).statusCode).toBe(401);
  const client = await server.connect("/chat/lobby?ticket=ada");
  client.send("hello");
  expect(await client.next()).toBe("ada: hello");
  client.send("x".repeat(10_001));
  expect(await client.closed).toMatchObject({ code: 1009 });
});

describe("Sentry", () => {
  it("gets what a callback throws, and a session goes on as without it", async () => {
    const recorder = await Recorder.start();
    onTestFinished(() => recorder.stop());
    const dsn = ["--var", `SENTRY_DSN:http://key@${recorder.host}/1`];
    const server = await during(wranglerDev("sentry/wrangler.jsonc", recipe.folder, undefined, dsn));
    const ada = await server.connect("/chat/lobby");
    ada.send(`{ "message": "hello" }`);
    expect(await ada.next()).toBe("hello");
    const bob = await server.connect("/chat/lobby");
    bob.send("no JSON");
    expect(await bob.closed).toMatchObject({ code: 1011 });
    await expect.poll(() => recorder.bodies.filter((body) => body.includes("SyntaxError"))).toHaveLength(1);
    await expect.poll(() => server.output()).toMatch(/socle: [^]*SyntaxError/);
    ada.send(`{ "message": "still here" }`);
    expect(await ada.next()).toBe("still here");
    await ada.close(1000);
  });
});

describe("OpenTelemetry", () => {
  it("gets a span of the handshake, and a session goes on as without it", async () => {
    const recorder = await Recorder.start();
    onTestFinished(() => recorder.stop());
    const url = ["--var", `OTLP_URL:http://${recorder.host}/v1/traces`];
    const server = await during(wranglerDev("opentelemetry/wrangler.jsonc", recipe.folder, undefined, url));
    const client = await server.connect("/chat/lobby");
    client.send("hello");
    expect(await client.next()).toBe("hello");
    await expect
      .poll(() => recorder.bodies.join("\n"))
      .toMatch(/fetchHandler GET[^]*Durable Object Fetch|Durable Object Fetch[^]*fetchHandler GET/);
    await client.close(1000);
  });
});

/** The folder of a section's files, by its heading. */
const folderOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .replaceAll(/\s+/g, "-");

/** The folders of the recipes: those that this file runs, and those that `npm run test:frameworks` runs. */
const homes = [recipes, join(import.meta.dirname, "../frameworks")];

it("docs/frameworks.md shows each file of each recipe, as it is, and no other", async () => {
  const page = await readFile(join(import.meta.dirname, "../../docs/frameworks.md"), "utf8");
  const shown = new Map<string, string>();
  /** The file that the page shows once for several recipes. */
  let shared = "";
  for (const section of page.split(/^## /m).slice(1)) {
    const folder = folderOf(section.slice(0, section.indexOf("\n")));
    for (const { 1: path, 2: text } of section.matchAll(/^`([^`\n]+)`:\n\n```\w+\n([^]*?)^```$/gm)) {
      if (folder === "frameworks-that-render-pages") shared = text!;
      else shown.set(`${folder}/${path}`, text!);
    }
  }
  const files = new Map<string, string>();
  for (const home of homes) {
    for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
      const path = relative(home, join(entry.parentPath, entry.name));
      if (!entry.isFile() || !path.includes("/") || /^build\/|(^|\/)node_modules\//.test(path)) continue;
      const text = await readFile(join(home, path), "utf8");
      files.set(path, text);
    }
  }
  for (const path of files.keys()) if (path.endsWith("/chat.ts")) shown.set(path, shared);
  expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(files));
});
