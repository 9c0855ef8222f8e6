// The answers to the text of `autoResponse` under the standard API, where the platform gives none.
import { spend } from "./limits.ts";

/** Twenty at once, then one each second: nobody is told whether the client reads them, and what it doesn't is kept. */
const BUDGET = { messages: 20, perMs: 20_000 };

export class AutoResponse {
  readonly #send: () => void;
  #spentUntil = 0;
  #timer: ReturnType<typeof setTimeout> = 0 as never;

  constructor(send: () => void) {
    this.#send = send;
  }

  /** Answers a ping; those past the budget by one answer, a second later. */
  ping(): void {
    if (!this.#timer) this.#answer();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  readonly #answer = (): void => {
    const spentUntil = spend(BUDGET, this.#spentUntil, Date.now());
    this.#timer = spentUntil ? (0 as never) : setTimeout(this.#answer, 1000);
    if (!spentUntil) return;
    this.#spentUntil = spentUntil;
    this.#send();
  };
}
