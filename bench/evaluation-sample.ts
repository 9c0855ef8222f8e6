// One sample for evaluation.ts, which gives the bundle as the input: a process has its own, because V8 remembers code.
import { readFileSync } from "node:fs";
import { Script } from "node:vm";

declare const socle: typeof import("../src/index.ts");

/** In the order in which a Worker has them, in milliseconds; and what one with a single endpoint has. */
export type Steps = Record<
  "compile" | "import" | "container" | "first endpoint" | "each further endpoint" | "sum with one",
  number
>;

/** How many stand for each further one. */
const FURTHER = 10;

const code = readFileSync(0, "utf8");

function timed(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}

// What Node needs for the first script is not the bundle's.
new Script("").runInThisContext();
let script!: Script;
const compiled = timed(() => {
  script = new Script(code);
});
const imported = timed(() => script.runInThisContext());
let container!: InstanceType<typeof socle.ServerContainer>;
const made = timed(() => {
  container = new socle.ServerContainer();
  // A Worker exports it.
  void class Endpoints extends container.Endpoint {};
});
const add = (path: string) =>
  socle.addEndpoint(container, path, {
    onOpen: socle.onOpenStartWsConnection(),
    onText: (send, text) => send.put(text),
  });
const first = timed(() => add("/first/{room}"));
const further = timed(() => {
  for (let index = 0; index < FURTHER; index++) add(`/further-${index}/{room}`);
});
const steps: Steps = {
  compile: compiled,
  import: imported,
  container: made,
  "first endpoint": first,
  "each further endpoint": further / FURTHER,
  "sum with one": compiled + imported + made + first,
};
console.log(JSON.stringify(steps));
