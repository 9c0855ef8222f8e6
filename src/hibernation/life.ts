// The object's life, which hibernation doesn't end and a crash does.

/** The most that the platform takes for the time of an event: seven days. */
const MAX_EVENT = 604_800_000;

interface Life {
  readonly ctx: DurableObjectState;
  /** Something is in storage that a crash would leave. */
  isMarked: boolean;
}

const lives = new WeakMap<DurableObjectStorage, Life>();

/** An object wakes: its life has no mark if it is new, if a crash lies behind it, or if nothing in storage has asked for one. */
export const beginLife = (ctx: DurableObjectState): void =>
  void lives.set(ctx.storage, { ctx, isMarked: !isUnmarked(ctx) });

/**
 * Marks the life of the object that writes something which a crash leaves. The list of its sockets doesn't tell a crash: it lacks
 * those whose close is about to be delivered, which may be all. But an event's time limit is kept as long as the sockets. It
 * costs each event of the object 0.1 to 0.3 µs, so objects that write nothing have no mark.
 */
export function markLife(storage: DurableObjectStorage): void {
  const life = lives.get(storage);
  if (!life || life.isMarked) return;
  life.isMarked = true;
  renewMark(storage);
}

/** A socket is accepted: the application may have taken away the mark, or have a limit of its own. */
export function renewMark(storage: DurableObjectStorage): void {
  const life = lives.get(storage);
  if (life?.isMarked && isUnmarked(life.ctx)) life.ctx.setHibernatableWebSocketEventTimeout(MAX_EVENT);
}

export const isUnmarked = (ctx: DurableObjectState): boolean => ctx.getHibernatableWebSocketEventTimeout() === null;
