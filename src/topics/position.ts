// A position: the epoch of a topic's history, and the offset of a publication in it. To all others it is an opaque text.

/** @returns undefined for what is none */
export function parsePosition(text: string): { epoch: string; offset: number } | undefined {
  const [, epoch, digits] = /^([\w-]{1,40})\.(0|[1-9]\d{0,15})$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { epoch, offset: Number(digits) };
}

/** What is known of a history where somebody is to begin in it. */
export interface Reach {
  readonly epoch: string;
  readonly newest: number;
  /** The oldest publication that anybody may get. */
  firstAt(now: number): number;
  /** From which offset on publications come to no more than so many bytes, the newest first; from one at the earliest. */
  fitting(from: number, most: number): number;
}

/** Where a subscription begins. */
export interface Start {
  readonly recovered: boolean;
  /** The first publication that it gets. */
  readonly next: number;
}

/**
 * Where a subscription begins that knows all up to a position, or wants the newest so many.
 *
 * @param since a position, or what a client says is one
 * @param most how many bytes it may be
 */
export function startIn(history: Reach, since: string | undefined, last: number, now: number, most: number): Start {
  const { epoch, newest } = history;
  const first = history.firstAt(now);
  const position = since === undefined ? undefined : parsePosition(since);
  const next = position && position.epoch === epoch ? position.offset + 1 : 0;
  if (next >= first && next <= newest + 1 && history.fitting(next, most) === next) return { recovered: true, next };
  return { recovered: false, next: history.fitting(Math.max(first, newest + 1 - last), most) };
}
