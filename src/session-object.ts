// The session object, or the user properties: in memory while the object lives, in the attachment while it hibernates.
import type { Attachment } from "./attachment.ts";
import { difference, loss, type Difference } from "./difference.ts";
import { SessionObjectError, toError } from "./errors.ts";
import { isKeptChannel, reviveChannels, type SendLink } from "./send-channel.ts";
import type { EndpointConfig } from "./ws-endpoint-map.ts";

/** By the attachment's slots. */
const NAMES = ["", "sessionObject", "userProperties"];

type Codec = Pick<EndpointConfig, "serializeSession" | "deserializeSession">;

export class SessionObject {
  declare value: unknown;
  readonly #attachment: Attachment;
  readonly #slot: 1 | 2;
  readonly #link: SendLink;
  readonly #same = (live: object, copy: object): boolean => isKeptChannel(live, copy, this.#link);
  readonly #codec: Codec;
  /** Something is in the attachment: what it brings back is there as it was kept. */
  #isKept = false;
  /** What was kept before a callback that is under way sent something. */
  #former: { readonly copy: unknown } | undefined;
  /** False for one that hibernated, until somebody asks for it. */
  declare isRead: boolean;

  constructor(attachment: Attachment, slot: 1 | 2, link: SendLink, isRead: boolean, codec: Codec = {}) {
    this.#attachment = attachment;
    this.isRead = isRead;
    this.#slot = slot;
    this.#link = link;
    this.#codec = codec;
  }

  /**
   * Keeps another session object instead.
   *
   * @throws {@link SessionObjectError}; the former stays
   */
  replace(value: unknown): void {
    if (this.#attachment.keeps) this.#save(this.#serialize(value));
    this.#former = undefined;
    this.value = value;
    this.isRead = true;
  }

  /**
   * Keeps what a callback changed.
   *
   * @param isFinal false while another may still change it: what can't be kept then waits for that one's end
   * @throws {@link SessionObjectError}; the last object that could be kept takes its place, as after hibernation
   */
  keep(isFinal = true): void {
    try {
      const mayHaveChanged = this.#codec.serializeSession !== undefined || this.#differs(this.value);
      if (this.#isKept && this.#attachment.keeps && mayHaveChanged) this.replace(this.value);
      else if (isFinal) this.#former = undefined;
    } catch (error) {
      if (!isFinal) return;
      if (this.#former) this.#attachment.write(this.#slot, this.#former.copy);
      this.#former = undefined;
      this.resume();
      throw error;
    }
  }

  /** Keeps what a callback has changed so far, before it sends. Its end judges it: until then it may be what it can't stay. */
  keepAhead(): void {
    try {
      if (!this.#isKept) return;
      const former = { copy: this.#copy };
      const data = this.#serialize(this.value);
      if (!this.#differs(data)) return;
      this.#save(data);
      this.#former ??= former;
    } catch {
      // Its end tells.
    }
  }

  /** Takes what was kept last. What fails is returned, never thrown. */
  resume(): Error | undefined {
    this.isRead = true;
    try {
      const data = reviveChannels(structuredClone(this.#copy), this.#link);
      this.value = this.#codec.deserializeSession ? this.#codec.deserializeSession(data) : data;
      this.#isKept = true;
      return undefined;
    } catch (error) {
      return toError(error);
    }
  }

  /** Changes are kept in storage too, which a crash leaves. */
  get isStored(): boolean {
    return this.#attachment.isStored;
  }

  #differs(data: unknown): boolean {
    return difference(data, this.#copy, this.#same) !== undefined;
  }

  #serialize(value: unknown): unknown {
    return this.#codec.serializeSession ? this.#codec.serializeSession(value) : value;
  }

  get #copy(): unknown {
    return this.#attachment.kept[this.#slot];
  }

  #save(data: unknown): void {
    const former = this.#copy;
    const lost = loss(data, () => this.#attachment.write(this.#slot, data), this.#same);
    if (lost) {
      this.#attachment.write(this.#slot, former);
      throw this.#refusal(lost);
    }
    this.#isKept = true;
  }

  #refusal([path, value]: Difference): SessionObjectError {
    const what = typeof value === "object" && value ? (value.constructor?.name ?? "no prototype") : typeof value;
    return new SessionObjectError(
      `Hibernation would change ${NAMES[this.#slot]}${path} (${what}): keep plain data there, or use ${
        this.#slot === 1 ? "serializeSession and deserializeSession, or " : ""
      }hibernate: false.`,
    );
  }
}
