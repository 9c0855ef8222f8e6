// The topics to which a session is subscribed, and the positions with which its client reconnected. They hibernate as
// one text: an array would cost with each change of the session object.
import type { Attachment } from "../hibernation/attachment.ts";
import { SENT } from "../sending/remote.ts";

/** The names, and the positions that no subscription has used. */
type Kept = readonly [names: readonly string[], positions?: readonly (readonly [topic: string, position: string])[]];

/** The names in a kept text. */
export const namesIn = (kept: string): readonly string[] => (JSON.parse(kept) as Kept)[0];

/** The initial text of a session: the positions that its client offered. */
export const beginWith = (positions: ReadonlyMap<string, string>): string | undefined =>
  positions.size > 0 ? textOf([], positions) : undefined;

const textOf = (names: readonly string[], positions: ReadonlyMap<string, string>): string =>
  JSON.stringify(positions.size > 0 ? [names, [...positions]] : [names]);

export class Subscriptions {
  readonly #attachment: Attachment;
  /** An array, because a session has few. */
  readonly #names: string[];
  readonly #positions: Map<string, string>;
  #saving: Promise<void> | undefined;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
    const { subscriptions } = attachment;
    const [names, positions] = subscriptions ? (JSON.parse(subscriptions) as Kept) : [[]];
    this.#names = [...names];
    this.#positions = new Map(positions);
  }

  get names(): readonly string[] {
    return this.#names;
  }

  has(topic: string): boolean {
    return this.#names.includes(topic);
  }

  add(topic: string): void {
    this.#names.push(topic);
  }

  delete(topic: string): boolean {
    const index = this.#names.indexOf(topic);
    if (index >= 0) this.#names.splice(index, 1);
    return index >= 0;
  }

  /** The position of a topic with which the client reconnected. */
  positionOf(topic: string): string | undefined {
    return this.#positions.get(topic);
  }

  /** The position was used; it can be used once. */
  use(topic: string): void {
    this.#positions.delete(topic);
  }

  /** The subscription that used it could not be kept. */
  giveBack(topic: string, position: string): void {
    this.#positions.set(topic, position);
  }

  /** Keeps the changes of this turn. @throws what storage throws */
  save(): Promise<void> {
    return (this.#saving ??= SENT.then(() => {
      this.#saving = undefined;
      const isEmpty = this.#names.length + this.#positions.size === 0;
      this.#attachment.subscribe(isEmpty ? undefined : textOf(this.#names, this.#positions));
    }));
  }
}
