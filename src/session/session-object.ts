// The session object, or the user properties: in memory while the object lives, in the attachment while it hibernates.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { SessionObjectError, SessionVersionError } from "../api/errors.ts";
import type { Attachment } from "../hibernation/attachment.ts";
import { hasChanged, loss, MAX_DEPTH, TOO_DEEP, type Difference } from "../hibernation/difference.ts";
import { isFlat } from "../hibernation/plain-data.ts";
import { channelsIn, type Channels, type Slot } from "../hibernation/row.ts";
import { toError } from "../reporting/thrown.ts";
import type { SendLink, SessionSendChannel } from "../sending/send-channel.ts";
import { isChannelOf, keptOf, replaceAll, revived } from "./kept-channels.ts";
import type { Changeable, Turn } from "./turns.ts";

/** By the attachment's slots. */
const NAMES = ["", "sessionObject", "userProperties"];

/** What was kept before. */
interface Former {
  readonly copy: unknown;
  readonly copies: Channels;
  readonly channels: readonly SessionSendChannel[];
}

type Codec = Pick<EndpointConfig, "serializeSession" | "deserializeSession" | "migrateSession">;

export class SessionObject implements Changeable {
  declare value: unknown;
  readonly #attachment: Attachment;
  readonly #slot: Slot;
  readonly #link: SendLink;
  /** Only the channel itself equals its copy, and nothing that looks like it. */
  readonly #isSame = (live: object, copy: object): boolean | undefined => {
    const index = channelsIn(this.#attachment.kept, this.#slot)!.indexOf(copy);
    return index < 0 ? undefined : live === this.#channels[index];
  };
  readonly #codec: Codec;
  /** The send channels in what was kept last, in the order of their copies. */
  #channels: readonly SessionSendChannel[] = [];
  /** The attachment has a value. */
  #isKept = false;
  /** What was kept before a running callback sent something. */
  #before: Former | undefined;
  /** False for a hibernated value until it is needed. */
  declare isRead: boolean;
  turn: Turn | undefined;
  readAt = 0;
  earlier: Changeable | undefined;
  later: Changeable | undefined;

  constructor(attachment: Attachment, slot: Slot, link: SendLink, isRead: boolean, codec: Codec = {}) {
    this.#attachment = attachment;
    this.isRead = isRead;
    this.#slot = slot;
    this.#link = link;
    this.#codec = codec;
  }

