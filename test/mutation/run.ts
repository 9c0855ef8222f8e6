// Applies each mutation to a copy of the tree, and runs the tests that name its rule. One of them has to fail.
//   npm run test:mutations [-- R11 R14]
//   npm run check:mutations   only checks that the list fits the source
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { mutations, type Mutation } from "./mutations.ts";

const root = join(import.meta.dirname, "../..");
const numbered = (letter: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
const COUNTS = { R: 31, F: 9, P: 28, T: 11, S: 9, C: 5 };
const RULES = Object.entries(COUNTS).flatMap(([letter, count]) => numbered(letter, count));

interface Report {
  numFailedTests: number;
  testResults: { assertionResults: { title: string; status: string }[] }[];
}

const names = (rule: string, text: string) => new RegExp(`\\b${rule}\\b`).test(text);

/**
 * Runs the tests that name the rule, and returns those that fail. The model is left out, because it names all rules.
 */
async function failing(tree: string, rule: string): Promise<string[]> {
  const files: string[] = [];
  for (const file of await readdir(join(tree, "test"))) {
    if (!file.endsWith(".test.ts") || file.endsWith("model.test.ts")) continue;
    if (names(rule, await readFile(join(tree, "test", file), "utf8"))) files.push(join("test", file));
  }
  const report = join(tree, "report.json");
  await rm(report, { force: true });
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const options = ["run", "--project", "workerd", "--reporter=json", `--outputFile=${report}`, "-t", `\\b${rule}\\b`];
  const child = spawn(process.execPath, [vitest, ...options, ...files], { cwd: tree, stdio: "ignore" });
  await once(child, "exit");
  const { testResults } = JSON.parse(await readFile(report, "utf8")) as Report;
  const ran = testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ title }) => names(rule, title));
  if (!ran.some(({ status }) => status === "passed" || status === "failed")) throw new Error(`No test names ${rule}.`);
  return ran.filter(({ status }) => status === "failed").map(({ title }) => title);
}

/** Whether the rule's tests find the fault. */
async function isFound(tree: string, { rule, fault, file, from, to }: Mutation): Promise<boolean> {
  const path = join(tree, file);
  const text = await readFile(path, "utf8");
  await writeFile(
    path,
    text.replace(from, () => to),
  );
  const red = await failing(tree, rule);
  await writeFile(path, text);
  console.log(`${rule.padEnd(4)}${red.length > 0 ? "red  " : "GREEN"}  ${fault}`);
  if (red[0]) console.log(`           ${red[0]}${red.length > 1 ? ` (and ${red.length - 1} more)` : ""}`);
  return red.length > 0;
}

/** Reports rules without a mutation, and mutations that no longer fit the source. */
async function check(): Promise<void> {
  const rules = new Set(mutations.map(({ rule }) => rule));
  const faults = RULES.filter((rule) => !rules.has(rule)).map((rule) => `${rule} has no mutation.`);
  for (const { rule, file, from } of mutations) {
    const text = await readFile(join(root, file), "utf8");
    if (text.split(from).length !== 2)
      faults.push(`${rule}: what it replaces must stand once in ${file}: ${JSON.stringify(from)}`);
  }
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

async function run(wanted: readonly string[]): Promise<void> {
  const chosen = mutations.filter(({ rule }) => wanted.length === 0 || wanted.includes(rule));
  const tree = await mkdtemp(join(tmpdir(), "socle-mutation-"));
  try {
    for (const part of [
      "src",
      "test",
      "example-worker",
      "vitest.config.ts",
      "wrangler.jsonc",
      "tsconfig.json",
      "package.json",
    ]) {
      await cp(join(root, part), join(tree, part), { recursive: true });
    }
    await symlink(join(root, "node_modules"), join(tree, "node_modules"));
    let found = 0;
    for (const mutation of chosen) if (await isFound(tree, mutation)) found++;
    console.log(`${found} of ${chosen.length} found`);
    if (found < chosen.length || chosen.length === 0) process.exitCode = 1;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
await check();
if (wanted[0] !== "--check") await run(wanted);
