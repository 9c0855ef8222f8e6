// Request targets and hosts that no URL can have, over TCP: the bytes are written by hand and go directly to workerd.
import { once } from "node:events";
import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Disk, type Server } from "./server.ts";

let disk: Disk;
let server: Server;

beforeAll(async () => {
  disk = await Disk.create("test/e2e/targets-worker.ts");
  server = await disk.start();
});

afterAll(async () => {
  await server?.stop();
  await disk?.remove();
});

const UPGRADE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${btoa("sixteen bytes it")}`,
];

/** The head of the answer. */
async function head(...lines: string[]): Promise<string> {
  const [host, port] = server.host.split(":");
  const socket = connect(Number(port), host);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  let received = "";
  while (!received.includes("\r\n\r\n")) received += String((await once(socket, "data"))[0]);
  socket.destroy();
  return received;
}

const wrong: [what: string, ...lines: string[]][] = [
  ["GET *", "GET * HTTP/1.1", "Host: a.test"],
  ["OPTIONS *", "OPTIONS * HTTP/1.1", "Host: a.test"],
  ["a Host with a space", "GET /sample/x HTTP/1.1", "Host: a b"],
  ["a Host that is a bracket", "GET /sample/x HTTP/1.1", "Host: ["],
  ["a Host with a port that can't be", "GET /sample/x HTTP/1.1", "Host: a.test:99999"],
  ["a Host with a path", "GET /x HTTP/1.1", "Host: a.test/sample"],
  ["a Host with a query", "GET /sample/x HTTP/1.1", "Host: a.test?"],
  ["a Host with a user", "GET /sample/x HTTP/1.1", "Host: root@a.test"],
];

const UNHANDLED = /^HTTP\/1.1 400 [^]*\nHandled: false\r\n/;

describe.each(wrong)("%s", (_, ...lines) => {
  it("P25: is 400, and handle has no answer", async () => {
    expect(await head(...lines)).toMatch(UNHANDLED);
    expect(await head(...lines, ...UPGRADE)).toMatch(UNHANDLED);
  });
});

it.each([
  ["an empty Host", "GET /sample/x HTTP/1.1", "Host:"],
  ["no Host", "GET /sample/x HTTP/1.1"],
  ["an absolute target that is none", "GET http://[/sample/x HTTP/1.1", "Host: a.test"],
])("P25: %s is 400 by the runtime", async (_, ...lines) => {
  expect(await head(...lines, ...UPGRADE)).toMatch(/^HTTP\/1.1 400 /);
});

it.each([
  ["a bracket", "["],
  ["a port that can't be", "a.test:99999"],
  ["a path", "a.test/sample"],
])("P25: a Host of %s is 400 from an object too, whatever it answers otherwise", async (_, host) => {
  for (const more of [UPGRADE, []]) {
    const answer = await head("GET / HTTP/1.1", `Host: ${host}`, "Past-The-Router: yes", ...more);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  }
});

it.each([
  ["an absolute target", "GET http://other.test/sample/x HTTP/1.1", "Host: a.test", /^HTTP\/1.1 101 /],
  ["a Host with a port", "GET /sample/x HTTP/1.1", "Host: a.test:8080", /^HTTP\/1.1 101 /],
  ["a Host of IPv6", "GET /sample/x HTTP/1.1", "Host: [::1]:8080", /^HTTP\/1.1 101 /],
  ["a star as a segment", "GET /sample/* HTTP/1.1", "Host: a.test", /^HTTP\/1.1 101 /],
  ["two slashes", "GET //sample/x HTTP/1.1", "Host: a.test", /^HTTP\/1.1 404 /],
])("P25: %s is like every other", async (_, target, host, status) => {
  expect(await head(target, host, ...UPGRADE)).toMatch(status);
});
