// What a process has in memory, as Linux tells it.
import { readFile } from "node:fs/promises";

export const MIB = 2 ** 20;

/** In bytes: what a process has in memory (VmRSS), or has had at most (VmHWM). */
export async function memory(id: string, name: "VmRSS" | "VmHWM"): Promise<number> {
  const [, kilobytes] = new RegExp(`${name}:\\s+(\\d+) kB`).exec(await readFile(`/proc/${id}/status`, "utf8"))!;
  return Number(kilobytes) * 1024;
}
