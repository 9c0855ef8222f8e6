// Prints what Socle adds to a small Worker, minified and gzipped, and fails past the bound.
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

/** In bytes, gzipped. Where Socle is to be, and what it may not grow past until it is there. */
const GOAL = 5_000;
const BOUND = 13_270;
const WORKER = `
import { ServerContainer, addEndpoint, onOpenStartWsConnection } from "socle";
const container = new ServerContainer();
addEndpoint(container, "/echo", { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) });
export class Endpoints extends container.Endpoint {}
export default container;
`;

const { outputFiles } = await build({
  stdin: { contents: WORKER, resolveDir: import.meta.dirname },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2024",
  external: ["cloudflare:*"],
  write: false,
});
const code = outputFiles[0]!.contents;
const gzipped = gzipSync(code, { level: 9 }).length;
console.log(`A Worker with addEndpoint and onOpenStartWsConnection: ${code.length} bytes, ${gzipped} gzipped.`);
console.log(`The bound is ${BOUND}, the goal ${GOAL}.`);
if (gzipped > BOUND) process.exit(1);
