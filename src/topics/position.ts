// A position: the epoch of a topic's history, and the offset of a publication in it. To all others it is an opaque text.

/** @returns undefined for what is none */
export function parsePosition(text: string): { epoch: string; offset: number } | undefined {
  const [, epoch, digits] = /^([\w-]{1,40})\.(0|[1-9]\d{0,15})$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { epoch, offset: Number(digits) };
}

/** Where a subscription begins. */
export interface Start {
  readonly recovered: boolean;
  /** The first publication that it gets. */
  readonly next: number;
}
