// Prints what Socle adds to a small Worker, and to a page, minified and gzipped, and how long the Worker's part takes to be
// evaluated. Fails past the sizes, and never for a time.
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

import { evaluation } from "../bench/evaluation.ts";

/**
 * What each bundle may have, in bytes, gzipped. It is a ratchet: it stands at what the bundle has, so nothing grows unseen. What
 * a feature is said to cost is added here in the feature's own commit, which says what it is for; where a bundle has become
 * smaller, so does its number.
 */
const WORKER_BYTES = 48_665;
const CLIENT_BYTES = 3_072;
const RETURNING_BYTES = 5112;

const WORKER = `
import { ServerContainer, addEndpoint, onOpenStartWsConnection } from "socle";
const container = new ServerContainer();
addEndpoint(container, "/echo", { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) });
export class Endpoints extends container.Endpoint {}
export default container;
`;

const CLIENT = `export { SocleWebSocket } from "socle/client";`;

const RETURNING = `export { SocleClient, SocleWebSocket } from "socle/client";`;

/** Whether it has no more than it may. */
async function isWithin(most: number, what: string, contents: string): Promise<boolean> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*"],
    write: false,
  });
  const code = outputFiles[0]!.contents;
  const gzipped = gzipSync(code, { level: 9 }).length;
  console.log(`${what}: ${code.length} bytes, ${gzipped} gzipped, of ${most} that it may have.`);
  if (gzipped < most) console.log(`It has ${most - gzipped} less: take the number in scripts/bundle-size.ts down.`);
  return gzipped <= most;
}

const worker = await isWithin(WORKER_BYTES, "A Worker with addEndpoint and onOpenStartWsConnection", WORKER);
const client = await isWithin(CLIENT_BYTES, "SocleWebSocket", CLIENT);
const returning = await isWithin(RETURNING_BYTES, "SocleClient and SocleWebSocket", RETURNING);
const steps = Object.entries(await evaluation()).map(([step, { ms }]) => `${step} ${ms} ms`);
console.log(`The evaluation of that Worker in a fresh process, at the median: ${steps.join(", ")}.`);
if (!worker || !client || !returning) {
  console.log("Past what it may have: scripts/bundle-size.ts says how that is raised.");
  process.exit(1);
}
