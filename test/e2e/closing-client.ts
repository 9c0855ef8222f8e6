// A process whose clients are closed at different moments, and that has nothing else to do: it should end by itself.
import { SocleClient, type SocleClientOptions } from "../../src/client/index.ts";

const [url = "", module] = process.argv.slice(2);

const COUNT = 100;

/** The time of the last close, in milliseconds. */
const LATEST = 1000;

const ends: string[] = [];

async function iterate(messages: AsyncIterable<unknown>, what: string): Promise<void> {
  for await (const message of messages) void message;
  ends.push(what);
}

const { WebSocket } = module ? ((await import(module)) as Required<Pick<SocleClientOptions, "WebSocket">>) : globalThis;

for (let index = 0; index < COUNT; index++) {
  const client = new SocleClient(index % 2 ? url : async () => url, {
    WebSocket,
    minDelayMs: 20,
    maxDelayMs: 500,
    heartbeatMs: 50,
    heartbeatTimeoutMs: index % 3 ? 200 : 10_000,
  });
  client.addEventListener("close", () => ends.push("client"));
  void iterate(client, "messages");
  void iterate(client.topic("long"), "topic");
  for (let sent = 0; sent < 5; sent++) client.send(`${sent}`);
  setTimeout(() => client.close(), (index / COUNT) * LATEST);
}

const count = (what: string) => ends.filter((one) => one === what).length;
const say = () => process.stdout.write(JSON.stringify([count("client"), count("messages"), count("topic")]));

// After a close, the platform's class may wait for the other end's Close frame. That is not the client's doing.
setTimeout(say, LATEST);
process.on("exit", say);
