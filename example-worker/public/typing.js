/** How long a member is shown as typing, and the least time between two notices, in milliseconds. */
export const TYPING = 3000;

/** Decides for each keystroke whether a notice is due. A line that is sent in between doesn't make one due earlier. */
export class Typing {
  #saidAt = -Infinity;

  isDue(now = performance.now()) {
    if (now - this.#saidAt < TYPING) return false;
    this.#saidAt = now;
    return true;
  }
}
