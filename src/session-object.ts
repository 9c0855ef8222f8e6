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

  constructor(attachment: Attachment, slot: 1 | 2, link: SendLink, codec: Codec = {}) {
    this.#attachment = attachment;
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
    if (this.#attachment.keeps) this.#write(this.#codec.serializeSession ? this.#codec.serializeSession(value) : value);
    this.value = value;
  }

  /**
   * Keeps what a callback changed.
   *
   * @param isFinal false while another may still change it: what can't be kept then waits for that one's end
   * @throws {@link SessionObjectError}; the last object that could be kept takes its place, as after hibernation
   */
  keep(isFinal = true): void {
    try {
      const isKept = this.#isKept && this.#attachment.keeps;
      if (isKept && (this.#codec.serializeSession !== undefined || difference(this.value, this.#copy, this.#same))) {
        this.replace(this.value);
      }
    } catch (error) {
      if (!isFinal) return;
      this.resume();
      throw error;
    }
  }

  /** Takes what was kept last. What fails is returned, never thrown. */
  resume(): Error | undefined {
    try {
      const data = reviveChannels(structuredClone(this.#copy), this.#link);
      this.value = this.#codec.deserializeSession ? this.#codec.deserializeSession(data) : data;
      this.#isKept = true;
      return undefined;
    } catch (error) {
      return toError(error);
    }
  }

  get #copy(): unknown {
    return this.#attachment.kept[this.#slot];
  }

  #write(data: unknown): void {
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
