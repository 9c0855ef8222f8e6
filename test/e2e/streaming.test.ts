// Streamed answers over TCP: the Worker of docs/streaming.md, and the model that it asks.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { workerd, type Client, type Server } from "./server.ts";

/** An answer of the model, which the test gives. */
class Answer {
  /** Resolves when the caller is gone or has the whole answer. */
  readonly ended: Promise<unknown>;

  constructor(
    readonly question: string,
    readonly response: ServerResponse,
  ) {
    this.ended = once(response, "close");
  }
}

const waiting: ((answer: Answer) => void)[] = [];
/** Waits for the next question. */
const asked = () => new Promise<Answer>((resolve) => waiting.push(resolve));

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of request.setEncoding("utf8")) text += part;
  return text;
}

const model = createServer((request, response) => {
  void textOf(request).then((question) => waiting.shift()!(new Answer(question, response)));
});
let server: Server;

beforeAll(async () => {
  model.listen(0, "127.0.0.1");
  await once(model, "listening");
  const { port } = model.address() as AddressInfo;
  server = await workerd("test/support/assistant.ts", { vars: { MODEL: `http://127.0.0.1:${port}/` } });
});

afterAll(async () => {
  await server?.stop();
  model.close();
});

/** Asks a question, and gets the first part of the answer. */
async function ask(client: Client, question: string): Promise<Answer> {
  const asking = asked();
  client.send(question);
  const answer = await asking;
  answer.response.write("a part");
  expect(await client.json()).toEqual({ part: "a part" });
  return answer;
}

const ASKED = JSON.stringify({ ask: "one" });

describe.each([
  ["a callback that streams", "/ask", "one"],
  ["an answer beside the queue", "/assistant/going?user=ann", ASKED],
])("%s", (_, path, question) => {
  it.each([
    ["closes", (client: Client) => client.socket.close()],
    ["ends its connection", (client: Client) => client.socket.terminate()],
    ["resets its connection", (client: Client) => client.connection.resetAndDestroy()],
  ])("P11: of a client that %s takes the model's work no further", async (_how, go) => {
    const client = await server.connect(path);
    const { question: text, response, ended } = await ask(client, question);
    expect(text).toBe("one");
    go(client);
    await ended;
    expect(response.writableFinished).toBe(false);
  });

  it("P11: is stopped also before the model has said anything", async () => {
    const client = await server.connect(path);
    const asking = asked();
    client.send(question);
    const { response, ended } = await asking;
    await client.vanish();
    await ended;
    expect(response.headersSent).toBe(false);
  });

  it("comes whole to a client that stays", async () => {
    const client = await server.connect(path);
    const { response } = await ask(client, question);
    response.end("the rest");
    expect([await client.json(), await client.json()]).toEqual([{ part: "the rest" }, { end: "done" }]);
    await client.close();
  });
});

describe("an answer beside the queue", () => {
  const connect = () => server.connect("/assistant/stops?user=ann");

  it("stops by its own tab, and by a second one of the same user", async () => {
    const [client, second] = [await connect(), await connect()];
    for (const [by, which] of [
      [client, "mine"],
      [second, "all"],
    ] as const) {
      const { ended } = await ask(client, ASKED);
      by.send(JSON.stringify({ stop: which }));
      expect(await client.json()).toEqual({ end: "stopped" });
      await ended;
    }
    await Promise.all([client.close(), second.close()]);
  });

  it("keeps the object awake, which so knows how to stop it", async () => {
    const client = await connect();
    const { response, ended } = await ask(client, ASKED);
    // An object hibernates about 10 s after its last event, and nothing outside shows when.
    await pause(13_000);
    response.write("another");
    expect(await client.json()).toEqual({ part: "another" });
    client.send(JSON.stringify({ stop: "mine" }));
    expect(await client.json()).toEqual({ end: "stopped" });
    await ended;
    await client.close();
  });
});
