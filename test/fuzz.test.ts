// Random input against the rules: paths, handshakes, close codes, messages. The seed is the model's.
import * as fc from "fast-check";
import { addEndpoint, CloseReasonError, type EndpointConfig } from "socle";
import { assert, expect, inject, it, vi } from "vitest";

import { Router } from "../src/endpoint/router.ts";
import { readAttachment } from "../src/hibernation/attached.ts";
import { Attachment } from "../src/hibernation/attachment.ts";
import { request } from "./support/client.ts";
import { freshPath, serve } from "./support/endpoint.ts";
import { container } from "./support/worker.ts";

const options = { seed: inject("model").seed, numRuns: 300 };

const text = fc.constantFrom("a", "b", "é", "x%20y", "%61", "𝒞", "a.b", "");
const template = fc.array(fc.oneof(text, fc.constant("{}")), { minLength: 1, maxLength: 3 });
const segment = fc.oneof(
  { weight: 5, arbitrary: text },
  {
    weight: 4,
    arbitrary: fc.constantFrom("%C3%A9", "%2F", "%", "%zz", "..", ".", "%2e%2e", "{a}", "a%00", "x".repeat(8192)),
  },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme" }) },
);

const flat = fc.dictionary(
  fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "constructor", "length", "0", "-1")),
  fc.oneof(fc.string({ unit: "binary" }), fc.double(), fc.bigInt(), fc.constantFrom(null, undefined, true, "\ud800")),
  { maxKeys: 6 },
);

it("R22: of an object without objects, what is kept in memory is what the attachment brings back", () => {
  const property = fc.property(flat, (object) => {
    const { 1: socket } = new WebSocketPair();
    const storage = {} as DurableObjectStorage;
    const attachment = new Attachment(socket, { storage }, "id", { hibernate: true } as EndpointConfig, {
      facts: "{}",
      kept: ["{}", undefined, undefined],
    });
    const kept = attachment.write(1, object, undefined) as object;
    const back = readAttachment(socket, storage)!.kept![1] as object;
    assert.deepEqual(Object.entries(kept), Object.entries(back));
    assert.deepEqual(Reflect.ownKeys(kept), Reflect.ownKeys(back));
    assert.equal(Object.getPrototypeOf(kept), Object.getPrototypeOf(back));
  });
  fc.assert(property, options);
});

/** The decoded segment; undefined if its escapes are malformed. */
function decoded(one: string): string | undefined {
  try {
    return decodeURIComponent(one);
  } catch {
    return undefined;
  }
}

it("R1, R2: each path finds the template that the rules say, or none, and no two that match the same are taken", () => {
  const property = fc.property(
    fc.array(template, { maxLength: 8 }),
    fc.array(segment, { maxLength: 4 }),
    (all, path) => {
      const router = new Router<string>();
      const taken = new Map<string, string[]>();
      for (const segments of all) {
        const named = `/${segments.map((one, index) => (one === "{}" ? `{p${index}}` : one)).join("/")}`;
        const shape = JSON.stringify(segments.map(decoded));
        if (taken.has(shape)) assert.throws(() => router.add(named, named), /matches the same paths as/);
        else router.add(named, named);
        if (!taken.has(shape)) taken.set(shape, segments);
      }
      const { pathname } = new URL(`https://socle.test/${path.join("/").replace(/[?#\\]/g, "")}`);
      const wanted = pathname.slice(1).split("/").map(decoded);
      const fitting = wanted.includes(undefined)
        ? []
        : [...taken.values()].filter(
            (segments) =>
              segments.length === wanted.length &&
              segments.every((one, index) => (one === "{}" ? wanted[index] !== "" : decoded(one) === wanted[index])),
          );
      // Texts come before parameters, compared from the left.
      const kinds = (segments: string[]) => segments.map((one) => Number(one === "{}")).join("");
      const [best] = fitting.toSorted((a, b) => (kinds(a) < kinds(b) ? -1 : 1));
      const match = router.match(pathname);
      expect(match?.value).toBe(best && `/${best.map((one, index) => (one === "{}" ? `{p${index}}` : one)).join("/")}`);
      if (!best) return;
      const parameters = best.flatMap((one, index) => (one === "{}" ? [[`p${index}`, wanted[index]]] : []));
      expect(match!.pathParameters).toEqual(Object.fromEntries(parameters));
      // All spellings lead to one object.
      expect(router.match(match!.concretePath)?.concretePath).toBe(match!.concretePath);
    },
  );
  fc.assert(property, options);
});

