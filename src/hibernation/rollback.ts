// Transactions of the application's that roll back: what Socle wrote meanwhile goes with them, and is written again.

/** What has something in storage. */
export interface Written {
  /** A transaction may have taken it along. */
  rewrite(): void;
}

/** What was written while a transaction is open, by the storage that has one. */
const meanwhile = new WeakMap<DurableObjectStorage, Set<Written>>();

/**
 * Something was written, or deleted.
 *
 * @returns what stands for the transaction that is open; undefined if none is
 */
export function wrote(storage: DurableObjectStorage, written: Written): object | undefined {
  return meanwhile.get(storage)?.add(written);
}

/**
 * Has what is written in a storage written again when a transaction rolls back.
 *
 * @param rewritten comes behind it
 */
export function watchRollbacks(storage: DurableObjectStorage, rewritten: () => void): void {
  const transactions = new Transactions(storage, rewritten);
  storage.transactionSync = (closure) => transactions.runSync(closure);
  storage.transaction = (closure) => transactions.run(closure);
}

/** Those of a storage. They are compiled when there is one, which in most objects is never. */
class Transactions {
  readonly #storage: DurableObjectStorage;
  readonly #platform: Pick<DurableObjectStorage, "transaction" | "transactionSync">;
  readonly #rewritten: () => void;
  /** One within another may be kept, and be rolled back with that. */
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
