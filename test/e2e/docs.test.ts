// The documentation against the source: its code compiles, and it leaves out no name, no option and no message.
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";

import { describe, expect, it, vi } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";

import { CHECKS } from "../../src/options/options.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string) => readFile(join(root, path), "utf8");

/** All pages: those of the root, and those in docs. */
const pages = [
  "README.md",
  "AGENTS.md",
  "CONTRIBUTING.md",
  ...(await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];

const sources = (await readdir(join(root, "src"), { recursive: true })).filter((name) => name.endsWith(".ts"));

interface Block {
  page: string;
  line: number;
  /** The text after the opening fence. */
  info: string;
  code: string;
}

async function blocks(): Promise<Block[]> {
  const all: Block[] = [];
  for (const page of pages) {
    const text = await read(page);
    for (const { 1: info, 2: code, index } of text.matchAll(/^```(.+)\n([^]*?)^```$/gm)) {
      all.push({ page, line: text.slice(0, index).split("\n").length + 1, info: info!, code: code! });
    }
  }
  return all;
}

describe("the documentation", () => {
  it.each([
    ["in a Worker", false, ["@cloudflare/workers-types"]],
    ["in tests", true, ["@cloudflare/workers-types", "@cloudflare/vitest-plugin/types"]],
  ])(
    "has code that compiles %s, each block a module of its own, with the page's declarations",
    async (_, isTest, types) => {
      const folder = join(root, ".wrangler/docs", String(isTest));
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      const files = new Map<string, Block>();
      const declared: Record<string, string> = {};
      for (const [index, block] of (await blocks()).entries()) {
        const { page, code, info } = block;
        // Other tests compile and run the code of these pages.
        if (
          info !== "ts" ||
          page === "docs/composition.md" ||
          page === "docs/frameworks.md" ||
          page === "docs/streaming.md" ||
          isTest !== /from "(vitest|@cloudflare|socle\/testing)/.test(code)
        ) {
          continue;
        }
        const isDeclaration = !/^(import|export) /m.test(code);
        const name = `${page.replaceAll("/", "-")}-${index}.ts`;
        files.set(name, block);
        await writeFile(join(folder, name), `${code}\nexport {};\n${isDeclaration ? "" : (declared[page] ?? "")}`);
        if (isDeclaration) declared[page] = (declared[page] ?? "") + code;
      }
      expect(files.size).toBeGreaterThan(1);
      const config = {
        extends: "../../../tsconfig.json",
        compilerOptions: {
          types,
          noUnusedLocals: false,
          noUnusedParameters: false,
          paths: Object.fromEntries(
            ["", "/channel", "/client", "/testing"].map((part) => [`socle${part}`, [`../../../src${part}/index.ts`]]),
          ),
        },
        files: [...files.keys()],
        include: [],
      };
      await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      const { stdout } = await promisify(execFile)(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
        maxBuffer: 2 ** 25,
      }).catch((error: { stdout: string }) => error);
      // Report the place in the page instead of the place in the file.
      const found = stdout.replace(/^.*?([\w.-]+\.ts)\((\d+),/gm, (_match, name: string, line: string) => {
        const block = files.get(name);
        return block ? `${block.page}:${block.line + Number(line) - 1} (` : `${name}(${line},`;
      });
      expect(found).toBe("");
    },
  );

  it("has configurations that wrangler reads without a warning, and TOML once", async () => {
    const configurations = (await blocks()).filter(({ info }) => info === "jsonc");
    expect(configurations.length).toBeGreaterThan(5);
    for (const { page, line, code } of configurations) {
      expect(await warningsOf(code), `${page}:${line}`).toBe("");
    }
    const toml = (await blocks()).filter(({ info }) => info === "toml");
    expect(toml.map(({ page }) => page)).toEqual(["docs/troubleshooting.md"]);
    const pasted = /add to wrangler\.jsonc\n\n([^]*?)```/.exec(await read("docs/troubleshooting.md"))![1]!;
    for (const lines of [`${pasted}"name": "first"`, `"name": "last",${pasted}`]) {
      expect(await warningsOf(`{${lines.replaceAll("…", "Chat")}}`)).toBe("");
    }
    expect(await warningsOf(`{${pasted.replace("migrations", "vars")}}`)).not.toBe("");
  });

  it("has no link to a file that isn't there", async () => {
    const missing: string[] = [];
    for (const page of pages) {
      const text = (await read(page)).replace(/^```[^]*?^```$/gm, "");
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        const path = join(root, page, "..", target!);
        await readFile(path).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "EISDIR") missing.push(`${page}: ${target}`);
        });
      }
    }
    expect(missing).toEqual([]);
  });

  it("has each public name in the reference, and no other", async () => {
    const exported = new Set<string>();
    for (const entry of ["index.ts", "channel/index.ts", "client/index.ts", "testing/index.ts"]) {
      const text = (await read(`src/${entry}`)).replaceAll(/\/\/.*$/gm, "");
      // The names of `socle/channel` are read from its own file.
      expect(text.replace('export * from "./channel/index.ts"', "")).not.toMatch(/export \*/);
      for (const [, names] of text.matchAll(/export (?:type )?\{([^}]*)\}/g)) {
        for (const name of names!.split(",")) {
          const [plain] = name
            .replace(/^\s*type\s/, "")
            .trim()
            .split(" as ")
            .slice(-1);
          if (plain) exported.add(plain);
        }
      }
    }
    const headings = Array.from((await read("docs/api.md")).matchAll(/^### `([^`]+)`$/gm), ([, name]) => name!);
    expect(headings.toSorted()).toEqual([...exported].toSorted());
  });

  it("has each option of an endpoint, with an example, in the reference", async () => {
    const text = await read("docs/api.md");
    const options = Object.keys(CHECKS);
    expect(options.length).toBeGreaterThan(15);
    expect(options.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  it("has each message of the source in troubleshooting", async () => {
    const page = await read("docs/troubleshooting.md");
    const missing: string[] = [];
    let count = 0;
    for (const name of sources) {
      for (const message of messagesOf(await read(join("src", name)))) {
        count++;
        if (!page.includes(message)) missing.push(`${relative(".", name)}: ${message}`);
      }
    }
    expect(count).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });
});

/** What wrangler says of a configuration, or of a part of one. */
async function warningsOf(code: string): Promise<string> {
  const folder = join(root, ".wrangler/docs/configuration");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const config = join(folder, "wrangler.jsonc");
  await writeFile(config, code);
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  try {
    readConfig({ config });
    return warn.mock.calls.flat().join("\n");
  } finally {
    warn.mockRestore();
  }
}

/** What comes before a message: an error that is made, a report to the log, an answer to a request. */
const CALL =
  /(?:\bnew \w+Error\(|\bsuper\(|\breport\(|\battempt\(|\brefuse\(|\banswer\(\d+,|\boverride readonly message =)\s*(?:\d+,\s*)?(?=["'`])/g;

/** The messages of a source file that a user may see, with … for each value that is filled in. */
function messagesOf(source: string): string[] {
  const code = source.replaceAll(/^\s*(\/\/|\*|\/\*\*).*$/gm, "");
  return Array.from(code.matchAll(CALL), ({ index, 0: call }) => literal(code, index + call.length));
}

/** The string or template literal at a place. */
function literal(code: string, start: number): string {
  const quote = code[start]!;
  let text = "";
  for (let i = start + 1; code[i] !== quote; i++) {
    if (code[i] === "\\") text += code[++i] === "n" ? "\n" : code[i];
    else if (quote === "`" && code.startsWith("${", i)) {
      text += "…";
      for (let depth = 0; ; i++) {
        if (code[i] === "{") depth++;
        else if (code[i] === "}" && --depth === 0) break;
      }
    } else text += code[i];
  }
  return text;
}
