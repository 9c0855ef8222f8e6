// A client of the Worker under test: each message and the close are awaited, never slept for.
import { exports } from "cloudflare:workers";

export interface Closed {
  code: number;
  reason: string;
  wasClean: boolean;
}

export class Client {
  readonly closed: Promise<Closed>;
  readonly #received: (string | ArrayBuffer)[] = [];
  #arrived = () => {};

  constructor(
    readonly socket: WebSocket,
    readonly response: Response,
  ) {
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      this.#received.push(data as string | ArrayBuffer);
      this.#arrived();
    });
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }));
    });
    socket.accept();
  }

  send(...messages: (string | ArrayBuffer)[]): void {
    for (const message of messages) this.socket.send(message);
  }

  /** The next message. The test's own time limit bounds the waiting. */
  async next(): Promise<string | ArrayBuffer> {
    while (this.#received.length === 0) await new Promise<void>((resolve) => (this.#arrived = resolve));
    return this.#received.shift()!;
  }

  async take(count: number): Promise<(string | ArrayBuffer)[]> {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  async ask(message: string | ArrayBuffer): Promise<string | ArrayBuffer> {
    this.send(message);
    return this.next();
  }

  /** Messages that came and were not taken. */
  get unread(): readonly (string | ArrayBuffer)[] {
    return this.#received;
  }
}

export const request = (path: string, init: RequestInit = {}): Promise<Response> =>
  exports.default.fetch(new Request(`https://socle.test${path}`, init));

export const upgrade = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  request(path, { headers: { Upgrade: "websocket", ...headers } });

export async function connect(path: string, headers?: Record<string, string>): Promise<Client> {
  const response = await upgrade(path, headers);
  if (!response.webSocket) throw new Error(`No 101 for ${path}, but ${response.status}: ${await response.text()}`);
  return new Client(response.webSocket, response);
}
