// A Worker that streams answers, and stops them: docs/streaming.md shows it.
import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

interface Env {
  /** The URL of a model that answers a text with a text, which it streams. */
  MODEL: string;
  Answers: DurableObjectNamespace<Answers>;
  Assistant: DurableObjectNamespace<Assistant>;
}

const container = new ServerContainer<Env>({ endpoint: "Answers" });

async function* answerTo(question: string, { MODEL }: Env, signal: AbortSignal): AsyncGenerator<string> {
  const response = await fetch(MODEL, { method: "POST", body: question, signal });
  if (!response.ok) throw new Error(`The model says ${response.status}`);
  yield* response.body!.pipeThrough(new TextDecoderStream());
}

addEndpoint(container, "/ask", {
  flowControl: true,
  async onText(_, question, session) {
    for await (const part of answerTo(question, session.env, session.signal)) {
      await session.asyncRemote.sendText(JSON.stringify({ part }));
    }
    await session.asyncRemote.sendText(JSON.stringify({ end: "done" }));
  },
});

export class Answers extends container.Endpoint {}

/** A client's message: a question, or a request to stop the answer of this tab or the answers of all tabs. */
type Message = { ask: string } | { stop: "mine" | "all" };

interface Answer {
  stop: AbortController;
  /** Resolves when nothing more of the answer is sent. */
  ended: Promise<void>;
}

export class Assistant extends Endpoint<Env, unknown, "/assistant/{conversation}"> {
  /** The answers under way, by the ids of their sessions. */
  readonly #answers = new Map<string, Answer>();

  override onText(_: unknown, text: string, session: Session): void {
    const message = JSON.parse(text) as Message;
    if ("ask" in message) this.#ask(message.ask, session);
    else if (message.stop === "all") this.stop(String(session.userPrincipal));
    else this.#answers.get(session.id)?.stop.abort();
  }

  /** Stops the answers in all tabs of a user. From elsewhere in the Worker it is an RPC method. */
  stop(user: string): void {
    for (const { id } of this.openSessions(user)) this.#answers.get(id)?.stop.abort();
  }

  #ask(question: string, session: Session): void {
    const former = this.#answers.get(session.id);
    former?.stop.abort();
    const stop = new AbortController();
    const ended = this.#answer(question, session, stop.signal, former?.ended);
    const answer = { stop, ended };
    this.#answers.set(session.id, answer);
    const forget = () => this.#answers.get(session.id) === answer && this.#answers.delete(session.id);
    // Not returned, or the session's next message would wait for it. This keeps the object awake all the same.
    this.ctx.waitUntil(ended.then(forget));
  }

  /** Never rejects, because nobody would handle the rejection. */
  async #answer(question: string, session: Session, stopped: AbortSignal, former?: Promise<void>): Promise<void> {
    const signal = AbortSignal.any([session.signal, stopped]);
    const send = (message: object) => session.asyncRemote.sendText(JSON.stringify(message));
    let end = "done";
    await former;
    try {
      for await (const part of answerTo(question, this.env, signal)) {
        signal.throwIfAborted();
        await send({ part });
      }
    } catch (error) {
      end = signal.aborted ? "stopped" : "failed";
      if (!signal.aborted) console.error("An answer failed:", error);
    }
    // If the session has ended, this sends nothing.
    void send({ end });
  }
}

addEndpoint(container, "/assistant/{conversation}", {
  durableObject: Assistant,
  flowControl: true,
  tags: (session) => [String(session.userPrincipal)],
  onHandshake(request) {
    // In place of your own authentication.
    const user = new URL(request.url).searchParams.get("user");
    return user ? { userPrincipal: user } : new Response("Sign in first", { status: 401 });
  },
});

export default container;