  /**
   * Keeps another session object instead.
   *
   * @throws {@link SessionObjectError}; the previous one stays
   */
  replace(value: unknown): void {
    if (this.#attachment.keeps) this.#save(this.#serialize(value));
    this.#before = undefined;
    this.value = value;
    this.isRead = true;
  }

  /**
   * Keeps what a callback changed.
   *
   * @param isFinal false while another callback may still change it: a value that can't be kept then waits for that
   * one's end
   * @throws {@link SessionObjectError}; the last object that could be kept replaces it, as after hibernation
   */
  keep(isFinal = true): void {
    try {
      const isKept = this.#isKept && this.#attachment.keeps;
      if (isKept && (this.#codec.serializeSession || this.#differs(this.value))) this.replace(this.value);
      else if (isFinal) this.#before = undefined;
    } catch (error) {
      if (!isFinal) return;
      if (this.#before) this.#restore(this.#before);
      this.#before = undefined;
      this.resume();
      throw error;
    }
  }

  /**
   * Keeps what a callback has changed so far, before it sends. An invalid value is no error yet: the callback may still
   * change it.
   */
  keepAhead(): void {
    try {
      if (!this.#isKept) return;
      const former = this.#former();
      const data = this.#serialize(this.value);
      if (!this.#differs(data)) return;
      this.#save(data);
      this.#before ??= former;
    } catch {
      // The end of the callback reports it.
    }
  }

  /**
   * Restores what was kept last. An error is returned, never thrown.
   *
   * @param isLast nothing is compared with the kept value any more, so it may change
   */
  resume(isLast = false): Error | undefined {
    this.isRead = true;
    try {
      const data = this.#migrated(this.#revive(isLast), isLast);
      this.value = this.#codec.deserializeSession ? this.#codec.deserializeSession(data) : data;
      this.#isKept = true;
      return undefined;
    } catch (error) {
      return toError(error);
    }
  }

  /**
   * Converts what other code has kept to the form of this code.
   *
   * @throws {@link SessionVersionError}
   */
  #migrated(data: unknown, isLast: boolean): unknown {
    const { renewal } = this.#attachment;
    if (!renewal || this.#slot !== 1) return data;
    const { from } = renewal;
    try {
      const migrated = from === undefined ? data : this.#codec.migrateSession!(data, from);
      if (typeof (migrated as Partial<PromiseLike<unknown>> | undefined)?.then === "function") {
        Promise.resolve(migrated).catch(() => {});
        throw new TypeError("It returned a promise: make it synchronous.");
      }
      if (isLast) return migrated;
      this.#attachment.renew(renewal, () => this.#save(migrated));
      return migrated;
    } catch (cause) {
      const what = from === undefined ? "It can't be saved" : `migrateSession can't convert it from version ${from}`;
      throw new SessionVersionError(`Other code saved the session: ${what}.`, { cause });
    }
  }

  /** Changes are kept in storage too, which survives a crash. */
  get isStored(): boolean {
    return this.#attachment.isStored;
  }

  #differs(data: unknown): boolean {
    const { kept } = this.#attachment;
    return hasChanged(data, kept[this.#slot], channelsIn(kept, this.#slot) && this.#isSame);
  }

  #serialize(value: unknown): unknown {
    return this.#codec.serializeSession ? this.#codec.serializeSession(value) : value;
  }

  #former(): Former {
    const { kept } = this.#attachment;
    return { copy: kept[this.#slot], copies: channelsIn(kept, this.#slot), channels: this.#channels };
  }

  #save(data: unknown): void {
    if (!this.#saveKnown(data)) this.#saveAll(data);
    this.#isKept = true;
  }

  /**
   * For a plain object of primitives, and for a channel alone, the copy is known before the write. It need be neither
   * read back nor compared.
   *
   * @returns false for other values, and for one that can't be cloned: the long way finds out why
   * @throws {@link SessionObjectError} for a value that is too large
   */
  #saveKnown(data: unknown): boolean {
    try {
      if (isFlat(data)) this.#write(data, [], { ...data });
      else if (isChannelOf(data, this.#link)) this.#write(data, [data], keptOf(data));
      else return false;
      return true;
    } catch (error) {
      if (error instanceof SessionObjectError) throw error;
      return false;
    }
  }

  #saveAll(data: unknown): void {
    const former = this.#former();
    // Without channels in the session there are none in the value.
    const found = this.#link.channels.length > 0 ? new Set<SessionSendChannel>() : undefined;
    const note = found && ((live: object) => (isChannelOf(live, this.#link) && found.add(live) ? true : undefined));
    // The comparison with the copy tells which channels the value has. Mostly they are those of the last value, and at
    // first those that onOpen made.
    const likely = this.#isKept ? this.#channels : [...this.#link.channels];
    try {
      const lost = loss(data, () => this.#write(data, likely as SessionSendChannel[]), note);
      if (lost) throw this.#refusal(lost);
      const isOther = found && (found.size !== likely.length || likely.some((one) => !found.has(one!)));
      if (isOther) this.#write(data, [...found]);
    } catch (error) {
      this.#restore(former);
      throw error;
    }
  }

  #write(data: unknown, channels: readonly SessionSendChannel[], known?: object): unknown {
    const copy = this.#attachment.write(this.#slot, data, channels.length > 0 ? channels : undefined, known);
    this.#channels = channels;
    return copy;
  }

  #restore({ copy, copies, channels }: Former): void {
    this.#attachment.write(this.#slot, copy, copies);
    this.#channels = channels;
  }

  /** The kept value, with the send channels in their places. */
  #revive(isLast: boolean): unknown {
    const { kept } = this.#attachment;
    const parts = [kept[this.#slot], channelsIn(kept, this.#slot)];
    const [data, fields] = (isLast ? parts : structuredClone(parts)) as [unknown, (readonly SessionSendChannel[])?];
    if (!fields) return data;
    this.#channels = fields.map((one) => revived(one, this.#link));
    return replaceAll(data, new Map(fields.map((one, index) => [one, this.#channels[index]])));
  }

  #refusal([path, value]: Difference): SessionObjectError {
    return new SessionObjectError(
      `Hibernation would change ${NAMES[this.#slot]}${path} (${kindOf(value)}): keep plain data there, or use ${
        this.#slot === 1 ? "serializeSession and deserializeSession, or " : ""
      }hibernate: false.`,
    );
  }
}

function kindOf(value: unknown): string {
  if (value === TOO_DEEP) return `over ${MAX_DEPTH} levels`;
  try {
    return typeof value === "object" && value ? (value.constructor?.name ?? "no prototype") : typeof value;
  } catch {
    return "a revoked proxy";
  }
}
