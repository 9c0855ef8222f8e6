// The package as a new user has it: packed, installed into a folder elsewhere with the starter, checked, run, built.
import { execFile } from "node:child_process";
import { access, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { wranglerDev, type Server } from "./server.ts";

const root = join(import.meta.dirname, "../..");
const template = join(root, "templates/minimal");

/** The oldest that the README names: before it objects have no methods for the Worker to call. */
const OLDEST = "2024-04-03";

let folder: string;
let packed: { filename: string; files: { path: string }[] };

const env = {
  ...process.env,
  CI: "1",
  NODE_ENV: "",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_WRITE_LOGS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  // The Node of these tests, also where the machine's own is older.
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
};

async function run(command: string, args: readonly string[], cwd = folder): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd, env, maxBuffer: 2 ** 25 })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")}:\n${stdout}\n${stderr}`, { cause: error });
  }
}

const file = (path: string) => readFile(join(folder, path), "utf8");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "socle-package-"));
  await cp(template, folder, { recursive: true });
  const output = await run("npm", ["pack", "--json", "--pack-destination", folder], root);
  [packed] = JSON.parse(output.slice(output.indexOf("[\n"))) as [typeof packed];
  const manifest = JSON.parse(await file("package.json")) as Record<string, Record<string, string>>;
  manifest.dependencies!.socle = `file:${packed.filename}`;
  manifest.devDependencies!["typescript-5"] = "npm:typescript@^5.9.3";
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
  await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the package", () => {
  it("has only what users need", () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => !/^(dist|src)\/.*\.(ts|js|map)$/.test(path)).toSorted()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "package.json",
    ]);
  });

  it("has source maps that point to sources it has", async () => {
    const maps = packed.files.map(({ path }) => path).filter((path) => path.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(20);
    for (const path of maps) {
      const { sources } = JSON.parse(await file(join("node_modules/socle", path))) as { sources: string[] };
      for (const source of sources) await access(join(folder, "node_modules/socle", path, "..", source));
    }
  });

  it("has no member of a public class or interface that the reference leaves out", async () => {
    const reference = (await readFile(join(root, "docs/api.md"), "utf8")).split(/^### /m).slice(1);
    const sections = new Map(reference.map((text) => [/^`([^`]+)`/.exec(text)?.[1], text]));
    const missing: string[] = [];
    let count = 0;
    for (const { path } of packed.files.filter(({ path: one }) => one.endsWith(".d.ts"))) {
      const declared = await file(join("node_modules/socle", path));
      for (const { 1: name, 2: body } of declared.matchAll(
        /^(?:\w+ )*(?:interface|class) (\w+)[^]*?\{\n([^]*?)^\}/gm,
      )) {
        const section = sections.get(name);
        for (const [, member] of body!.matchAll(/^ {4}(?:\w+ )*(\w+)[?(<:;]/gm)) {
          if (!section) continue;
          count++;
          if (!new RegExp(`\\b${member}\\b`).test(section)) missing.push(`${name}.${member}`);
        }
      }
    }
    expect(count).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });

  it("brings no other package with it", async () => {
    const { dependencies } = JSON.parse(await file("node_modules/socle/package.json")) as { dependencies?: object };
    expect(dependencies).toBeUndefined();
  });
});

describe("the starter", () => {
  it("is the README's first Worker", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    for (const path of ["src/index.ts", "wrangler.toml"]) {
      expect(readme).toContain(await readFile(join(template, path), "utf8"));
    }
  });

  it.each(["typescript", "typescript-5"])("type-checks with %s, libraries too", async (typescript) => {
    const tsc = join(folder, "node_modules", typescript, "bin/tsc");
    // Without its tests, which bring the types of the test runner.
    const compilerOptions = { skipLibCheck: false, types: ["@cloudflare/workers-types"] };
    const config = JSON.stringify({ extends: "./tsconfig.json", compilerOptions, include: ["src"] });
    await writeFile(join(folder, "tsconfig.libraries.json"), config);
    expect(await run(process.execPath, [tsc, "-p", "tsconfig.libraries.json"])).toBe("");
  });

  it("type-checks with its tests", async () => {
    expect(await run("npm", ["run", "check"])).not.toMatch(/error/);
  });

  it("passes its tests", async () => {
    expect(await run("npm", ["test"])).toMatch(/2 passed/);
  });

  it("can be deployed", async () => {
    expect(await run("npm", ["run", "deploy", "--", "--dry-run"])).toMatch("--dry-run: exiting now");
  });

  it.each([
    ["as it is", undefined],
    ["under the oldest compatibility date", OLDEST],
  ])("serves sessions, %s", async (_, date) => {
    let server: Server | undefined;
    try {
      server = await wranglerDev("wrangler.toml", folder, date);
      const echo = await server.connect("/echo");
      echo.send("hello");
      expect(await echo.next()).toBe("echo: hello");
      expect(await echo.close()).toMatchObject({ code: 1005 });
      const ada = await server.connect("/chat/lobby?name=ada");
      const bob = await server.connect("/chat/lobby?name=bob");
      expect(await ada.next()).toBe("bob has joined lobby");
      bob.send("hello");
      expect(await ada.next()).toBe("bob: hello");
      expect((await server.fetch("/nothing")).status).toBe(404);
      await Promise.all([ada.close(1000), bob.vanish()]);
    } finally {
      await server?.stop();
    }
  });
});
