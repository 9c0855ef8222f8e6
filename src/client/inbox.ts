// The messages that iterations have not taken yet.

export class Inbox<Item> implements AsyncIterable<Item> {
  /** Undefined until there is an iteration. */
  #untaken: (readonly [item: Item, take: () => void])[] | undefined;
  #isEnded = false;
  /** Iterations that wait for an item or for the end. */
  readonly #waiting: (() => void)[] = [];

  /** @param tell dispatches the item's event; without an iteration the item counts as taken after that */
  give(item: Item, take: () => void, tell: () => void): void {
    const untaken = this.#untaken;
    untaken?.push([item, take]);
    tell();
    if (untaken) this.#wake();
    else take();
  }

  /** No more items follow. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** From now on items wait until an iteration takes them. A second iteration continues where the first one stopped. */
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    return this.#iterate((this.#untaken ??= []));
  }

  async *#iterate(untaken: (readonly [Item, () => void])[]): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      const next = untaken.shift();
      if (next) {
        next[1]();
        yield next[0];
      } else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const goOn of this.#waiting.splice(0)) goOn();
  }
}
