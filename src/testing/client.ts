// A client of an endpoint under test. It waits for each message and for the close; if one doesn't arrive, its error
// tells what did.
import { ConnectionClosedError, HandshakeError, TimeoutError } from "./errors.ts";

/** How long a client waits, in milliseconds: less than a test may take by Vitest's default. */
const PATIENCE = 4000;

const ORIGIN = "https://socle.test";

/** A text, or the bytes of a binary message. */
export type Message = string | ArrayBuffer;

/** How a session ended, as seen by its client. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/**
 * Anything that answers requests: `exports.default` of `cloudflare:workers`, a service binding, or the stub of an
 * object.
 */
export interface Fetches {
  fetch(request: Request): Promise<Response>;
}

/** The options of {@link connect}. */
export interface ConnectOptions {
  /** The subprotocols that the client offers. */
  protocols?: string | readonly string[];
  /** The headers of the handshake, such as `Origin`, `Cookie` or `Authorization`. */
  headers?: HeadersInit;
  /** How long the client waits for a message or for the close, in milliseconds; 4,000 if absent. */
  timeoutMs?: number;
}

/**
 * A WebSocket client in a test, created by {@link connect}. It keeps the messages that arrive, so you miss nothing
 * between two calls.
 *
 * ```ts
 * const ann = await connect(exports.default, "/chat/lobby?name=Ann");
 * ann.send("hello");
 * expect(await ann.next()).toBe("Ann: hello");
 * expect(await ann.close()).toMatchObject({ code: 1005 });
 * ```
 */
export class Client implements AsyncIterable<Message> {
  /** The platform's socket, for what this class doesn't offer. */
  declare readonly socket: WebSocket;
  /** The 101 response, with its headers. */
  declare readonly response: Response;
  /** All messages that arrived, including those that were taken. */
  readonly messages: readonly Message[] = [];
  readonly #timeout: number;
  #taken = 0;
  #closed: Closed | undefined;
  #changed = Promise.withResolvers<void>();

  /**
   * @param response a 101 whose socket was not accepted yet
   * @param timeoutMs how long each wait may take; 4,000 if absent
   */
  constructor(response: Response, timeoutMs = PATIENCE) {
    this.response = response;
    this.#timeout = timeoutMs;
    const socket = response.webSocket!;
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      (this.messages as Message[]).push(data as Message);
      this.#change();
    });
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      this.#closed = { code, reason, wasClean };
      this.#change();
    });
    socket.accept();
  }

  /** The negotiated subprotocol; "" if there is none. */
  get protocol(): string {
    return this.response.headers.get("Sec-WebSocket-Protocol") ?? "";
  }

  /** The messages that arrived and were not taken yet. */
  get unread(): readonly Message[] {
    return this.messages.slice(this.#taken);
  }

  /**
   * Resolves when the session has ended. Messages that arrived before can still be taken.
   *
   * @throws {@link TimeoutError} if it doesn't end in time; you need not await the rejection
   */
  get closed(): Promise<Closed> {
    const closed = this.#until(() => this.#closed, "The session has not ended");
    closed.catch(() => {});
    return closed;
  }

  /** Sends texts, and bytes as binary messages. */
  send(...messages: readonly (string | ArrayBuffer | ArrayBufferView)[]): void {
    for (const message of messages) this.socket.send(message);
  }

  /**
   * Takes the next message; waits until it arrives.
   *
   * @throws {@link ConnectionClosedError} if the session ends first; {@link TimeoutError} if none arrives in time
   */
  next(): Promise<Message> {
    return this.#until(() => {
      const message = this.#take();
      if (message === undefined && this.#closed) {
        const { code, reason } = this.#closed;
        throw new ConnectionClosedError(
          `No message before the session ended with ${code}${reason && ` "${reason}"`}: ${this.#tale}.`,
        );
      }
      return message;
    }, "No message");
  }

  /** Takes this many messages, and waits for each as {@link next} does. */
  async take(count: number): Promise<Message[]> {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Sends a message, and takes the next one that arrives: the answer, if the endpoint answers each message. */
  ask(message: string | ArrayBuffer | ArrayBufferView): Promise<Message> {
    this.send(message);
    return this.next();
  }

  /**
   * Closes the connection.
   *
   * @param code 1000, or one from 3000 to 4999; without it the Close frame has no code
   * @returns how the session ended
   */
  close(code?: number, reason?: string): Promise<Closed> {
    this.socket.close(code, reason);
    return this.closed;
  }

  /** Takes messages until the session ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    for (;;) {
      const message = await this.#until(() => this.#take() ?? (this.#closed && null), "Neither a message nor a close");
      if (message === null) return;
      yield message;
    }
  }

  #take(): Message | undefined {
    return this.#taken < this.messages.length ? this.messages[this.#taken++] : undefined;
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }

  /** Looks immediately, and after each event, until there is a result. */
  async #until<T>(look: () => T | undefined, missed: string): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const late = () => reject(new TimeoutError(`${missed} in ${this.#timeout} ms: ${this.#tale}.`));
    const timer = setTimeout(late, this.#timeout);
    try {
      for (;;) {
        const found = look();
        if (found !== undefined) return found;
        await Promise.race([this.#changed.promise, promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** What arrived so far, for an error's message. */
  get #tale(): string {
    const last = this.messages.at(-1);
    if (last === undefined) return "none arrived";
    const shown = typeof last === "string" ? JSON.stringify(last) : `${last.byteLength} bytes`;
    return `${this.messages.length} arrived, the last ${shown}, and ${this.#taken} were taken`;
  }
}

/**
 * Opens a session, as a client does.
 *
 * ```ts
 * import { exports } from "cloudflare:workers";
 *
 * const client = await connect(exports.default, "/chat/lobby", { headers: { Origin: "https://example.com" } });
 * ```
 *
 * @param fetcher the Worker under test, or the stub of an object
 * @param path may have a query
 * @throws {@link HandshakeError} if the status of the answer is not 101
 */
export async function connect(
  fetcher: Fetches,
  path: string,
  { protocols = [], headers = {}, timeoutMs }: ConnectOptions = {},
): Promise<Client> {
  const handshake = new Headers(headers);
  handshake.set("Upgrade", "websocket");
  const offered = [protocols].flat().join(", ");
  if (offered) handshake.set("Sec-WebSocket-Protocol", offered);
  const response = await fetcher.fetch(new Request(new URL(path, ORIGIN), { headers: handshake }));
  if (!response.webSocket) throw new HandshakeError(path, response, await response.text());
  return new Client(response, timeoutMs);
}
