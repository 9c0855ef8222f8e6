// Passes a session's events to its callbacks: one at a time, in the order of arrival, the end last and once.
import { CloseReason } from "../api/close-reason.ts";
import { LimitExceededError } from "../api/errors.ts";
import { TAKEN } from "../channel/queue.ts";
import { attempt, report } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { SENT } from "../sending/remote.ts";
import type { SessionEvent, Subject } from "./subject.ts";
import type { Turn } from "./turns.ts";

/** The log entry for a session object that can't be restored. */
export const UNREADABLE = "the session object can't be read";

/** A revoked proxy throws even for instanceof. */
function isLimit(error: Error): error is LimitExceededError {
  try {
    return error instanceof LimitExceededError;
  } catch {
    return false;
  }
}

const callbackOf = (message: SessionEvent) => (typeof message === "string" ? "onText" : "onBinary");

/** How long queued messages may delay the close after an exceeded limit, in milliseconds. */
const GRACE = 30_000;

export class Dispatch {
  readonly #session: Subject;
  #waiting: SessionEvent[] = [];
  /** A callback is running, so events are queued. */
  #busy = false;
  /** The end has arrived: later events are ignored. */
  isEnding = false;
  /** Continues without waiting for the running callback. */
  #release: (() => void) | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  /** The time after an exceeded limit is over: only `onClose` is still waited for. */
  #isLate = false;

  constructor(session: Subject) {
    this.#session = session;
  }

  /** A limit was exceeded: no more messages are accepted. */
  get isFull(): boolean {
    return this.#grace !== undefined;
  }

