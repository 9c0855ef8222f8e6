// Transactions of the application's that roll back: what Socle wrote meanwhile goes with them, and is written again.

/** What has something in storage. */
export interface Written {
  /** A transaction may have taken it along. */
  rewrite(): void;
}

/** What was written while a transaction is open, by the storage that has one. */
const meanwhile = new WeakMap<DurableObjectStorage, Set<Written>>();

/** Something was written, or deleted. */
export function wrote(storage: DurableObjectStorage, written: Written): void {
  meanwhile.get(storage)?.add(written);
}

/**
 * Has what is written in a storage written again when a transaction rolls back.
 *
 * @param rewritten comes behind it
 */
export function watchRollbacks(storage: DurableObjectStorage, rewritten: () => void): void {
  const transaction = storage.transaction.bind(storage);
  const transactionSync = storage.transactionSync.bind(storage);
  /** One within another may be kept, and be rolled back with that. */
  let open = 0;
  const begin = (): void => {
    if (open++ === 0) meanwhile.set(storage, new Set());
  };
  const end = (isKept: boolean): void => {
    const all = meanwhile.get(storage) ?? [];
    if (--open === 0) meanwhile.delete(storage);
    if (isKept) return;
    for (const written of all) written.rewrite();
    rewritten();
  };
  storage.transactionSync = (closure) => {
    let isKept = false;
    begin();
    try {
      const result = transactionSync(closure);
      isKept = true;
      return result;
    } finally {
      end(isKept);
    }
  };
  storage.transaction = async (closure) => {
    let isKept = false;
    begin();
    try {
      return await transaction(async (txn) => {
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
      end(isKept);
    }
  };
}
