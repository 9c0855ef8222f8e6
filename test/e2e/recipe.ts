// A recipe of docs/frameworks.md as an application of its own: a copy of its files, with Socle as npm installs it.
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { launch, quiet, type Server } from "./server.ts";

const root = join(import.meta.dirname, "../..");
const modules = join(root, "node_modules");

/** Puts Socle, as it is built, among the packages of a folder. */
export async function installSocle(folder: string): Promise<void> {
  const socle = join(folder, "socle");
  await rm(socle, { recursive: true, force: true });
  await mkdir(socle, { recursive: true });
  await cp(join(root, "package.json"), join(socle, "package.json"));
  // Not by way of `dist`, which another test may just be building.
  const tsc = join(modules, "typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [
    tsc,
    "-p",
    join(root, "tsconfig.build.json"),
    "--outDir",
    join(socle, "dist"),
  ]);
}

/** The folders of all recipes that run with what this repository has installed. */
export const recipes = join(import.meta.dirname, "recipes");

export class Recipe {
  private constructor(readonly folder: string) {}

  /** Several recipes may share what is installed for them. */
  static async install(): Promise<Recipe> {
    const folder = await mkdtemp(join(tmpdir(), "socle-recipe-"));
    await cp(recipes, folder, { recursive: true });
    await writeFile(join(folder, "package.json"), `{ "private": true, "type": "module" }`);
    const installed = join(folder, "node_modules");
    await mkdir(installed);
    for (const name of await readdir(modules)) {
      if (name !== "socle") await symlink(join(modules, name), join(installed, name));
    }
    await installSocle(installed);
    return new Recipe(folder);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  copy(from: string, to: string): Promise<void> {
    return cp(this.path(from), this.path(to), { recursive: true });
  }

  /** Changes a file as its author would. */
  async edit(file: string, from: string, to: string): Promise<void> {
    const text = await readFile(this.path(file), "utf8");
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
    // In one write, over what is there: who watches the file never reads an empty one.
    const bytes = Buffer.from(text.replace(from, () => to));
    const handle = await open(this.path(file), "r+");
    await handle.write(bytes, 0, bytes.length, 0);
    await handle.truncate(bytes.length);
    await handle.close();
  }

  /** Runs a tool to its end. */
  async run(script: string, args: readonly string[], folder = ""): Promise<string> {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(modules, script), ...args], {
      cwd: this.path(folder),
      env: quiet(this.folder),
    });
    return stdout + stderr;
  }

  /** Runs a tool that serves. */
  async serve(script: string, args: readonly string[], folder: string, announcement: RegExp): Promise<Server> {
    const state = await mkdtemp(join(tmpdir(), "socle-e2e-"));
    return launch([join(modules, script), ...args], this.path(folder), announcement, state);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
