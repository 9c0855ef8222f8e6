// Random bytes over TCP: handshakes, frames and closes of clients that follow no rule.
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import * as fc from "fast-check";
import { afterAll, assert, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";

import { ask, frame, HANDSHAKE, requestOf } from "./raw.ts";
import { Client, workerd, type Server } from "./server.ts";

const MIB = 2 ** 20;
const runs = { numRuns: 100 };

let server: Server;
let neighbour: Client;

beforeAll(async () => {
  server = await workerd("test/e2e/fuzz-worker.ts");
  neighbour = new Client(new WebSocket(`ws://${server.host}/echo`));
  await once(neighbour.socket, "open");
});

afterAll(() => server?.stop());

/** The neighbour, a session of the same object, still works. */
async function isWell(): Promise<void> {
  neighbour.send("well?");
  assert.equal(await neighbour.next(), "text 5");
}

/** How many sessions have not closed exactly once. In the end that is only the neighbour. */
async function left(): Promise<number> {
  for (const end = Date.now() + 30_000; ;) {
    const { opened, odd, closed } = JSON.parse(await server.text("/counts")) as Record<string, number>;
    if ((odd === 1 && opened === closed! + 1) || Date.now() > end) return odd! + Math.abs(opened! - closed! - 1);
    await pause(50);
  }
}

const send = (head: string) => ask(server.host, head);

const handshake = (lines: readonly string[]) => requestOf("/echo", lines);

async function open(): Promise<Socket> {
  const { socket, status } = await send(handshake(HANDSHAKE));
  assert.equal(status, 101);
  return socket;
}

it("R4: a handshake of doubled, missing, huge or oddly spelt headers is 101 only where all of it is right", async () => {
  const line = fc.oneof(
    fc.constantFrom(...HANDSHAKE),
    fc.constantFrom(
      "upgrade: WEBSOCKET",
      "UPGRADE: websocket",
      "Upgrade: websocket, h2c",
      "Upgrade: h2c",
      "connection: keep-alive, upgrade",
    ),
    fc.constantFrom(
      "Sec-WebSocket-Version: 8",
      "Sec-WebSocket-Version:",
      "sec-websocket-version: 13",
      "Sec-WebSocket-Key: short",
      "Sec-WebSocket-Key:",
    ),
    fc.constantFrom(
      "Origin: https://example.com",
      "Origin: https://evil.com",
      "Origin: null",
      "Sec-WebSocket-Protocol: chat",
      "Sec-WebSocket-Protocol: ,,",
      "Sec-WebSocket-Extensions: permessage-deflate; x",
    ),
    fc.integer({ min: 1, max: 64 }).map((count) => `X-Huge: ${"x".repeat(count * 1024)}`),
    fc.constantFrom("NoColon", "X: \u0000", ": empty", "Content-Length: 5", "Transfer-Encoding: chunked"),
  );
  const lines = fc.oneof(
    fc.array(line, { maxLength: 8 }),
    fc.array(line, { maxLength: 3 }).map((more) => HANDSHAKE.concat(more)),
  );
  await fc.assert(
    fc.asyncProperty(lines, async (sent) => {
      const { socket, status } = await send(handshake(sent));
      const has = (pattern: RegExp) => sent.some((one) => pattern.test(one));
      if (has(/^origin: (https:\/\/evil\.com|null)/i) || has(/^upgrade: h2c/i) || !has(/^upgrade: *websocket/i)) {
        assert.notEqual(status, 101);
      }
      if (has(/^sec-websocket-version: 8/i)) assert.notEqual(status, 101);
      socket.destroy();
      await isWell();
    }),
    runs,
  );
  expect(await left()).toBe(1);
});

it("R14, R15: each Close frame is answered or the connection ends, and onClose runs once", async () => {
  const reason = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => new TextEncoder().encode(text).slice(0, 123)),
    fc.uint8Array({ maxLength: 123 }),
  );
  const payload = fc.oneof(
    fc.constantFrom(new Uint8Array(), Uint8Array.of(3)),
    fc
      .tuple(fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 998, max: 1016 })), reason)
      .map(([code, text]) => Uint8Array.of(code >> 8, code & 255, ...text)),
  );
  await fc.assert(
    fc.asyncProperty(payload, async (sent) => {
      const socket = await open();
      const answered = Promise.race([once(socket, "data"), once(socket, "close")]);
      socket.write(frame(8, sent));
      await answered;
      socket.destroy();
      await isWell();
    }),
    runs,
  );
  expect(await left()).toBe(1);
});

it("R14: whatever frames come, the session ends once and its neighbour doesn't hear of it", async () => {
  const piece = fc.oneof(
    fc
      .tuple(fc.nat(15), fc.uint8Array({ maxLength: 200 }), fc.boolean(), fc.nat(4).map(Boolean))
      .map((one) => frame(...one)),
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(Uint8Array.of(0xc3, 0x28), Uint8Array.of(0xff, 0xfe)).map((bytes) => frame(1, bytes)),
    fc.constant(frame(1, new Uint8Array())),
    fc.constant(frame(2, new Uint8Array())),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
      const socket = await open();
      socket.write(Buffer.concat(pieces));
      await isWell();
      socket.end();
      socket.destroy();
    }),
    runs,
  );
  expect(await left()).toBe(1);
});

it("R19: messages of 0 bytes and 32 MiB arrive, one of a byte more closes with 1009", async () => {
  const connected = async () => {
    const client = new Client(new WebSocket(`ws://${server.host}/echo`, { perMessageDeflate: false }));
    await once(client.socket, "open");
    return client;
  };
  const client = await connected();
  client.send(new Uint8Array(), "", new Uint8Array(32 * MIB));
  expect(await client.take(3)).toEqual(["binary 0", "text 0", `binary ${32 * MIB}`]);
  await client.close(1000);
  const over = await connected();
  over.send(new Uint8Array(32 * MIB + 1));
  expect(await over.closed).toMatchObject({ code: 1009 });
  await isWell();
  expect(await left()).toBe(1);
});
