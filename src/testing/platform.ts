// What tests have of the platform, where they run in workerd under `@cloudflare/vitest-plugin`.
/// <reference types="@cloudflare/vitest-plugin/types" />
import { TestEnvironmentError } from "./errors.ts";

type Platform = typeof import("cloudflare:test");

// Asked once, when this is imported: elsewhere there is no such module.
const found: Platform | undefined = await import("cloudflare:test").catch(() => undefined);

/**
 * What `cloudflare:test` has.
 *
 * @param name of the function that needs it
 * @throws {@link TestEnvironmentError} where there is none
 */
export function platformFor(name: string): Platform {
  if (found) return found;
  throw new TestEnvironmentError(
    `${name} needs cloudflare:test: call it in a test that runs under @cloudflare/vitest-plugin.`,
  );
}
