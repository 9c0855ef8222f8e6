// Packs the package as npm does, and runs the commands of a project in another folder that installs it.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");

const ENV = {
  ...process.env,
  CI: "1",
  NODE_ENV: "",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_WRITE_LOGS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  // The Node of these tests, even if the machine's own is older.
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
};

/** Runs a command, and returns its output. */
export async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  vars: Record<string, string> = {},
): Promise<{ stdout: string; stderr: string }> {
  try {
    return await promisify(execFile)(command, args, { cwd, env: { ...ENV, ...vars }, maxBuffer: 2 ** 25 });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")}:\n${stdout}\n${stderr}`, { cause: error });
  }
}

export interface Packed {
  filename: string;
  files: { path: string }[];
}

/** Builds and packs a copy of the repository, so that two tests may do so at once. */
export async function pack(destination: string): Promise<Packed> {
  const copy = await mkdtemp(join(tmpdir(), "socle-pack-"));
  try {
    const { files } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { files: string[] };
    const sources = files.filter((path) => path !== "dist");
    for (const path of [...sources, "package.json", "README.md", "LICENSE", "tsconfig.json", "tsconfig.build.json"]) {
      await cp(join(root, path), join(copy, path), { recursive: true });
    }
    await symlink(join(root, "node_modules"), join(copy, "node_modules"));
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", destination], copy);
    return (JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as [Packed])[0];
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
