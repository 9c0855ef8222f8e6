// The platform's test module, which exists in workerd under `@cloudflare/vitest-plugin`.
/// <reference types="@cloudflare/vitest-plugin/types" />
import { TestEnvironmentError } from "./errors.ts";

type Platform = typeof import("cloudflare:test");

// Imported once, with this module. Elsewhere there is no such module.
const found: Platform | undefined = await import("cloudflare:test").catch(() => undefined);

/**
 * The exports of `cloudflare:test`.
 *
 * @param name the function that needs them
 * @throws {@link TestEnvironmentError} if there is no such module
 */
export function platformFor(name: string): Platform {
  if (found) return found;
  throw new TestEnvironmentError(
    `${name} needs cloudflare:test: call it in a test that runs under @cloudflare/vitest-plugin.`,
  );
}
