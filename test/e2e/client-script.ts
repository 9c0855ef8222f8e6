// A client in a process of its own: a single file that needs nothing of this folder.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { build } from "esbuild";

export class ClientScript {
  readonly #folder: string;
  readonly path: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "client.mjs");
  }

  static async create(file: string, platform: "neutral" | "node"): Promise<ClientScript> {
    const script = new ClientScript(await mkdtemp(join(tmpdir(), "socle-client-")));
    await build({
      entryPoints: [join(import.meta.dirname, file)],
      bundle: true,
      format: "esm",
      platform,
      target: "es2024",
      outfile: script.path,
    });
    return script;
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}
