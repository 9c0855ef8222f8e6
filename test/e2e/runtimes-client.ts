// A client for any JavaScript runtime: it prints a line for each event, and then has nothing more to do.
import { SocleClient, type SocleClientOptions } from "../../src/client/index.ts";

const [url = "", module = ""] = process.argv.slice(2);

type Platform = Required<SocleClientOptions>["WebSocket"];

const say = (...line: unknown[]): void => console.log(JSON.stringify(line));

/** Node has a WebSocket of its own from version 22 on. */
const WebSocket =
  (globalThis as { WebSocket?: Platform }).WebSocket ?? ((await import(module)) as { default: Platform }).default;

const client = new SocleClient(url, { WebSocket, minDelayMs: 20, maxDelayMs: 200 });
const topic = client.topic("long");

client.addEventListener("status", ({ status }) => say("status", status));
client.addEventListener("message", ({ data }) =>
  say("message", typeof data === "string" ? data : [...new Uint8Array(data)]),
);
topic.addEventListener("recovery", ({ recovered }) => say("recovery", recovered));
client.addEventListener("close", ({ code, reason, mayBeLost }) => say("close", code, reason, mayBeLost));

client.send("echo é𝕏");
client.send(Uint8Array.of(0, 200, 255));
await client.ready;
for await (const { data, position } of topic) {
  say("topic", data, position?.split(".")[1]);
  if (data === "last") client.close(4001, "bye");
}
say("end");