  /** How many events are queued behind the running callback. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * The client has exceeded a limit. Queued messages are delivered, then `onError` is called and the session closes;
   * after `GRACE` also if a callback has not settled.
   */
  refuse(error: LimitExceededError): Promise<void> | undefined {
    if (this.isEnding || this.isFull) return undefined;
    this.#grace = setTimeout(() => {
      this.#isLate = true;
      this.#waiting = this.#waiting.filter((event) => event instanceof Error || event instanceof CloseReason);
      this.#release?.();
    }, GRACE);
    return this.#take(error);
  }

  /**
   * Delivers an event now, or after earlier ones: the runtime doesn't wait for one event before it delivers the next.
   *
   * @returns a promise, which keeps the object awake, if a callback returned one
   */
  receive(event: SessionEvent): Promise<void> | undefined {
    if (this.isEnding) return undefined;
    const isMessage = typeof event === "string" || event instanceof ArrayBuffer;
    // Without a running callback the message isn't queued, so the queue can't be too long.
    return isMessage && (this.#busy || this.isFull) ? this.#wait(event) : this.#take(event);
  }

  /** Queues a message, or refuses it if the queue is full. */
  #wait(message: string | ArrayBuffer): Promise<void> | undefined {
    const { maxPendingMessages } = this.#session.definition.config;
    if (this.isFull) return undefined;
    if (this.#waiting.length >= maxPendingMessages) {
      return this.refuse(
        new LimitExceededError(
          1013,
          `${maxPendingMessages} messages are queued behind slow callbacks: see maxPendingMessages.`,
        ),
      );
    }
    this.#waiting.push(message);
    return undefined;
  }

  #take(event: SessionEvent): Promise<void> | undefined {
    this.isEnding = event instanceof CloseReason;
    if (this.#busy) {
      this.#waiting.push(event);
      return undefined;
    }
    this.#busy = true;
    let pending: Promise<void> | undefined;
    try {
      pending = this.#handle(event);
    } catch (error) {
      this.#broken(error);
    }
    if (pending || this.#waiting.length > 0) return this.#drain(pending);
    this.#busy = false;
    return undefined;
  }

  /** As {@link receive} of an error, before any event. `what` is the log entry if there is no `onError`. */
  fail(error: Error, what: string): Promise<void> {
    this.#busy = true;
    return this.#drain(this.#failed(error, what));
  }

  /** The server ends the session: queued events are dropped, and `onClose` comes next. */
  end(reason: CloseReason): void {
    this.isEnding = true;
    this.#waiting = [reason];
    if (this.#busy) return;
    this.#busy = true;
    this.#session.ctx.waitUntil(this.#drain());
  }

  /** Runs `onOpen`, has the socket accepted, and delivers the events that arrived meanwhile. */
  open(accept: () => void): Promise<void> | undefined {
    this.#busy = true;
    const failure = this.#attempt(() => this.#begin());
    if (failure instanceof Promise) return failure.then((failed) => this.#opened(failed, accept));
    return this.#opened(failure, accept);
  }

  /** @returns a promise if there is something to wait for */
  #begin(): unknown {
    const session = this.#session;
    const { callbacks, config } = session.definition;
    const keep = (opened: unknown) => {
      session.opened();
      // onOpen may have assigned session.sessionObject instead of returning a value.
      session.object.replace(opened === undefined ? session.object.value : opened);
    };
    const open = () => {
      // The function of the option tags may have closed the session.
      if (!session.isOpen) return undefined;
      const opened = callbacks.onOpen?.(session, config);
      const isAwaited =
        opened instanceof Promise || typeof (opened as Partial<PromiseLike<unknown>>)?.then === "function";
      return isAwaited ? (async () => keep(await opened))() : keep(opened);
    };
    return session.begin()?.then(open) ?? open();
  }

  #opened(failure: Error | undefined, accept: () => void): Promise<void> | undefined {
    const session = this.#session;
    const goOn = () => {
      accept();
      this.#busy = this.#waiting.length > 0;
      if (this.#busy) session.ctx.waitUntil(this.#drain());
    };
    if (!failure) return goOn() as undefined;
    session.object.value = undefined;
    const wasOpen = session.isOpen;
    return this.#failed(failure, "onOpen failed").then(() => {
      // onError may have closed the session with a reason of its own.
      if (wasOpen) session.end(new CloseReason(1011));
      goOn();
    });
  }

  /** Continues when the running event is done, at least one microtask later, until the queue is empty. */
  async #drain(pending?: Promise<void>): Promise<void> {
    try {
      await pending;
    } catch (error) {
      this.#broken(error);
    }
    for (let event; (event = this.#waiting.shift()) !== undefined;) {
      try {
        await this.#handle(event);
      } catch (error) {
        this.#broken(error);
      }
    }
    this.#busy = false;
  }

  /** An odd value can throw where no error is expected: the session ends instead of hanging. */
  #broken(error: unknown): void {
    report("a session is closed with 1011", error, this.#session);
    this.#session.end(new CloseReason(1011));
  }

  /** @returns a promise if there is something to wait for */
  #handle(event: SessionEvent): Promise<void> | undefined {
    const failure = event instanceof Error ? event : this.#attempt(event);
    return failure instanceof Promise
      ? failure.then((failed) => this.#handled(event, failed))
      : this.#handled(event, failure);
  }

  #handled(event: SessionEvent, failure: Error | undefined): Promise<void> | undefined {
    const session = this.#session;
    if (!(event instanceof CloseReason)) {
      return failure && this.#failed(failure, failure === event ? undefined : `${callbackOf(event)} failed`);
    }
    if (failure) {
      report("onClose failed", failure, session);
      session.tell({ type: "error", session, error: failure });
    }
    session.forget(event);
    return undefined;
  }

  #deliver(event: SessionEvent): unknown {
    const session = this.#session;
    const { object, definition } = session;
    const { callbacks } = definition;
    if (typeof event === "string") return callbacks.onText?.(object.value, event, session);
    if (event instanceof ArrayBuffer) return callbacks.onBinary?.(object.value, event, session);
    if (event instanceof Error) return callbacks.onError!(object.value, session, event);
    if (this.#grace) clearTimeout(this.#grace);
    const failure = object.isRead ? undefined : this.#load();
    session.leave();
    const close = () => callbacks.onClose?.(object.value, session, event);
    return failure ? this.#failed(failure, UNREADABLE).then(close) : close();
  }

  /** A session that is closed while it hibernates, for example with all others: reads its object for its `onClose`. */
  #load(): Error | undefined {
    try {
      return this.#session.load();
    } catch (error) {
      return toError(error);
    }
  }

  /** @param what the log entry if there is no `onError` */
  async #failed(error: Error, what = isLimit(error) ? "a limit was exceeded" : "the socket failed"): Promise<void> {
    const session = this.#session;
    const { callbacks } = session.definition;
    session.tell({ type: "error", session, error });
    const failing = callbacks.onError ? this.#attempt(error) : error;
    if (this.#isLate) this.#release?.();
    const failure = await failing;
    if (failure) report(callbacks.onError ? "onError failed" : what, failure, session);
    // The application may have thrown one whose code is invalid or can't be read.
    if (isLimit(error)) attempt("a session can't be closed", () => session.close(error.closeCode), session);
    if (!callbacks.onError) session.close(1011);
  }

  /** Runs a callback, or the callback of an event, and keeps what it changed. An error is returned, never thrown. */
  #attempt(work: SessionEvent | (() => unknown)): Error | undefined | Promise<Error | undefined> {
    const turn = this.#session.turns.begin(this.#session.object);
    try {
      const result = (typeof work === "function" ? work() : this.#deliver(work)) as PromiseLike<unknown> | undefined;
      // Waiting for a put or a send that is already done would cost the runtime several microseconds.
      if (typeof result?.then !== "function" || result === TAKEN || result === SENT) return this.#end(turn);
      this.#session.turns.wait(turn);
      return new Promise((resolve) => {
        const failed = (error: unknown) => resolve(this.#end(turn, toError(error)));
        this.#release = () => resolve(this.#end(turn));
        try {
          Promise.resolve(result).then(this.#release, failed);
        } catch (error) {
          // Thrown by a promise with its own `then` or `constructor`.
          failed(error);
        }
      });
    } catch (error) {
      return this.#end(turn, toError(error));
    }
  }

  /** A callback that the session's signal stopped has not failed. */
  #end(turn: Turn, thrown?: Error): Error | undefined {
    const session = this.#session;
    const failure = thrown && session.isStop(thrown) ? undefined : thrown;
    try {
      session.turns.end(turn);
      return failure;
    } catch (error) {
      return failure ?? toError(error);
    }
  }
}
