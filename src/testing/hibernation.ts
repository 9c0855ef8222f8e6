// Hibernation when a test wants it, instead of ten seconds after the last event.
/// <reference types="@cloudflare/vitest-plugin/types" />
import { evictDurableObject } from "cloudflare:test";

import { HibernationError } from "./errors.ts";

/** How long an object may take, in milliseconds: less than a test may take by Vitest's default. */
const PATIENCE = 4000;

/** The options of {@link hibernate}. */
export interface HibernateOptions {
  /** How long the object may take, in milliseconds; 4,000 if absent. */
  timeoutMs?: number;
}

/**
 * Has an object hibernate: what it has in memory is gone, and its sockets stay open. The next event wakes it.
 *
 * ```ts
 * await hibernate(container.stub(env, "/chat/lobby"));
 * expect(await ann.next()).toBe("still here");
 * ```
 *
 * @throws {@link HibernationError} if the object stays awake; the platform's error if it is not running
 */
export async function hibernate(
  stub: DurableObjectStub,
  { timeoutMs = PATIENCE }: HibernateOptions = {},
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const awake = () =>
    reject(
      new HibernationError(
        `The object is still awake after ${timeoutMs} ms: a callback or a send is under way, or a session has hibernate: false.`,
      ),
    );
  const timer = setTimeout(awake, timeoutMs);
  try {
    await Promise.race([evictDurableObject(stub), promise]);
  } finally {
    clearTimeout(timer);
  }
}
