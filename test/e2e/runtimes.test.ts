// `SocleClient` in JavaScript runtimes other than browsers: the Node of these tests, the machine's own Node, Bun and
// Deno.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";

import { ClientScript } from "./client-script.ts";
import { Proxy } from "./proxy.ts";
import { Disk, type Server } from "./server.ts";

const bin = join(import.meta.dirname, "../../node_modules/.bin");

/** On the path of an npm script, the machine's own Node comes after those of packages. */
async function ownNode(): Promise<string[]> {
  const files = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "node"));
  for (const file of files) {
    const isThere =
      !file.includes("node_modules") &&
      (await access(file).then(
        () => true,
        () => false,
      ));
    if (isThere) return [file];
  }
  return [];
}

const runtimes: { name: string; command: string; options: string[] }[] = [
  { name: "Node", command: process.execPath, options: [] },
  ...(await ownNode()).map((command) => ({ name: "the machine's own Node", command, options: [] })),
  { name: "Bun", command: join(bin, "bun"), options: ["run"] },
  { name: "Deno", command: join(bin, "deno"), options: ["run", "--no-config", "--allow-net", "--allow-env"] },
];

let disk: Disk;
let server: Server;
let script: ClientScript;

beforeAll(async () => {
  disk = await Disk.create("test/e2e/socle-client-worker.ts");
  server = await disk.start();
  script = await ClientScript.create("runtimes-client.ts", "neutral");
});

afterAll(async () => {
  await server?.stop();
  await disk?.remove();
  await script.remove();
});

it.each(runtimes)(
  "C7: in $name it sends, receives, gets a topic's messages, comes back, and lets its process end",
  async ({ name, command, options }) => {
    const path = `/hall/${encodeURIComponent(name)}`;
    const proxy = await Proxy.to(() => server.host);
    onTestFinished(() => proxy.stop());
    const ws = pathToFileURL(createRequire(import.meta.url).resolve("ws")).href;
    const child = spawn(command, [...options, script.path, `ws://${proxy.host}${path}?topics=long`, ws], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const exited = once(child, "exit");
    const lines: unknown[] = [];
    createInterface(child.stdout).on("line", (line) => lines.push(JSON.parse(line)));
    const publish = (text: string) => server.fetch(path, { method: "POST", body: text });
    const saw = (...line: unknown[]) => expect.poll(() => lines).toContainEqual(line);

    await saw("message", [0, 200, 255]);
    await publish("first");
    await saw("topic", "first", "1");
    proxy.refuse();
    proxy.cut();
    await saw("status", "waiting");
    await publish("while it was away");
    await proxy.admit();
    await saw("topic", "while it was away", "2");
    await publish("last");
    const [code] = (await exited) as [number | null];
    expect(code).toBe(0);
    const tries = (line: unknown) => JSON.stringify(line).startsWith('["status"') && !String(line).includes("open");
    expect(lines.filter((line) => !tries(line))).toEqual([
      ["status", "open"],
      ["recovery", false],
      ["message", "echo é𝕏"],
      ["message", [0, 200, 255]],
      ["message", "first"],
      ["topic", "first", "1"],
      ["status", "open"],
      ["recovery", true],
      ["message", "while it was away"],
      ["topic", "while it was away", "2"],
      ["message", "last"],
      ["topic", "last", "3"],
      ["close", 4001, "bye", expect.any(Number)],
      ["end"],
    ]);
  },
);
