// The package with the oldest versions that the README names, all together.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { pack, run } from "./packed.ts";
import { wranglerDev, type Server } from "./server.ts";

const root = join(import.meta.dirname, "../..");

const VERSIONS = {
  "@cloudflare/vitest-plugin": "1.0.0",
  "@cloudflare/workers-types": "4.20250924.0",
  node: "20.0.0",
  typescript: "5.7.3",
  vitest: "4.1.0",
  // The first version whose workerd has `storage.kv`, where Socle keeps its rows.
  wrangler: "4.35.0",
};

/** Before this date, a Worker can't call the methods of an object. */
const DATE = "2024-04-03";

/** The compatibility date of the other tests' Workers. */
const NEWEST_DATE = "2026-10-01";

/** With an older date the test runner needs `nodejs_compat`. Its workerd knows dates up to 2026-08-27. */
const TESTS_DATE = "2026-08-04";

const CONFIGURATION = {
  name: "oldest",
  main: "index.ts",
  compatibility_date: TESTS_DATE,
  durable_objects: { bindings: ["Endpoints", "Room"].map((name) => ({ name, class_name: name })) },
  migrations: [{ tag: "v1", new_sqlite_classes: ["Endpoints", "Room"] }],
};

const TEST = `
import * as workers from "cloudflare:workers";
import { connect, hibernate } from "socle/testing";
import { expect, it } from "vitest";

it("remembers what it has counted through hibernation", async () => {
  const { default: worker, Room } = workers.exports;
  const client = await connect(worker, "/room/tea");
  expect(await client.ask("a")).toBe("a 1 100000 tea");
  await hibernate(Room.getByName("/room/tea"));
  expect(await client.ask("b")).toBe("b 2 100000 tea");
});
`;

const CONFIG_OF_TESTS = `
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({ plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.json" } })] });
`;

/** A client in Node, which has no WebSocket of its own before version 22. */
const PROGRAM = `
import { chan } from "socle/channel";
import { SocleClient, SocleWebSocket } from "socle/client";
import WebSocket from "ws";

const [host] = process.argv.slice(2);
const socket = new SocleWebSocket(\`ws://\${host}/echo\`, [], { WebSocket });
const lines = chan(1);
await lines.put(process.version);
socket.onopen = async () => socket.send(await lines.take());
for await (const data of socket) {
  console.log(data);
  socket.close();
}
const client = new SocleClient(\`ws://\${host}/room/tea\`, { WebSocket });
client.send("hello");
client.addEventListener("message", ({ data }) => {
  console.log(data);
  client.close();
});
`;

let folder: string;
let node: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "socle-oldest-"));
  node = join(folder, "node_modules/node/bin/node");
  const { filename } = await pack(folder);
  const manifest = {
    type: "module",
    dependencies: { socle: `file:${filename}`, ws: "^8.23.0" },
    devDependencies: VERSIONS,
    allowScripts: { esbuild: true, node: true, sharp: true, workerd: true },
  };
  await cp(join(root, "test/e2e/features-worker.ts"), join(folder, "index.ts"));
  await cp(join(root, "test/types.test.ts"), join(folder, "types.test.ts"));
  const files = {
    "package.json": JSON.stringify(manifest),
    "wrangler.json": JSON.stringify(CONFIGURATION),
    "index.test.ts": TEST,
    "vitest.config.mts": CONFIG_OF_TESTS,
    "program.js": PROGRAM,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the oldest versions", () => {
  it.each([
    ["the Worker, libraries too", "index.ts", false],
    ["test/types.test.ts", "types.test.ts", true],
  ])("type-check %s", async (_, file, skipLibCheck) => {
    const compilerOptions = {
      target: "es2022",
      lib: ["es2023"],
      module: "preserve",
      moduleResolution: "bundler",
      types: ["@cloudflare/workers-types"],
      strict: true,
      noEmit: true,
      skipLibCheck,
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file] }));
    const tsc = join(folder, "node_modules/typescript/bin/tsc");
    expect((await run(node, [tsc], folder)).stdout).toBe("");
  });

  it("test with socle/testing", async () => {
    const vitest = join(folder, "node_modules/vitest/vitest.mjs");
    expect((await run(process.execPath, [vitest, "run", "index.test.ts"], folder)).stdout).toMatch("1 passed");
  });

  it("build", async () => {
    const wrangler = join(folder, "node_modules/wrangler/bin/wrangler.js");
    const { stdout } = await run(node, [wrangler, "deploy", "--dry-run", "--compatibility-date", DATE], folder);
    expect(stdout).toMatch("--dry-run: exiting now");
  });

  describe("serve", () => {
    let server: Server;

    beforeAll(async () => {
      server = await wranglerDev("wrangler.json", folder, DATE, [], node);
    });
    afterAll(() => server?.stop());

    it("a session object in storage, an automatic response and a broadcast", async () => {
      const client = await server.connect("/room/a");
      client.send("one", "ping", "two");
      const received = new Set(await client.take(3));
      expect(received).toEqual(new Set(["one 1 100000 a", "pong", "two 2 100000 a"]));
      expect(await client.close(4000)).toEqual({ code: 4000, reason: "" });
    });

    it("a topic's history", async () => {
      const ann = await server.connect("/lines");
      ann.send("first");
      const position = (await ann.take(2)).find((text) => String(text).startsWith("at "));
      const ben = await server.connect("/lines");
      ben.send("second");
      await ben.take(2);
      const cy = await server.connect(`/lines?since=${String(position).slice(3)}`);
      expect(await cy.next()).toBe("second");
      await Promise.all([ann, ben, cy].map((client) => client.close(1000)));
    });

    it("shards", async () => {
      const clients = await Promise.all([0, 1].map((shard) => server.connect(`/shards/a?shard=${shard}`)));
      clients[0]!.send("hello");
      expect(await Promise.all(clients.map((client) => client.next()))).toEqual(["hello", "hello"]);
      await Promise.all(clients.map((client) => client.close(1000)));
    });

    it("a client of socle/client, which runs there too", async () => {
      const { stdout } = await run(node, ["program.js", server.host], folder);
      expect(stdout).toBe(`v${VERSIONS.node}\nhello 1 100000 tea\n`);
    });
  });

  it("are those that the README names, beside those of the other tests", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const { 1: section = "" } = /^##+ Supported versions\n([^]*?)^##/m.exec(readme) ?? [];
    const { devDependencies } = (await import("../../package.json")) as { devDependencies: Record<string, string> };
    const pairs = Object.entries(VERSIONS).map(([name, version]) => [version, devDependencies[name]!.replace("^", "")]);
    const rows = Array.from(section.matchAll(/^\|.*\d.*$/gm), ([row]) => row.split(/ *\| */).slice(2, 4));
    expect(new Set(rows)).toEqual(new Set([...pairs, [DATE, NEWEST_DATE]]));
  });
});
