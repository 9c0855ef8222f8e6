// The way of an event to its callback: one at a time per session, in the order of arrival, the end last and once.
import { CloseReason } from "../api/close-reason.ts";
import { LimitExceededError } from "../api/errors.ts";
import { TAKEN } from "../channel/queue.ts";
import { attempt, report } from "../reporting/log.ts";
import { toError } from "../reporting/thrown.ts";
import { SENT } from "../sending/remote.ts";
import type { SessionEvent, Subject } from "./subject.ts";
import type { Turn } from "./turns.ts";

/** What the log is told of a session object that can't be made again. */
export const UNREADABLE = "the session object can't be read";

/** A proxy may throw even for that. */
function isLimit(error: Error): error is LimitExceededError {
  try {
    return error instanceof LimitExceededError;
  } catch {
    return false;
  }
}

const callbackOf = (message: SessionEvent) => (typeof message === "string" ? "onText" : "onBinary");

/** How long what waits behind an exceeded limit may hold the session, in milliseconds. */
const GRACE = 30_000;

export class Dispatch {
  readonly #session: Subject;
  #waiting: SessionEvent[] = [];
  /** A callback is under way: events wait. */
  #busy = false;
  /** The end has come: nothing is taken behind it. */
  isEnding = false;
  /** Goes on without waiting for the callback under way. */
  #release: (() => void) | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  /** The time after an exceeded limit is over: no callback is waited for but `onClose`. */
  #isLate = false;

  constructor(session: Subject) {
    this.#session = session;
  }

  /** A limit was exceeded: no more messages are taken. */
  get isFull(): boolean {
    return this.#grace !== undefined;
  }

  /** How many events wait for the callback under way. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * The client has exceeded a limit: what waits is delivered, then `onError` is told and the session closes, in time also
   * if a callback never settles.
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
   * Delivers an event now, or once those before it are done: the runtime doesn't wait for one before the next.
   *
   * @returns a promise, which keeps the object awake, if a callback returned one
   */
  receive(event: SessionEvent): Promise<void> | undefined {
    if (this.isEnding) return undefined;
    const isMessage = typeof event === "string" || event instanceof ArrayBuffer;
    // One that comes while nothing is under way is in no queue that could be too long.
    return isMessage && (this.#busy || this.isFull) ? this.#wait(event) : this.#take(event);
  }

  /** A message waits, if it may. */
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

  /** As {@link receive} of an error, before any event, with what the log is told where there is no `onError`. */
  fail(error: Error, what: string): Promise<void> {
    this.#busy = true;
    return this.#drain(this.#failed(error, what));
  }

  /** The server ends the session: what waits is dropped, and `onClose` comes next. */
  end(reason: CloseReason): void {
    this.isEnding = true;
    this.#waiting = [reason];
    if (this.#busy) return;
    this.#busy = true;
    this.#session.ctx.waitUntil(this.#drain());
  }

  /** Runs `onOpen` to its end, has the socket accepted, and delivers what came meanwhile. */
  open(accept: () => void): Promise<void> | undefined {
    this.#busy = true;
    const failure = this.#attempt(() => this.#begin());
    if (failure instanceof Promise) return failure.then((failed) => this.#opened(failed, accept));
    return this.#opened(failure, accept);
  }

  /** @returns what is to be waited for, if there is something */
  #begin(): unknown {
    const session = this.#session;
    const { callbacks, config } = session.definition;
    const keep = (opened: unknown) => {
      session.opened();
      // It may have assigned session.sessionObject instead.
      session.object.replace(opened === undefined ? session.object.value : opened);
    };
    const open = () => {
      // The option tags may have closed it.
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
      // It may have closed it with a reason of its own before.
      if (wasOpen) session.end(new CloseReason(1011));
      goOn();
    });
  }

  /** Goes on once the event under way is done, a microtask later at least, until none waits. */
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

  /** Something odd throws even where nobody looks at it: the session ends, and is not left waiting. */
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

  /** A session that is closed while it hibernates, among many: its object is read for its `onClose`. */
  #load(): Error | undefined {
    try {
      return this.#session.load();
    } catch (error) {
      return toError(error);
    }
  }

  /** @param what tells the log, where there is no `onError` */
  async #failed(error: Error, what = isLimit(error) ? "a limit was exceeded" : "the socket failed"): Promise<void> {
    const session = this.#session;
    const { callbacks } = session.definition;
    session.tell({ type: "error", session, error });
    const failing = callbacks.onError ? this.#attempt(error) : error;
    if (this.#isLate) this.#release?.();
    const failure = await failing;
    if (failure) report(callbacks.onError ? "onError failed" : what, failure, session);
    // The application may have thrown one with any code, or with one that can't be read.
    if (isLimit(error)) attempt("a session can't be closed", () => session.close(error.closeCode), session);
    if (!callbacks.onError) session.close(1011);
  }

  /** Runs a callback, or an event's own, and keeps what it changed. What fails is returned, never thrown. */
  #attempt(work: SessionEvent | (() => unknown)): Error | undefined | Promise<Error | undefined> {
    const turn = this.#session.turns.begin(this.#session.object);
    try {
      const result = (typeof work === "function" ? work() : this.#deliver(work)) as PromiseLike<unknown> | undefined;
      // To wait for a put or a send that is done would cost the runtime several microseconds.
      if (typeof result?.then !== "function" || result === TAKEN || result === SENT) return this.#end(turn);
      this.#session.turns.wait(turn);
      return new Promise((resolve) => {
        const failed = (error: unknown) => resolve(this.#end(turn, toError(error)));
        this.#release = () => resolve(this.#end(turn));
        try {
          Promise.resolve(result).then(this.#release, failed);
        } catch (error) {
          // From a promise with a `then` or a `constructor` of its own.
          failed(error);
        }
      });
    } catch (error) {
      return this.#end(turn, toError(error));
    }
  }

  /** One that was stopped by the session's signal has not failed. */
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
