// A position: the epoch of a topic's history, and the offset of a publication in it. To others it is an opaque text.

/** @returns undefined for a text that is not a position */
export function parsePosition(text: string): { epoch: string; offset: number } | undefined {
  const [, epoch, digits] = /^([\w-]{1,40})\.(0|[1-9]\d{0,15})$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { epoch, offset: Number(digits) };
}

/** The part of a history that decides where a subscription begins. */
export interface Reach {
  readonly epoch: string;
  readonly newest: number;
  /** The oldest publication that anybody may receive. */
  firstAt(now: number): number;
  /** The lowest offset, not below `from`, from which on the publications have at most this many bytes. */
  fitting(from: number, most: number): number;
}

/** Where a subscription begins. */
export interface Start {
  readonly recovered: boolean;
  /** The first publication that it receives. */
  readonly next: number;
}

/**
 * Where a subscription begins that has everything up to a position, or wants a number of the newest publications.
 *
 * @param since a position, or a client's text that claims to be one
 * @param most how many bytes may be replayed
 */
export function startIn(history: Reach, since: string | undefined, last: number, now: number, most: number): Start {
  const { epoch, newest } = history;
  const first = history.firstAt(now);
  const position = since === undefined ? undefined : parsePosition(since);
  const next = position && position.epoch === epoch ? position.offset + 1 : 0;
  if (next >= first && next <= newest + 1 && history.fitting(next, most) === next) return { recovered: true, next };
  return { recovered: false, next: history.fitting(Math.max(first, newest + 1 - last), most) };
}
