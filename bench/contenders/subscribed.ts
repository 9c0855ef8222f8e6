// What those that have topics are asked for.

/** What is published on. */
export const NEWS = "news-0";

/** How many publications a history keeps. */
export const KEPT = 1000;

/** How many a client gets that asks for a replay. */
export const REPLAYED = 500;

export const PAYLOAD = "x".repeat(200);

/** To what a connection subscribes as it is opened: `?topic=other&topics=10`, one of the news if it doesn't say. */
export const topicsOf = (query: URLSearchParams): string[] =>
  Array.from({ length: Number(query.get("topics") ?? 1) }, (_, index) => `${query.get("topic") ?? "news"}-${index}`);

/** The message whose object looks for garbage first. */
export const COLLECT = "collect";

/** Lets go what nobody holds, so that what is held can be measured. The engine's flags have to offer it. */
export const collect = (): void =>
  (globalThis as unknown as { gc: (how: object) => void }).gc({ type: "major", flavor: "last-resort" });

/** @returns what tells how many rows the object has written since; as the platform bills them, deleted ones too */
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
