// What wrangler runs before the Worker is bundled: it puts the client of `socle/client` where the page can import it.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const target = path("public/socle-client.js");

const { outputFiles } = await build({
  entryPoints: [path("../src/client/index.ts")],
  bundle: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const { text } = outputFiles[0];
// To write what is there already would have wrangler dev, which watches this folder, build for ever.
if (text !== (await readFile(target, "utf8").catch(() => ""))) await writeFile(target, text);
