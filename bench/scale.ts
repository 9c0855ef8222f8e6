// Plays what no one machine can hold: root, shards and relays with up to ten million listeners, at measured costs, beside one object and
// partysub's mesh. docs/scale.md says what is assumed, and has what this prints.
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
/** The file says nothing of how a machine rounds, and what is printed is what the file has. */
const short = (_key: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);
const text = JSON.stringify(found, short, 2);
await writeFile(join(folder, "scale.json"), `${text}\n`);
await draw(found, join(folder, "scale.svg"));
console.log(report(JSON.parse(text) as Study));
