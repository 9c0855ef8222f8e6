// `socle/testing` outside of tests, and under an older test runner: it can be imported, and unsupported functions say so.
import { join } from "node:path";

import { afterAll, beforeAll, expect, it } from "vitest";

import { workerd, type Server } from "./server.ts";

let server: Server;
let older: Server;
beforeAll(async () => {
  const alias = { "cloudflare:test": join(import.meta.dirname, "testing-older.ts") };
  server = await workerd("test/e2e/testing-worker.ts");
  older = await workerd("test/e2e/testing-worker.ts", { alias });
});
afterAll(() => Promise.all([server, older].map((one) => one?.stop())));

it.each(["hibernate", "drop", "redeploy"])("D4: %s throws by name where there is no cloudflare:test", async (name) => {
  expect(await server.text(`/${name}`)).toBe(
    `TestEnvironmentError: ${name} needs cloudflare:test: call it in a test that runs under @cloudflare/vitest-plugin.`,
  );
  // The import did nothing.
  const client = await server.connect("/echo");
  client.send("a");
  expect(await client.next()).toBe("a");
});

it.each(["hibernate", "drop"])(
  "D4: %s throws by name where cloudflare:test has no evictDurableObject",
  async (name) => {
    expect(await older.text(`/${name}`)).toBe(
      `TestEnvironmentError: ${name} needs evictDurableObject, which this cloudflare:test doesn't have: update to @cloudflare/vitest-plugin.`,
    );
  },
);

it("D4: what needs no evictDurableObject works without it", async () => {
  expect(await older.text("/connect")).toBe("hello");
  expect(await older.text("/redeploy")).toBe("done");
  expect((await older.fetch("/echo")).status).toBe(404);
});
