// Checks the layers of `src`: each folder is a floor, and imports go downward only, between floors and within them.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const root = join(import.meta.dirname, "..");

/** From top to bottom: a folder may import from the folders listed after it. */
const FLOORS = [
  "testing",
  "worker",
  "object",
  "shards",
  "topics",
  "endpoint",
  "options",
  "session",
  "sending",
  "hibernation",
  "client",
  "wire",
  "reporting",
  "channel",
  "api",
];

/** A longer file should be two. */
const MOST_LINES = 300;

const LONGER: Record<string, number> = {
  // Dividing it costs every page bytes: as a client and its connection, with an outbox, it had 5,371 bytes, and the limit was 5,120.
  "src/client/socle-client.ts": 410,
  // Half of it is the documentation of the class that users extend.
  "src/object/endpoint.ts": 320,
};

const faults: string[] = [];

/** The files of a folder, and what each imports from the same tree. */
function importsIn(folder: string): Map<string, string[]> {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => join(folder, name));
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(root, file), "utf8");
      // `from "…"`, `import "…"` and `import("…")`, also of types, because a reader of the file has to know them.
      const found = Array.from(text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g), ([, path]) => path!);
      return [file, found.map((path) => normalize(join(dirname(file), path)))];
    }),
  );
}

/** The chain of imports from a file back to itself. */
function circleOf(file: string, imports: Map<string, string[]>): string[] | undefined {
  const seen = new Set<string>();
  const search = (at: string, way: string[]): string[] | undefined => {
    for (const next of imports.get(at) ?? []) {
      if (next === file) return [...way, next];
      if (seen.has(next)) continue;
      seen.add(next);
      const circle = search(next, [...way, next]);
      if (circle) return circle;
    }
    return undefined;
  };
  return search(file, [file]);
}

function checkFloors(imports: Map<string, string[]>): void {
  const floorOf = (file: string) => {
    const [first, ...rest] = relative("src", file).split("/");
    if (rest.length === 0) return -1;
    const floor = FLOORS.indexOf(first!);
    if (floor < 0) faults.push(`${file} is on no floor: name its folder in ${relative(root, import.meta.filename)}.`);
    return floor;
  };
  for (const [file, imported] of imports) {
    for (const other of imported) {
      if (floorOf(other) < floorOf(file)) faults.push(`${file} imports ${other}, which is on a higher floor.`);
    }
  }
}

const source = importsIn("src");
checkFloors(source);
for (const imports of [source, importsIn("example-worker"), importsIn("bench"), importsIn("templates")]) {
  for (const file of imports.keys()) {
    const circle = circleOf(file, imports);
    if (circle) faults.push(`A circle: ${circle.join(" imports ")}.`);
  }
}
for (const file of source.keys()) {
  const lines = readFileSync(join(root, file), "utf8").split("\n").length - 1;
  const most = LONGER[file] ?? MOST_LINES;
  if (lines > most) faults.push(`${file} has ${lines} lines, and the limit is ${most}: split it into two nouns.`);
}
const architecture = readFileSync(join(root, "docs/architecture.md"), "utf8");
for (const file of source.keys()) {
  const name = relative("src", file);
  if (!architecture.includes(`\`${name}\``)) faults.push(`docs/architecture.md doesn't say what ${file} is.`);
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
else console.log(`${source.size} files on ${FLOORS.length} floors, and no import runs upward.`);
