// How the epochs of histories are named: by the object, and by the reference.

/** What looks like a position in a text. */
const POSITIONS = /\b([\da-f]{12}|epoch\d+)\.(\d+)/g;

export class Epochs {
  /** In both directions. */
  readonly #names = new Map<string, string>();

  knows(position: string): boolean {
    return this.#names.has(position.split(".")[0]!);
  }

  /** A text with the reference's names of epochs, of which one may be learnt here. */
  align(real: string | undefined, expected: string): string | undefined {
    const theirs = [...expected.matchAll(POSITIONS)];
    for (const [index, [, epoch]] of [...(real ?? "").matchAll(POSITIONS)].entries()) {
      const name = theirs[index]?.[1];
      if (name === undefined || this.#names.has(name) || this.#names.has(epoch!)) continue;
      this.#names.set(name, epoch!).set(epoch!, name);
    }
    return real && this.named(real);
  }

  named(real: string): string {
    return real.replace(
      POSITIONS,
      (_, epoch: string, offset: string) => `${this.#names.get(epoch) ?? epoch}.${offset}`,
    );
  }
}
