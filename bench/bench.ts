// Compares Socle with the hand-written floor, PartyServer and crossws in one run. docs/performance.md says how to read the results.
//
//   npm run bench                       everything: about an hour and a half
//   npm run bench -- --quick            a first look, in about two minutes
//   npm run bench -- --case echo-20 --case wake-1000 [--rounds 15] [--seconds 6]
//   npm run bench -- --plots            draws the plots of the last full run again
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { bundles } from "./bundles.ts";
import type { Case } from "./case.ts";
import { casesOf } from "./cases.ts";
import { Contender, entriesFor } from "./contender.ts";
import { evaluation } from "./evaluation.ts";
import { ownPart } from "./own-part.ts";
import { draw, drawBroadcast } from "./plots.ts";
import { Result, said, type Results } from "./results.ts";
import type { Outcome } from "./sample.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    plots: { type: "boolean", default: false },
    case: { type: "string", multiple: true },
    rounds: { type: "string" },
    seconds: { type: "string" },
  },
});
const folder = join(import.meta.dirname, "results");
const file = join(folder, options.quick ? "quick.json" : options.case ? "part.json" : "full.json");

if (options.plots) {
  await draw(JSON.parse(await readFile(file, "utf8")) as Results, folder);
  process.exit();
}

const rounds = Number(options.rounds ?? (options.quick ? 1 : 9));
const seconds = Number(options.seconds ?? (options.quick ? 1 : 4));
const all = casesOf({ seconds, isQuick: options.quick });
const names = [...all.map(({ name }) => name), "bundle", "evaluation", "own-part"];
const unknown = options.case?.find((name) => !names.includes(name));
if (unknown !== undefined) throw new Error(`There is no case ${unknown}: there are ${names.join(", ")}.`);
if (!(rounds >= 1 && seconds > 0)) throw new Error("--rounds takes a number from 1 up, --seconds one over 0.");
const isWanted = (name: string) => !options.case || options.case.includes(name);
const wanted = all.filter(({ name }) => isWanted(name));

/** On a terminal each line replaces the previous one. In a log only the start of each round is printed. */
const progress = (line: string, isRound = false) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
  else if (isRound) process.stderr.write(`${line}\n`);
};
const begun = Date.now();
const told = (line: string, isRound = false) =>
  progress(`${Math.round((Date.now() - begun) / 1000)} s: ${line}`, isRound);

/** Runs a case. If the base differs too much from itself, the case gets twice as many rounds, unless --rounds is given. */
async function run(one: Case): Promise<Result> {
  const taking = entriesFor(one.work);
  const result = new Result(one);
  const first = Math.min(rounds, one.rounds ?? rounds);
  let planned = first;
  let contenders: readonly Contender[] = [];
  const start = async () => {
    contenders = await Promise.all(taking.map((entry) => Contender.start(entry)));
    // In parallel, except for the thousands of connections of a case that has its own processes.
    if (!one.processes) await Promise.all(contenders.map((contender) => one.prepare?.(contender) ?? Promise.resolve()));
    else for (const contender of contenders) await one.prepare?.(contender);
    await Promise.all(contenders.map((contender) => contender.quiet()));
  };
  const stop = () => Promise.all(contenders.map((contender) => contender.stop()));
  if (one.processes === "of the case") await start();
  for (let round = 0; round < planned; round++) {
    told(`${one.name}: round ${round + 1} of ${planned}`, true);
    const where = (name: string) => told(`${one.name}: round ${round + 1} of ${planned}: ${name}`);
    // A process has a bias as long as it runs: the floor in one process has measured 1.4 of the floor in another.
    if (!one.processes) await start();
    // Every second round runs in reverse order, so no contender always follows the same one.
    const outcomes: Map<string, Outcome> = await one.round(round % 2 ? contenders.toReversed() : contenders, where);
    if (!one.processes) await stop();
    result.add(outcomes);
    if (round + 1 === first && !options.quick && !options.rounds && result.isUndecided) planned = 2 * first;
  }
  if (one.processes === "of the case") await stop();
  progress("");
  console.log(`\n${result.table()}`);
  return result;
}

const results: Results = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} cores, ${cpus()[0]?.model ?? ""}`.trim(),
  windowSeconds: seconds,
  cases: [],
};

if (isWanted("bundle")) {
  results.bundles = await bundles();
  console.log("\n## Bundle, minified, of the smallest Worker that echoes\n");
  console.table(results.bundles);
}
if (isWanted("evaluation")) {
  results.evaluation = await evaluation();
  console.log("\n## The evaluation of Socle's bundle, minified, in a new process of Node\n");
  console.table(results.evaluation);
}
if (isWanted("own-part")) {
  results.ownPart = await ownPart();
  console.log("\n## The library's own part of a message\n");
  console.table(results.ownPart);
}
await mkdir(folder, { recursive: true });
const record = () => writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`);
await record();
for (const one of wanted) {
  results.cases.push((await run(one)).data);
  // Written after each case, so an interrupted run keeps its finished cases.
  await record();
}
if (!options.quick && !options.case) await draw(results, folder);
if (!options.quick) await drawBroadcast(results, folder);
console.log(`\n${Math.round((Date.now() - begun) / 1000)} s. The figures are in ${file}.`);
const missed = results.cases.flatMap(({ name, rows }) =>
  rows.flatMap(({ contender, bounds = [] }) =>
    bounds.filter(({ verdict }) => verdict !== "holds").map((bound) => `${name}, ${contender}: ${said(bound)}`),
  ),
);
if (missed.length > 0) console.log(`Not shown to hold:\n${missed.join("\n")}`);
