// What a Worker has only if it imports it.
import { expect, it, vi } from "vitest";

it("F1: flowControl is refused in a Worker that doesn't import it, with what to import", async () => {
  // The Worker under test does import it.
  vi.resetModules();
  const { addEndpoint, ServerContainer } = await import("socle");
  expect(() => addEndpoint(new ServerContainer(), "/a", { flowControl: true })).toThrow(
    'The endpoint at "/a" has a wrong flowControl: it must be used with import "socle/flow-control".',
  );
});
