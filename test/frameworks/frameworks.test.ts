// The recipes of docs/frameworks.md whose frameworks only `npm run test:frameworks` installs. Each test builds a recipe as its
// documentation says, serves it, opens sockets, and requests the framework's own page.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { beforeAll, describe, expect, it, onTestFailed, onTestFinished } from "vitest";

import { installSocle } from "../e2e/recipe.ts";
import { launch, quiet, type Server } from "../e2e/server.ts";

const here = import.meta.dirname;
const modules = join(here, "node_modules");
/** Holds copies of the recipes, so that tools don't write into the recipes' folders. */
const built = join(here, "build");

const VITE = "vite/bin/vite.js";
const WRANGLER = "wrangler/bin/wrangler.js";

interface Tool {
  script: string;
  args: string[];
}

interface Framework {
  name: string;
  build: Tool;
  serve: Tool;
  /** The development server, if it runs the Worker too. */
  dev?: Tool;
}

const HOST = ["--host", "127.0.0.1", "--port", "0"];
const wrangler = (...configs: string[]): Tool => ({
  script: WRANGLER,
  args: [
    "dev",
    ...configs.flatMap((config) => ["--config", config]),
    "--ip",
    "127.0.0.1",
    "--port",
    "0",
    "--inspector-port",
    "0",
  ],
});
const vite = (...args: string[]): Tool => ({ script: VITE, args });

const frameworks: Framework[] = [
  {
    name: "react-router",
    build: { script: "@react-router/dev/bin.cjs", args: ["build"] },
    serve: vite("preview", ...HOST),
    dev: { script: "@react-router/dev/bin.cjs", args: ["dev", ...HOST] },
  },
  {
    name: "tanstack-start",
    build: vite("build"),
    serve: vite("preview", ...HOST),
    dev: vite("dev", ...HOST),
  },
  {
    name: "astro",
    build: { script: "astro/bin/astro.mjs", args: ["build"] },
    serve: { script: "astro/bin/astro.mjs", args: ["preview", ...HOST] },
    dev: { script: "astro/bin/astro.mjs", args: ["dev", ...HOST] },
  },
  { name: "nuxt", build: { script: "nuxt/bin/nuxt.mjs", args: ["build"] }, serve: wrangler("wrangler.jsonc") },
  { name: "sveltekit", build: vite("build"), serve: wrangler("chat/wrangler.jsonc", "wrangler.jsonc") },
  {
    name: "nextjs",
    build: { script: "@opennextjs/cloudflare/dist/cli/index.js", args: ["build"] },
    serve: wrangler("wrangler.jsonc"),
  },
];

beforeAll(async () => {
  await installSocle(modules);
  await rm(built, { recursive: true, force: true });
  for (const { name } of frameworks) await cp(join(here, name), join(built, name), { recursive: true });
});

async function run({ script, args }: Tool, folder: string): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, [join(modules, script), ...args], {
      cwd: folder,
      env: quiet(tmpdir()),
      maxBuffer: 2 ** 25,
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${script} ${args.join(" ")}:\n${stdout}\n${stderr}`, { cause: error });
  }
}

async function serve({ script, args }: Tool, folder: string): Promise<Server> {
  const state = await mkdtemp(join(tmpdir(), "socle-frameworks-"));
  const server = await launch(
    [join(modules, script), ...args],
    folder,
    /https?:\/\/((?:localhost|127\.0\.0\.1):\d+)/,
    state,
  );
  onTestFinished(() => server.stop());
  onTestFailed(() => console.log(server.output()));
  return server;
}

async function expectChat(server: Server): Promise<void> {
  const page = await server.fetch("/");
  expect(page.status).toBe(200);
  expect(await page.text()).toMatch(/<h1[^>]*>The site<\/h1>/);
  const [ada, bob] = [await server.connect("/chat/lobby"), await server.connect("/chat/lobby")];
  ada.send("hello");
  expect([await ada.next(), await bob.next()]).toEqual(["hello", "hello"]);
  expect((await server.fetch("/chat/lobby")).status).toBe(426);
  expect(await ada.close(1000)).toMatchObject({ code: 1000 });
  expect(await bob.close(1000)).toMatchObject({ code: 1000 });
  expect(await server.text("/")).toContain("The site");
}

describe.each(frameworks)("$name", ({ name, build, serve: serving, dev }) => {
  const folder = join(built, name);

  it("is built, and serves its pages and sockets", async () => {
    await run(build, folder);
    await expectChat(await serve(serving, folder));
  });

  if (!dev) return;

  it("does so in development too", async () => {
    await expectChat(await serve(dev, folder));
  });
});

it("the entries have the types of their frameworks", async () => {
  await run({ script: "@react-router/dev/bin.cjs", args: ["typegen"] }, join(built, "react-router"));
  const config = {
    compilerOptions: {
      target: "es2024",
      lib: ["es2024", "dom", "dom.iterable"],
      module: "preserve",
      moduleResolution: "bundler",
      jsx: "react-jsx",
      types: ["@cloudflare/workers-types", "vite/client"],
      strict: true,
      noImplicitOverride: true,
      skipLibCheck: true,
      noEmit: true,
    },
    files: [
      "react-router/.react-router/types/+server-build.d.ts",
      "react-router/workers/app.ts",
      "react-router/vite.config.ts",
      "tanstack-start/src/server.ts",
      "tanstack-start/vite.config.ts",
      "astro/src/worker.ts",
      "nuxt/worker.ts",
      "sveltekit/chat/src/index.ts",
      "sveltekit/vite.config.ts",
    ],
  };
  await writeFile(join(built, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(here, "../../node_modules/typescript/bin/tsc");
  const checking = promisify(execFile)(process.execPath, [tsc, "-p", built, "--pretty", "false"]);
  const { stdout } = await checking.catch((error: { stdout: string }) => error);
  expect(stdout).toBe("");
});

it("each folder has its recipe here", async () => {
  const folders = (await readdir(here, { withFileTypes: true })).filter((one) => one.isDirectory());
  const names = folders.map(({ name }) => name).filter((name) => name !== "node_modules" && name !== "build");
  expect(names.toSorted()).toEqual(frameworks.map(({ name }) => name).toSorted());
});
