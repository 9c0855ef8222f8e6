// Maps the epochs of the object's histories to those of the reference.

/** Matches a position in a text. */
const POSITIONS = /\b([\da-f]{12}|epoch\d+)\.(\d+)/g;

export class Epochs {
  /** Maps the names in both directions. */
  readonly #names = new Map<string, string>();

  knows(position: string): boolean {
    return this.#names.has(position.split(".")[0]!);
  }

  /** Replaces the object's epochs in a text by the reference's, and learns new pairs from the expected text. */
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
