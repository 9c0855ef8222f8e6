// Prints what Socle adds to a small Worker, and to a page, minified and gzipped, and fails past the bounds.
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

/** In bytes, gzipped. Where Socle is to be, and what it may not grow past until it is there. */
const GOAL = 5_000;
const BOUND = 20_600;
/** What the client may add to a page, also in bytes, gzipped. */
const CLIENT_BOUND = 2_560;
const WORKER = `
import { ServerContainer, addEndpoint, onOpenStartWsConnection } from "socle";
const container = new ServerContainer();
addEndpoint(container, "/echo", { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) });
export class Endpoints extends container.Endpoint {}
export default container;
`;

const CLIENT = `export { SocleWebSocket } from "socle/client";`;

async function sizeOf(what: string, contents: string): Promise<number> {
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
  console.log(`${what}: ${code.length} bytes, ${gzipped} gzipped.`);
  return gzipped;
}

const worker = await sizeOf("A Worker with addEndpoint and onOpenStartWsConnection", WORKER);
console.log(`The bound is ${BOUND}, the goal ${GOAL}.`);
const client = await sizeOf("The client", CLIENT);
console.log(`The bound is ${CLIENT_BOUND}.`);
if (worker > BOUND || client > CLIENT_BOUND) process.exit(1);
