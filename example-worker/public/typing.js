/** How long somebody is said to be typing, and how often one says it at most, in milliseconds. */
export const TYPING = 3000;

/** Whether it is to be said that one types: each keystroke asks. What is sent in between doesn't have it said more often. */
export class Typing {
  #saidAt = -Infinity;

  isDue(now = performance.now()) {
    if (now - this.#saidAt < TYPING) return false;
    this.#saidAt = now;
    return true;
  }
}
