// Disturbs calls between the objects of a path: a call fails before or after it arrives, arrives twice or late, or ends
// the other object.
import { Endpoint } from "socle";
import { vi } from "vitest";

import type { Fault } from "./shards-script.ts";

type Told = Parameters<Endpoint["socle"]>[0];

export class Faults {
  /** False while a sequence is checked: then no call is disturbed. */
  isActive = false;
  /** The number of calls that were disturbed. */
  count = 0;
  #calls = 0;
  /** For each object, how many more calls to it fail. */
  readonly cut = new Map<string, number>();
  /** How many calls in one direction have failed in a row. The objects give up after too many. */
  readonly #failed = new Map<string, number>();

  /**
   * @param plan the faults of the calls, one after the other
   * @param died called when an object is about to end
   */
  constructor(
    readonly plan: readonly Fault[],
    died: (name: string) => void,
  ) {
    // oxlint-disable-next-line typescript/unbound-method -- it is called with the object
    const { socle } = Endpoint.prototype;
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment -- that of the method is the object
    const faults = this;
    vi.spyOn(Endpoint.prototype, "socle").mockImplementation(function (this: Endpoint, told, form) {
      const { ctx } = this as unknown as { ctx: DurableObjectState };
      const end = (): never => {
        died(ctx.id.name!);
        ctx.abort("crash");
        throw new Error("secret: it is gone");
      };
      return faults.#play(ctx.id.name!, told, () => socle.call(this, told, form), end);
    });
  }

  async #play(name: string, told: Told, call: () => Promise<unknown>, end: () => never): Promise<unknown> {
    if (!this.isActive || (told[0] !== "ask" && told[0] !== "deliver")) return call();
    const way = told[0] === "ask" ? `root from ${told[1].shard}` : name;
    const left = this.cut.get(name) ?? 0;
    if (left > 0) {
      this.cut.set(name, left - 1);
      this.count++;
      throw new Error("secret: cut");
    }
    const fault = this.plan.length > 0 ? this.plan[this.#calls++ % this.plan.length]! : "none";
    const failed = this.#failed.get(way) ?? 0;
    if (failed >= 2 || fault === "none") {
      this.#failed.delete(way);
      return call();
    }
    this.count++;
    if (fault !== "comes twice" && fault !== "comes again later" && fault !== "is slow")
      this.#failed.set(way, failed + 1);
    switch (fault) {
      case "fails before it arrives":
        throw new Error("secret: lost on the way");
      case "fails after it has arrived":
        await call();
        throw new Error("secret: the answer is lost");
      case "comes twice":
        return (await Promise.all([call(), call()]))[0];
      case "comes again later": {
        const answer = await call();
        setTimeout(() => void call().catch(() => {}), 5);
        return answer;
      }
      case "fails, and comes later":
        setTimeout(() => void call().catch(() => {}), 3);
        throw new Error("secret: on its way");
      case "is slow":
        await scheduler.wait(20);
        return call();
      case "the other object dies before":
        return end();
      case "the other object dies after":
        await call();
        return end();
      default:
        return call();
    }
  }
}
