// Answers to pings that Socle sends itself: on sockets that don't hibernate, and if the platform has the pair of
// another endpoint.
import type { Subject } from "../session/subject.ts";
import { spend } from "./budget.ts";

/**
 * Twenty at once, then one each second: Socle can't know whether the client reads them, and the runtime buffers those
 * that it doesn't read.
 */
const BUDGET = { messages: 20, perMs: 20_000 };

export class Answers {
  readonly #socket: WebSocket;
  readonly #response: string;
  #spentUntil = 0;
  #timer: ReturnType<typeof setTimeout> = 0 as never;

  constructor(socket: WebSocket, response: string) {
    this.#socket = socket;
    this.#response = response;
  }

  /** Answers a ping. Pings past the budget share one answer, a second later. */
  ping(): void {
    if (!this.#timer) this.#answer();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  readonly #answer = (): void => {
    const spentUntil = spend(BUDGET, this.#spentUntil, Date.now());
    this.#timer = spentUntil ? (0 as never) : setTimeout(this.#answer, 1000);
    if (!spentUntil) return;
    this.#spentUntil = spentUntil;
    // Like the platform's answer, it doesn't wait for credit.
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(this.#response);
  };
}

/**
 * Of sessions whose object answers another endpoint's text: the platform has one pair for all of an object's sockets.
 */
const answers = new WeakMap<Subject, Answers>();

/** Answers a ping that reached the object. */
export function answer(session: Subject, response: string): undefined {
  session.sent();
  session.heard();
  let own = answers.get(session);
  if (!own) answers.set(session, (own = new Answers(session.webSocket, response)));
  own.ping();
}
