// The requests to contenders that have topics.

/** The topic of the publications. */
export const NEWS = "news-0";

/** How many publications a history keeps. */
export const KEPT = 1000;

/** How many publications a client that asks for a replay gets. */
export const REPLAYED = 500;

export const PAYLOAD = "x".repeat(200);

/** The topics that a connection subscribes to as it is opened: `?topic=other&topics=10`, by default one of the news. */
export const topicsOf = (query: URLSearchParams): string[] =>
  Array.from({ length: Number(query.get("topics") ?? 1) }, (_, index) => `${query.get("topic") ?? "news"}-${index}`);

/** The message that makes the object collect garbage first. */
export const COLLECT = "collect";

/** Collects garbage, so that live memory can be measured. It needs the engine's flag. */
export const collect = (): void =>
  (globalThis as unknown as { gc: (how: object) => void }).gc({ type: "major", flavor: "last-resort" });

/** @returns a function that tells how many rows the object has written since, counted as billed: deleted ones too */
export function rowsOf({ sql }: DurableObjectStorage): () => number {
  let rows = 0;
  const exec = sql.exec.bind(sql);
  sql.exec = (query, ...bindings) => {
    const cursor = exec(query, ...bindings);
    rows += cursor.rowsWritten;
    return cursor as never;
  };
  return () => rows;
}
