// Answers to pings that Socle gives itself: for sockets that don't hibernate, and where the platform has another endpoint's pair.
import type { Subject } from "../session/subject.ts";
import { spend } from "./budget.ts";

/** Twenty at once, then one each second: nobody is told whether the client reads them, and what it doesn't is kept. */
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

  /** Answers a ping; those past the budget by one answer, a second later. */
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
    // As the platform's, it waits for no credit.
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(this.#response);
  };
}

/** Of sessions whose object answers to another endpoint's text: the platform has one pair for all of an object's sockets. */
const answers = new WeakMap<Subject, Answers>();

/** Answers a ping that has reached the object. */
export function answer(session: Subject, response: string): undefined {
  session.sent();
  session.heard();
  let own = answers.get(session);
  if (!own) answers.set(session, (own = new Answers(session.webSocket, response)));
  own.ping();
}
