// The links of the pages that the package has: they work on GitHub, on npm and in node_modules.
import { readdir, readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";

import { beforeAll, describe, expect, it } from "vitest";

import { run, type Packed } from "./packed.ts";

const root = join(import.meta.dirname, "../..");
const REPOSITORY = "https://github.com/soclejs/socle";

/** The pages of GitHub that are not files. */
const ELSEWHERE = new Set(["", "/issues", "/security", "/security/advisories/new"]);

/** Pages of the repository that the package leaves out. Their relative links work on GitHub only. */
const UNPACKED = ["CONTRIBUTING.md", "templates/minimal/README.md"];

const read = (path: string) => readFile(join(root, path), "utf8");

let packed: Set<string>;
let pages: string[];

beforeAll(async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--ignore-scripts", "--json"], root);
  const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as [Packed];
  packed = new Set(files.map(({ path }) => path));
  pages = [...packed].filter((path) => path.endsWith(".md") || path === "llms.txt");
});

/** A page without its blocks of code. */
const prose = (text: string) => text.replaceAll(/^ *(```+)[^]*?^ *\1$/gm, "");

/** The targets of a page's links and images. */
function linksOf(text: string): string[] {
  // A span of code may be the text of a link, but has none.
  const plain = prose(text).replaceAll(/(?<!`)(`+)(?!`)[^]*?(?<!`)\1(?!`)/g, "code");
  return Array.from(
    plain.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)|(?:src|href)="([^"]+)"/gm),
    (match) => match[1] ?? match[2] ?? match[3]!,
  );
}

/** The anchors that GitHub gives the headings of a page. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of prose(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

const isIn = async (path: string, kind: "isFile" | "isDirectory") =>
  (await stat(join(root, path)).catch(() => undefined))?.[kind]() ?? false;

/** What is wrong with a link to GitHub, if anything. */
async function faultOf(url: string): Promise<string | undefined> {
  if (!url.startsWith(REPOSITORY)) return "another repository";
  const [path, anchor] = url.slice(REPOSITORY.length).split("#") as [string, string?];
  if (ELSEWHERE.has(path)) return undefined;
  const [, kind, target] = /^\/(blob|tree)\/main\/(.+)$/.exec(path) ?? [];
  if (!target) return "no file";
  if (!(await isIn(target, kind === "blob" ? "isFile" : "isDirectory"))) return `no ${kind}`;
  return anchor === undefined || anchorsOf(await read(target)).has(anchor) ? undefined : "no heading";
}

describe("links", () => {
  it("finds links and anchors as GitHub does", () => {
    expect(linksOf('[a](b#c) [`x](y)`](d) `[e](f)`\n\n```ts\n[g](h)\n```\n\n[i]: j\n\n<img src="k">')).toEqual([
      "b#c",
      "d",
      "j",
      "k",
    ]);
    const text = "# R1: `onOpen` & [a link](b)\n## Same\n## Same\n## Same-1\n```sh\n# no heading\n```\n## What’s_é?";
    expect([...anchorsOf(text)]).toEqual(["r1-onopen--a-link", "same", "same-1", "same-1-1", "whats_é"]);
  });

  it("point to files that the package has", async () => {
    const missing: string[] = [];
    let count = 0;
    for (const page of [...pages, ...UNPACKED]) {
      for (const link of linksOf(await read(page))) {
        if (/^[a-z]+:|^#/.test(link)) continue;
        const path = posix.join(posix.dirname(page), link.split("#")[0]!).replace(/\/$/, "");
        const isThere = UNPACKED.includes(page)
          ? (await isIn(path, "isFile")) || (await isIn(path, "isDirectory"))
          : packed.has(path) || [...packed].some((file) => file.startsWith(`${path}/`));
        count++;
        if (!isThere) missing.push(`${page}: ${link}`);
      }
    }
    expect(count).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });

  it("point to headings that the pages have", async () => {
    const missing: string[] = [];
    let count = 0;
    for (const page of [...pages, ...UNPACKED]) {
      for (const link of linksOf(await read(page))) {
        const [, target, anchor] = /^(?![a-z]+:)([^#]*\.md|)#(.*)$/.exec(link) ?? [];
        if (anchor === undefined) continue;
        count++;
        const text = await read(target ? posix.join(posix.dirname(page), target) : page).catch(() => "");
        if (!anchorsOf(text).has(anchor)) missing.push(`${page}: ${link}`);
      }
    }
    expect(count).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });

  it("to GitHub are of this repository, and of what it has", async () => {
    const wrong: string[] = [];
    let count = 0;
    for (const page of [...pages, ...UNPACKED]) {
      for (const [url] of (await read(page)).matchAll(
        /https?:\/\/[\w.]*github\w*\.com\/[^\s)"'`>]*socle[^\s)"'`>]*/g,
      )) {
        count++;
        const fault = await faultOf(url);
        if (fault) wrong.push(`${page}: ${url}: ${fault}`);
      }
    }
    expect(count).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
    expect(await faultOf("https://github.com/somebody/socle")).toBe("another repository");
    expect(await faultOf(`${REPOSITORY}/blob/main/nothing.md`)).toBe("no blob");
    expect(await faultOf(`${REPOSITORY}/blob/main/README.md#nothing`)).toBe("no heading");
  });

  it("of package.json are of this repository", async () => {
    const { repository, homepage, bugs } = JSON.parse(await read("package.json")) as Record<string, unknown>;
    expect({ repository, homepage, bugs }).toEqual({
      repository: { type: "git", url: `git+${REPOSITORY}.git` },
      homepage: `${REPOSITORY}#readme`,
      bugs: { url: `${REPOSITORY}/issues` },
    });
  });
});

describe("llms.txt", () => {
  it("has each page once", async () => {
    const text = await read("llms.txt");
    expect(text).toMatch(/^# Socle\n\n> .+\n\n/);
    const links = Array.from(text.matchAll(/^- \[[^\]]+\]\((.+?)\): \S.+$/gm), ([, link]) => link!);
    expect(links).toHaveLength(text.match(/^-/gm)!.length);
    const docs = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md"));
    const own = ["README.md", "AGENTS.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    const expected = [...own, ...docs.map((name) => `docs/${name}`)].map((path) => `${REPOSITORY}/blob/main/${path}`);
    expect(links.toSorted()).toEqual(expected.toSorted());
  });
});
