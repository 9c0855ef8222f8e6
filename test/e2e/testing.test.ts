// `socle/testing` where no test runs: it can be imported, and does nothing.
import { afterAll, beforeAll, expect, it } from "vitest";

import { workerd, type Server } from "./server.ts";

let server: Server;
beforeAll(async () => void (server = await workerd("test/e2e/testing-worker.ts")));
afterAll(() => server.stop());

it.each(["hibernate", "drop", "redeploy"])("D4: %s throws by name where there is no cloudflare:test", async (name) => {
  expect(await server.text(`/${name}`)).toBe(
    `TestEnvironmentError: ${name} needs cloudflare:test: call it in a test that runs under @cloudflare/vitest-plugin.`,
  );
  // The import did nothing.
  const client = await server.connect("/echo");
  client.send("a");
  expect(await client.next()).toBe("a");
});
