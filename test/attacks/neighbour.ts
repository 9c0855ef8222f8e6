// A client of the attacked object in a process of its own: every 10 ms it sends a text and waits for its echo.
import { once } from "node:events";

import { WebSocket } from "ws";

/** The longest wait so far in milliseconds, including the present one. */
export interface Told {
  longest: number;
  /** Set once its connection has ended. */
  closed?: number;
}

const [url] = process.argv.slice(2);
const socket = new WebSocket(url!, { perMessageDeflate: false });
/** When each text without an echo was sent. */
let sent: number[] = [];
let longest = 0;
let closed: number | undefined;

socket.on("error", () => {});
socket.on("close", (code) => (closed = code));
socket.on("message", () => (longest = Math.max(longest, performance.now() - sent.shift()!)));
await once(socket, "open");
setInterval(() => {
  if (closed !== undefined) return;
  sent.push(performance.now());
  socket.send("?");
}, 10);
process.on("message", (question) => {
  const oldest = sent[0] === undefined ? 0 : performance.now() - sent[0];
  const told: Told = { longest: Math.max(longest, oldest), ...(closed !== undefined && { closed }) };
  if (question === "begin") longest = 0;
  process.send!(told);
});
process.on("disconnect", () => process.exit());
process.send!({ longest: 0 } satisfies Told);
