// The sessions that a crash has ended: when the object next wakes, their rows are read and their `onClose` runs.
import { CloseReason } from "../../api/close-reason.ts";
import { SessionVersionError } from "../../api/errors.ts";
import { isUnmarked } from "../../hibernation/life.ts";
import { countTry, dropRow, nextRow, readRow, triesOf, type Kept } from "../../hibernation/row.ts";
import { placeOf, report } from "../../reporting/log.ts";
import type { ServerSession } from "../../session/session.ts";

/** How long the `onClose` of a lost session may delay new events and other lost sessions, in milliseconds. */
const PATIENCE = 10_000;

/** How many are ended at once: all of them may be larger than the memory. */
const FEW = 8;

/** How often an `onClose` may be started: one that resets the object would do so forever. */
const TRIES = 3;

/** The part of the object's sessions that is needed. */
interface Host {
  readonly ctx: DurableObjectState;
  /** Creates the session of a row, whose socket is gone. */
  restore(kept: Kept): ServerSession;
  /** Whether the session has opened since the object woke: it has a row too. */
  has(id: string): boolean;
  /** Reads its session object. An error is returned. */
  read(session: ServerSession): Error | undefined;
  /** A row has an unknown form. */
  unreadable(error: SessionVersionError): void;
}

/**
 * Whether sessions ended with the object's last life and left rows. Checked when an object wakes. The sockets are only
 * counted if there is a row.
 */
export const hasLostSessions = (ctx: DurableObjectState): boolean =>
  isUnmarked(ctx) && nextRow(ctx) !== undefined && ctx.getWebSockets().length === 0;

export class LostSessions {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Ends them, a few at a time. An `onClose` that doesn't settle stops delaying new events after a while. */
  async end(): Promise<void> {
    const ending = this.#endAll();
    await inTime(ending);
    this.#host.ctx.waitUntil(ending);
  }

  async #endAll(): Promise<void> {
    const { ctx } = this.#host;
    const running = new Set<Promise<void>>();
    const tried: [id: string, tries: number][] = [];
    for (let id = nextRow(ctx); id !== undefined; id = nextRow(ctx, id)) {
      if (this.#host.has(id)) continue;
      const kept = this.#read(id);
      const tries = kept ? triesOf(kept) : 0;
      if (tries > 0) tried.push([id, tries]);
      else if (kept) {
        const ending = inTime(this.#end(id, kept)).finally(() => running.delete(ending));
        running.add(ending);
      }
      // The rows that were read are freed when the event loop has turned: 57 MiB for 150 rows of 1 MB.
      await scheduler.wait(0);
      if (running.size >= FEW) await Promise.race(running);
    }
    await Promise.all(running);
    // One of these may have reset the object, so each runs alone, the least tried one first.
    for (const [id] of tried.toSorted(([, one], [, other]) => one - other)) await inTime(this.#end(id, this.#read(id)));
  }

  /** Undefined, and logged, for a row that storage can't read. It is found again when the object next wakes. */
  #read(id: string): Kept | undefined {
    const { ctx } = this.#host;
    try {
      const kept = readRow(ctx.storage, id);
      // Only the row of its subscriptions was left.
      if (!kept) dropRow(ctx.storage, id, placeOf(ctx));
      return kept;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  async #end(id: string, kept: Kept | undefined): Promise<void> {
    if (!kept) return;
    const { storage } = this.#host.ctx;
    try {
      const session = this.#restored(kept, (error) => {
        this.#failed(error);
        dropRow(storage, id, placeOf(this.#host.ctx));
      });
      if (!session) return;
      if (kept[3] === true || !session.definition.config.trackSessions) return session.forget();
      if (triesOf(kept) >= TRIES) return giveUp(session);
      countTry(storage, id, kept);
      // A crash must not lose the count.
      await storage.sync();
      await session.lost(new CloseReason(1006), this.#host.read(session));
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (error instanceof SessionVersionError) return this.#host.unreadable(error);
    report("onClose of a lost session can't run", error, placeOf(this.#host.ctx));
  }

  /** Undefined, and reported, if the session can't be restored, such as one whose endpoint is gone. */
  #restored(kept: Kept, failed: (error: unknown) => void): ServerSession | undefined {
    try {
      return this.#host.restore(kept);
    } catch (error) {
      failed(error);
      return undefined;
    }
  }
}

function giveUp(session: ServerSession): void {
  const error = new Error(`Its onClose was started ${TRIES} times, and the object was reset each time.`);
  const reason = new CloseReason(1006);
  report("a lost session was given up", error, session);
  session.shut(reason);
  session.tell({ type: "error", session, error });
  session.forget(reason);
}

/** Settles with the promise, or after `PATIENCE`. */
async function inTime(promise: Promise<void>): Promise<void> {
  const patience = new AbortController();
  const { signal } = patience;
  await Promise.race([promise, scheduler.wait(PATIENCE, { signal }).catch(() => {})]);
  patience.abort();
}
