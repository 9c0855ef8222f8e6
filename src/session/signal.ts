// The signal of a session's end, created at the first access.
import type { CloseReason } from "../api/close-reason.ts";
import { SessionClosedError } from "../api/errors.ts";
import { attempt, type Place } from "../reporting/log.ts";

/** The part of its session that is needed. */
interface Ending extends Place {
  /** Why it has ended, if it has. */
  readonly ended: CloseReason | undefined;
}

export class EndSignal {
  readonly #controller = new AbortController();
  readonly #session: Ending;
  #reason: SessionClosedError | undefined;

  constructor(session: Ending) {
    this.#session = session;
    this.abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The signal's reason, or the error of a send before the session has ended. */
  get closedError(): SessionClosedError {
    const { ended } = this.#session;
    return ended ? (this.#reason ??= new SessionClosedError(ended)) : new SessionClosedError();
  }

  /** Aborts the signal, if the session has ended. */
  abort(): void {
    if (!this.#session.ended || this.signal.aborted) return;
    const abort = () => this.#controller.abort(this.closedError);
    // An error of a listener comes out of the dispatch.
    attempt("a listener of session.signal failed", abort, this.#session);
  }

  /** Whether a callback has failed because the signal stopped it. */
  isStop(error: Error): boolean {
    const reason = this.signal.reason as SessionClosedError | undefined;
    if (!reason || error === reason) return reason !== undefined;
    try {
      if (error instanceof SessionClosedError) return false;
      // What the platform rejects, such as a fetch with the signal, has a copy of the reason: of its class only the
      // name is left.
      const { name, closeReason } = error as Partial<SessionClosedError>;
      return name === reason.name && closeReason?.closeCode === reason.closeReason!.closeCode;
    } catch {
      return false;
    }
  }
}
