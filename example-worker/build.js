// Wrangler runs this before it bundles the Worker. It bundles `socle/client` for the pages, and copies the Worker's code for them to
// show.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Writes only what has changed: wrangler dev watches this folder, and would build again and again. */
async function put(name, text) {
  const target = path(`public/${name}`);
  if (text !== (await readFile(target, "utf8").catch(() => ""))) await writeFile(target, text);
}

/**
 * The lines between `// #region name` and `// #endregion`, without the indentation that they share. A file may have several regions of
 * one name.
 */
async function regions() {
  const found = {};
  for (const file of (await readdir(path("."))).filter((name) => /^[\w-]+\.ts$/.test(name))) {
    const text = await readFile(path(file), "utf8");
    for (const [, name, code] of text.matchAll(/^ *\/\/ #region (\S+)\n([^]*?)^ *\/\/ #endregion$/gm)) {
      found[name] ??= { file, parts: [] };
      found[name].parts.push(code.trimEnd().split("\n"));
    }
  }
  for (const region of Object.values(found)) {
    const lines = region.parts.flat().filter(Boolean);
    const indent = Math.min(...lines.map((line) => line.search(/\S/)));
    region.parts = region.parts.map((part) => part.map((line) => line.slice(indent)).join("\n"));
  }
  return found;
}

const { outputFiles } = await build({
  entryPoints: [path("../src/client/index.ts")],
  bundle: true,
  format: "esm",
  target: "es2022",
  write: false,
});
await put("socle-client.js", outputFiles[0].text);
await put("crowd-source.txt", await readFile(path("crowd.ts"), "utf8"));
await put("regions.js", `export const regions = ${JSON.stringify(await regions(), undefined, 2)};\n`);
