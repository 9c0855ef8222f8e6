// The memory of a process, as Linux reports it.
import { readFile } from "node:fs/promises";

export const MIB = 2 ** 20;

/** In bytes: the present memory of a process (VmRSS), or its maximum so far (VmHWM). */
export async function memory(id: string, name: "VmRSS" | "VmHWM"): Promise<number> {
  const [, kilobytes] = new RegExp(`${name}:\\s+(\\d+) kB`).exec(await readFile(`/proc/${id}/status`, "utf8"))!;
  return Number(kilobytes) * 1024;
}
