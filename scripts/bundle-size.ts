// Prints the size that Socle adds to a small Worker and to a page, minified and gzipped, and how long the Worker's part takes to
// evaluate. Fails above the size limits, never because of a duration.
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

import { evaluation } from "../bench/evaluation.ts";

/**
 * The size limit of each bundle, in bytes, gzipped. Each limit equals the bundle's current size, so nothing grows unnoticed. A
 * feature's own commit adds the feature's cost here and says what it is for. If a bundle gets smaller, lower its limit.
 */
const WORKER_BYTES = 48_727;
const CLIENT_BYTES = 3_053;
const RETURNING_BYTES = 5_106;

const WORKER = `
import { ServerContainer, addEndpoint, onOpenStartWsConnection } from "socle";
const container = new ServerContainer();
addEndpoint(container, "/echo", { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) });
export class Endpoints extends container.Endpoint {}
export default container;
`;

const CLIENT = `export { SocleWebSocket } from "socle/client";`;

const RETURNING = `export { SocleClient, SocleWebSocket } from "socle/client";`;

/** Whether a bundle is within its limit. */
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
  console.log(`${what}: ${code.length} bytes, ${gzipped} gzipped, limit ${most}.`);
  if (gzipped < most)
    console.log(`That is ${most - gzipped} below the limit: lower the limit in scripts/bundle-size.ts.`);
  return gzipped <= most;
}

const worker = await isWithin(WORKER_BYTES, "A Worker with addEndpoint and onOpenStartWsConnection", WORKER);
const client = await isWithin(CLIENT_BYTES, "SocleWebSocket", CLIENT);
const returning = await isWithin(RETURNING_BYTES, "SocleClient and SocleWebSocket", RETURNING);
const steps = Object.entries(await evaluation()).map(([step, { ms }]) => `${step} ${ms} ms`);
console.log(`Evaluation of that Worker in a new process, median: ${steps.join(", ")}.`);
if (!worker || !client || !returning) {
  console.log("A bundle is above its limit: scripts/bundle-size.ts says how to raise it.");
  process.exit(1);
}
