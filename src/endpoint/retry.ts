// Sends a request to an object, and repeats it after a failure that may be temporary.
import { DeploymentError } from "../api/errors.ts";
import type { WorkerContext } from "../api/handshake-decision.ts";
import { GONE } from "../options/version.ts";
import { report } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { REFUSED, unavailable } from "./handshake.ts";

/** How often a request is tried, and half of the maximum delay before the second attempt, in milliseconds. */
const TRIES = 3;
const DELAY = 100;

/** Asks an object, and asks again if the platform says that the error is retryable. */
export async function ask(
  stub: () => DurableObjectStub,
  request: Request,
  ctx: Pick<WorkerContext, "waitUntil">,
  path: string,
): Promise<Response> {
  for (let tries = 1; ; tries++) {
    try {
      // A new stub each time: after a failure a stub keeps failing.
      const answered = stub().fetch(request);
      // A client that resets its connection ends this request. Without waitUntil the object's request would end too:
      // nobody would take its 101, and the object would never learn that the client is gone.
      ctx.waitUntil(answered.catch(() => {}));
      const response = await answered;
      if (response.headers.has(REFUSED)) return disagreeing(response, path);
      // The platform's response has immutable headers, and middleware around the container changes them.
      return new Response(response.body, response);
    } catch (error) {
      const { retryable, overloaded } = toError(error) as { retryable?: boolean; overloaded?: boolean };
      if (!retryable && !overloaded) throw error;
      if (overloaded || tries === TRIES || !/^(GET|HEAD)$/.test(request.method)) {
        report(`503 for ${path}`, error);
        return unavailable();
      }
      await scheduler.wait(Math.random() * DELAY * 2 ** tries);
    }
  }
}

/** The object refuses a request that passed the Worker's checks. */
function disagreeing({ status }: Response, path: string): Response {
  const text = `The object answered ${status} to a request that its Worker accepted: its version is different, or ${GONE}.`;
  report(`503 for ${path}`, new DeploymentError(text));
  return unavailable();
}
