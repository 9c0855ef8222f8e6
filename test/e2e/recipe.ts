// Runs a recipe of docs/frameworks.md as an application: a copy of its files, with Socle as npm installs it.
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { launch, quiet, type Server } from "./server.ts";

const root = join(import.meta.dirname, "../..");
const modules = join(root, "node_modules");

/** Builds Socle into the packages of a folder. */
export async function installSocle(folder: string): Promise<void> {
  const socle = join(folder, "socle");
  await rm(socle, { recursive: true, force: true });
  await mkdir(socle, { recursive: true });
  await cp(join(root, "package.json"), join(socle, "package.json"));
  // Doesn't use `dist`, which another test may be building.
  const tsc = join(modules, "typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [
    tsc,
    "-p",
    join(root, "tsconfig.build.json"),
    "--outDir",
    join(socle, "dist"),
  ]);
}

/** The folder of the recipes that need only the packages of this repository. */
export const recipes = join(import.meta.dirname, "recipes");

export class Recipe {
  private constructor(readonly folder: string) {}

  /** Several recipes may share the installed packages. */
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
    // Overwrites the file in one write, so that a watcher never reads an empty file.
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
