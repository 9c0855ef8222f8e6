// The SQL of the tables of histories, and the keys of topics and blocks in them.

/** The number of the form of the tables. */
export const FORM = 1;

export const CREATE = `
CREATE TABLE IF NOT EXISTS socle_topics (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL, base INTEGER NOT NULL, age INTEGER NOT NULL, expires INTEGER NOT NULL, form INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS socle_blocks (
  key INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, size INTEGER NOT NULL, expires INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS socle_ids (
  topic INTEGER NOT NULL, id TEXT NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (topic, id)
) WITHOUT ROWID;
`;

/**
 * How many offsets a topic may have in one epoch. The key of a block is its topic's id followed by its first offset, in
 * one number: a second index would be a second row, and a table without a row id stores little of a row in its page.
 */
export const SPAN = 2 ** 34;

/** The maximum id: with an offset it is still a safe integer. */
export const MOST_TOPICS = 2 ** 19;

export const keyOf = (topic: number, offset: number): number => topic * SPAN + offset;

/** The keys of a topic's blocks, from an offset on. */
export const rangeOf = (topic: number, from = 0): [number, number] => [keyOf(topic, from), keyOf(topic, SPAN - 1)];

export const BLOCKS = "FROM socle_blocks WHERE key BETWEEN ? AND ?";

/** A topic without a block. */
export const EMPTY = `NOT EXISTS (SELECT 1 FROM socle_blocks WHERE key BETWEEN id * ${SPAN} AND id * ${SPAN} + ${SPAN - 1})`;

/** The first id that is followed by a free one. */
export const GAP =
  "SELECT id FROM socle_topics AS one WHERE NOT EXISTS (SELECT 1 FROM socle_topics WHERE id = one.id + 1) ORDER BY id LIMIT 1";

export const WITH_TOPICS = `FROM socle_blocks JOIN socle_topics ON id = key / ${SPAN}`;
