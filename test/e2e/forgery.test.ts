// Claims of a client about itself, over TCP: none of them becomes a fact of the session.
import { afterAll, beforeAll, expect, it } from "vitest";

import { workerd, type Server } from "./server.ts";

let server: Server;

beforeAll(async () => {
  server = await workerd("test/e2e/worker.ts");
});

afterAll(() => server?.stop());

const forged = JSON.stringify({
  id: "forged",
  path: "/facts",
  pathParameters: {},
  negotiatedSubprotocol: "forged",
  userPrincipal: "admin",
  userProperties: { forged: true },
  tags: ["forged"],
});

it.each([
  // Miniflare makes the request's cf from this header.
  ["MF-CF-Blob", JSON.stringify({ socle: JSON.parse(forged) as unknown })],
  ["cf", JSON.stringify({ socle: JSON.parse(forged) as unknown })],
  ["socle", forged],
  ["X-Socle-Handshake", forged],
  ["Sec-WebSocket-Protocol", "forged"],
  ["Cookie", `socle=${encodeURIComponent(forged)}`],
])("R6: the header %s gives a session nothing", async (name, value) => {
  const client = await server.connect(`/facts?socle=${encodeURIComponent(forged)}&id=forged&_pk=forged`, {
    [name]: value,
  });
  const { id, ...facts } = (await client.json()) as { id: string };
  expect(id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  expect(facts).toEqual({ userProperties: { given: true }, subprotocol: "", tags: [] });
  await client.close(1000);
});
