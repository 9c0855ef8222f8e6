// One sample for evaluation.ts, which passes the bundle as input. Each sample is a process, because V8 remembers code.
import { readFileSync } from "node:fs";
import { Script } from "node:vm";

declare const socle: typeof import("../src/index.ts");

/** The steps in the order in which a Worker runs them, in milliseconds, and the sum for a Worker with a single endpoint. */
export type Steps = Record<
  "compile" | "import" | "container" | "first endpoint" | "each further endpoint" | "sum with one",
  number
>;

/** How many endpoints "each further endpoint" is averaged over. */
const FURTHER = 10;

const code = readFileSync(0, "utf8");

function timed(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}

// Node's own work for its first script doesn't count for the bundle.
new Script("").runInThisContext();
let script!: Script;
const compiled = timed(() => {
  script = new Script(code);
});
const imported = timed(() => script.runInThisContext());
let container!: InstanceType<typeof socle.ServerContainer>;
const made = timed(() => {
  container = new socle.ServerContainer();
  // A Worker exports this class.
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