it("R4, R7: each handshake gets the answer that the rules say, and a neighbour stays as it is", async () => {
  const logged = vi.spyOn(console, "error");
  const subprotocols = ["chat", "v2.chat"];
  const path = freshPath();
  addEndpoint(container, path, {
    subprotocols,
    allowedOrigins: ["https://example.com", "https://*.example.org"],
    onText: (_, message, session) => session.asyncRemote.sendText(message),
  });
  const neighbour = (await request(path, { headers: { Upgrade: "websocket" } })).webSocket!;
  neighbour.accept();
  const answers: unknown[] = [];
  neighbour.addEventListener("message", ({ data }) => void answers.push(data));
  const handshake = fc.record({
    known: fc.nat(9).map(Boolean),
    upgrade: fc.constantFrom("websocket", "websocket", "WebSocket", "WEBSOCKET", "h2c", "", undefined),
    version: fc.constantFrom("13", "13", undefined, "8", "13, 13", "012"),
    origin: fc.constantFrom(
      undefined,
      undefined,
      "https://example.com",
      "https://a.example.org",
      "https://example.org",
      "null",
      "https://evil.com",
      "https://a.example.org.evil.com",
      "HTTPS://EXAMPLE.COM",
      "x".repeat(8192),
    ),
    offered: fc.array(fc.constantFrom("chat", "v2.chat", "CHAT", "chat2", "", "a b", "x".repeat(100)), {
      maxLength: 5,
    }),
    separator: fc.constantFrom(", ", ",", " ,  "),
  });
  const property = fc.asyncProperty(handshake, async ({ known, upgrade, version, origin, offered, separator }) => {
    const headers = new Headers();
    if (upgrade !== undefined) headers.set("Upgrade", upgrade);
    if (version !== undefined) headers.set("Sec-WebSocket-Version", version);
    if (origin !== undefined) headers.set("Origin", origin);
    if (offered.length > 0) headers.set("Sec-WebSocket-Protocol", offered.join(separator));
    const response = await request(known ? path : `${path}/nowhere`, { headers });
    const isUpgrade = upgrade?.toLowerCase() === "websocket";
    const isAllowed = origin === undefined || origin === "https://example.com" || origin === "https://a.example.org";
    const status = !known ? 404 : !isUpgrade || !["13", undefined].includes(version) ? 426 : isAllowed ? 101 : 403;
    expect(response.status).toBe(status);
    if (status !== 101) await response.text();
    else {
      const names = new Set(
        offered
          .join(separator)
          .split(",")
          .map((one) => one.trim()),
      );
      const agreed = response.headers.get("Sec-WebSocket-Protocol") ?? "";
      assert.equal(agreed, subprotocols.find((name) => names.has(name)) ?? "");
      response.webSocket!.accept();
      response.webSocket!.close();
    }
    const count = answers.length;
    neighbour.send(`${count}`);
    await vi.waitUntil(() => answers.length > count, { timeout: 30_000, interval: 1 });
    expect(answers.at(-1)).toBe(`${count}`);
  });
  await fc.assert(property, options);
  expect(logged).not.toHaveBeenCalled();
  logged.mockRestore();
});

it("R17: session.close takes any code and phrase that a Close frame carries, and refuses the rest", async () => {
  const endpoint = serve({
    async onText(_, message, session) {
      const [code, phrase] = JSON.parse(message) as [number, string];
      try {
        session.close(code, phrase);
      } catch (error) {
        await session.asyncRemote.sendText(String(error instanceof CloseReasonError && session.isOpen));
      }
    },
  });
  const code = fc.oneof(
    fc.integer({ min: 990, max: 1020 }),
    fc.integer({ min: -1, max: 70_000 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  const phrase = fc.oneof(
    fc.string({ unit: "binary", maxLength: 130 }),
    fc.constantFrom("𝒞".repeat(30), "𝒞".repeat(31), "\ud800".repeat(41), "\udc00".repeat(42), "é".repeat(62)),
  );
  const property = fc.asyncProperty(code, phrase, async (closeCode, reason) => {
    const client = await endpoint.connect();
    const carried =
      Number.isInteger(closeCode) &&
      ((closeCode >= 1000 && closeCode <= 1003) ||
        (closeCode >= 1007 && closeCode <= 1014) ||
        (closeCode >= 3000 && closeCode <= 4999)) &&
      new TextEncoder().encode(reason).length <= 123;
    client.send(JSON.stringify([closeCode, reason]));
    if (carried) assert.include(await client.closed, { code: closeCode, reason: reason.toWellFormed() });
    else {
      assert.equal(await client.next(), "true");
      client.socket.close(1000);
    }
  });
  await fc.assert(property, options);
});

/** The platform replaces half a character that a client sends by one U+FFFD for each of its bytes. */
const delivered = (sent: string) => sent.replace(/\p{Surrogate}/gu, "\ufffd".repeat(3));

it("R13, R27, P6: all texts and all bytes arrive, none too small, and what is no Unicode as its replacement", async () => {
  const endpoint = serve({
    onText: (_, message, session) => session.asyncRemote.sendText(message),
    onBinary: (_, data, session) => session.asyncRemote.sendBinary(data),
  });
  const escaped = serve({
    onText: (_, message, session) => session.asyncRemote.sendText(JSON.parse(message) as string),
  });
  const client = await endpoint.connect();
  const other = await escaped.connect();
  const anyText = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("", "\ud800", "\udc00\ud800", "\u0000", "\ufeff", "𝒞"),
  );
  const property = fc.asyncProperty(anyText, fc.uint8Array(), async (message, { buffer }) => {
    expect(await client.ask(message)).toBe(delivered(message));
    expect(await other.ask(JSON.stringify(message))).toBe(message.toWellFormed());
    expect(await client.ask(buffer)).toEqual(buffer);
  });
  await fc.assert(property, options);
});
