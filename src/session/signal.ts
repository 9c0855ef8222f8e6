// The signal of a session's end: made when somebody asks for it.
import type { CloseReason } from "../api/close-reason.ts";
import { SessionClosedError } from "../api/errors.ts";
import { attempt, type Place } from "../reporting/log.ts";

/** What it needs of its session. */
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

  /** The signal's reason, or what is refused before that. */
  get closedError(): SessionClosedError {
    const { ended } = this.#session;
    return ended ? (this.#reason ??= new SessionClosedError(ended)) : new SessionClosedError();
  }

  /** Tells of the session's end, if it has come. */
  abort(): void {
    if (!this.#session.ended || this.signal.aborted) return;
    const abort = () => this.#controller.abort(this.closedError);
    // What a listener throws comes out of the dispatch.
    attempt("a listener of session.signal failed", abort, this.#session);
  }

  /** Whether a callback has failed because the signal stopped it. */
  isStop(error: Error): boolean {
    const reason = this.signal.reason as SessionClosedError | undefined;
    if (!reason || error === reason) return reason !== undefined;
    try {
      if (error instanceof SessionClosedError) return false;
      // What the platform rejects, such as a fetch with the signal, gets a copy: of the class only the name is left.
      const { name, closeReason } = error as Partial<SessionClosedError>;
      return name === reason.name && closeReason?.closeCode === reason.closeReason!.closeCode;
    } catch {
      return false;
    }
  }
}
