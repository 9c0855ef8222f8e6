// How long Socle's code takes before it can serve anything: in a new process each time, minified as in production.
//
//   node bench/evaluation.ts [samples]
//
// workerd's clock stands still while a Worker is evaluated, so this is Node's V8, with nothing compiled beforehand. The time
// until workerd listens, which includes the evaluation, is a figure of the bench's case `cold`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { build } from "esbuild";

import type { Steps } from "./evaluation-sample.ts";
import { medians } from "./statistics.ts";

const root = join(import.meta.dirname, "..");

/** Milliseconds, rounded to a thousandth: the medians of all processes. */
export async function evaluation(samples = 20): Promise<Record<string, { ms: number }>> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { addEndpoint, onOpenStartWsConnection, ServerContainer } from "socle";`,
      resolveDir: root,
    },
    alias: {
      socle: join(root, "src/index.ts"),
      "cloudflare:workers": join(root, "bench/runtime.ts"),
    },
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "socle",
    target: "es2024",
    write: false,
  });
  const input = outputFiles[0]!.text;
  const taken = Array.from({ length: samples }, () => {
    const sample = join(import.meta.dirname, "evaluation-sample.ts");
    const { status, stdout, stderr } = spawnSync(process.execPath, [sample], { input, encoding: "utf8" });
    if (status !== 0) throw new Error(`The bundle was not evaluated:\n${stderr.slice(-2000)}`);
    return JSON.parse(stdout) as Steps;
  });
  const steps = Object.entries(medians(taken));
  return Object.fromEntries(steps.map(([step, ms]) => [step, { ms: Math.round(ms * 1000) / 1000 }]));
}

if (import.meta.main) console.table(await evaluation(Number(process.argv[2] ?? 20)));
