// Simulates paths that no one machine can hold: root, shards and relays with up to ten million listeners, at measured costs, beside one object and
// partysub's mesh. docs/scale.md has the assumptions and the tables that this prints.
//
//   npm run bench:scale
//
// The same seed gives the same figures. It takes a minute or two.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { draw } from "./scale/drawing.ts";
import { report } from "./scale/report.ts";
import { study, type Study } from "./scale/study.ts";

const SEED = 23;
const folder = join(import.meta.dirname, "results");

const progress = (line: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
};

const found = study(SEED, progress);
progress("");
/** Rounds the numbers, so the file doesn't depend on the machine's rounding. The tables are printed from the file's numbers. */
const short = (_key: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);
const text = JSON.stringify(found, short, 2);
await writeFile(join(folder, "scale.json"), `${text}\n`);
await draw(found, join(folder, "scale.svg"));
console.log(report(JSON.parse(text) as Study));
