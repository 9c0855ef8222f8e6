// What wrangler runs before the Worker is bundled: it puts the client of `socle/client` where the pages can import it, and the
// source of the crowd where its page can show it.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** To write what is there already would have wrangler dev, which watches this folder, build for ever. */
async function put(name, text) {
  const target = path(`public/${name}`);
  if (text !== (await readFile(target, "utf8").catch(() => ""))) await writeFile(target, text);
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
