// A clock that only its test moves. It replaces the timers, and can sleep as a laptop does.
import { vi } from "vitest";

interface Due {
  readonly at: number;
  readonly run: () => void;
}

/** Runs pending promise reactions. A client awaits only a few in a row. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}

export class SimulatedClock {
  time = 0;
  #next = 1;
  readonly #due = new Map<number, Due>();
  readonly #set = new Set<number>();

  constructor() {
    vi.stubGlobal("setTimeout", (run: () => void, milliseconds = 0) => {
      const timer = this.after(milliseconds, () => {
        this.#set.delete(timer);
        run();
      });
      this.#set.add(timer);
      return timer;
    });
    vi.stubGlobal("clearTimeout", (timer: number) => {
      this.#set.delete(timer);
      this.#due.delete(timer);
    });
    vi.stubGlobal("performance", { now: () => this.time });
  }

  /** The number of pending timers of `setTimeout`. */
  get timers(): number {
    return this.#set.size;
  }

  /** The number of all pending events, including those of the network. */
  get size(): number {
    return this.#due.size;
  }

  after(milliseconds: number, run: () => void): number {
    // Node also waits at least 1 ms.
    this.#due.set(this.#next, { at: this.time + Math.max(Math.trunc(milliseconds), 1), run });
    return this.#next++;
  }

  async advance(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    await settled();
    for (let first; (first = this.#first(end));) {
      const [timer, { at, run }] = first;
      this.#due.delete(timer);
      this.time = Math.max(this.time, at);
      run();
      await settled();
    }
    this.time = Math.max(this.time, end);
  }

  /** Time passes without running a timer. Then the timers that are due run, late. */
  async sleep(milliseconds: number): Promise<void> {
    this.time += milliseconds;
    await this.advance(0);
  }

  #first(end: number): [number, Due] | undefined {
    let first: [number, Due] | undefined;
    for (const one of this.#due) if (one[1].at <= end && (!first || one[1].at < first[1].at)) first = one;
    return first;
  }
}
