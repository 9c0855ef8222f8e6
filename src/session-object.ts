// The session object: in memory while the object lives, in the socket's attachment while it hibernates.
import { clearAttachment, readAttachment, writeAttachment } from "./attachment.ts";
import { difference, uncloneable, type Difference } from "./difference.ts";
import { report, SessionObjectError, toError } from "./errors.ts";
import { isKeptChannel, reviveChannels, type SendLink } from "./send-channel.ts";

/** How an endpoint turns its session object into plain data and back, where it is no plain data itself. */
export interface SessionCodec<T> {
  /** Turns the session object into plain data, in which send channels may stand. Called after each callback. */
  serializeSession?(sessionObject: T): unknown;
  /** Makes the session object again from what {@link serializeSession} returned. */
  deserializeSession?(data: unknown): T;
}

export class SessionObject {
  value: unknown;
  readonly #socket: WebSocket;
  readonly #facts: string;
  readonly #link: SendLink;
  readonly #codec: SessionCodec<unknown>;
  /** What the attachment brings back. */
  #copy: unknown;
  /** Undefined before the first is kept, false after the session's end. */
  #keeps: boolean | undefined;

  /** @param facts what the attachment holds beside the session object */
  constructor(socket: WebSocket, facts: string, link: SendLink, codec: SessionCodec<unknown>) {
    this.#socket = socket;
    this.#facts = facts;
    this.#link = link;
    this.#codec = codec;
  }

  /**
   * Keeps another session object instead.
   *
   * @throws {@link SessionObjectError}; the former stays
   */
  replace(value: unknown): void {
    if (this.#keeps !== false) this.#write(this.#codec.serializeSession ? this.#codec.serializeSession(value) : value);
    this.value = value;
  }

  /**
   * Keeps what a callback changed.
   *
   * @throws {@link SessionObjectError}; the last object that could be kept takes its place, as after hibernation
   */
  keep(): void {
    if (!this.#changed) return;
    try {
      this.replace(this.value);
    } catch (error) {
      this.resume();
      throw error;
    }
  }

  /** Keeps what can be kept of what callbacks under way have changed so far. */
  keepIfPossible(): void {
    try {
      if (this.#changed) this.replace(this.value);
    } catch {
      // The callback's end tells.
    }
  }

  get #changed(): boolean {
    if (!this.#keeps) return false;
    return this.#codec.serializeSession !== undefined || this.#difference(this.value, this.#copy) !== undefined;
  }

  /**
   * Takes the session object from the attachment.
   *
   * @param copy what it holds, if that was read already
   */
  resume(copy = this.#read()): void {
    this.#copy = copy;
    const data = reviveChannels(this.#read(), this.#link);
    this.value = this.#codec.deserializeSession ? this.#codec.deserializeSession(data) : data;
    this.#keeps = true;
  }

  /** The session has ended: the object stays for `onClose`, and the socket forgets it. */
  end(): void {
    this.#keeps = false;
    try {
      clearAttachment(this.#socket);
    } catch (error) {
      report("a socket took no mark of its session's end", error);
    }
  }

  #read(): unknown {
    return readAttachment(this.#socket)![2];
  }

  #write(data: unknown): void {
    try {
      writeAttachment(this.#socket, this.#facts, data);
    } catch (thrown) {
      const cause = toError(thrown);
      if (cause.name === "DataCloneError") throw refusal(uncloneable(data));
      throw new SessionObjectError(
        `The session object can't be kept in the socket, which holds 16,384 bytes with the session's URL: ${cause.message}`,
      );
    }
    const copy = this.#read();
    const found = this.#difference(data, copy, true);
    if (found) {
      writeAttachment(this.#socket, this.#facts, this.#copy);
      throw refusal(found);
    }
    this.#copy = copy;
    this.#keeps = true;
  }

  #difference(data: unknown, copy: unknown, own?: boolean): Difference | undefined {
    return difference(data, copy, (object, kept) => isKeptChannel(object, kept, this.#link), own);
  }
}

function refusal([path, value]: Difference): SessionObjectError {
  const what = typeof value === "object" && value ? (value.constructor?.name ?? "no prototype") : typeof value;
  return new SessionObjectError(
    `Hibernation would change sessionObject${path} (${what}): keep plain data there, or use serializeSession and deserializeSession.`,
  );
}
