// Transactions of the application that roll back: they undo what Socle wrote meanwhile, and Socle writes it again.

/** An owner of something in storage. */
export interface Written {
  /** A transaction may have undone its writes. */
  rewrite(): void;
}

/** The owners that wrote while a transaction is open, by its storage. */
const meanwhile = new WeakMap<DurableObjectStorage, Set<Written>>();

/**
 * Notes a write or a deletion.
 *
 * @returns an object that identifies the open transaction; undefined if there is none
 */
export function wrote(storage: DurableObjectStorage, written: Written): object | undefined {
  return meanwhile.get(storage)?.add(written);
}

/**
 * Writes again what Socle wrote in a storage whenever a transaction rolls back.
 *
 * @param rewritten is called after that
 */
export function watchRollbacks(storage: DurableObjectStorage, rewritten: () => void): void {
  const transactions = new Transactions(storage, rewritten);
  storage.transactionSync = (closure) => transactions.runSync(closure);
  storage.transaction = (closure) => transactions.run(closure);
}

/** A class of its own, so that it is compiled only for objects with a transaction, which most objects never have. */
class Transactions {
  readonly #storage: DurableObjectStorage;
  readonly #platform: Pick<DurableObjectStorage, "transaction" | "transactionSync">;
  readonly #rewritten: () => void;
  /** Nested transactions: an inner one may commit and still be rolled back with the outer one. */
  #open = 0;

  constructor(storage: DurableObjectStorage, rewritten: () => void) {
    this.#storage = storage;
    this.#platform = {
      transaction: storage.transaction.bind(storage),
      transactionSync: storage.transactionSync.bind(storage),
    };
    this.#rewritten = rewritten;
  }

  runSync<T>(closure: () => T): T {
    let isKept = false;
    this.#begin();
    try {
      const result = this.#platform.transactionSync(closure);
      isKept = true;
      return result;
    } finally {
      this.#end(isKept);
    }
  }

  async run<T>(closure: (txn: DurableObjectTransaction) => Promise<T>): Promise<T> {
    let isKept = false;
    this.#begin();
    try {
      return await this.#platform.transaction(async (txn) => {
        const rollback = txn.rollback.bind(txn);
        let isRolledBack = false;
        txn.rollback = () => {
          isRolledBack = true;
          rollback();
        };
        const result = await closure(txn);
        isKept = !isRolledBack;
        return result;
      });
    } catch (error) {
      isKept = false;
      throw error;
    } finally {
      this.#end(isKept);
    }
  }

  #begin(): void {
    if (this.#open++ === 0) meanwhile.set(this.#storage, new Set());
  }

  #end(isKept: boolean): void {
    const all = meanwhile.get(this.#storage) ?? [];
    if (--this.#open === 0) meanwhile.delete(this.#storage);
    if (isKept) return;
    for (const written of all) written.rewrite();
    this.#rewritten();
  }
}
