// Makes an object hibernate or end, when a test needs it.
import { HibernationError, TestEnvironmentError } from "./errors.ts";
import { platformFor } from "./platform.ts";

/** How long an object may take, in milliseconds: less than a test may take by Vitest's default. */
const PATIENCE = 4000;

/** The options of {@link hibernate} and {@link drop}. */
export interface HibernateOptions {
  /** How long the object may take, in milliseconds; 4,000 if absent. */
  timeoutMs?: number;
}

/**
 * Makes an object hibernate. Its memory is lost, and its sockets stay open. The next event wakes it.
 *
 * ```ts
 * await hibernate(container.stub(env, "/chat/lobby"));
 * expect(await ann.next()).toBe("still here");
 * ```
 *
 * @throws {@link HibernationError} if the object stays awake; the platform's error if it is not running;
 * {@link TestEnvironmentError} if there is no `cloudflare:test`, or one without `evictDurableObject`
 */
export const hibernate = (stub: DurableObjectStub, options?: HibernateOptions): Promise<void> =>
  evict("hibernate", stub, options);

/**
 * Ends an object and all of its sockets, as a crash does, or a deploy that doesn't wait. The next request creates it
 * again.
 *
 * ```ts
 * await drop(container.stub(env, "/chat/lobby"));
 * expect(await ann.closed).toMatchObject({ code: 1006 });
 * ```
 *
 * @throws {@link HibernationError} if the object stays awake; the platform's error if it is not running;
 * {@link TestEnvironmentError} if there is no `cloudflare:test`, or one without `evictDurableObject`
 */
export const drop = (stub: DurableObjectStub, options?: HibernateOptions): Promise<void> =>
  evict("drop", stub, options);

async function evict(
  name: "hibernate" | "drop",
  stub: DurableObjectStub,
  { timeoutMs = PATIENCE }: HibernateOptions = {},
): Promise<void> {
  const { evictDurableObject } = platformFor(name);
  // `@cloudflare/vitest-pool-workers` 0.16.20 has it, 0.16.15 does not.
  if (!evictDurableObject) {
    throw new TestEnvironmentError(
      `${name} needs evictDurableObject, which this cloudflare:test doesn't have: update to @cloudflare/vitest-plugin.`,
    );
  }
  const { promise, reject } = Promise.withResolvers<never>();
  const awake = () =>
    reject(
      new HibernationError(
        `The object is still awake after ${timeoutMs} ms: a callback or a send is under way, or a session has hibernate: false.`,
      ),
    );
  const timer = setTimeout(awake, timeoutMs);
  try {
    await Promise.race([evictDurableObject(stub, { webSockets: name === "drop" ? "close" : "hibernate" }), promise]);
  } finally {
    clearTimeout(timer);
  }
}
