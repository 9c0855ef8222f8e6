// Transactions that roll back: what else was written meanwhile goes with them.

/**
 * Has an object told of each transaction of its storage that rolls back.
 *
 * @param rolledBack writes again what the transaction has taken along
 */
export function watchRollbacks(storage: DurableObjectStorage, rolledBack: () => void): void {
  const transaction = storage.transaction.bind(storage);
  const transactionSync = storage.transactionSync.bind(storage);
  storage.transactionSync = (closure) => {
    try {
      return transactionSync(closure);
    } catch (error) {
      rolledBack();
      throw error;
    }
  };
  storage.transaction = async (closure) => {
    let isKept = false;
    try {
      const result = await transaction(async (txn) => {
        const rollback = txn.rollback.bind(txn);
        let isRolledBack = false;
        txn.rollback = () => {
          isRolledBack = true;
          rollback();
        };
        const returned = await closure(txn);
        isKept = !isRolledBack;
        return returned;
      });
      return result;
    } finally {
      if (!isKept) rolledBack();
    }
  };
}
