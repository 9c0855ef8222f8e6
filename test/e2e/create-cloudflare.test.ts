// `npm create cloudflare -- --template=…` with the template. A local repository and its archive replace those of GitHub.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { pack, run } from "./packed.ts";
import { wranglerDev, type Server } from "./server.ts";

const root = join(import.meta.dirname, "../..");
const path = "templates/minimal";

/** The oldest compatibility date in the README: before it, a Worker can't call the methods of an object. */
const OLDEST = "2024-04-03";

let folder: string;
let project: string;
let output: string;

const file = (name: string) => readFile(join(project, name), "utf8");
const npm = async (...args: string[]) => (await run("npm", args, project)).stdout;

/** Commits the template with the packed package, and puts the commit's archive where degit looks for it. */
async function publish(repository: string, home: string): Promise<void> {
  const template = join(repository, path);
  await cp(join(root, path), template, { recursive: true });
  const manifest = JSON.parse(
    await readFile(join(template, "package.json"), "utf8"),
  ) as typeof import("../../package.json");
  const { filename } = await pack(folder);
  Object.assign(manifest, { dependencies: { socle: `file:${join(folder, filename)}` } });
  await writeFile(join(template, "package.json"), JSON.stringify(manifest));
  const git = async (...args: string[]) => (await run("git", args, repository, gitConfig(repository))).stdout.trim();
  await git("init", "--quiet");
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "The template");
  const hash = await git("rev-parse", "HEAD");
  const archives = join(home, ".degit/github/soclejs/socle");
  await mkdir(archives, { recursive: true });
  await git("archive", `--prefix=socle-${hash}/`, `--output=${join(archives, `${hash}.tar.gz`)}`, "HEAD");
}

/** Git's configuration: the local repository replaces that of GitHub. */
function gitConfig(repository: string): Record<string, string> {
  const entries = [
    ["user.name", "Ada"],
    ["user.email", "ada@example.com"],
    ["init.defaultBranch", "main"],
    [`url.file://${repository}.insteadOf`, "https://github.com/soclejs/socle"],
  ];
  return Object.fromEntries([
    ["GIT_CONFIG_COUNT", String(entries.length)],
    ...entries.flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, key!],
      [`GIT_CONFIG_VALUE_${index}`, value!],
    ]),
  ]);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "socle-create-"));
  project = join(folder, "tea-house");
  const repository = join(folder, "repository");
  const home = join(folder, "home");
  await publish(repository, home);
  const create = join(root, "node_modules/create-cloudflare/bin/c3.js");
  const options = ["--template=soclejs/socle/templates/minimal", "--git", "--agents", "--no-deploy"];
  const { stdout, stderr } = await run(process.execPath, [create, "tea-house", ...options], folder, {
    ...gitConfig(repository),
    HOME: home,
    CREATE_CLOUDFLARE_TELEMETRY_DISABLED: "1",
    npm_config_cache: process.env.npm_config_cache ?? join(homedir(), ".npm"),
    npm_config_userconfig: process.env.npm_config_userconfig ?? join(homedir(), ".npmrc"),
  });
  output = stdout + stderr;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("npm create cloudflare with the template", () => {
  it("warns of nothing", () => {
    expect(output).toMatch("Application created successfully");
    expect(output).not.toMatch(/warn|error|fail/i);
  });

  it("sets the name", async () => {
    expect(JSON.parse(await file("package.json"))).toMatchObject({ name: "tea-house" });
    expect(await file("wrangler.jsonc")).toMatch('"name": "tea-house"');
  });

  it("commits all but what git ignores", async () => {
    expect((await run("git", ["status", "--porcelain"], project)).stdout).toBe("");
    const { stdout } = await run("git", ["ls-files"], project);
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(["src/index.ts", "worker-configuration.d.ts"]));
    expect(stdout).not.toMatch("node_modules");
  });

  it("has the scripts of Cloudflare's own templates", async () => {
    const { scripts } = JSON.parse(await file("package.json")) as { scripts: Record<string, string> };
    expect(scripts).toMatchObject({
      deploy: "wrangler deploy",
      dev: "wrangler dev",
      start: "wrangler dev",
      "cf-typegen": "wrangler types",
    });
  });

  it("generates the types, by which the Worker and its tests are checked", async () => {
    expect(await file("worker-configuration.d.ts")).toMatch(/interface \w*Env \{[^}]*\bChat: DurableObject/);
    expect(await npm("run", "check")).not.toMatch(/error|warn/i);
    await expect(file("node_modules/@cloudflare/workers-types/package.json")).rejects.toThrow("ENOENT");
  });

  it("has tests that pass", async () => {
    expect(await npm("test")).toMatch(/2 passed/);
  });

  it("can be deployed", async () => {
    expect(await npm("run", "deploy", "--", "--dry-run")).toMatch("--dry-run: exiting now");
  });

  it.each([
    ["as it is", undefined],
    ["under the oldest compatibility date", OLDEST],
  ])("serves sessions, %s", async (_, date) => {
    let server: Server | undefined;
    try {
      server = await wranglerDev("wrangler.jsonc", project, date);
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
